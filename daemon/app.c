/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * app - start, watch, reload and stop the parts of the daemon.
 *
 * Start order: journal first (what was acknowledged is safe before anything
 * else), HTTP last.  Stop order is the reverse: no new requests, waiting ones
 * are answered, the flusher drains, the journal closes.
 */

#include "daemon/app.h"

#include "alerts/notifier.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/auth.h"
#include "daemon/evaluator.h"
#include "daemon/http_server.h"
#include "daemon/key_memory.h"
#include "daemon/metrics.h"
#include "daemon/sources/uploads.h"
#include "storage/baseline_store.h"
#include "storage/flush.h"
#include "storage/journal.h"
#include "storage/pg.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
	APP_UPLOADS_MAX = 128,
	APP_KEYS = 65536,
	APP_PATH_MAX = 4096,
	APP_BASELINE_CACHE_BYTES = 16 * 1024 * 1024,
	APP_MALLOC_ARENAS = 1,
	APP_MMAP_THRESHOLD = 256 * 1024
};

#define APP_DRAIN_REQUESTS_US (2 * CLOCK_SECOND_US)
#define APP_FIRST_ROUND_US    (2 * CLOCK_SECOND_US)
#define APP_DRAIN_QUIET_US    (CLOCK_SECOND_US / 10)
#define APP_DRAIN_FLUSH_US    (5 * CLOCK_SECOND_US)
#define APP_TICK_NS	      250000000L

struct config *app_config(struct app *a)
{
	struct config *c;

	pthread_mutex_lock(&a->lock);
	c = config_ref(a->config);
	pthread_mutex_unlock(&a->lock);
	return c;
}

struct pg *app_pg(struct app *a, const struct http_request *r)
{
	return r->route->thread == HTTP_ADMIN ? a->admin_pg : a->query_pg;
}

static struct pg_options pg_options_of(const struct config *c,
				       const char *application)
{
	return (struct pg_options){
		.dsn = c->storage.dsn,
		.application = application,
		.connect_timeout_us = c->storage.connect_timeout_us,
		.statement_timeout_us = c->storage.statement_timeout_us};
}

/* --- callbacks of the parts --- */

static void on_commit(void *arg, int64_t model_id, const struct flush_counts *n,
		      int64_t max_event_time_us)
{
	struct app *a = arg;
	struct config *c = app_config(a);

	(void)max_event_time_us;
	for (size_t i = 0; i < c->n_models; i++) {
		const char *name = c->models[i].name;

		if (c->models[i].model_id != model_id)
			continue;
		metrics_add_events(a->metrics, name, EVENT_APPLIED, n->applied);
		metrics_add_events(a->metrics, name, EVENT_DUPLICATE,
				   n->duplicate);
		metrics_add_events(a->metrics, name, EVENT_LATE, n->late);
		metrics_add_events(a->metrics, name, EVENT_CORRUPT, n->corrupt);
		metrics_add_events(a->metrics, name, EVENT_LOST, n->lost);
	}
	config_unref(c);
	evaluator_wake(a->evaluator);
}

static void on_final(void *arg, int64_t model_id, int64_t window_end_us)
{
	struct app *a = arg;

	(void)model_id;
	(void)window_end_us;
	notifier_wake(a->notifier);
}

static int authorize(struct http_request *r, const char *authorization)
{
	struct app *a = r->app;
	int status = 0;

	pthread_mutex_lock(&a->lock);
	if (a->auth)
		status = auth_check(a->auth, authorization, r->route->scope,
				    r->params[0], r->token_name);
	pthread_mutex_unlock(&a->lock);
	return status;
}

static void count_request(void *app, const struct http_route *route, int code)
{
	struct app *a = app;

	metrics_add_request(a->metrics, route ? route->pattern : "none", code);
}

/* --- start --- */

static int start_journal(struct app *a, struct err *e)
{
	const struct config_journal *j = &a->config->journal;
	struct journal_options o = {
		.dir = j->dir,
		.sync = j->sync ? JOURNAL_SYNC_INTERVAL : JOURNAL_SYNC_ALWAYS,
		.sync_interval_us = j->sync_interval_us,
		.max_bytes = j->max_bytes,
		.segment_bytes = j->segment_bytes,
		.retain_us = j->retain_us,
		.max_pending_bytes = CONFIG_JOURNAL_PENDING_MAX};
	struct journal_recovery rec;

	a->journal = journal_open(&o, &rec, e);
	if (!a->journal)
		return -1;
	log_info("journal",
		 "opened \"%s\": %llu segments, %llu frames, %llu torn bytes, "
		 "%llu corrupt stretches",
		 j->dir, (unsigned long long)rec.n_segments,
		 (unsigned long long)rec.n_frames,
		 (unsigned long long)rec.torn_bytes,
		 (unsigned long long)rec.n_corrupt_runs);
	return 0;
}

static void name_baseline_dir(struct app *a)
{
	struct buf path;

	buf_init(&path, APP_PATH_MAX);
	buf_printf(&path, "%s/baselines", a->config->journal.dir);
	a->baseline_dir = xstrdup(buf_str(&path));
	buf_release(&path);
}

