/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_NOTIFIER_LINE_H
#define DRIFTD_ALERTS_NOTIFIER_LINE_H

#include "alerts/backoff.h"
#include "alerts/notifier.h"
#include "alerts/receiver.h"
#include "storage/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct config_receiver;
struct err;
struct pg;
struct sender;

/*
 * line - what a notifier has to do with one receiver: the models that have
 * something due, the message under way, the answer that is not yet written
 * down, the breaker.  Used by the notifier's thread only, but for `counts`.
 */

/* An attempt that ended, until the database knows. */
struct line_result {
	struct outbox_message message; /* owned */
	enum outbox_end end;
	int64_t delay_us; /* OUTBOX_RETRY */
	char reason[RECEIVER_REASON_MAX];
};

struct line {
	char name[ALERT_NAME_MAX];
	struct sender *sender; /* owned */
	struct breaker breaker;
	bool gone;	      /* it answered 410 */
	int64_t max_attempts; /* of the message under way */
	int64_t *due;	      /* owned; models, the longest due first */
	size_t n_due;
	bool has_result;
	struct line_result result;
	struct notifier_counts counts; /* under the notifier's lock */
};

/* NULL when there is no thread to be had. */
struct line *line_new(const char *name, void (*on_done)(void *arg), void *arg);
void line_free(struct line *l);

void line_add_due(struct line *l, int64_t model_id);

/* Nothing under way and nothing to be written down, and it may be tried. */
bool line_is_ready(struct line *l);

/* Claim something due and hand it to the sender.  1 under way, 0 nothing is
 * due any more, -1: the database. */
int line_dispatch(struct line *l, struct pg *pg, struct config *c,
		  const struct config_receiver *r, int64_t now_us,
		  struct err *e);

/* Take an answer, if there is one, and judge it; it becomes `result`. */
bool line_collect(struct line *l);

/* Write `result` down.  1 done, 0 the lease was lost, -1: keep it. */
int line_record(struct line *l, struct pg *pg, int64_t now_us, struct err *e);

#endif
