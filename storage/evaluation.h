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
	EVALUATION_NOW,	 /* no throttle: what is dirty is judged */
	EVALUATION_FINAL /* and windows that the clock has passed are final */
};

struct evaluation_model {
	int64_t now_us;		 /* the database's clock */
	int64_t watermark_us;	 /* INT64_MIN: none */
	bool source_missing;	 /* a source is unheard for source_timeout */
	int64_t missing_from_us; /* and has nothing after this; else INT64_MAX */
	enum evaluation_force force;
};

/* How far a source of the model has come, as its row says. */
struct evaluation_source {
	int64_t max_event_time_us;   /* INT64_MIN: no event yet */
	int64_t last_received_at_us; /* INT64_MIN: none */
	int64_t caught_up_to_us;
};

/*
 * The watermark from the sources at ${out}->now_us: the least over the live
 * ones of their newest event time.  A live source that was silent for
 * idle_timeout has nothing more to say about the time before caught_up_to, so
 * it stands there, if that is later.  A source unheard for source_timeout
 * leaves the minimum and is missing; unheard for EVALUATION_RETIRED_US it is
 * taken for gone.  If none is live, the missing ones make the minimum.  Pure.
 */
void evaluation_watermark(const struct config_model *m,
			  const struct evaluation_source *sources, size_t n,
			  struct evaluation_model *out);

/* 1: begun and locked; 0: somebody else has it, nothing begun; -1. */
int evaluation_begin(struct pg *pg, const struct config_model *m,
		     enum evaluation_force force, struct evaluation_model *out,
		     struct err *e);

struct evaluation_window {
	int64_t start_us, end_us;
	bool is_final;	/* to be judged as final now */
	bool was_final; /* it has been before: a revision */
	bool incomplete;
	bool pruned;  /* only a tombstone is left: nothing to judge,
				  its late deltas are dropped; just commit */
	int revision; /* that the verdict will have; provisional: 0 */
	char baseline_version[256];	    /* "" when counted without one */
	const struct baseline *baseline;    /* in the cache until its next call;
					    may be NULL */
	uint8_t baseline_hash[SHA256_SIZE]; /* when baseline */
	uint64_t n_events;

	/* Deltas that went into the set, by their keys: owned. */
	int64_t *delta_source;
	int64_t *delta_seq;
	size_t n_deltas, cap_deltas;
};

void evaluation_window_release(struct evaluation_window *w);

/* The first window after ${after_us} (INT64_MIN: from the start) that is to
 * be judged: 1 with start, end and finality in ${out} (which is initialised
 * here); 0: none; -1. */
int evaluation_next(struct pg *pg, const struct config_model *m,
		    const struct evaluation_model *em, int64_t after_us,
		    struct evaluation_window *out, struct err *e);

/* Fill ${set} (initialised here; the caller releases it, on failure too) and
 * the rest of ${w}. */
int evaluation_load(struct pg *pg, const struct config_model *m,
		    struct baseline_cache *cache, struct evaluation_window *w,
		    struct profile_set *set, struct err *e);

/*
 * For readers: what evaluation_load would give for the window that starts at
 * w->start_us, without marks, locks or changes, in a transaction of its own.
 * ERR_NOT_FOUND when there is no such window or only its tombstone.
 */
int evaluation_peek(struct pg *pg, const struct config_model *m,
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
 * ${max}, ordered; the count, or -1. */
struct evaluation_dirty {
	int64_t model_id;
	int64_t start_us;
};
long evaluation_dirty_windows(struct pg *pg, const int64_t *ids, size_t n,
			      struct evaluation_dirty *out, size_t max,
			      struct err *e);

/* How many windows that ended by ${until_us} are not final; or -1. */
long evaluation_open_windows(struct pg *pg, const int64_t *ids, size_t n,
			     int64_t until_us, struct err *e);

/* The database's clock. */
int evaluation_clock(struct pg *pg, int64_t *now_us, struct err *e);

/*
 * Delete one small batch of what retention says, in a transaction of its own:
 * how many rows (0: nothing left, or another holds the model), or -1.  A row
 * goes when it is old by the model's newest event time and by its own last
 * write; the wall clock is never held against event time.
 */
long evaluation_prune(struct pg *pg, const struct config_model *m,
		      int64_t results_us, int64_t profiles_us, struct err *e);

#endif
