/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_EVALUATOR_H
#define DRIFTD_DAEMON_EVALUATOR_H

#include "storage/evaluation.h"
#include "storage/pg.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;

/*
 * evaluator - the thread that turns deltas into verdicts: it asks every
 * second, or when woken, which of the configured models are due, and judges
 * their windows in order, one transaction each.  It keeps nothing that the
 * database does not have; any number of evaluators may run, on one machine or
 * many.
 */

struct evaluator_options {
	struct pg_options pg;  /* texts are copied */
	struct config *config; /* a reference is taken */

	/* After the commit of a final verdict, on the evaluator's thread: there
	 * may be something to send.  May be NULL. */
	void (*on_final)(void *arg, int64_t model_id, int64_t window_end_us);
	void *arg;
};

struct evaluator_status {
	bool connected;	   /* the last pass reached the database */
	bool paused;	   /* newer schema */
	uint64_t n_judged; /* verdicts committed, provisional ones too */
	uint64_t n_final;
	uint64_t n_failed; /* windows that could not be judged */
	char message[512]; /* of the last failure, "" when none since */
};

struct evaluator; /* opaque */
struct evaluator *evaluator_new(const struct evaluator_options *o);
void evaluator_free(struct evaluator *v);

/* The thread's body: until evaluator_stop.  A transaction under way is
 * rolled back then; whoever comes next judges that window. */
void evaluator_run(struct evaluator *v);
void evaluator_stop(struct evaluator *v);

/* Any thread, after a reload: takes a reference. */
void evaluator_set_config(struct evaluator *v, struct config *c);

/* Any thread: there may be something to judge. */
void evaluator_wake(struct evaluator *v);

/*
 * Any thread: return when every window that was dirty at the call (with
 * EVALUATION_FINAL also every one that the database's clock had passed) has
 * been evaluated by anyone.  ERR_TEMP after ${timeout_us} or when stopping,
 * ERR_UNAVAILABLE without a database.
 */
int evaluator_force(struct evaluator *v, enum evaluation_force force,
		    int64_t timeout_us, struct err *e);

void evaluator_get_status(struct evaluator *v, struct evaluator_status *out);

#endif
