/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * metrics_route - GET /metrics.  What the process knows itself is written at
 * once; what PostgreSQL knows is rendered by the query thread now and then,
 * so that a scrape never waits for the database.
 */

#include "alerts/notifier.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "daemon/metrics.h"
#include "storage/alert_store.h"
#include "storage/flush.h"
#include "storage/journal.h"
#include "storage/result_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAUGES_MAX = 64 * 1024 * 1024, RECEIVERS_MAX = 64, ALERTS_MAX = 32 };
#define GAUGES_EVERY_US (10 * CLOCK_SECOND_US)

static void simple(struct buf *out, const char *name, const char *type,
		   const char *help, double value)
{
	metrics_family(out, name, type, help);
	metrics_sample(out, name, NULL, value);
}

static void write_process(struct app *a, struct buf *out)
{
	const char *build[] = {"version", DRIFTD_VERSION, NULL};
	struct flush_status f;

	flusher_get_status(a->flusher, &f);
	metrics_family(out, "driftd_build_info", "gauge",
		       "The version that runs.");
	metrics_sample(out, "driftd_build_info", build, 1);
	simple(out, "driftd_journal_bytes", "gauge",
	       "Size of the journal on disk.",
	       (double)journal_bytes(a->journal));
	simple(out, "driftd_journal_corrupt_total", "counter",
	       "Corrupt stretches and frames met in the journal.",
	       (double)journal_corrupt_count(a->journal));
	simple(out, "driftd_flush_lag_seconds", "gauge",
	       "Age of the oldest durable event not yet in PostgreSQL.",
	       (double)f.lag_us / 1e6);
	simple(out, "driftd_postgresql_up", "gauge",
	       "Whether the last flush reached PostgreSQL.",
	       f.connected ? 1 : 0);
	simple(out, "driftd_http_connections", "gauge", "Open connections.",
	       http_server_connections(a->http));
	simple(out, "driftd_config_last_reload_successful", "gauge",
	       "Whether the last reload took effect.",
	       atomic_load(&a->reload_ok) ? 1 : 0);
	simple(out, "driftd_config_last_reload_success_timestamp_seconds",
	       "gauge", "When the configuration was last loaded.",
	       (double)atomic_load(&a->reloaded_at_us) / 1e6);
}

static void write_receivers(struct app *a, struct buf *out)
{
	struct notifier_counts counts[RECEIVERS_MAX];
	size_t n = notifier_get_counts(a->notifier, counts, RECEIVERS_MAX);

	metrics_family(out, "driftd_notifications_total", "counter",
		       "Notifications by how an attempt ended.");
	for (size_t i = 0; i < n; i++) {
		const char *labels[] = {"receiver", counts[i].receiver,
					"outcome", "delivered", NULL};

		metrics_sample(out, "driftd_notifications_total", labels,
			       (double)counts[i].delivered);
		labels[3] = "failed";
		metrics_sample(out, "driftd_notifications_total", labels,
			       (double)counts[i].failed);
		labels[3] = "dead";
		metrics_sample(out, "driftd_notifications_total", labels,
			       (double)counts[i].dead);
	}
	metrics_family(out, "driftd_notification_backlog", "gauge",
		       "Notifications that wait.");
	for (size_t i = 0; i < n; i++) {
		const char *labels[] = {"receiver", counts[i].receiver, NULL};

		metrics_sample(out, "driftd_notification_backlog", labels,
			       (double)counts[i].backlog);
	}
}

void api_metrics(struct http_request *r)
{
	struct app *a = r->app;

	write_process(a, &r->body);
	metrics_write(a->metrics, &r->body);
	write_receivers(a, &r->body);
	pthread_mutex_lock(&a->gauges_lock);
	if (a->gauges)
		buf_add_str(&r->body, a->gauges);
	pthread_mutex_unlock(&a->gauges_lock);
	http_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}

/* One family over all models: the format wants its samples together. */
struct model_gauges {
	const struct config_model *model;
	struct result_gauges g;
};

static void write_times(const struct model_gauges *all, size_t n,
			struct buf *out)
{
	metrics_family(out, "driftd_last_event_timestamp_seconds", "gauge",
		       "Newest event time applied.");
	for (size_t i = 0; i < n; i++) {
		const char *labels[] = {"model", all[i].model->name, "version",
					all[i].model->version, NULL};

		if (all[i].g.last_event_us != INT64_MIN)
			metrics_sample(
				out, "driftd_last_event_timestamp_seconds",
				labels, (double)all[i].g.last_event_us / 1e6);
	}
	metrics_family(out, "driftd_last_window_end_timestamp_seconds", "gauge",
		       "End of the newest final window.");
	for (size_t i = 0; i < n; i++) {
		const char *labels[] = {"model", all[i].model->name, "version",
					all[i].model->version, NULL};

		if (all[i].g.last_window_end_us != INT64_MIN)
			metrics_sample(
				out, "driftd_last_window_end_timestamp_seconds",
				labels,
				(double)all[i].g.last_window_end_us / 1e6);
	}
}

