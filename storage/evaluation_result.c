/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_result - verdicts as rows: the results of a final window by one
 * INSERT over arrays, the verdicts of an open one as one jsonb row with the
 * members that the API names.
 */
#include "storage/evaluation_private.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "detectors/judge.h"
#include "storage/evaluation.h"
#include "storage/pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum text_column {
	COLUMN_NAME,
	METRIC,
	SIGNAL,
	STATUS,
	SEVERITY,
	SLICE,
	N_TEXTS
};
enum number_column {
	VALUE,
	LOWER,
	UPPER,
	P_VALUE,
	P_ADJUSTED,
	THRESHOLD,
	BOUND,
	N_NUMBERS
};
enum count_column { N_REFERENCE, N_CURRENT, N_COUNTS };

/* Rows turned on their side, for unnest. */
struct result_columns {
	size_t n;
	int64_t *start, *end;
	const char **texts[N_TEXTS];
	bool *drifted;
	double *numbers[N_NUMBERS];
	int64_t *counts[N_COUNTS];
};

static void columns_init(struct result_columns *c, size_t cap)
{
	*c = (struct result_columns){0};
	c->start = xcalloc(cap, sizeof(*c->start));
	c->end = xcalloc(cap, sizeof(*c->end));
	c->drifted = xcalloc(cap, sizeof(*c->drifted));
	for (size_t i = 0; i < N_TEXTS; i++)
		c->texts[i] = xcalloc(cap, sizeof(*c->texts[i]));
	for (size_t i = 0; i < N_NUMBERS; i++)
		c->numbers[i] = xcalloc(cap, sizeof(*c->numbers[i]));
	for (size_t i = 0; i < N_COUNTS; i++)
		c->counts[i] = xcalloc(cap, sizeof(*c->counts[i]));
}

static void columns_release(struct result_columns *c)
{
	free(c->start);
	free(c->end);
	free(c->drifted);
	for (size_t i = 0; i < N_TEXTS; i++)
		free(c->texts[i]);
	for (size_t i = 0; i < N_NUMBERS; i++)
		free(c->numbers[i]);
	for (size_t i = 0; i < N_COUNTS; i++)
		free(c->counts[i]);
}

/* The statement makes NULL of NaN. */
static double finite_or_nan(double v)
{
	return isfinite(v) ? v : (double)NAN;
}

