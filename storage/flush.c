/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush - the flusher's thread: rounds, and what others may ask of it.
 *
 * A round reads the database's clock, then takes the end of what is durable;
 * so everything that was received before that clock is before that end, and
 * a stream that is applied up to there may say so (caught_up_to).
 */
#include "storage/flush.h"

#include "base/clock.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/baseline_store.h"
#include "storage/flush_internal.h"
#include "storage/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BASELINE_CACHE_BYTES = 64 << 20 };

/* After a round that failed: pg has a back-off of its own. */
#define RETRY_US INT64_C(200000)

struct flusher *flusher_new(const struct flush_options *o)
{
	struct flusher *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	f->options = *o;
	f->interval_us = o->interval_us;
	f->pg = pg_new(&o->pg);
	f->cursor = journal_cursor_new(o->journal);
	f->opened = journal_durable_end(o->journal);
	f->baselines = baseline_cache_new(BASELINE_CACHE_BYTES);
	f->hash = hash128_new();
	f->index = dict_new(0, 0);
	batch_view_init(&f->view);
	pg_params_init(&f->params);
	buf_init(&f->deltas.bytes, (size_t)1 << 30);
	f->oldest_received_us = INT64_MIN;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_cond_init(&f->news, &attr);
	pthread_condattr_destroy(&attr);
	return f;
}

void flusher_free(struct flusher *f)
{
	if (!f)
		return;
	pthread_cond_destroy(&f->news);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->mutex);
	flush_streams_free(f);
	free(f->windows);
	free(f->deltas.items);
	buf_release(&f->deltas.bytes);
	pg_params_release(&f->params);
	batch_view_release(&f->view);
	dict_free(f->index);
	hash128_free(f->hash);
	baseline_cache_free(f->baselines);
	journal_cursor_free(f->cursor);
	pg_free(f->pg);
	free(f);
}

/* On the monotonic clock; false when the time was over. */
static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex,
		       int64_t until_us)
{
	struct timespec at;

	if (until_us < 0)
		until_us = 0;
	at.tv_sec = until_us / CLOCK_SECOND_US;
	at.tv_nsec = until_us % CLOCK_SECOND_US * 1000;
	return pthread_cond_timedwait(cond, mutex, &at) != ETIMEDOUT;
}

static int64_t deadline_after(int64_t timeout_us)
{
	int64_t until;

	if (__builtin_add_overflow(clock_monotonic_us(), timeout_us, &until))
		return INT64_MAX;
	return until;
}

static void set_paused(struct flusher *f, bool paused)
{
	pthread_mutex_lock(&f->mutex);
	f->status.paused = paused;
	pthread_mutex_unlock(&f->mutex);
}

static bool is_stopping(struct flusher *f)
{
	bool stop;

	pthread_mutex_lock(&f->mutex);
	stop = f->stop &&
	       (!f->drain || clock_monotonic_us() >= f->drain_until_us);
	pthread_mutex_unlock(&f->mutex);
	return stop;
}

/*
 * The schema must be the one we know.  A newer one: wait for the upgrade of
 * this daemon, journal only.
 */
static int settle_schema(struct flusher *f, struct err *e)
{
	enum schema_state state;
	int version;

	if (schema_check(f->pg, &state, &version, e))
		return -1;
	if (state == SCHEMA_OLDER && f->options.migrate)
		return schema_migrate(f->pg, e);
	set_paused(f, state != SCHEMA_CURRENT);
	if (state == SCHEMA_NEWER)
		return err_set(e, ERR_TEMP,
			       "the schema has version %d, this driftd knows "
			       "%d: paused until it is upgraded",
			       version, schema_version());
	if (state == SCHEMA_OLDER)
		return err_set(e, ERR_TEMP,
			       "the schema has version %d, %d is needed: run "
			       "driftd migrate",
			       version, schema_version());
	return 0;
}

/* Connected, the schema ours, the clock read, then the end taken. */
static int begin_round(struct flusher *f, struct err *e)
{
	struct err why = {.code = ERR_NONE};
	int version = 0;

	if (pg_connect(f->pg, e))
		return -1;
	if (flush_sql_hello(f, &f->now_us, &version, &why) &&
	    strncmp(why.sqlstate, "42", 2) != 0 &&
	    strncmp(why.sqlstate, "3F", 2) != 0) {
		*e = why;
		return -1;
	}
	if (version != schema_version()) {
		if (settle_schema(f, e))
			return -1;
		if (flush_sql_hello(f, &f->now_us, &version, e))
			return -1;
	}
	set_paused(f, false);
	f->end = journal_durable_end(f->options.journal);
	return flush_list_sources(f, e);
}

static int run_passes(struct flusher *f, struct err *e)
{
	int more;

	do {
		more = flush_main_pass(f, e);
		if (more < 0)
			return -1;
	} while (more && !is_stopping(f));
	if (flush_laggards(f, e) || flush_heartbeats(f, e))
		return -1;
	return flush_prune(f, e);
}

/* When the first frame that is not applied was received. */
static int64_t oldest_received(struct flusher *f, uint64_t position)
{
	struct journal_frame h;
	const void *payload;
	struct err e;

	if (position >= journal_durable_end(f->options.journal))
		return INT64_MIN;
	if (journal_next(f->cursor, position, &h, &e) != 1)
		return INT64_MIN;
	payload = journal_payload(f->cursor, &h, &e);
	if (!payload || batch_view_open(&f->view, payload, h.payload_len, &e))
		return INT64_MIN;
	return f->view.meta.received_at_us;
}

