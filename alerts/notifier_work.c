/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The notifier's work in the database: what is due, claims, what became of
 * them, what can never be delivered, and what may be forgotten.
 */
#include "alerts/notifier_private.h"

#include "alerts/notifier_line.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "storage/outbox.h"

#include <stdlib.h>

#define LOOK_BUSY_US CLOCK_SECOND_US /* while something is queued */
#define LOOK_IDLE_US (5 * CLOCK_SECOND_US)

/* A receiver that is not configured may be so a moment later: a reload. */
#define ORPHAN_US CLOCK_MINUTE_US

#define PRUNE_EVERY_US	  CLOCK_HOUR_US
#define KEEP_DELIVERED_US (7 * CLOCK_DAY_US)
#define KEEP_DEAD_US	  (90 * CLOCK_DAY_US)

static int64_t db_now(const struct notifier *n)
{
	return clock_monotonic_us() + n->clock_offset_us;
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

int notifier_record(struct notifier *n, struct err *e)
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
static int bury(struct notifier *n, const struct outbox_pair *p, struct line *l,
		int64_t now_us, struct err *e)
{
	int64_t before_us = l ? now_us + 1 : now_us - ORPHAN_US;
	long buried;

	buried = outbox_bury(n->pg, p->model_id, p->receiver, before_us, now_us,
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
	struct line *l = notifier_find_line(n, p->receiver);

	if (!notifier_find_receiver(n->active, p->receiver))
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
			notifier_find_receiver(n->active, l->name);
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
		if (keep_us > 0 && alert_store_prune(n->pg, n->model_ids[i],
						     now_us - keep_us, e) < 0)
			return -1;
	}
	n->next_prune_us = clock_monotonic_us() + PRUNE_EVERY_US;
	return 0;
}

int notifier_work(struct notifier *n, bool woken, struct err *e)
{
	int idle;

	if (notifier_record(n, e) < 0)
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
