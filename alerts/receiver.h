/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_RECEIVER_H
#define DRIFTD_ALERTS_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct config_receiver;
struct err;
struct http_client;

/*
 * receiver - one way to tell somebody.  One type is one file; receivers.c
 * lists them all.  A type tries once and says what became of it; when to try
 * again is the notifier's business.
 */

struct receiver_message {
	const char *id;	      /* stable over retries */
	int64_t timestamp_us; /* of this attempt */
	const char *body;
	size_t body_len;
};

enum receiver_outcome {
	RECEIVER_DELIVERED,
	RECEIVER_RETRY, /* may succeed later */
	RECEIVER_DEAD,	/* this message never will */
	RECEIVER_GONE	/* the receiver wants no more messages at all */
};

enum { RECEIVER_REASON_MAX = 256 };

struct receiver_answer {
	enum receiver_outcome outcome;
	int64_t retry_after_us;		  /* -1: not said */
	char reason[RECEIVER_REASON_MAX]; /* "" when delivered */
};

struct receiver_type {
	const char *name; /* as written in the configuration */
	void (*send)(const struct config_receiver *r, struct http_client *http,
		     const struct receiver_message *m,
		     struct receiver_answer *out);
};

/* By config_receiver.type; NULL when there is none. */
const struct receiver_type *receiver_type_at(int type);

extern const struct receiver_type receiver_webhook;

/* What an HTTP status means for a webhook. */
enum receiver_outcome webhook_outcome(long status);

/*
 * Append the value of `webhook-signature`: "v1,<base64>" for each of the
 * secrets (separated by spaces, `whsec_` and base64) over id.timestamp.body.
 */
int webhook_sign(const char *secrets, const char *id, int64_t timestamp_s,
		 const char *body, size_t body_len, struct buf *out,
		 struct err *e);

#endif
