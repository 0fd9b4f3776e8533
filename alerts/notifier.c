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
#include "alerts/notifier_sender.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/outbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_BUSY_US CLOCK_SECOND_US      /* while something is queued */
#define LOOK_IDLE_US (5 * CLOCK_SECOND_US)
#define STOP_GRACE_US CLOCK_SECOND_US

/* A receiver that is not configured may be so a moment later: a reload. */
#define ORPHAN_US CLOCK_MINUTE_US

#define PRUNE_EVERY_US CLOCK_HOUR_US
#define KEEP_DELIVERED_US (7 * CLOCK_DAY_US)
#define KEEP_DEAD_US (90 * CLOCK_DAY_US)

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
	bool is_down;            /* the database, as logged last */
};

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

static void on_answer(void *arg)
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

/* --- the configuration -------------------------------------------------- */

static const struct config_receiver *find_receiver(const struct config *c,
						   const char *name)
{
	for (size_t i = 0; i < c->n_receivers; i++)
		if (strcmp(c->receivers[i].name, name) == 0)
			return &c->receivers[i];
	return NULL;
}

static struct line *find_line(const struct notifier *n, const char *name)
{
	for (size_t i = 0; i < n->n_lines; i++)
		if (strcmp(n->lines[i]->name, name) == 0)
			return n->lines[i];
	return NULL;
}

static void add_line(struct notifier *n, const char *name)
{
	struct line *l = line_new(name, on_answer, n);

	if (!l) {
		log_error("alerts", "no thread for receiver \"%s\"", name);
		return;
	}
	pthread_mutex_lock(&n->lock);
	n->lines = xrealloc_array(n->lines, n->n_lines + 1,
				  sizeof(struct line *));
	n->lines[n->n_lines++] = l;
	pthread_mutex_unlock(&n->lock);
}

/* Lines of receivers that are gone go when nothing is under way there. */
static void drop_lines(struct notifier *n)
{
	for (size_t i = 0; i < n->n_lines;) {
		struct line *l = n->lines[i];

		if (find_receiver(n->active, l->name) || l->has_result ||
		    !sender_is_idle(l->sender)) {
			i++;
			continue;
		}
		pthread_mutex_lock(&n->lock);
		n->lines[i] = n->lines[--n->n_lines];
		pthread_mutex_unlock(&n->lock);
		line_free(l);
	}
}

static void apply_config(struct notifier *n)
{
	struct config *before = n->active;

	pthread_mutex_lock(&n->lock);
	if (!n->reconfigured) {
		pthread_mutex_unlock(&n->lock);
		return;
	}
	n->reconfigured = false;
	n->active = config_ref(n->config);
	pthread_mutex_unlock(&n->lock);
	if (before)
		config_unref(before);
	n->n_models = n->active->n_models;
	n->model_ids = xrealloc_array(n->model_ids, n->n_models + 1,
				      sizeof(*n->model_ids));
	for (size_t i = 0; i < n->n_models; i++)
		n->model_ids[i] = n->active->models[i].model_id;
	for (size_t i = 0; i < n->n_lines; i++)
		n->lines[i]->gone = false;
	n->next_look_us = 0;
}

/* Also what could not be made before. */
static void make_lines(struct notifier *n)
{
	for (size_t i = 0; i < n->active->n_receivers; i++)
		if (!find_line(n, n->active->receivers[i].name))
			add_line(n, n->active->receivers[i].name);
	drop_lines(n);
}

/* --- the database ------------------------------------------------------- */

static int64_t db_now(const struct notifier *n)
{
	return clock_monotonic_us() + n->clock_offset_us;
}

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

static void count(struct notifier *n, uint64_t *counter, uint64_t by)
{
	pthread_mutex_lock(&n->lock);
	*counter += by;
	pthread_mutex_unlock(&n->lock);
}

static void count_end(struct notifier *n, struct line *l)
{
	switch (l->result.end) {
	case OUTBOX_DELIVERED:
		count(n, &l->counts.delivered, 1);
		break;
	case OUTBOX_RETRY:
		count(n, &l->counts.failed, 1);
		break;
	case OUTBOX_DEAD:
		count(n, &l->counts.dead, 1);
		break;
	case OUTBOX_RELEASE:
		break;
	}
}

