/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_EVALUATOR_PRIVATE_H
#define DRIFTD_DAEMON_EVALUATOR_PRIVATE_H

#include "base/hash.h"
#include "daemon/evaluator.h"
#include "detectors/judge.h"

#include <pthread.h>
#include <stddef.h>

struct baseline;
struct baseline_cache;
struct config_model;
struct learned;

/* evaluator_private - what the files of evaluator share. */

/* A model as the evaluator works on it. */
struct evaluator_model {
	const struct config_model *config; /* borrowed from the plan's config */
	struct judge_spec spec;
	struct judge_column *columns; /* owned; spec.columns */
	struct learned
		*learned; /* owned; of the baseline judged against last */
	uint8_t learned_of[SHA256_SIZE]; /* its hash; zeros = none yet */
	uint8_t definition[SHA256_SIZE];
	bool registered;     /* on this connection */
	int64_t resume_us;   /* a turn that was cut goes on after this */
	int64_t next_log_us; /* monotonic: failures are logged from then on */
};

/* One configuration made ready; the evaluator's thread only. */
struct evaluator_plan {
	struct config *config;		/* shared, counted */
	struct evaluator_model *models; /* owned */
	int64_t *ids;			/* owned */
	bool *due;			/* owned */
	size_t n;
};

struct evaluator_plan *evaluator_plan_new(struct config *c);
void evaluator_plan_free(struct evaluator_plan *p);

/*
 * Learn the thresholds of this baseline (NULL: none) for the model's spec,
 * unless the window before had the same one: windows in order of time change
 * their baseline rarely.
 */
void evaluator_model_learn(struct evaluator_model *m, const struct baseline *b);

struct evaluator {
	/* the thread's own */
	struct pg *pg;
	struct baseline_cache *cache;
	struct evaluator_plan *plan;
	int64_t next_prune_us; /* monotonic */

	/* constant */
	struct pg_options pg_options; /* its texts are owned */
	void (*on_final)(void *arg, int64_t model_id, int64_t window_end_us);
	void *arg;

	pthread_mutex_t lock;
	pthread_cond_t wake;	 /* the thread waits */
	pthread_cond_t progress; /* evaluator_force waits */

	/* under the lock */
	struct config *config; /* shared, counted: the newest one */
	bool config_changed;
	bool woken;
	bool stopping;
	unsigned n_force_now, n_force_final; /* callers that wait */
	struct evaluator_status status;
};

/*
 * Judge windows of the model, at most a turn's worth: 1 when it was cut and
 * there may be more, 0 when nothing is left, -1 when the database is gone.
 */
int evaluator_turn(struct evaluator *v, struct evaluator_model *m,
		   struct err *e);

enum evaluation_force evaluator_current_force(struct evaluator *v);
bool evaluator_is_stopping(struct evaluator *v);

/* Keep ${e} for the status. */
void evaluator_note(struct evaluator *v, const struct err *e);

/* Wait for ${cond} under the lock, at most until the monotonic time. */
void evaluator_wait_until(struct evaluator *v, pthread_cond_t *cond,
			  int64_t until_us);

#endif
