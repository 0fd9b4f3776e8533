/* SPDX-License-Identifier: GPL-3.0-or-later */

/* baselines - upload, list, show and activate. */

#include "base/compress.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "daemon/ingest/training.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "storage/baseline_store.h"

#include <stdlib.h>
#include <string.h>

struct put_state {
	struct config *config; /* a reference */
	const struct config_model *model;
	struct training *training;
	struct inflater *inflater;
	uint64_t n_bytes; /* of the budget */
};

static const struct config_model *find(struct http_request *r,
				       const struct config *c)
{
	const struct config_model *m = config_find_model(
		c, r->params[0], http_query(r, "model_version"));

	if (!m)
		http_error(r, 404, "unknown_model",
			   "model \"%s\" is not configured", r->params[0]);
	return m;
}

void api_baseline_begin(struct http_request *r)
{
	struct app *a = r->app;
	struct put_state *s = xcalloc(1, sizeof(*s));
	const char *text = http_header(r, "Content-Encoding");
	enum encoding encoding;
	struct err e = {0};

	r->state = s;
	s->config = app_config(a);
	s->model = find(r, s->config);
	if (!s->model)
		return;
	if (encoding_parse(text ? text : "", &encoding)) {
		http_error(r, 415, "unsupported_encoding",
			   "content-encoding \"%.64s\" is not read", text);
		return;
	}
	/* values in memory take about what they take as text */
	s->n_bytes = 2 * s->config->server.max_body;
	if (!budget_take(&a->ingest, s->n_bytes)) {
		s->n_bytes = 0;
		http_error(r, 503, "busy",
			   "no memory for a baseline "
			   "(server.limits.ingest_memory)");
		r->retry_after_s = 2;
		return;
	}
	s->inflater = inflater_new(encoding, s->config->server.max_body);
	s->training = training_begin(s->model, s->n_bytes, &e);
	if (!s->training)
		http_error_from(r, &e);
}

static int sink(void *arg, const char *data, size_t len, struct err *e)
{
	struct put_state *s = arg;

	return training_feed(s->training, data, len, e);
}

void api_baseline_feed(struct http_request *r, const char *data, size_t len)
{
	struct put_state *s = r->state;
	struct err e = {0};

	if (inflater_feed(s->inflater, data, len, sink, s, &e))
		http_error_from(r, &e);
}

static void write_info(struct json_out *w, const struct baseline_info *i)
{
	char hex[SHA256_HEX];

	hex_encode(i->hash, SHA256_SIZE, hex);
	json_put_string(w, "version", i->version);
	json_put_string(w, "sha256", hex);
	json_put_int(w, "n_rows", (int64_t)i->n_rows);
	json_put_int(w, "n_columns", i->n_columns);
	json_put_time(w, "created_at", i->created_at_us);
	json_put_time(w, "activated_at", i->activated_at_us);
	json_put_bool(w, "active", i->active);
}

static bool wants_activation(struct http_request *r)
{
	const char *text = http_query(r, "activate");

	return text && (!strcmp(text, "true") || !strcmp(text, "1"));
}

void api_baseline_put(struct http_request *r)
{
	struct put_state *s = r->state;
	enum baseline_put_outcome outcome;
	struct baseline *b = NULL;
	struct json_out w;
	char hex[SHA256_HEX];
	struct err e = {0};

	if (inflater_end(s->inflater, &e) ||
	    !(b = training_end(s->training, &e)) ||
	    baseline_store_put(app_pg(r->app, r), s->model->model_id,
			       s->model->name, s->model->version, r->params[1],
			       b, wants_activation(r), &outcome, &e) ||
	    (s->model->baseline &&
	     baseline_store_pin(app_pg(r->app, r), s->model->model_id,
				s->model->baseline, &e))) {
		http_error_from(r, &e);
		baseline_free(b);
		return;
	}
	hex_encode(b->hash, SHA256_SIZE, hex);
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_string(&w, "model", s->model->name);
	json_put_string(&w, "version", r->params[1]);
	json_put_string(&w, "sha256", hex);
	json_put_int(&w, "n_rows", (int64_t)b->n_rows);
	json_put_int(&w, "n_columns", b->n_columns);
	json_put_bool(&w, "created", outcome == BASELINE_CREATED);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, outcome == BASELINE_CREATED ? 201 : 200,
		    "application/json");
	baseline_free(b);
}

