/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_APP_H
#define DRIFTD_DAEMON_APP_H

#include "base/budget.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct auth;
struct baseline_cache;
struct config;
struct err;
struct evaluator;
struct flusher;
struct http_request;
struct http_server;
struct journal;
struct key_memory;
struct metrics;
struct notifier;
struct pg;
struct uploads;

/*
 * app - the running daemon: its parts and the threads that drive them.
 *
 *	main        signals, reload, watchdog        (app_run)
 *	acceptor, sweeper, http workers, query, admin (http_server)
 *	committer                                    (journal)
 *	flusher, evaluator, notifier
 */
struct app {
	pthread_mutex_t lock;
	pthread_mutex_t reload_lock; /* a signal's and the API's may meet */
	struct config *config;	     /* under lock; shared, counted */
	struct auth *auth;	     /* under lock; NULL: every route is open */
	char *path;		     /* owned; of the configuration */
	char *baseline_dir;	     /* owned; copies of baselines */

	struct journal *journal;
	struct flusher *flusher;
	struct evaluator *evaluator;
	struct notifier *notifier;
	struct http_server *http;
	struct metrics *metrics;
	struct key_memory *keys;
	struct uploads *uploads;
	struct budget ingest; /* memory of bodies being decoded */

	/* used by the http threads of that name only */
	struct pg *query_pg, *admin_pg;
	struct baseline_cache *query_baselines;

	pthread_t flusher_thread, evaluator_thread, notifier_thread;
	int64_t started_at_us;
	atomic_bool draining;
	atomic_bool reload_ok; /* how the last one ended */
	_Atomic int64_t reloaded_at_us;

	pthread_mutex_t gauges_lock;
	char *gauges; /* owned, under gauges_lock: rendered, from PostgreSQL */
	_Atomic int64_t gauges_at_us;
};

/*
 * Run the daemon until SIGTERM, SIGINT or a fault; the exit code.
 */
int app_run(const char *config_path);

/* A reference; the caller lets it go with config_unref. */
struct config *app_config(struct app *a);

/* Load the file again and swap, or change nothing. */
int app_reload(struct app *a, struct err *e);

/* The connection of the thread a request runs on. */
struct pg *app_pg(struct app *a, const struct http_request *r);

#endif
