/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * result_store_query - a page of results: rows of final windows and, from
 * their one jsonb row, of open ones, in one order.
 *
 * Each half is ordered and cut by itself, so that PostgreSQL walks the
 * primary key window by window and stops when the page is full.
 */
#include "storage/result_store.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "storage/evaluation_private.h"
#include "storage/pg.h"
#include "storage/result_store_private.h"

#include <string.h>

enum { RESULTS_MAX = 1000, CURSOR_TEXT_MAX = 16384 };

/* What the texts of a row are compared by: bytes, whatever the locale. */
#define ORDER_KEY                                                              \
	"window_start, column_name COLLATE \"C\", metric COLLATE \"C\","       \
	" slice COLLATE \"C\", signal COLLATE \"C\", revision"

#define BEHIND_CURSOR                                                          \
	" WHERE ($10::timestamptz IS NULL OR (" ORDER_KEY ")"                  \
	" > ($10, $11, $12, $13, $14, $15))"                                   \
	" ORDER BY " ORDER_KEY " LIMIT $16"

#define FILTERS                                                                \
	" AND ($4::text IS NULL OR t.column_name = $4)"                        \
	" AND ($5::text IS NULL OR t.metric = $5)"                             \
	" AND ($6::text IS NULL OR t.signal = $6)"                             \
	" AND ($7 < 0 OR t.drifted = ($7 > 0))   "

static const char query_sql[] =
	"SELECT * FROM ("
	"(SELECT * FROM ("
	" SELECT t.window_start, t.window_end, t.column_name, t.metric,"
	" t.value, t.lower, t.upper, t.p_value, t.threshold, t.status,"
	" t.drifted, t.n_reference, t.n_current, t.baseline_version,"
	" t.revision, true AS final, t.signal, t.slice,"
	" t.severity, t.bound, t.p_adjusted"
	" FROM driftd.result t JOIN driftd.window_state s"
	" ON s.model_id = $1 AND s.window_start = t.window_start"
	" WHERE t.model_id = $1 AND t.window_start >= $2"
	" AND t.window_start < $3 AND $8 <> 0"
	" AND ($9 OR t.revision = s.revision)" FILTERS ") f" BEHIND_CURSOR ")"
	" UNION ALL "
	"(SELECT * FROM ("
	" SELECT p.window_start, s.window_end, t.column_name, t.metric,"
	" t.value, t.lower, t.upper, t.p_value, t.threshold, t.status,"
	" t.drifted, t.n_reference, t.n_current, s.baseline_version,"
	" 0 AS revision, false AS final, t.signal, t.slice,"
	" t.severity, t.bound, t.p_adjusted"
	" FROM driftd.provisional p JOIN driftd.window_state s"
	" ON s.model_id = $1 AND s.window_start = p.window_start"
	" CROSS JOIN LATERAL (SELECT x.\"column\" AS column_name, x.*"
	" FROM jsonb_to_recordset(p.content) AS x("
	" \"column\" text, metric text, signal text, status text,"
	" severity text, drifted boolean, value float8, lower float8,"
	" upper float8, p_value float8, p_adjusted float8,"
	" threshold float8, bound float8, n_reference bigint,"
	" n_current bigint, slice text)) t"
	" WHERE p.model_id = $1 AND p.window_start >= $2"
	" AND p.window_start < $3 AND $8 <= 0"
	" AND NOT s.final" FILTERS ") f" BEHIND_CURSOR ")"
	") page ORDER BY " ORDER_KEY " LIMIT $16";

/* Columns of the page, in the order of the statement. */
enum {
	WINDOW_START,
	WINDOW_END,
	COLUMN,
	METRIC,
	VALUE,
	LOWER,
	UPPER,
	P_VALUE,
	THRESHOLD,
	STATUS,
	DRIFTED,
	N_REFERENCE,
	N_CURRENT,
	BASELINE,
	REVISION,
	FINAL,
	SIGNAL,
	SLICE_TEXT,
	SEVERITY,
	BOUND,
	P_ADJUSTED
};

static void put_double(struct json_out *out, const char *key,
		       const struct pg_result *r, size_t row, int col)
{
	json_key(out, key);
	if (pg_is_null(r, row, col))
		json_null(out);
	else
		json_number(out, pg_get_float8(r, row, col));
}

