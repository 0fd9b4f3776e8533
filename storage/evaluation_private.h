/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_EVALUATION_PRIVATE_H
#define DRIFTD_STORAGE_EVALUATION_PRIVATE_H

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct evaluation_model;
struct evaluation_window;
struct pg;
struct verdicts;

/* evaluation_private - what the files of evaluation share. */

/* A source unheard this long is gone, not missing: windows that end now are
 * not called incomplete for its sake. */
#define EVALUATION_RETIRED_US (7 * CLOCK_DAY_US)

/* Before any window, as a parameter (year -899). */
#define EVALUATION_TIME_MIN INT64_C(-90532512000000000)

enum {
	/* Read at a time, so that a window's memory is bounded. */
	EVALUATION_DELTA_CHUNK = 32,
	/* An open window with more deltas has them merged. */
	EVALUATION_COMPACT_DELTAS = 256,
	/* Rows of one INSERT. */
	EVALUATION_RESULT_CHUNK = 4096,
	/* Empty windows that get a row, the newest of a gap. */
	EVALUATION_GAP_MAX = 400,
	/* Rows deleted in one transaction. */
	EVALUATION_PRUNE_BATCH = 1000
};

/* Ceilings of one window's encodings, far above what the limits on columns
 * and cells allow. */
#define EVALUATION_PROFILE_MAX ((size_t)512 << 20)
#define EVALUATION_ROWS_MAX    ((size_t)128 << 20)

/* A window that rows are written for. */
struct evaluation_span {
	int64_t start_us, end_us;
};

/*
 * Insert the verdicts as results of ${revision} for each of the ${n} windows.
 */
struct evaluation_rows {
	int64_t model_id;
	int revision;
	const char *baseline_version; /* "" = none */
	int64_t evaluated_at_us;
	const struct evaluation_span *windows;
	size_t n;
};
int evaluation_insert_results(struct pg *pg, const struct evaluation_rows *r,
			      const struct verdicts *v, struct err *e);

/* The provisional row of an open window. */
int evaluation_put_provisional(struct pg *pg, int64_t model_id,
			       const struct evaluation_model *em,
			       const struct evaluation_window *w,
			       const struct verdicts *v, struct err *e);

#endif