/* Answers into the database. */
static int record(struct notifier *n, struct err *e)
{
	for (size_t i = 0; i < n->n_lines; i++) {
		struct line *l = n->lines[i];
		int rc;

		if (line_collect(l))
			count_end(n, l);
		if (!l->has_result)
			continue;
		rc = line_record(l, n->pg, db_now(n), e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			log_warn("alerts",
				 "a lease on a message to \"%s\" was lost",
				 l->name);
		n->changed_since_look = true;
	}
	return 0;
}

/* What cannot be delivered to anybody. */
static int bury(struct notifier *n, const struct outbox_pair *p,
		struct line *l, int64_t now_us, struct err *e)
{
	int64_t before_us = l ? now_us + 1 : now_us - ORPHAN_US;
	long buried;

	buried = outbox_bury(n->pg, p->model_id, p->receiver, before_us,
			     now_us,
			     l ? "the receiver answered 410 gone"
			       : "the receiver is not configured",
			     e);
	if (buried < 0)
		return -1;
	if (buried > 0)
		log_warn("alerts",
			 "%ld messages to receiver \"%s\" are dead letters: %s",
			 buried, p->receiver,
			 l ? "it answered 410 gone" : "it is not configured");
	if (l)
		count(n, &l->counts.dead, (uint64_t)buried);
	return 0;
}

static int take_pair(struct notifier *n, const struct outbox_pair *p,
		     int64_t now_us, struct err *e)
{
	struct line *l = find_line(n, p->receiver);

	if (!find_receiver(n->active, p->receiver))
		return bury(n, p, NULL, now_us, e);
	if (!l) /* no thread for it yet */
		return 0;
	if (l->gone)
		return bury(n, p, l, now_us, e);
	count(n, &l->counts.backlog, (uint64_t)p->n_queued);
	if (p->n_due > 0)
		line_add_due(l, p->model_id);
	return 0;
}

static int look(struct notifier *n, struct err *e)
{
	struct outbox_pair *pairs = NULL;
	size_t n_pairs = 0;
	int64_t now_us;
	int rc = 0;

	if (alert_store_now(n->pg, &now_us, e) < 0 ||
	    outbox_pairs(n->pg, n->model_ids, n->n_models, now_us, &pairs,
			 &n_pairs, e) < 0)
		return -1;
	n->clock_offset_us = now_us - clock_monotonic_us();
	n->changed_since_look = false;
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n_lines; i++) {
		n->lines[i]->counts.backlog = 0;
		n->lines[i]->n_due = 0;
	}
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < n_pairs && rc == 0; i++)
		rc = take_pair(n, &pairs[i], now_us, e);
	free(pairs);
	n->next_look_us = clock_monotonic_us() +
			  (n_pairs > 0 ? LOOK_BUSY_US : LOOK_IDLE_US);
	return rc;
}

/* 1 when a line has nothing left that was due. */
static int dispatch(struct notifier *n, struct err *e)
{
	int idle = 0;

	for (size_t i = 0; i < n->n_lines; i++) {
		struct line *l = n->lines[i];
		const struct config_receiver *r =
			find_receiver(n->active, l->name);
		int rc;

		if (!r || !line_is_ready(l))
			continue;
		rc = line_dispatch(l, n->pg, n->active, r, db_now(n), e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			idle = 1;
	}
	return idle;
}

static int prune(struct notifier *n, struct err *e)
{
	const int64_t now_us = db_now(n);
	const int64_t keep_us = n->active->storage.retention_results_us;

	for (size_t i = 0; i < n->n_models; i++) {
		if (outbox_prune(n->pg, n->model_ids[i],
				 now_us - KEEP_DELIVERED_US,
				 now_us - KEEP_DEAD_US, e) < 0)
			return -1;
		if (keep_us > 0 &&
		    alert_store_prune(n->pg, n->model_ids[i],
				      now_us - keep_us, e) < 0)
			return -1;
	}
	n->next_prune_us = clock_monotonic_us() + PRUNE_EVERY_US;
	return 0;
}

/* --- the loop ----------------------------------------------------------- */

/* One round; -1 when the database failed it. */
static int work(struct notifier *n, bool woken, struct err *e)
{
	int idle;

	if (record(n, e) < 0)
		return -1;
	for (;;) {
		if ((woken || clock_monotonic_us() >= n->next_look_us) &&
		    look(n, e) < 0)
			return -1;
		idle = dispatch(n, e);
		if (idle < 0)
			return -1;
		if (!idle || !n->changed_since_look)
			break;
		/* What an answer has let through may be due at once. */
		woken = true;
	}
	if (clock_monotonic_us() >= n->next_prune_us)
		return prune(n, e);
	return 0;
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
	    record(n, &e) < 0)
		log_warn("alerts", "leases are left to run out: %s",
			 e.message);
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

		apply_config(n);
		make_lines(n);
		until_us = clock_monotonic_us() + CLOCK_SECOND_US;
		if (work(n, woken, &e) < 0) {
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
