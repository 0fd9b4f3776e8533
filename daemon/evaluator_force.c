/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluator_force - wait until what is dirty now has been judged.
 *
 * The caller looks for itself, over a connection of its own: whichever
 * evaluator took a mark away, here or on another machine, it counts.  While a
 * caller waits this evaluator judges without throttle.
 */
#include "daemon/evaluator_private.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"

#include <stdlib.h>

enum { FORCE_WINDOWS = 8192 };
#define FORCE_POLL_US (50 * INT64_C(1000))

/* What a caller waits for. */
struct wish {
	struct pg *pg; /* owned */
	int64_t *ids;  /* owned */
	size_t n_ids;
	int64_t called_us;		/* the database's clock */
	struct evaluation_dirty *dirty; /* owned: still to be judged */
	struct evaluation_dirty *now;	/* owned: as read last */
	long n_dirty;
};

static void wish_init(struct wish *w, struct evaluator *v)
{
	struct config *c;

	*w = (struct wish){.pg = pg_new(&v->pg_options)};
	w->dirty = xcalloc(FORCE_WINDOWS, sizeof(*w->dirty));
	w->now = xcalloc(FORCE_WINDOWS, sizeof(*w->now));
	pthread_mutex_lock(&v->lock);
	c = config_ref(v->config);
	pthread_mutex_unlock(&v->lock);
	w->n_ids = c->n_models;
	w->ids = xcalloc(w->n_ids + 1, sizeof(*w->ids));
	for (size_t i = 0; i < w->n_ids; i++)
		w->ids[i] = c->models[i].model_id;
	config_unref(c);
}

static void wish_release(struct wish *w)
{
	pg_free(w->pg);
	free(w->ids);
	free(w->dirty);
	free(w->now);
}

static int wish_read(struct wish *w, struct err *e)
{
	if (pg_connect(w->pg, e) || evaluation_clock(w->pg, &w->called_us, e))
		return -1;
	w->n_dirty = evaluation_dirty_windows(w->pg, w->ids, w->n_ids, w->dirty,
					      FORCE_WINDOWS, e);
	return w->n_dirty < 0 ? -1 : 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct evaluation_dirty *a = pa, *b = pb;

	if (a->model_id != b->model_id)
		return a->model_id < b->model_id ? -1 : 1;
	return (a->start_us > b->start_us) - (a->start_us < b->start_us);
}

static bool is_among(const struct evaluation_dirty *list, long n,
		     const struct evaluation_dirty *key)
{
	return n > 0 && bsearch(key, list, (size_t)n, sizeof(*list), compare);
}

/* Strike out the windows that are clean: how many are left, or -1. */
static long wish_look(struct wish *w, struct err *e)
{
	long left = 0, n;
	bool was_full = w->n_dirty == FORCE_WINDOWS;

	n = evaluation_dirty_windows(w->pg, w->ids, w->n_ids, w->now,
				     FORCE_WINDOWS, e);
	if (n < 0)
		return -1;
	if (was_full && n == FORCE_WINDOWS)
		return n; /* more than one list holds: wait for them to go */
	for (long i = 0; i < w->n_dirty; i++)
		if (is_among(w->now, n, &w->dirty[i]))
			w->dirty[left++] = w->dirty[i];
	if (was_full) {
		/* Those that the first list could not hold. */
		for (left = 0; left < n; left++)
			w->dirty[left] = w->now[left];
	}
	w->n_dirty = left;
	return left;
}

static void count_waiter(struct evaluator *v, enum evaluation_force force,
			 int by)
{
	pthread_mutex_lock(&v->lock);
	if (force == EVALUATION_FINAL)
		v->n_force_final += (unsigned)by;
	else
		v->n_force_now += (unsigned)by;
	v->woken = true;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
}

static int wait_for(struct evaluator *v, struct wish *w,
		    enum evaluation_force force, int64_t deadline,
		    struct err *e)
{
	for (;;) {
		long left = wish_look(w, e), open = 0;
		int64_t now = clock_monotonic_us();

		if (left < 0)
			return -1;
		if (force == EVALUATION_FINAL)
			open = evaluation_open_windows(w->pg, w->ids, w->n_ids,
						       w->called_us, e);
		if (open < 0)
			return -1;
		if (!left && !open)
			return 0;
		if (evaluator_is_stopping(v))
			return err_set(e, ERR_TEMP,
				       "the evaluator is stopping");
		if (now >= deadline)
			return err_set(e, ERR_TEMP,
				       "%ld windows were not "
				       "evaluated in time",
				       left + open);
		now += FORCE_POLL_US;
		pthread_mutex_lock(&v->lock);
		evaluator_wait_until(v, &v->progress,
				     now < deadline ? now : deadline);
		pthread_mutex_unlock(&v->lock);
	}
}

int evaluator_force(struct evaluator *v, enum evaluation_force force,
		    int64_t timeout_us, struct err *e)
{
	int64_t deadline = clock_monotonic_us() + timeout_us;
	struct wish w;
	int rc;

	wish_init(&w, v);
	rc = wish_read(&w, e);
	if (!rc) {
		count_waiter(v, force, 1);
		rc = wait_for(v, &w, force, deadline, e);
		count_waiter(v, force, -1);
	}
	wish_release(&w);
	return rc;
}
