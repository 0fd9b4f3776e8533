/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_FLUSH_H
#define DRIFTD_STORAGE_FLUSH_H

#include "storage/pg.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct journal;

/*
 * flush - from durable frames to deltas in PostgreSQL, each exactly once.
 *
 * For each model the frames behind its position, a span, are applied in one
 * READ COMMITTED transaction:
 *
 *	1. lock source_position (model, source): position, epoch, chain must be
 *	   ours, else see below
 *	2. insert the batch keys, sorted, ON CONFLICT DO NOTHING RETURNING
 *	3. insert the window pins (the baseline active now), read them back
 *	4. fold the frames whose keys were won
 *	5. insert deltas and dirty rows; upsert predictions and labels of
 *	   models that join them
 *	6. move position, counters, newest event time; COMMIT
 *
 * Invariants (DESIGN.md numbers them 1 to 5): a frame is folded only after it
 * is durable and its effects and the new position become visible together;
 * the fold reads the span and what the transaction locked, nothing else; a
 * flush only inserts, apart from its own source_position row and the outcomes
 * of its ids, whose row locks serialise the two halves.
 *
 * At step 1: a position ahead of the journal's end for the model: the journal
 * lost its tail; a new source id is taken, and what was acknowledged since the
 * journal was opened is applied under it (or counted `lost` when there is no
 * room).  Another
 * chain at the same seq, or a higher epoch: the journal was cloned; ERR_FENCED.
 * A position behind ours (failover to an older replica): applied again from
 * there; what the journal no longer has is counted `lost`.
 * A frame the database refuses for good is found by halving the span, moved
 * to quarantine/ and counted `corrupt`; other models are not held up.
 */

struct flush_counts {
	uint64_t applied, duplicate, late, rejected, corrupt, lost,
		key_conflict;
};

struct flush_options {
	struct journal *journal; /* borrowed */
	struct pg_options pg;
	bool migrate;		  /* bring the schema up to date first */
	const char *baseline_dir; /* copies of baselines, see baseline_files.h;
				     borrowed; NULL: none are kept */
	int64_t interval_us;
	size_t memory; /* accumulators, bytes */
	int64_t idempotency_ttl_us;

	/* After each commit, on the flusher's thread; may be NULL. */
	void (*on_commit)(void *arg, int64_t model_id,
			  const struct flush_counts *counts,
			  int64_t max_event_time_us);
	void *arg;
};

struct flush_status {
	bool connected;	   /* the last round reached the database */
	bool paused;	   /* newer schema */
	bool fenced;	   /* cloned journal: exit 78 */
	uint64_t n_rounds; /* over, well or not */
	uint64_t n_good;   /* of these, those that reached their end */
	int64_t lag_us;	   /* age of the oldest durable frame not applied */
	uint64_t position; /* everything before is applied */
	char message[512]; /* of the last failure, "" when none */
};

struct flusher;

/* Before anything is appended to the journal that was just opened. */
struct flusher *flusher_new(const struct flush_options *o);
void flusher_free(struct flusher *f);

/* The thread's body: until flusher_stop. */
void flusher_run(struct flusher *f);

/* Any thread.  ${drain}: apply what is durable first, within ${timeout_us}. */
void flusher_stop(struct flusher *f, bool drain, int64_t timeout_us);

/*
 * Any thread: begin a round now; true when, within ${timeout_us}, everything
 * answered at the call was applied and a round ended well, so that the
 * database is in reach and its schema ours.
 */
bool flusher_flush(struct flusher *f, int64_t timeout_us);

void flusher_get_status(struct flusher *f, struct flush_status *out);

/* Any thread, after a reload. */
void flusher_set_interval(struct flusher *f, int64_t interval_us);

#endif
