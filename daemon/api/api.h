/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_API_API_H
#define DRIFTD_DAEMON_API_API_H

#include "daemon/http_server.h"

/*
 * api - the routes.  One file is one subject; routes.c is the table.
 * A handler leaves its answer in the request; see http_server.h.
 */

extern const struct http_route api_routes[];
extern const size_t api_n_routes;

/* health.c */
void api_live(struct http_request *r);
void api_ready(struct http_request *r);

/* metrics_route.c */
void api_metrics(struct http_request *r);

/* Render the gauges that come from PostgreSQL; on the query thread. */
void api_refresh_gauges(void *app, enum http_thread thread);

/* assets.c: what was compiled in from dashboards/web and the OpenAPI text */
void api_asset(struct http_request *r);
void api_page(struct http_request *r);

/* models.c */
void api_models(struct http_request *r);
void api_model(struct http_request *r);
void api_results(struct http_request *r);
void api_quality(struct http_request *r);

/* distribution.c */
void api_distribution(struct http_request *r);

/* baselines.c */
void api_baseline_begin(struct http_request *r);
void api_baseline_feed(struct http_request *r, const char *data, size_t len);
void api_baseline_put(struct http_request *r);
void api_baseline_release(struct http_request *r);
void api_baseline_list(struct http_request *r);
void api_baseline_get(struct http_request *r);
void api_baseline_activate(struct http_request *r);

/* alerts.c */
void api_alerts(struct http_request *r);
void api_alert_ack(struct http_request *r);
void api_alert_silence(struct http_request *r);
void api_alert_resolve(struct http_request *r);

/* admin.c */
void api_reload(struct http_request *r);
void api_flush(struct http_request *r);

#endif
