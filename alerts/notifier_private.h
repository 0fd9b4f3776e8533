/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_NOTIFIER_PRIVATE_H
#define DRIFTD_ALERTS_NOTIFIER_PRIVATE_H

#include "alerts/notifier.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct err;
struct line;

/*
 * notifier, inside: notifier.c has its life and its loop, notifier_config.c
 * makes its lines from the configuration, notifier_work.c does its work in
 * the database.
 */

struct notifier {
	struct pg *pg; /* owned; the thread's, but for pg_interrupt */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	struct config *config; /* counted; the newest */
	bool reconfigured, woken, answered, stopping, running, interrupted;
	struct line **lines; /* owned; changed by the thread only */
	size_t n_lines;

	/* the thread's */
	struct config *active; /* counted; what the lines are made of */
	int64_t *model_ids;    /* owned */
	size_t n_models;
	int64_t next_look_us, next_prune_us; /* monotonic */
	int64_t clock_offset_us; /* the database's clock less monotonic */
	bool changed_since_look; /* an alert's next message may be due */
	bool is_down;		 /* the database, as logged last */
};

/* Take over a new configuration, if there is one. */
void notifier_apply_config(struct notifier *n);

/* A line for each receiver, also those that could not be made before; lines
 * of receivers that are gone go when nothing is under way there. */
void notifier_make_lines(struct notifier *n);

const struct config_receiver *notifier_find_receiver(const struct config *c,
						     const char *name);
struct line *notifier_find_line(const struct notifier *n, const char *name);

/* A sender's callback: there is an answer. */
void notifier_on_answer(void *arg);

/* Answers into the database. */
int notifier_record(struct notifier *n, struct err *e);

/* One round: answers, what is due, claims; -1 when the database failed it. */
int notifier_work(struct notifier *n, bool woken, struct err *e);

#endif
