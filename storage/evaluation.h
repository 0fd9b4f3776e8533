/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_EVALUATION_H
#define DRIFTD_STORAGE_EVALUATION_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baseline_cache;
struct config_model;
struct err;
struct pg;
struct profile_set;
struct verdicts;
struct baseline;

/*
 * evaluation - the SQL of the evaluator: which models and windows are due,
 * their profiles, and saving what was judged.  Any number of evaluators work
 * at once; a model is held by one of them, through its row's lock.
 *
 * One window is one transaction:
 *
 *	evaluation_begin   lock the model row (SKIP LOCKED), read the clocks
 *	evaluation_next    which window, in order of its start
 *	evaluation_load    delete its dirty rows, then read state, profile, deltas
 *	(judge)
 *	evaluation_save    profile, results or provisional row, state
 *	(alerts)
 *	pg_commit
 */

/* Register the definition (canonical JSON) under the model's lock; makes the
 * model's row when it is missing.  ${hash} gets its SHA-256. */
int evaluation_register(struct pg *pg, const struct config_model *m,
			uint8_t hash[SHA256_SIZE], struct err *e);

/* Of ${ids}, those with dirty rows or windows not final: a hint, unlocked.
 * ${due} (n flags) is filled. */
int evaluation_due(struct pg *pg, const int64_t *ids, size_t n, bool *due,
		   struct err *e);

enum evaluation_force {
	EVALUATION_NORMAL,
	EVALUATION_NOW,   /* no throttle: what is dirty is judged */
	EVALUATION_FINAL  /* and windows that the clock has passed are final */
};

struct evaluation_model {
	int64_t now_us;         /* the database's clock */
	int64_t watermark_us;   /* INT64_MIN: none; INT64_MAX: idle, all caught up */
	bool source_missing;    /* a source is unheard for source_timeout */
	enum evaluation_force force;
};

/* 1: begun and locked; 0: somebody else has it, nothing begun; -1. */
int evaluation_begin(struct pg *pg, const struct config_model *m,
		     enum evaluation_force force, struct evaluation_model *out,
		     struct err *e);

struct evaluation_window {
	int64_t start_us, end_us;
	bool is_final;         /* to be judged as final now */
	bool was_final;        /* it has been before: a revision */
	bool incomplete;
	int revision;          /* that the verdict will have; provisional: 0 */
	char baseline_version[256]; /* "" when counted without one */
	const struct baseline *baseline; /* in the cache, pinned; may be NULL */
	uint64_t n_events;
};

/* The first window after ${after_us} (INT64_MIN: from the start) that is to
 * be judged: 1 with start, end and finality in ${out}; 0: none; -1. */
int evaluation_next(struct pg *pg, const struct config_model *m,
		    const struct evaluation_model *em, int64_t after_us,
		    struct evaluation_window *out, struct err *e);

/* Fill ${set} (initialised here; the caller releases it) and the rest of
 * ${w}. */
int evaluation_load(struct pg *pg, const struct config_model *m,
		    struct baseline_cache *cache, struct evaluation_window *w,
		    struct profile_set *set, struct err *e);

/* Final: results of the new revision, the merged profile, deltas deleted,
 * volume rows for empty windows since the previous one.  Else the provisional
 * row. */
int evaluation_save(struct pg *pg, const struct config_model *m,
		    const uint8_t definition[SHA256_SIZE],
		    const struct evaluation_model *em,
		    const struct evaluation_window *w,
		    const struct profile_set *set, const struct verdicts *v,
		    struct err *e);

/* Dirty windows of the models right now: pairs (model_id, start), at most
 * ${max}; the count, or -1. */
struct evaluation_dirty {
	int64_t model_id;
	int64_t start_us;
};
long evaluation_dirty_windows(struct pg *pg, const int64_t *ids, size_t n,
			      struct evaluation_dirty *out, size_t max,
			      struct err *e);

/* Delete what retention says, in small batches; how many rows. */
long evaluation_prune(struct pg *pg, const struct config_model *m,
		      int64_t results_us, int64_t profiles_us, struct err *e);

#endif
