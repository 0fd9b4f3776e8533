/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * http_queue - the two threads that may wait for PostgreSQL on behalf of
 * suspended connections.  Bounded: a full queue answers 503.
 */

#include "base/clock.h"
#include "daemon/http_private.h"

#include <time.h>

static struct http_queue *queue_of(struct http_server *s, enum http_thread kind)
{
	return &s->queues[kind == HTTP_ADMIN];
}

static struct http_request *take(struct http_queue *q)
{
	struct http_request *r = NULL;
	struct timespec until;

	pthread_mutex_lock(&q->lock);
	if (!q->n && !q->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&q->changed, &q->lock, &until);
	}
	if (q->n) {
		r = q->items[q->first];
		q->first = (q->first + 1) % HTTP_QUEUE_MAX;
		q->n--;
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

static bool is_over(struct http_queue *q)
{
	bool over;

	pthread_mutex_lock(&q->lock);
	over = q->stopping && !q->n;
	pthread_mutex_unlock(&q->lock);
	return over;
}

static void *queue_thread(void *arg)
{
	struct http_queue *q = arg;
	struct http_server *s = q->server;

	for (;;) {
		struct http_request *r = take(q);

		if (r) {
			r->route->run(r);
			http_resume(r);
		} else if (is_over(q)) {
			return NULL;
		}
		if (s->o.tick)
			s->o.tick(s->o.app, q->kind);
	}
}

bool http_queue_put(struct http_server *s, struct http_request *r)
{
	struct http_queue *q = queue_of(s, r->route->thread);
	bool ok;

	pthread_mutex_lock(&q->lock);
	ok = q->n < HTTP_QUEUE_MAX && !q->stopping;
	if (ok) {
		q->items[(q->first + q->n) % HTTP_QUEUE_MAX] = r;
		q->n++;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return ok;
}

void http_queues_start(struct http_server *s)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (unsigned i = 0; i < 2; i++) {
		struct http_queue *q = &s->queues[i];

		q->server = s;
		q->kind = i ? HTTP_ADMIN : HTTP_QUERY;
		pthread_mutex_init(&q->lock, NULL);
		pthread_cond_init(&q->changed, &attr);
		pthread_create(&q->thread, NULL, queue_thread, q);
	}
	pthread_condattr_destroy(&attr);
}

void http_queues_stop(struct http_server *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct http_queue *q = &s->queues[i];

		pthread_mutex_lock(&q->lock);
		q->stopping = true;
		pthread_cond_broadcast(&q->changed);
		pthread_mutex_unlock(&q->lock);
		pthread_join(q->thread, NULL);
		pthread_mutex_destroy(&q->lock);
		pthread_cond_destroy(&q->changed);
	}
}
