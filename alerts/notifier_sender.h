/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_NOTIFIER_SENDER_H
#define DRIFTD_ALERTS_NOTIFIER_SENDER_H

#include "alerts/receiver.h"

#include <stdbool.h>

struct config;
struct config_receiver;
struct outbox_message;

/*
 * sender - a thread that sends to one receiver, one message at a time, so
 * that a receiver that never answers holds up nobody else.  It knows nothing
 * of the database: a message is handed to it and taken back with an answer.
 */

struct sender;

/* ${on_done} is called on the sender's thread when an answer is there.
 * NULL when there is no thread to be had. */
struct sender *sender_new(void (*on_done)(void *arg), void *arg);

/* Ends the transfer under way and the thread; a message inside is dropped. */
void sender_free(struct sender *s);

/* Neither a message under way nor an answer to be taken. */
bool sender_is_idle(struct sender *s);

/* Idle only.  Takes the message over and a reference of the configuration
 * that ${r} is part of. */
void sender_start(struct sender *s, struct config *c,
		  const struct config_receiver *r,
		  const struct outbox_message *m);

/*
 * The message back and what became of it; false when there is no answer yet.
 * ${aborted}: sender_abort ended it.
 */
bool sender_take(struct sender *s, struct outbox_message *m,
		 struct receiver_answer *answer, bool *aborted);

/* End the transfer under way, for good; sender_wait waits for its answer. */
void sender_abort(struct sender *s);
void sender_wait(struct sender *s);

#endif
