/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_NOTIFIER_H
#define DRIFTD_ALERTS_NOTIFIER_H

#include "storage/pg.h"

#include <stddef.h>
#include <stdint.h>

struct config;

/*
 * notifier - the outbox to the receivers: at least once, in order per alert,
 * with a stable id; back-off with full jitter, a circuit breaker a receiver,
 * a dead letter in the end.  Any number of notifiers may run: a message is
 * claimed by one, under a lease.
 */

struct notifier;

/* Takes a reference of ${c}. */
struct notifier *notifier_new(const struct pg_options *pg, struct config *c);
void notifier_free(struct notifier *n);

/* The thread's body, until notifier_stop. */
void notifier_run(struct notifier *n);
void notifier_stop(struct notifier *n);

/* After a reload: takes a reference. */
void notifier_set_config(struct notifier *n, struct config *c);

/* There may be something to send. */
void notifier_wake(struct notifier *n);

struct notifier_counts {
	char receiver[128];
	uint64_t delivered, failed, dead; /* attempts that ended so */
	uint64_t backlog;		  /* at the last look */
};

/* Up to ${max} receivers; how many. */
size_t notifier_get_counts(struct notifier *n, struct notifier_counts *out,
			   size_t max);

#endif