static void set_message(struct flusher *f, const struct err *e)
{
	const char *text = e ? e->message : "";
	bool is_new = strcmp(f->status.message, text) != 0;
	size_t len = strnlen(text, sizeof(f->status.message) - 1);

	memcpy(f->status.message, text, len);
	f->status.message[len] = '\0';
	if (e && is_new && !f->stop)
		log_write(e->code == ERR_FENCED ? LOG_ERROR : LOG_WARN, "flush",
			  "%s", text);
}

static void end_round(struct flusher *f, const struct err *e)
{
	uint64_t position = flush_streams_position(f);
	int64_t received = oldest_received(f, position);

	pthread_mutex_lock(&f->mutex);
	f->status.position = position;
	f->status.connected = pg_is_connected(f->pg);
	f->status.n_rounds++;
	f->status.n_good += e == NULL;
	if (e && e->code == ERR_FENCED)
		f->status.fenced = true;
	f->oldest_received_us = received;
	set_message(f, e);
	pthread_cond_broadcast(&f->news);
	pthread_mutex_unlock(&f->mutex);
	journal_applied(f->options.journal, position);
}

static bool round_once(struct flusher *f)
{
	struct err e = {.code = ERR_NONE};
	int rc = begin_round(f, &e);

	if (rc == 0)
		rc = run_passes(f, &e);
	if (f->saw_older) {
		log_warn("flush", "the database went back to an older state: "
				  "applying again from the journal");
		f->saw_older = false;
		flush_streams_forget(f);
	}
	end_round(f, rc ? &e : NULL);
	return rc == 0;
}

/* Sleep until the next round is due; false: to stop. */
static bool await_round(struct flusher *f, bool worked, int64_t began_us)
{
	int64_t due;
	bool go_on;

	pthread_mutex_lock(&f->mutex);
	for (;;) {
		int64_t wait = f->interval_us;

		if (!worked && wait > RETRY_US && !f->status.paused)
			wait = RETRY_US;
		if (f->stop)
			break;
		due = began_us + wait;
		if (worked && f->requested)
			break;
		if (clock_monotonic_us() >= due)
			break;
		wait_until(&f->wake, &f->mutex, due);
	}
	f->requested = false;
	go_on = !f->stop;
	if (f->stop && f->drain && !f->status.fenced &&
	    clock_monotonic_us() < f->drain_until_us)
		go_on = f->status.position <
			journal_durable_end(f->options.journal);
	pthread_mutex_unlock(&f->mutex);
	if (go_on && !worked)
		clock_sleep_us(RETRY_US / 10);
	return go_on;
}

void flusher_run(struct flusher *f)
{
	bool worked = true;
	int64_t began = clock_monotonic_us();

	pthread_mutex_lock(&f->mutex);
	f->is_running = true;
	f->requested = true; /* the first round is at once */
	pthread_mutex_unlock(&f->mutex);
	while (await_round(f, worked, began)) {
		began = clock_monotonic_us();
		if (f->status.fenced) /* written by this thread only */
			worked = false;
		else
			worked = round_once(f);
	}
	pthread_mutex_lock(&f->mutex);
	f->is_running = false;
	pthread_cond_broadcast(&f->news);
	pthread_mutex_unlock(&f->mutex);
}

void flusher_stop(struct flusher *f, bool drain, int64_t timeout_us)
{
	int64_t until = deadline_after(drain ? timeout_us : 0);

	pthread_mutex_lock(&f->mutex);
	f->stop = true;
	f->drain = drain;
	f->drain_until_us = until;
	pthread_cond_broadcast(&f->wake);
	while (f->is_running && wait_until(&f->news, &f->mutex, until))
		;
	pthread_mutex_unlock(&f->mutex);
	/* A statement under way is not waited for. */
	pg_interrupt(f->pg);
}

bool flusher_flush(struct flusher *f, int64_t timeout_us)
{
	uint64_t target = journal_written_end(f->options.journal);
	int64_t until = deadline_after(timeout_us);
	uint64_t n_good;
	bool done = false;

	if (target > 0)
		journal_wait(f->options.journal, target - 1, timeout_us);

	pthread_mutex_lock(&f->mutex);
	n_good = f->status.n_good;
	while (!done && !f->status.fenced && !f->stop) {
		f->requested = true;
		pthread_cond_broadcast(&f->wake);
		if (!wait_until(&f->news, &f->mutex, until))
			break;
		done = f->status.position >= target &&
		       f->status.n_good > n_good;
	}
	pthread_mutex_unlock(&f->mutex);
	return done;
}

void flusher_get_status(struct flusher *f, struct flush_status *out)
{
	uint64_t end = journal_durable_end(f->options.journal);
	int64_t now = clock_wall_us();

	pthread_mutex_lock(&f->mutex);
	*out = f->status;
	out->lag_us = 0;
	if (f->oldest_received_us != INT64_MIN && f->status.position < end &&
	    now > f->oldest_received_us)
		out->lag_us = now - f->oldest_received_us;
	pthread_mutex_unlock(&f->mutex);
}

void flusher_set_interval(struct flusher *f, int64_t interval_us)
{
	pthread_mutex_lock(&f->mutex);
	f->interval_us = interval_us;
	pthread_cond_broadcast(&f->wake);
	pthread_mutex_unlock(&f->mutex);
}
