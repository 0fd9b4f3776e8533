/* SPDX-License-Identifier: GPL-3.0-or-later */

/* alerts - alerts, and what people do about them. */

#include "alerts/alert_action.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "storage/alert_store.h"

#include <string.h>

enum { ALERTS_LIMIT = 100, ALERTS_LIMIT_MAX = 1000 };

void api_alerts(struct http_request *r)
{
	struct app *a = r->app;
	const char *limit = http_query(r, "limit");
	struct alert_query q = {.model = http_query(r, "model"),
				.state = http_query(r, "state"),
				.cursor = http_query(r, "cursor"),
				.limit = ALERTS_LIMIT};
	struct json_out w;
	struct err e = {0};
	int64_t n;

	if (limit) {
		if (!number_parse_int(limit, strlen(limit), 1, ALERTS_LIMIT_MAX,
				      &n)) {
			http_error(r, 400, "invalid", "\"limit\" is 1 to %d",
				   ALERTS_LIMIT_MAX);
			return;
		}
		q.limit = (int)n;
	}
	json_out_init(&w, &r->body);
	if (alert_store_query(app_pg(a, r), &q, &w, &e)) {
		http_error_from(r, &e);
		return;
	}
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
}

static const char *actor(const struct http_request *r)
{
	return r->token_name[0] ? r->token_name : "api";
}

/* The alert as it is now. */
static void answer(struct http_request *r, int failed, const struct err *e)
{
	struct json_out w;
	struct err again = {0};

	if (failed) {
		http_error_from(r, e);
		return;
	}
	json_out_init(&w, &r->body);
	if (alert_store_show(app_pg(r->app, r), r->params[0], &w, &again)) {
		http_error_from(r, &again);
		return;
	}
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
}

void api_alert_ack(struct http_request *r)
{
	struct config *c = app_config(r->app);
	struct err e = {0};

	answer(r, alert_ack(app_pg(r->app, r), c, r->params[0], actor(r), &e),
	       &e);
	config_unref(c);
}

/* ?until=TIME or ?for=DURATION. */
static int silence_until(struct http_request *r, int64_t *until_us,
			 struct err *e)
{
	const char *until = http_query(r, "until");
	const char *length = http_query(r, "for");
	int64_t us;

	if (until) {
		if (timestamp_parse(until, strlen(until), until_us))
			return 0;
		return err_set(e, ERR_INVALID, "\"until\" is no time");
	}
	if (!length)
		return err_set(e, ERR_INVALID,
			       "say until=TIME or for=DURATION");
	if (duration_parse(length, &us, e))
		return -1;
	*until_us = clock_wall_us() + us;
	return 0;
}

void api_alert_silence(struct http_request *r)
{
	struct config *c = app_config(r->app);
	struct err e = {0};
	int64_t until_us = 0;
	int failed;

	failed = silence_until(r, &until_us, &e) ||
		 alert_silence(app_pg(r->app, r), c, r->params[0], until_us,
			       actor(r), &e);
	answer(r, failed, &e);
	config_unref(c);
}

void api_alert_resolve(struct http_request *r)
{
	struct config *c = app_config(r->app);
	struct err e = {0};

	answer(r,
	       alert_resolve(app_pg(r->app, r), c, r->params[0], actor(r), &e),
	       &e);
	config_unref(c);
}