static int64_t count_of(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static void columns_add(struct result_columns *c,
			const struct evaluation_span *w,
			const struct verdict *v)
{
	size_t i = c->n++;

	c->start[i] = w->start_us;
	c->end[i] = w->end_us;
	c->texts[COLUMN_NAME][i] = v->column;
	c->texts[METRIC][i] = v->metric;
	c->texts[SIGNAL][i] = signal_name(v->signal);
	c->texts[STATUS][i] = verdict_status_name(v->status);
	c->texts[SEVERITY][i] = severity_name(v->severity);
	c->texts[SLICE][i] = "";
	c->drifted[i] = v->drifted;
	c->numbers[VALUE][i] = finite_or_nan(v->value);
	c->numbers[LOWER][i] = finite_or_nan(v->lower);
	c->numbers[UPPER][i] = finite_or_nan(v->upper);
	c->numbers[P_VALUE][i] = finite_or_nan(v->p_value);
	c->numbers[P_ADJUSTED][i] = finite_or_nan(v->p_adjusted);
	c->numbers[THRESHOLD][i] = finite_or_nan(v->threshold);
	c->numbers[BOUND][i] = finite_or_nan(v->bound);
	c->counts[N_REFERENCE][i] = count_of(v->n_reference);
	c->counts[N_CURRENT][i] = count_of(v->n_current);
}

static const char insert_sql[] =
	"INSERT INTO driftd.result (model_id, revision, baseline_version,"
	" evaluated_at, slice, window_start, window_end, column_name, metric,"
	" signal, status, severity, drifted, value, lower, upper, p_value,"
	" p_adjusted, threshold, bound, n_reference, n_current)"
	" SELECT $1, $2, $3, $4, t.slice, t.window_start, t.window_end,"
	" t.column_name, t.metric, t.signal, t.status, t.severity, t.drifted,"
	" nullif(t.value, 'NaN'), nullif(t.lower, 'NaN'),"
	" nullif(t.upper, 'NaN'), nullif(t.p_value, 'NaN'),"
	" nullif(t.p_adjusted, 'NaN'), nullif(t.threshold, 'NaN'),"
	" nullif(t.bound, 'NaN'), t.n_reference, t.n_current"
	" FROM unnest($5::timestamptz[], $6::timestamptz[], $7::boolean[],"
	" $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],"
	" $13::text[], $14::float8[], $15::float8[], $16::float8[],"
	" $17::float8[], $18::float8[], $19::float8[], $20::float8[],"
	" $21::bigint[], $22::bigint[])"
	" AS t(window_start, window_end, drifted, column_name, metric, signal,"
	" status, severity, slice, value, lower, upper, p_value, p_adjusted,"
	" threshold, bound, n_reference, n_current)";

static int columns_insert(struct pg *pg, const struct evaluation_rows *r,
			  struct result_columns *c, struct err *e)
{
	struct pg_params p;
	int rc;

	if (!c->n)
		return 0;
	pg_params_init(&p);
	pg_add_int8(&p, r->model_id);
	pg_add_int4(&p, r->revision);
	pg_add_text(&p, r->baseline_version[0] ? r->baseline_version : NULL);
	pg_add_time(&p, r->evaluated_at_us);
	pg_add_time_array(&p, c->start, c->n);
	pg_add_time_array(&p, c->end, c->n);
	pg_add_bool_array(&p, c->drifted, c->n);
	for (size_t i = 0; i < N_TEXTS; i++)
		pg_add_text_array(&p, c->texts[i], c->n);
	for (size_t i = 0; i < N_NUMBERS; i++)
		pg_add_float8_array(&p, c->numbers[i], c->n);
	for (size_t i = 0; i < N_COUNTS; i++)
		pg_add_int8_array(&p, c->counts[i], c->n);
	rc = pg_exec(pg, insert_sql, &p, NULL, e);
	pg_params_release(&p);
	c->n = 0;
	return rc;
}

int evaluation_insert_results(struct pg *pg, const struct evaluation_rows *r,
			      const struct verdicts *v, struct err *e)
{
	struct result_columns c;
	int rc = 0;

	columns_init(&c, EVALUATION_RESULT_CHUNK);
	for (size_t w = 0; w < r->n && !rc; w++)
		for (size_t i = 0; i < v->n && !rc; i++) {
			columns_add(&c, &r->windows[w], &v->items[i]);
			if (c.n == EVALUATION_RESULT_CHUNK)
				rc = columns_insert(pg, r, &c, e);
		}
	if (!rc)
		rc = columns_insert(pg, r, &c, e);
	columns_release(&c);
	return rc;
}

static void write_verdict(struct json_out *w, const struct verdict *v)
{
	json_object_begin(w);
	json_put_string(w, "column", v->column);
	json_put_string(w, "metric", v->metric);
	json_put_string(w, "signal", signal_name(v->signal));
	json_put_string(w, "status", verdict_status_name(v->status));
	json_put_string(w, "severity", severity_name(v->severity));
	json_put_bool(w, "drifted", v->drifted);
	json_put_number(w, "value", v->value);
	json_put_number(w, "lower", v->lower);
	json_put_number(w, "upper", v->upper);
	json_put_number(w, "p_value", v->p_value);
	json_put_number(w, "p_adjusted", v->p_adjusted);
	json_put_number(w, "threshold", v->threshold);
	json_put_number(w, "bound", v->bound);
	json_put_int(w, "n_reference", count_of(v->n_reference));
	json_put_int(w, "n_current", count_of(v->n_current));
	json_put_string(w, "slice", "");
	json_object_end(w);
}

int evaluation_put_provisional(struct pg *pg, int64_t model_id,
			       const struct evaluation_model *em,
			       const struct evaluation_window *w,
			       const struct verdicts *v, struct err *e)
{
	struct json_out out;
	struct pg_params p;
	struct buf json;
	int rc;

	buf_init(&json, EVALUATION_ROWS_MAX);
	json_out_init(&out, &json);
	json_array_begin(&out);
	for (size_t i = 0; i < v->n; i++)
		write_verdict(&out, &v->items[i]);
	json_array_end(&out);
	if (json.failed) {
		rc = err_set(e, ERR_LIMIT,
			     "verdicts of the window are beyond "
			     "%zu bytes",
			     EVALUATION_ROWS_MAX);
		goto out;
	}
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	pg_add_text_n(&p, json.data, json.len);
	pg_add_time(&p, em->now_us);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.provisional"
		     " (model_id, window_start, content, updated_at)"
		     " VALUES ($1, $2, $3::text::jsonb, $4)"
		     " ON CONFLICT (model_id, window_start) DO UPDATE"
		     " SET content = excluded.content,"
		     " updated_at = excluded.updated_at",
		     &p, NULL, e);
	pg_params_release(&p);
out:
	buf_release(&json);
	return rc;
}
