/* SPDX-License-Identifier: GPL-3.0-or-later */

/* models - models at a glance, and their results. */

#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "daemon/metrics.h"
#include "storage/outcome_quality.h"
#include "storage/result_store.h"

#include <string.h>

enum { RESULTS_LIMIT = 100, RESULTS_LIMIT_MAX = 1000 };

static void write_unknown(void *arg, const char *column, uint64_t n)
{
	struct json_out *w = arg;

	json_object_begin(w);
	json_put_string(w, "name", column);
	json_put_int(w, "count", (int64_t)n);
	json_object_end(w);
}

static int write_model(struct http_request *r, const struct config_model *m,
		       struct json_out *w, struct err *e)
{
	struct app *a = r->app;

	json_object_begin(w);
	if (result_store_glance(app_pg(a, r), m, w, e))
		return -1;
	json_key(w, "unknown_columns");
	json_array_begin(w);
	metrics_each_unknown(a->metrics, m->name, write_unknown, w);
	json_array_end(w);
	json_object_end(w);
	return 0;
}

void api_models(struct http_request *r)
{
	struct config *c = app_config(r->app);
	struct json_out w;
	struct err e = {0};

	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_key(&w, "models");
	json_array_begin(&w);
	for (size_t i = 0; i < c->n_models; i++) {
		if (write_model(r, &c->models[i], &w, &e)) {
			http_error_from(r, &e);
			goto out;
		}
	}
	json_array_end(&w);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	config_unref(c);
}

/* The model of the route, or an answer of 404 and NULL. */
static const struct config_model *find(struct http_request *r,
				       const struct config *c)
{
	const struct config_model *m =
		config_find_model(c, r->params[0], http_query(r, "version"));

	if (!m)
		http_error(r, 404, "unknown_model",
			   "model \"%s\" is not configured", r->params[0]);
	return m;
}

void api_model(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	struct json_out w;
	struct err e = {0};

	if (m) {
		json_out_init(&w, &r->body);
		if (write_model(r, m, &w, &e)) {
			http_error_from(r, &e);
		} else {
			buf_add_char(&r->body, '\n');
			http_answer(r, 200, "application/json");
		}
	}
	config_unref(c);
}

static int query_time(struct http_request *r, const char *key,
		      int64_t otherwise, int64_t *out)
{
	const char *text = http_query(r, key);

	*out = otherwise;
	if (!text || timestamp_parse(text, strlen(text), out))
		return 0;
	http_error(r, 400, "invalid", "\"%s\" is no time: \"%.64s\"", key,
		   text);
	return -1;
}

static int query_bool(struct http_request *r, const char *key, int *out)
{
	const char *text = http_query(r, key);

	*out = -1;
	if (!text)
		return 0;
	if (!strcmp(text, "true") || !strcmp(text, "1"))
		*out = 1;
	else if (!strcmp(text, "false") || !strcmp(text, "0"))
		*out = 0;
	else {
		http_error(r, 400, "invalid", "\"%s\" is true or false", key);
		return -1;
	}
	return 0;
}

static int query_limit(struct http_request *r, int *out)
{
	const char *text = http_query(r, "limit");
	int64_t n = RESULTS_LIMIT;

	if (text &&
	    !number_parse_int(text, strlen(text), 1, RESULTS_LIMIT_MAX, &n)) {
		http_error(r, 400, "invalid", "\"limit\" is 1 to %d",
			   RESULTS_LIMIT_MAX);
		return -1;
	}
	*out = (int)n;
	return 0;
}

static int read_query(struct http_request *r, struct result_query *q)
{
	const char *revisions = http_query(r, "revisions");

	q->column = http_query(r, "column");
	q->metric = http_query(r, "metric");
	q->signal = http_query(r, "signal");
	q->cursor = http_query(r, "cursor");
	q->all_revisions = revisions && !strcmp(revisions, "all");
	if (revisions && strcmp(revisions, "all") != 0 &&
	    strcmp(revisions, "newest") != 0) {
		http_error(r, 400, "invalid", "\"revisions\" is newest or all");
		return -1;
	}
	return query_time(r, "from", INT64_MIN, &q->from_us) ||
			       query_time(r, "to", INT64_MAX, &q->to_us) ||
			       query_time(r, "window", INT64_MIN,
					  &q->window_us) ||
			       query_bool(r, "final", &q->final) ||
			       query_bool(r, "drifted", &q->drifted) ||
			       query_limit(r, &q->limit)
		       ? -1
		       : 0;
}

void api_results(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	struct result_query q = {0};
	struct json_out w;
	struct err e = {0};

	if (!m || read_query(r, &q))
		goto out;
	q.model_id = m->model_id;
	json_out_init(&w, &r->body);
	if (result_store_query(app_pg(r->app, r), m, &q, &w, &e)) {
		http_error_from(r, &e);
		goto out;
	}
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	config_unref(c);
}

void api_quality(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	int64_t from, to;
	struct json_out w;
	struct err e = {0};
	int limit;

	if (!m || query_time(r, "from", TIMESTAMP_MIN, &from) ||
	    query_time(r, "to", TIMESTAMP_MAX, &to) || query_limit(r, &limit))
		goto out;
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_string(&w, "model", m->name);
	json_put_string(&w, "model_version", m->version);
	if (outcome_quality_list(app_pg(r->app, r), m->model_id, from, to,
				 limit, &w, &e)) {
		http_error_from(r, &e);
		goto out;
	}
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	config_unref(c);
}