void api_baseline_release(struct http_request *r)
{
	struct put_state *s = r->state;
	struct app *a = r->app;

	if (!s)
		return;
	training_free(s->training);
	inflater_free(s->inflater);
	if (s->n_bytes)
		budget_give(&a->ingest, s->n_bytes);
	config_unref(s->config);
	free(s);
	r->state = NULL;
}

void api_baseline_list(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	struct baseline_info *list = NULL;
	struct json_out w;
	struct err e = {0};
	size_t n = 0;

	if (!m)
		goto out;
	if (baseline_store_list(app_pg(r->app, r), m->model_id, &list, &n,
				&e)) {
		http_error_from(r, &e);
		goto out;
	}
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_key(&w, "baselines");
	json_array_begin(&w);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(&w);
		write_info(&w, &list[i]);
		json_object_end(&w);
	}
	json_array_end(&w);
	json_key(&w, "next_cursor");
	json_null(&w);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	free(list);
	config_unref(c);
}

static void write_column(struct json_out *w, const struct baseline_column *c)
{
	const struct profile *p = c->profile;

	json_object_begin(w);
	json_put_string(w, "name", c->name);
	json_put_string(w, "kind", column_kind_name(c->kind));
	json_put_string(w, "role", column_role_name(c->role));
	json_put_int(w, "n", (int64_t)p->n_valid);
	json_put_int(w, "n_missing", (int64_t)p->n_missing);
	json_put_int(w, "n_invalid", (int64_t)p->n_invalid);
	json_put_int(w, "n_cells", c->cells->n_cells);
	if (c->kind == COLUMN_NUMERIC) {
		json_put_number(w, "min", p->min);
		json_put_number(w, "max", p->max);
		json_put_int(w, "n_bins", c->cells->n_bins);
	} else {
		json_put_int(w, "n_categories", c->cells->n_categories);
		json_put_bool(w, "truncated", c->cells->truncated);
	}
	json_object_end(w);
}

void api_baseline_get(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	struct baseline_info info;
	struct baseline *b = NULL;
	struct json_out w;
	struct err e = {0};

	if (!m)
		goto out;
	if (baseline_store_get(app_pg(r->app, r), m->model_id, r->params[1], &b,
			       &info, &e)) {
		http_error_from(r, &e);
		goto out;
	}
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_string(&w, "model", m->name);
	write_info(&w, &info);
	json_put_int(&w, "n_blocks", b->n_blocks);
	json_put_time(&w, "first_event_time", b->first_us);
	json_put_time(&w, "last_event_time", b->last_us);
	json_key(&w, "columns");
	json_array_begin(&w);
	for (uint32_t i = 0; i < b->n_columns; i++)
		write_column(&w, &b->columns[i]);
	json_array_end(&w);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	baseline_free(b);
	config_unref(c);
}

void api_baseline_activate(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m = find(r, c);
	struct json_out w;
	struct err e = {0};

	if (!m)
		goto out;
	if (m->baseline && strcmp(m->baseline, r->params[1]) != 0) {
		http_error(r, 409, "pinned",
			   "the configuration pins baseline \"%s\"",
			   m->baseline);
		goto out;
	}
	if (baseline_store_activate(app_pg(r->app, r), m->model_id,
				    r->params[1], &e)) {
		http_error_from(r, &e);
		goto out;
	}
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_string(&w, "model", m->name);
	json_put_string(&w, "active", r->params[1]);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
out:
	config_unref(c);
}
