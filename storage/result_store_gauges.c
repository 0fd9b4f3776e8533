/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * result_store_gauges - the newest final window of a model as numbers for
 * /metrics.
 */
#include "storage/result_store.h"

#include "base/err.h"
#include "base/mem.h"
#include "detectors/detector.h"
#include "storage/pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One statement, so that window and rows are of one moment. */
static const char gauges_sql[] =
	"SELECT s.window_end, r.column_name, r.metric, r.signal, r.value,"
	" r.drifted FROM (SELECT window_start, window_end, revision"
	" FROM driftd.window_state WHERE model_id = $1 AND final"
	" ORDER BY window_start DESC LIMIT 1) s"
	" LEFT JOIN driftd.result r ON r.model_id = $1"
	" AND r.window_start = s.window_start AND r.revision = s.revision"
	" AND r.slice = ''"
	" ORDER BY r.column_name COLLATE \"C\", r.metric COLLATE \"C\"";

enum { WINDOW_END, COLUMN, METRIC, SIGNAL, VALUE, DRIFTED };

/* At most ${size} - 1 bytes, cut before a UTF-8 character. */
static void copy_name(char *out, size_t size, const char *name)
{
	size_t len = strnlen(name, size);

	if (len == size) {
		len--;
		while (len && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, name, len);
	out[len] = '\0';
}

static double get_value(const struct pg_result *r, size_t i)
{
	return pg_is_null(r, i, VALUE) ? (double)NAN
				       : pg_get_float8(r, i, VALUE);
}

static void add_item(struct result_gauges *g, const char *column,
		     const char *metric, double value, bool drifted)
{
	struct result_gauge *item = &g->items[g->n++];

	copy_name(item->column, sizeof(item->column), column);
	copy_name(item->metric, sizeof(item->metric), metric);
	item->value = value;
	item->drifted = drifted;
}

static void take_model_row(const struct pg_result *r, size_t i,
			   struct result_gauges *g)
{
	enum signal signal;

	if (!strcmp(pg_get_text(r, i, METRIC), "drifted_columns_share") &&
	    !signal_parse(pg_get_text(r, i, SIGNAL), &signal))
		g->drifted_share[signal] = get_value(r, i);
}

/* The rows of one column, from ${i} on: where the next one begins. */
static size_t take_column(const struct pg_result *r, size_t i,
			  struct result_gauges *g)
{
	const char *column = pg_get_text(r, i, COLUMN);
	size_t flag = g->n;

	add_item(g, column, "", (double)NAN, false);
	for (; i < pg_rows(r); i++) {
		const char *metric = pg_get_text(r, i, METRIC);
		const struct detector *d = detector_find(metric);

		if (strcmp(pg_get_text(r, i, COLUMN), column) != 0)
			break;
		if (pg_get_bool(r, i, DRIFTED))
			g->items[flag].drifted = true;
		if (d && d->decides && !pg_is_null(r, i, VALUE))
			add_item(g, column, metric, get_value(r, i),
				 pg_get_bool(r, i, DRIFTED));
	}
	return i;
}

static void take_rows(const struct pg_result *r, struct result_gauges *g)
{
	size_t n = pg_rows(r), i = 0;

	if (!n)
		return;
	g->last_window_end_us = pg_get_time(r, 0, WINDOW_END);
	/* A row gives at most itself and its column's flag. */
	g->items = xcalloc(2 * n, sizeof(*g->items));
	while (i < n) {
		if (pg_is_null(r, i, COLUMN)) {
			i++; /* results that retention deleted */
		} else if (!strcmp(pg_get_text(r, i, COLUMN), "__model__")) {
			take_model_row(r, i, g);
			i++;
		} else {
			i = take_column(r, i, g);
		}
	}
}

static int read_last_event(struct pg *pg, int64_t model_id,
			   struct result_gauges *g, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT max(max_event_time) FROM driftd.source_position"
		     " WHERE model_id = $1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1 && !pg_is_null(r, 0, 0))
		g->last_event_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return 0;
}

int result_store_gauges(struct pg *pg, int64_t model_id,
			struct result_gauges *out, struct err *e)
{
	struct result_gauges g = {
		.last_event_us = INT64_MIN,
		.last_window_end_us = INT64_MIN,
	};
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	for (size_t i = 0; i < N_SIGNALS; i++)
		g.drifted_share[i] = (double)NAN;
	if (read_last_event(pg, model_id, &g, e))
		return -1;
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg, gauges_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	take_rows(r, &g);
	pg_result_free(r);
	*out = g;
	return 0;
}

void result_gauges_release(struct result_gauges *g)
{
	free(g->items);
	g->items = NULL;
	g->n = 0;
}
