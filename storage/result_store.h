/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_RESULT_STORE_H
#define DRIFTD_STORAGE_RESULT_STORE_H

#include "detectors/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct config_model;
struct err;
struct json_out;
struct pg;

/*
 * result_store - what the API reads, written straight as JSON.
 */

struct result_query {
	int64_t model_id;
	int64_t from_us, to_us; /* from <= window_start < to; INT64_MIN/MAX */
	int64_t window_us;	/* exactly this start; INT64_MIN: any */
	const char *column;	/* NULL: any */
	const char *metric;
	const char *signal;
	int final;   /* 1, 0, -1: any */
	int drifted; /* 1, 0, -1: any */
	bool all_revisions;
	int limit;	    /* 1 to 1000 */
	const char *cursor; /* NULL: from the start */
};

/*
 * Writes {"results": […], "next_cursor": …}: ordered by window_start, column,
 * metric, slice, signal, revision (texts by bytes), the newest revision of
 * each final window (or all) and the verdicts of open ones (revision 0).  The
 * cursor is URL-safe text that names the last row, so that rows which come or
 * go between pages neither repeat nor hide others.  ERR_INVALID: a bad cursor.
 */
int result_store_query(struct pg *pg, const struct config_model *m,
		       const struct result_query *q, struct json_out *out,
		       struct err *e);

/*
 * The model at a glance: name, version, active_baseline, newest_window (of
 * those judged: start, end, final, incomplete, revision, n_events, baseline),
 * signals (of that window: input {drifted, drifted_columns, columns, share} or
 * null, …), final_window (the newest final one, the same with its signals),
 * counters per outcome, sources, last_event_time, label_coverage.  Members of
 * an object that the caller has begun.
 */
int result_store_glance(struct pg *pg, const struct config_model *m,
			struct json_out *out, struct err *e);

/*
 * For /metrics: the newest final window of a model.  One item with the metric
 * "" for each column (drifted: whether any of its metrics says so; no value),
 * and one for each value of a metric that can make a column drifted.  Ordered
 * by column, then metric.
 */
struct result_gauge {
	char column[256]; /* cut at a character when longer */
	char metric[64];
	double value; /* NaN: none */
	bool drifted;
};
struct result_gauges {
	int64_t last_event_us, last_window_end_us; /* INT64_MIN: none */
	double drifted_share[N_SIGNALS];	   /* NaN: none */
	struct result_gauge *items;		   /* owned */
	size_t n;
};
int result_store_gauges(struct pg *pg, int64_t model_id,
			struct result_gauges *out, struct err *e);
void result_gauges_release(struct result_gauges *g);

#endif