static void write_row(const struct config_model *m, const struct pg_result *r,
		      size_t i, struct json_out *out)
{
	const char *severity = pg_get_text(r, i, SEVERITY);

	json_object_begin(out);
	json_put_time(out, "window_start", pg_get_time(r, i, WINDOW_START));
	json_put_time(out, "window_end", pg_get_time(r, i, WINDOW_END));
	json_put_string(out, "column", pg_get_text(r, i, COLUMN));
	json_put_string(out, "metric", pg_get_text(r, i, METRIC));
	put_double(out, "value", r, i, VALUE);
	put_double(out, "lower", r, i, LOWER);
	put_double(out, "upper", r, i, UPPER);
	put_double(out, "p_value", r, i, P_VALUE);
	put_double(out, "p_adjusted", r, i, P_ADJUSTED);
	put_double(out, "threshold", r, i, THRESHOLD);
	put_double(out, "bound", r, i, BOUND);
	json_put_string(out, "status", pg_get_text(r, i, STATUS));
	json_put_bool(out, "drifted", pg_get_bool(r, i, DRIFTED));
	json_put_string(out, "severity",
			severity && severity[0] ? severity : NULL);
	json_put_string(out, "signal", pg_get_text(r, i, SIGNAL));
	json_put_int(out, "n_reference", pg_get_int(r, i, N_REFERENCE));
	json_put_int(out, "n_current", pg_get_int(r, i, N_CURRENT));
	json_put_string(out, "baseline", pg_get_text(r, i, BASELINE));
	json_put_int(out, "revision", pg_get_int(r, i, REVISION));
	json_put_bool(out, "final", pg_get_bool(r, i, FINAL));
	json_put_string(out, "model_version", m->version);
	json_put_string(out, "slice", pg_get_text(r, i, SLICE_TEXT));
	json_key(out, "label_coverage");
	json_null(out);
	json_object_end(out);
}

static int write_page(const struct config_model *m, const struct pg_result *r,
		      size_t limit, struct json_out *out, struct err *e)
{
	size_t n = pg_rows(r) < limit ? pg_rows(r) : limit;
	struct buf cursor;
	int rc = 0;

	buf_init(&cursor, CURSOR_TEXT_MAX);
	if (pg_rows(r) > limit) {
		struct result_key key = {
			.window_start_us = pg_get_time(r, n - 1, WINDOW_START),
			.column = pg_get_text(r, n - 1, COLUMN),
			.metric = pg_get_text(r, n - 1, METRIC),
			.slice = pg_get_text(r, n - 1, SLICE_TEXT),
			.signal = pg_get_text(r, n - 1, SIGNAL),
			.revision = pg_get_int(r, n - 1, REVISION),
		};

		result_cursor_write(&key, &cursor);
	}
	json_object_begin(out);
	json_key(out, "results");
	json_array_begin(out);
	for (size_t i = 0; i < n; i++)
		write_row(m, r, i, out);
	json_array_end(out);
	json_put_string(out, "next_cursor", cursor.len ? cursor.data : NULL);
	json_object_end(out);
	if (cursor.failed || out->buf->failed)
		rc = err_set(e, ERR_LIMIT, "page of results is too large");
	buf_release(&cursor);
	return rc;
}

static int64_t clamp_time(int64_t us)
{
	if (us < EVALUATION_TIME_MIN)
		return EVALUATION_TIME_MIN;
	return us > TIMESTAMP_MAX ? TIMESTAMP_MAX : us;
}

static void add_params(struct pg_params *p, const struct result_query *q,
		       const struct result_key *after, size_t limit)
{
	int64_t from = clamp_time(q->from_us), to = clamp_time(q->to_us);

	if (q->window_us != INT64_MIN) {
		int64_t start = clamp_time(q->window_us);

		from = from > start ? from : start;
		to = to < start + 1 ? to : start + 1;
	}
	if (after && from < after->window_start_us)
		from = after->window_start_us;
	pg_add_int8(p, q->model_id);
	pg_add_time(p, from);
	pg_add_time(p, to);
	pg_add_text(p, q->column);
	pg_add_text(p, q->metric);
	pg_add_text(p, q->signal);
	pg_add_int4(p, q->drifted);
	pg_add_int4(p, q->final);
	pg_add_bool(p, q->all_revisions);
	pg_add_time(p, after ? after->window_start_us : INT64_MIN);
	pg_add_text(p, after ? after->column : NULL);
	pg_add_text(p, after ? after->metric : NULL);
	pg_add_text(p, after ? after->slice : NULL);
	pg_add_text(p, after ? after->signal : NULL);
	pg_add_int4(p, after ? (int32_t)after->revision : 0);
	pg_add_int8(p, (int64_t)limit + 1);
}

int result_store_query(struct pg *pg, const struct config_model *m,
		       const struct result_query *q, struct json_out *out,
		       struct err *e)
{
	size_t limit = q->limit < 1 ? 1 : (size_t)q->limit;
	struct result_key key, *after = NULL;
	struct pg_result *r = NULL;
	struct pg_params p;
	struct buf memory;
	int rc = -1;

	if (limit > RESULTS_MAX)
		limit = RESULTS_MAX;
	buf_init(&memory, CURSOR_TEXT_MAX);
	if (q->cursor) {
		if (result_cursor_read(q->cursor, &key, &memory, e))
			goto out;
		after = &key;
	}
	pg_params_init(&p);
	add_params(&p, q, after, limit);
	rc = pg_exec(pg, query_sql, &p, &r, e);
	pg_params_release(&p);
	if (!rc)
		rc = write_page(m, r, limit, out, e);
	pg_result_free(r);
out:
	buf_release(&memory);
	return rc;
}
