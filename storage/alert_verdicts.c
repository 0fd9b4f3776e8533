/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the final verdicts say to a rule: its last windows, which columns
 * drifted in them, and how.
 *
 * A window counts for a signal when one of its rows is `ok` or drifted (a
 * column whose type changed is drifted and not `ok`); of the rows only those
 * count.  A window that has too little data has none: it neither fires nor
 * resolves.
 */
#include "storage/alert_store.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "storage/pg.h"

#include <stdlib.h>

/* $2 signal, $3 metric or NULL; rows of the whole model only by metric. */
#define ROW_COUNTS                                                             \
	" r.slice = '' AND r.signal = $2"                                      \
	" AND (r.status = 'ok' OR r.drifted)"                                  \
	" AND (r.metric = $3 OR ($3 IS NULL AND r.column_name <> "             \
	"'__model__'))"

/*
 * Window by window down the primary key: results are many rows a window, and
 * of all that were ever judged only the last few are wanted.
 */
static const char windows_sql[] =
	"WITH RECURSIVE walk AS ("
	" (SELECT w.window_start, w.window_end, w.revision, 1 AS depth"
	"  FROM driftd.result w WHERE w.model_id = $1 AND w.window_start > $4"
	"  ORDER BY w.window_start DESC, w.revision DESC LIMIT 1)"
	" UNION ALL"
	" SELECT n.window_start, n.window_end, n.revision, k.depth + 1"
	" FROM walk k CROSS JOIN LATERAL"
	" (SELECT w.window_start, w.window_end, w.revision"
	"  FROM driftd.result w WHERE w.model_id = $1"
	"  AND w.window_start < k.window_start AND w.window_start > $4"
	"  ORDER BY w.window_start DESC, w.revision DESC LIMIT 1) n"
	" WHERE k.depth < $5)"
	" SELECT k.window_start, k.window_end, k.revision FROM walk k"
	" WHERE EXISTS (SELECT 1 FROM driftd.result r WHERE r.model_id = $1"
	" AND r.window_start = k.window_start AND r.revision = k.revision"
	" AND" ROW_COUNTS ")"
	" LIMIT $6";

long alert_store_windows(struct pg *pg, const struct alert_store_about *about,
			 int64_t after_us, struct alert_store_window *out,
			 size_t max, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, about->model_id);
	pg_add_text(&p, about->signal);
	pg_add_text(&p, about->metric);
	/* INT64_MIN would be NULL, and nothing is after NULL. */
	pg_add_time(&p, after_us == INT64_MIN ? TIMESTAMP_MIN - 1 : after_us);
	pg_add_int4(&p, ALERT_STORE_WALK + (int)max);
	pg_add_int8(&p, (int64_t)max);
	rc = pg_exec(pg, windows_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_rows(r);
	for (size_t i = 0; i < (size_t)n; i++) {
		out[i].start_us = pg_get_time(r, i, 0);
		out[i].end_us = pg_get_time(r, i, 1);
		out[i].revision = (int)pg_get_int(r, i, 2);
	}
	pg_result_free(r);
	return n;
}

/* $4 starts, $5 revisions: the windows as rows, numbered from 1. */
#define FROM_WINDOWS                                                           \
	" FROM unnest($4::timestamptz[], $5::bigint[])"                        \
	" WITH ORDINALITY AS w(window_start, revision, i)"                     \
	" JOIN driftd.result r ON r.model_id = $1"                             \
	" AND r.window_start = w.window_start AND r.revision = w.revision"     \
	" AND" ROW_COUNTS

static int exec_windows(struct pg *pg, const char *sql,
			const struct alert_store_about *about,
			const struct alert_store_window *windows, size_t n,
			struct pg_result **r, struct err *e)
{
	int64_t *starts = xcalloc(n + 1, sizeof(*starts));
	int64_t *revisions = xcalloc(n + 1, sizeof(*revisions));
	struct pg_params p;
	int rc;

	for (size_t i = 0; i < n; i++) {
		starts[i] = windows[i].start_us;
		revisions[i] = windows[i].revision;
	}
	pg_params_init(&p);
	pg_add_int8(&p, about->model_id);
	pg_add_text(&p, about->signal);
	pg_add_text(&p, about->metric);
	pg_add_time_array(&p, starts, n);
	pg_add_int8_array(&p, revisions, n);
	rc = pg_exec(pg, sql, &p, r, e);
	pg_params_release(&p);
	free(revisions);
	free(starts);
	return rc;
}

int alert_store_cells(struct pg *pg, const struct alert_store_about *about,
		      const struct alert_store_window *windows,
		      size_t n_windows, struct alert_store_cells *out,
		      struct err *e)
{
	static const char sql[] =
		"SELECT r.column_name, w.i, bool_or(r.drifted)" FROM_WINDOWS
		" GROUP BY r.column_name, w.i ORDER BY r.column_name, w.i";
	struct pg_result *r = NULL;

	if (exec_windows(pg, sql, about, windows, n_windows, &r, e))
		return -1;
	out->result = r;
	out->n = pg_rows(r);
	out->items = xcalloc(out->n + 1, sizeof(*out->items));
	for (size_t i = 0; i < out->n; i++) {
		out->items[i].column = pg_get_text(r, i, 0);
		out->items[i].window = (size_t)pg_get_int(r, i, 1) - 1;
		out->items[i].drifted = pg_get_bool(r, i, 2);
	}
	return 0;
}

void alert_store_cells_release(struct alert_store_cells *c)
{
	free(c->items);
	pg_result_free(c->result);
	*c = (struct alert_store_cells){0};
}

/* How far beyond its threshold, with the severities apart from each other. */
#define WORST_FIRST                                                            \
	" CASE r.severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3"          \
	" WHEN 'warning' THEN 2 WHEN 'info' THEN 1 ELSE 0 END DESC,"           \
	" CASE WHEN r.threshold > 0 THEN r.bound / r.threshold END"            \
	" DESC NULLS LAST, r.metric"

int alert_store_details(struct pg *pg, const struct alert_store_about *about,
			const struct alert_store_window *windows,
			size_t n_windows, struct alert_store_details *out,
			struct err *e)
{
	static const char sql[] =
		"SELECT r.column_name, r.metric, r.severity, r.value, r.bound,"
		" r.threshold, r.n_reference, r.n_current, r.window_start"
		" FROM (SELECT DISTINCT ON (r.column_name) r.*" FROM_WINDOWS
		" AND r.drifted ORDER BY r.column_name, w.i," WORST_FIRST
		") r ORDER BY" WORST_FIRST ", r.column_name";
	struct pg_result *r = NULL;

	if (exec_windows(pg, sql, about, windows, n_windows, &r, e))
		return -1;
	out->result = r;
	out->n = pg_rows(r);
	out->items = xcalloc(out->n + 1, sizeof(*out->items));
	for (size_t i = 0; i < out->n; i++) {
		struct alert_store_detail *d = &out->items[i];

		d->column = pg_get_text(r, i, 0);
		d->metric = pg_get_text(r, i, 1);
		d->severity = pg_get_text(r, i, 2);
		d->value = pg_get_float8(r, i, 3);
		d->bound = pg_get_float8(r, i, 4);
		d->threshold = pg_get_float8(r, i, 5);
		d->n_reference = pg_get_int(r, i, 6);
		d->n_current = pg_get_int(r, i, 7);
		d->window_start_us = pg_get_time(r, i, 8);
	}
	return 0;
}

void alert_store_details_release(struct alert_store_details *d)
{
	free(d->items);
	pg_result_free(d->result);
	*d = (struct alert_store_details){0};
}
