/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_RESULT_STORE_H
#define DRIFTD_STORAGE_RESULT_STORE_H

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
	int64_t from_us, to_us;  /* from <= window_start < to; INT64_MIN/MAX */
	int64_t window_us;       /* exactly this start; INT64_MIN: any */
	const char *column;      /* NULL: any */
	const char *metric;
	const char *signal;
	int final;               /* 1, 0, -1: any */
	int drifted;             /* 1, 0, -1: any */
	bool all_revisions;
	int limit;               /* 1 to 1000 */
	const char *cursor;      /* NULL: from the start */
};

/* Writes {"results": […], "next_cursor": …}.  ERR_INVALID: a bad cursor. */
int result_store_query(struct pg *pg, const struct config_model *m,
		       const struct result_query *q, struct json_out *out,
		       struct err *e);

/*
 * The model at a glance: name, version, active_baseline, newest_window
 * {start, end, final, n_events}, signals {input: {drifted, drifted_columns,
 * share}…}, counters per outcome, sources, last_event_time.  Members of an
 * object that the caller has begun.
 */
int result_store_glance(struct pg *pg, const struct config_model *m,
			struct json_out *out, struct err *e);

/* For /metrics: the newest final window of a model. */
struct result_gauge {
	char column[256];
	char metric[64];
	double value;
	bool drifted;
};
struct result_gauges {
	int64_t last_event_us, last_window_end_us; /* INT64_MIN: none */
	double drifted_share[5]; /* by signal; NaN: none */
	struct result_gauge *items; /* owned */
	size_t n;
};
int result_store_gauges(struct pg *pg, int64_t model_id,
			struct result_gauges *out, struct err *e);
void result_gauges_release(struct result_gauges *g);

#endif
