/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_OUTCOME_COUNT_H
#define DRIFTD_STORAGE_OUTCOME_COUNT_H

#include <stddef.h>
#include <stdint.h>

struct baseline_cache;
struct config_model;
struct err;
struct pg;

/*
 * outcome_count - what the inbox names, counted into window_quality and
 * quality_cell.  The caller has locked the model in a transaction of its own.
 *
 * A batch of ids is deleted from the inbox, then one statement for each
 * baseline among their windows (mostly one) probes the outcomes by id, takes
 * away what a row had counted, adds what it says now and notes that in the
 * row.  What has been counted is never read again.  Every window that changed
 * is marked dirty, but not ${except_us} (INT64_MIN: none), which the caller is
 * about to judge.
 *
 * 1: there was a batch, there may be more; 0: the inbox is empty; -1.
 */
int outcome_count_batch(struct pg *pg, const struct config_model *m,
			struct baseline_cache *cache, int64_t except_us,
			struct err *e);

/*
 * Delete one small batch of what is older than ${keep_us}, in a transaction of
 * its own: how many rows (0: nothing left, or another holds the model), or -1.
 */
long outcome_prune(struct pg *pg, const struct config_model *m, int64_t keep_us,
		   struct err *e);

/* The statement of a batch of classes, and the settings it runs with (until
 * the transaction ends): for tests that look at its plan. */
int outcome_forbid_scans(struct pg *pg, struct err *e);
extern const char outcome_count_classes_sql[];

enum { OUTCOME_COUNT_BATCH = 10000 };

#endif