static void start_flusher(struct app *a)
{
	const struct config *c = a->config;
	struct flush_options o = {.baseline_dir = a->baseline_dir,
				  .journal = a->journal,
				  .pg = pg_options_of(c, "driftd flush"),
				  .migrate = c->storage.migrate,
				  .interval_us = c->journal.flush_interval_us,
				  .memory = c->journal.flush_memory,
				  .idempotency_ttl_us =
					  c->server.idempotency_ttl_us,
				  .on_commit = on_commit,
				  .arg = a};

	a->flusher = flusher_new(&o);
}

static void start_evaluator(struct app *a)
{
	struct evaluator_options o = {
		.pg = pg_options_of(a->config, "driftd evaluate"),
		.config = a->config,
		.on_final = on_final,
		.arg = a};

	a->evaluator = evaluator_new(&o);
}

static void start_notifier(struct app *a)
{
	struct pg_options o = pg_options_of(a->config, "driftd notify");

	a->notifier = notifier_new(&o, a->config);
}

static int start_http(struct app *a, struct err *e)
{
	const struct config_server *s = &a->config->server;
	struct http_options o = {.listen = s->listen,
				 .metrics_listen = s->metrics_listen,
				 .workers = (unsigned)s->workers,
				 .max_connections =
					 (unsigned)s->max_connections,
				 .max_body = s->max_body,
				 .request_timeout_us = s->request_timeout_us,
				 .idle_timeout_us = s->idle_timeout_us,
				 .routes = api_routes,
				 .n_routes = api_n_routes,
				 .app = a,
				 .authorize = authorize,
				 .count = count_request,
				 .tick = api_refresh_gauges};
	struct pg_options query = pg_options_of(a->config, "driftd query");
	struct pg_options admin = pg_options_of(a->config, "driftd admin");

	budget_init(&a->ingest, s->ingest_memory);
	a->uploads = uploads_new(APP_UPLOADS_MAX, &a->ingest);
	a->keys = key_memory_new(APP_KEYS, s->idempotency_ttl_us);
	a->query_baselines = baseline_cache_new(APP_BASELINE_CACHE_BYTES);
	a->query_pg = pg_new(&query);
	a->admin_pg = pg_new(&admin);
	a->http = http_server_start(&o, e);
	return a->http ? 0 : -1;
}

static void *flusher_body(void *arg)
{
	flusher_run(arg);
	return NULL;
}

static void *evaluator_body(void *arg)
{
	evaluator_run(arg);
	return NULL;
}

static void *notifier_body(void *arg)
{
	notifier_run(arg);
	return NULL;
}

/*
 * A journal that is older than what the database has applied of it can be
 * told from a cloned one only before anything is appended: give the first
 * look at the database a moment.  Without a database nothing waits for long.
 */
static void await_first_round(struct app *a)
{
	int64_t until = clock_monotonic_us() + APP_FIRST_ROUND_US;
	struct flush_status f;

	do {
		clock_sleep_us(5000);
		flusher_get_status(a->flusher, &f);
	} while (!f.n_rounds && clock_monotonic_us() < until);
}

static int start(struct app *a, struct err *e)
{
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->reload_lock, NULL);
	pthread_mutex_init(&a->gauges_lock, NULL);
	a->started_at_us = clock_wall_us();
	atomic_store(&a->reloaded_at_us, a->started_at_us);
	atomic_store(&a->reload_ok, true);
	a->metrics = metrics_new();
	if (a->config->server.tokens_file) {
		a->auth = auth_load(a->config->server.tokens_file, e);
		if (!a->auth)
			return -1;
	}
	if (start_journal(a, e))
		return -1;
	name_baseline_dir(a);
	start_flusher(a);
	start_evaluator(a);
	start_notifier(a);
	pthread_create(&a->flusher_thread, NULL, flusher_body, a->flusher);
	await_first_round(a);
	if (start_http(a, e)) {
		flusher_stop(a->flusher, false, 0);
		pthread_join(a->flusher_thread, NULL);
		return -1;
	}
	pthread_create(&a->evaluator_thread, NULL, evaluator_body,
		       a->evaluator);
	pthread_create(&a->notifier_thread, NULL, notifier_body, a->notifier);
	return 0;
}

/* --- reload --- */

/* Under reload_lock, so that nobody else lets go of what is used here. */
static int reload(struct app *a, struct err *e)
{
	struct config *fresh = config_load(a->path, e), *old;
	struct auth *auth = NULL, *old_auth;
	const char *fixed;

	if (!fresh)
		goto fail;
	fixed = config_needs_restart(a->config, fresh);
	if (fixed) {
		err_set(e, ERR_INVALID, "\"%s\" changed, which needs a restart",
			fixed);
		goto fail;
	}
	if (fresh->server.tokens_file) {
		auth = auth_load(fresh->server.tokens_file, e);
		if (!auth)
			goto fail;
	}
	pthread_mutex_lock(&a->lock);
	old = a->config;
	old_auth = a->auth;
	a->config = fresh;
	a->auth = auth;
	pthread_mutex_unlock(&a->lock);
	config_unref(old);
	auth_free(old_auth);
	flusher_set_interval(a->flusher, fresh->journal.flush_interval_us);
	evaluator_set_config(a->evaluator, fresh);
	notifier_set_config(a->notifier, fresh);
	atomic_store(&a->reload_ok, true);
	atomic_store(&a->reloaded_at_us, clock_wall_us());
	log_info("config", "reloaded \"%s\"", a->path);
	return 0;
fail:
	config_unref(fresh);
	atomic_store(&a->reload_ok, false);
	log_error("config", "reload failed, nothing changed: %s", e->message);
	return -1;
}

