/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that sends to one receiver. */
#include "alerts/notifier_sender.h"

#include "alerts/http_client.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/outbox.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum sender_state { SENDER_IDLE, SENDER_BUSY, SENDER_DONE };

struct sender {
	pthread_t thread;
	struct http_client *http; /* owned; used by the thread */
	void (*on_done)(void *arg);
	void *arg;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	enum sender_state state;
	bool stopping;
	bool aborted;
	struct config *config; /* counted, while a message is in */
	const struct config_receiver *receiver; /* part of it */
	struct outbox_message message; /* owned, while a message is in */
	struct receiver_answer answer;
};

static void send_one(const struct config_receiver *r, struct http_client *http,
		     const struct outbox_message *m,
		     struct receiver_answer *answer)
{
	const struct receiver_type *type = receiver_type_at(r->type);
	const struct receiver_message message = {
		.id = m->message_id,
		.timestamp_us = clock_wall_us(),
		.body = m->body,
		.body_len = strlen(m->body),
	};

	type->send(r, http, &message, answer);
}

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct receiver_answer answer;

		if (s->state != SENDER_BUSY) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		/* While busy, the message and the receiver are ours alone. */
		pthread_mutex_unlock(&s->lock);
		send_one(s->receiver, s->http, &s->message, &answer);
		pthread_mutex_lock(&s->lock);
		s->answer = answer;
		s->state = SENDER_DONE;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
		s->on_done(s->arg);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct sender *s)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&s->thread, NULL, sender_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0 ? 0 : -1;
}

struct sender *sender_new(void (*on_done)(void *arg), void *arg)
{
	struct sender *s = xcalloc(1, sizeof(*s));

	s->on_done = on_done;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->http = http_client_new();
	if (s->http && start_thread(s) == 0)
		return s;
	http_client_free(s->http);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	sender_abort(s);
	pthread_join(s->thread, NULL);
	if (s->state != SENDER_IDLE) {
		outbox_message_release(&s->message);
		config_unref(s->config);
	}
	http_client_free(s->http);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool sender_is_idle(struct sender *s)
{
	bool idle;

	pthread_mutex_lock(&s->lock);
	idle = s->state == SENDER_IDLE;
	pthread_mutex_unlock(&s->lock);
	return idle;
}

void sender_start(struct sender *s, struct config *c,
		  const struct config_receiver *r,
		  const struct outbox_message *m)
{
	pthread_mutex_lock(&s->lock);
	s->config = config_ref(c);
	s->receiver = r;
	s->message = *m;
	s->state = SENDER_BUSY;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool sender_take(struct sender *s, struct outbox_message *m,
		 struct receiver_answer *answer, bool *aborted)
{
	struct config *c = NULL;
	bool done;

	pthread_mutex_lock(&s->lock);
	done = s->state == SENDER_DONE;
	if (done) {
		*m = s->message;
		*answer = s->answer;
		*aborted = s->aborted && answer->outcome == RECEIVER_RETRY;
		c = s->config;
		s->config = NULL;
		s->receiver = NULL;
		s->message = (struct outbox_message){0};
		s->state = SENDER_IDLE;
	}
	pthread_mutex_unlock(&s->lock);
	if (c)
		config_unref(c);
	return done;
}

void sender_abort(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->aborted = true;
	pthread_mutex_unlock(&s->lock);
	http_client_abort(s->http);
}

void sender_wait(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->state == SENDER_BUSY)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}
