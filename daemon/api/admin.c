/* SPDX-License-Identifier: GPL-3.0-or-later */

/* admin - reload, and flush: commit what is durable and evaluate it. */

#include "base/clock.h"
#include "base/err.h"
#include "base/number.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "daemon/evaluator.h"
#include "storage/flush.h"

#include <string.h>

#define FLUSH_TIMEOUT_US (60 * CLOCK_SECOND_US)

void api_reload(struct http_request *r)
{
	struct err e = {0};

	if (app_reload(r->app, &e)) {
		http_error(r, 400, "bad_configuration", "%s", e.message);
		return;
	}
	buf_add_str(&r->body, "{\"status\":\"ok\"}\n");
	http_answer(r, 200, "application/json");
}

static bool is_true(const char *text)
{
	return text && (!strcmp(text, "true") || !strcmp(text, "1"));
}

void api_flush(struct http_request *r)
{
	struct app *a = r->app;
	const char *text = http_query(r, "timeout");
	int64_t timeout_us = FLUSH_TIMEOUT_US, started = clock_monotonic_us();
	enum evaluation_force force = is_true(http_query(r, "final"))
					      ? EVALUATION_FINAL
					      : EVALUATION_NOW;
	struct err e = {0};

	if (text && duration_parse(text, &timeout_us, &e)) {
		http_error_from(r, &e);
		return;
	}
	if (!flusher_flush(a->flusher, timeout_us)) {
		struct flush_status f;

		flusher_get_status(a->flusher, &f);
		http_error(r, 504, "timeout",
			   "not everything was committed in time%s%s",
			   f.message[0] ? ": " : "", f.message);
		return;
	}
	timeout_us -= clock_monotonic_us() - started;
	if (evaluator_force(a->evaluator, force, timeout_us, &e)) {
		http_error(r, 504, "timeout", "%s", e.message);
		return;
	}
	buf_add_str(&r->body, "{\"status\":\"ok\"}\n");
	http_answer(r, 200, "application/json");
}