static void write_shares(const struct model_gauges *all, size_t n,
			 struct buf *out)
{
	metrics_family(out, "driftd_drifted_columns_ratio", "gauge",
		       "Share of drifted columns in the newest final window.");
	for (size_t i = 0; i < n; i++) {
		for (unsigned s = 0; s < N_SIGNALS; s++) {
			const char *labels[] = {
				"model",   all[i].model->name,
				"version", all[i].model->version,
				"signal",  signal_name((enum signal)s),
				NULL};

			if (!isnan(all[i].g.drifted_share[s]))
				metrics_sample(
					out, "driftd_drifted_columns_ratio",
					labels, all[i].g.drifted_share[s]);
		}
	}
}

static void write_columns(const struct model_gauges *all, size_t n,
			  struct buf *out)
{
	const char *last = "";

	metrics_family(out, "driftd_column_effect", "gauge",
		       "Value of a metric in the newest final window.");
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < all[i].g.n; k++) {
			const struct result_gauge *g = &all[i].g.items[k];
			const char *labels[] = {
				"model",   all[i].model->name,
				"version", all[i].model->version,
				"column",  g->column,
				"metric",  g->metric,
				NULL};

			/* "" carries the column's `drifted` alone */
			if (g->metric[0])
				metrics_sample(out, "driftd_column_effect",
					       labels, g->value);
		}
	}
	metrics_family(out, "driftd_column_drifted", "gauge",
		       "Whether a column drifted in the newest final window.");
	for (size_t i = 0; i < n; i++) {
		last = "";
		for (size_t k = 0; k < all[i].g.n; k++) {
			const struct result_gauge *g = &all[i].g.items[k];
			const char *labels[] = {
				"model",   all[i].model->name,
				"version", all[i].model->version,
				"column",  g->column,
				NULL};

			if (strcmp(last, g->column) != 0)
				metrics_sample(out, "driftd_column_drifted",
					       labels, g->drifted ? 1 : 0);
			last = g->column;
		}
	}
}

static void write_alerts(struct app *a, const struct config *c, struct buf *out)
{
	struct alert_count counts[ALERTS_MAX];
	int64_t *ids = xcalloc(c->n_models + 1, sizeof(*ids));
	struct err e;
	long n;

	for (size_t i = 0; i < c->n_models; i++)
		ids[i] = c->models[i].model_id;
	n = alert_store_counts(a->query_pg, ids, c->n_models, counts,
			       ALERTS_MAX, &e);
	metrics_family(out, "driftd_alerts", "gauge", "Alerts by state.");
	for (long i = 0; i < n; i++) {
		const char *labels[] = {"state", counts[i].state, "severity",
					counts[i].severity, NULL};

		metrics_sample(out, "driftd_alerts", labels,
			       (double)counts[i].n);
	}
	free(ids);
}

void api_refresh_gauges(void *app, enum http_thread thread)
{
	struct app *a = app;
	int64_t now = clock_monotonic_us();
	struct model_gauges *all;
	struct config *c;
	struct buf out;
	struct err e = {0};
	size_t n = 0;

	if (thread != HTTP_QUERY ||
	    now - atomic_load(&a->gauges_at_us) < GAUGES_EVERY_US)
		return;
	atomic_store(&a->gauges_at_us, now);
	c = app_config(a);
	all = xcalloc(c->n_models + 1, sizeof(*all));
	buf_init(&out, GAUGES_MAX);
	for (; n < c->n_models; n++) {
		all[n].model = &c->models[n];
		if (result_store_gauges(a->query_pg, c->models[n].model_id,
					&all[n].g, &e))
			break;
	}
	if (n == c->n_models) {
		write_times(all, n, &out);
		write_shares(all, n, &out);
		write_columns(all, n, &out);
		write_alerts(a, c, &out);
		pthread_mutex_lock(&a->gauges_lock);
		free(a->gauges);
		a->gauges = out.failed ? NULL : xstrdup(buf_str(&out));
		pthread_mutex_unlock(&a->gauges_lock);
	} else {
		log_debug("metrics", "gauges are stale: %s", e.message);
	}
	for (size_t i = 0; i < n; i++)
		result_gauges_release(&all[i].g);
	buf_release(&out);
	free(all);
	config_unref(c);
}
