/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The notifier's thread: it alone talks to the database.  It looks what is
 * due, hands messages to the senders (one thread a receiver), and writes down
 * what became of them.  While the database is away answers are kept; a crash
 * loses them, the lease runs out, and the message goes out again with its id.
 *
 * Only messages of models that the configuration defines are touched: another
 * daemon on the same database has its own models and receivers.
 */
#include "alerts/notifier.h"

#include "alerts/notifier_line.h"
#include "alerts/notifier_private.h"
#include "alerts/notifier_sender.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"

#include <stdlib.h>
#include <time.h>

#define STOP_GRACE_US CLOCK_SECOND_US

struct notifier *notifier_new(const struct pg_options *pg, struct config *c)
{
	struct notifier *n = xcalloc(1, sizeof(*n));
	pthread_condattr_t attr;

	n->pg = pg_new(pg);
	n->config = config_ref(c);
	n->reconfigured = true;
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->changed, &attr);
	pthread_condattr_destroy(&attr);
	return n;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_lines; i++)
		line_free(n->lines[i]);
	free(n->lines);
	free(n->model_ids);
	config_unref(n->config);
	if (n->active)
		config_unref(n->active);
	pg_free(n->pg);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* --- from other threads ------------------------------------------------- */

static void raise_flag(struct notifier *n, bool *flag)
{
	pthread_mutex_lock(&n->lock);
	*flag = true;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

void notifier_wake(struct notifier *n)
{
	raise_flag(n, &n->woken);
}

void notifier_on_answer(void *arg)
{
	struct notifier *n = arg;

	raise_flag(n, &n->answered);
}

void notifier_set_config(struct notifier *n, struct config *c)
{
	struct config *before;

	config_ref(c);
	pthread_mutex_lock(&n->lock);
	before = n->config;
	n->config = c;
	n->reconfigured = true;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
	config_unref(before);
}

static struct timespec at(int64_t monotonic_us)
{
	return (struct timespec){
		.tv_sec = monotonic_us / CLOCK_SECOND_US,
		.tv_nsec = monotonic_us % CLOCK_SECOND_US * 1000,
	};
}

/* A statement under way gets a moment to end, so that leases are given back;
 * then the wait for it is broken off. */
void notifier_stop(struct notifier *n)
{
	struct timespec until = at(clock_monotonic_us() + STOP_GRACE_US);

	pthread_mutex_lock(&n->lock);
	n->stopping = true;
	pthread_cond_broadcast(&n->changed);
	while (n->running)
		if (pthread_cond_timedwait(&n->changed, &n->lock, &until))
			break;
	if (n->running) {
		n->interrupted = true;
		pg_interrupt(n->pg);
	}
	pthread_mutex_unlock(&n->lock);
}

size_t notifier_get_counts(struct notifier *n, struct notifier_counts *out,
			   size_t max)
{
	size_t count;

	pthread_mutex_lock(&n->lock);
	count = n->n_lines < max ? n->n_lines : max;
	for (size_t i = 0; i < count; i++)
		out[i] = n->lines[i]->counts;
	pthread_mutex_unlock(&n->lock);
	return count;
}

/* --- the loop ----------------------------------------------------------- */

static void note_down(struct notifier *n, const struct err *e)
{
	if (!n->is_down)
		log_warn("alerts", "cannot deliver: %s", e->message);
	n->is_down = true;
}

static void note_up(struct notifier *n)
{
	if (n->is_down)
		log_info("alerts", "the database is back");
	n->is_down = false;
}

/* False when it is time to stop. */
static bool wait_for_work(struct notifier *n, int64_t until_us, bool *woken)
{
	struct timespec until = at(until_us);
	bool go_on;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping && !n->woken && !n->answered && !n->reconfigured)
		if (pthread_cond_timedwait(&n->changed, &n->lock, &until))
			break;
	*woken = n->woken;
	n->woken = n->answered = false;
	go_on = !n->stopping;
	pthread_mutex_unlock(&n->lock);
	return go_on;
}

static bool was_interrupted(struct notifier *n)
{
	bool yes;

	pthread_mutex_lock(&n->lock);
	yes = n->interrupted;
	pthread_mutex_unlock(&n->lock);
	return yes;
}

/* Transfers end now; what they came to is written down if that is quick. */
static void shut_down(struct notifier *n)
{
	struct err e = {0};

	for (size_t i = 0; i < n->n_lines; i++)
		sender_abort(n->lines[i]->sender);
	for (size_t i = 0; i < n->n_lines; i++)
		sender_wait(n->lines[i]->sender);
	if (!was_interrupted(n) && pg_is_connected(n->pg) &&
	    notifier_record(n, &e) < 0)
		log_warn("alerts", "leases are left to run out: %s", e.message);
	pg_disconnect(n->pg);
	pthread_mutex_lock(&n->lock);
	n->running = false;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

void notifier_run(struct notifier *n)
{
	bool woken = true, go_on;

	pthread_mutex_lock(&n->lock);
	n->running = true;
	go_on = !n->stopping;
	pthread_mutex_unlock(&n->lock);
	while (go_on) {
		int64_t until_us;
		struct err e = {0};

		notifier_apply_config(n);
		notifier_make_lines(n);
		until_us = clock_monotonic_us() + CLOCK_SECOND_US;
		if (notifier_work(n, woken, &e) < 0) {
			note_down(n, &e);
			n->next_look_us = 0;
		} else {
			note_up(n);
			until_us = n->next_look_us;
		}
		go_on = wait_for_work(n, until_us, &woken);
	}
	shut_down(n);
}