int app_reload(struct app *a, struct err *e)
{
	int rc;

	pthread_mutex_lock(&a->reload_lock);
	rc = reload(a, e);
	pthread_mutex_unlock(&a->reload_lock);
	return rc;
}

/* --- stop --- */

/*
 * Until nothing has been suspended for a while: a request that passed the
 * check for draining just before it was set may still suspend.  False when
 * something is stuck.
 */
static bool wait_for_requests(struct app *a)
{
	int64_t now = clock_monotonic_us(), quiet_since = now;
	int64_t until = now + APP_DRAIN_REQUESTS_US;

	while (now < until && now - quiet_since < APP_DRAIN_QUIET_US) {
		if (http_server_waiting(a->http))
			quiet_since = now;
		clock_sleep_us(10000);
		now = clock_monotonic_us();
	}
	return now - quiet_since >= APP_DRAIN_QUIET_US;
}

static void stop(struct app *a, int code)
{
	atomic_store(&a->draining, true);
	http_server_drain(a->http);
	wait_for_requests(a);
	flusher_stop(a->flusher, true, APP_DRAIN_FLUSH_US);
	evaluator_stop(a->evaluator);
	notifier_stop(a->notifier);
	pthread_join(a->flusher_thread, NULL);
	pthread_join(a->evaluator_thread, NULL);
	pthread_join(a->notifier_thread, NULL);
	pg_interrupt(a->query_pg);
	pg_interrupt(a->admin_pg);
	if (!wait_for_requests(a)) {
		/* the library aborts when a suspended connection is stopped;
		 * whoever waits got no answer, so nothing is promised */
		log_warn("main", "requests are stuck: leaving them");
		_exit(code);
	}
	http_server_stop(a->http);
}

static void release(struct app *a)
{
	flusher_free(a->flusher);
	evaluator_free(a->evaluator);
	notifier_free(a->notifier);
	journal_close(a->journal);
	baseline_cache_free(a->query_baselines);
	pg_free(a->query_pg);
	pg_free(a->admin_pg);
	uploads_free(a->uploads);
	key_memory_free(a->keys);
	metrics_free(a->metrics);
	auth_free(a->auth);
	config_unref(a->config);
	free(a->gauges);
	free(a->baseline_dir);
	free(a->path);
}

/* What ends the daemon by itself: an exit code, or 0. */
static int watch(struct app *a)
{
	struct flush_status f;

	if (journal_is_broken(a->journal)) {
		log_error("main", "the journal cannot be written: stopping, "
				  "what was acknowledged is safe");
		return EX_IOERR;
	}
	flusher_get_status(a->flusher, &f);
	if (f.fenced) {
		log_error("main", "%s", f.message);
		return EX_CONFIG;
	}
	return 0;
}

static int main_loop(struct app *a, const sigset_t *signals)
{
	const struct timespec tick = {.tv_nsec = APP_TICK_NS};
	struct err e;
	int code;

	for (;;) {
		int got = sigtimedwait(signals, NULL, &tick);

		if (got == SIGTERM || got == SIGINT) {
			log_info("main", "stopping");
			return 0;
		}
		if (got == SIGHUP)
			app_reload(a, &e);
		code = watch(a);
		if (code)
			return code;
	}
}

static void set_up_process(sigset_t *signals)
{
	/* few arenas and an early mmap: memory goes back after a burst */
	/* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet */
	mallopt(M_ARENA_MAX, APP_MALLOC_ARENAS);
	mallopt(M_MMAP_THRESHOLD, APP_MMAP_THRESHOLD);
	/* NOLINTEND(concurrency-mt-unsafe) */
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

int app_run(const char *config_path)
{
	struct app a = {0};
	sigset_t signals;
	struct err e = {0};
	int code;

	a.config = config_load(config_path, &e);
	if (!a.config) {
		log_error("config", "%s", e.message);
		return EX_CONFIG;
	}
	log_set_level((enum log_level)a.config->log_level);
	a.path = xstrdup(config_path);
	set_up_process(&signals);
	if (start(&a, &e)) {
		log_error("main", "%s", e.message);
		release(&a);
		return err_exit_code(&e);
	}
	log_info("main", "driftd " DRIFTD_VERSION " listens on %s",
		 a.config->server.listen);
	code = main_loop(&a, &signals);
	stop(&a, code);
	release(&a);
	log_info("main", "stopped");
	return code;
}
