/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_OUTBOX_H
#define DRIFTD_STORAGE_OUTBOX_H

#include "storage/alert_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json_out;
struct pg;

/*
 * outbox - the messages to receivers: queued in the transaction of what they
 * tell, claimed under a lease by one notifier of many, in order per alert and
 * receiver, kept as dead letters when they cannot be delivered.
 *
 * A claim raises `attempts`; what ends it names the lease's token, so that a
 * notifier whose lease ran out changes nothing.
 */

enum { OUTBOX_ID_SIZE = 40 };

struct outbox_new {
	int64_t model_id;
	const char *message_id, *receiver, *alert_id;
	int64_t seq;
	const char *body; /* NUL-terminated UTF-8 */
	int64_t now_us;
};

/* The same message again is no error and changes nothing. */
int outbox_add(struct pg *pg, const struct outbox_new *m, struct err *e);

/* What is queued, by model and receiver, the longest due first. */
struct outbox_pair {
	int64_t model_id;
	char receiver[ALERT_NAME_MAX];
	int64_t n_queued;
	int64_t n_due;
};

/* *${out} is the caller's (free). */
int outbox_pairs(struct pg *pg, const int64_t *model_ids, size_t n_models,
		 int64_t now_us, struct outbox_pair **out, size_t *n,
		 struct err *e);

struct outbox_message {
	int64_t model_id;
	char message_id[OUTBOX_ID_SIZE];
	char receiver[ALERT_NAME_MAX];
	char alert_id[ALERT_ID_SIZE];
	int attempts; /* this one included */
	int64_t lease_token;
	char *body; /* owned */
};

void outbox_message_release(struct outbox_message *m);

/*
 * Claim the message of the model that is due first at this receiver, until
 * ${now_us} + ${lease_us}: one whose earlier messages of the same alert to the
 * same receiver are no longer queued.  1 claimed, 0 none, -1.
 */
int outbox_claim(struct pg *pg, int64_t model_id, const char *receiver,
		 int64_t now_us, int64_t lease_us, struct outbox_message *out,
		 struct err *e);

enum outbox_end {
	OUTBOX_DELIVERED,
	OUTBOX_RETRY,	/* again at ${next_us} */
	OUTBOX_RELEASE, /* it was not tried: due at once, attempt not counted */
	OUTBOX_DEAD
};

/* 1 done; 0 when the lease was lost to another; -1.  ${reason} may be NULL. */
int outbox_finish(struct pg *pg, const struct outbox_message *m,
		  enum outbox_end end, int64_t now_us, int64_t next_us,
		  const char *reason, struct err *e);

/* Messages to a receiver created before ${before_us} and under no lease
 * become dead letters; how many, or -1. */
long outbox_bury(struct pg *pg, int64_t model_id, const char *receiver,
		 int64_t before_us, int64_t now_us, const char *reason,
		 struct err *e);

/* Writes {"messages": […]}: the dead letters of a model, newest first. */
int outbox_dead_letters(struct pg *pg, int64_t model_id, int limit,
			struct json_out *out, struct err *e);

/* Dead letters back into the queue, with the same id: of one ${message_id},
 * or all of the model's (NULL).  How many, or -1. */
long outbox_replay(struct pg *pg, int64_t model_id, const char *message_id,
		   int64_t now_us, struct err *e);

/* Delete messages that ended before these times; how many, or -1. */
long outbox_prune(struct pg *pg, int64_t model_id, int64_t delivered_before_us,
		  int64_t dead_before_us, struct err *e);

#endif
