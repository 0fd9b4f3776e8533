/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluator - the thread: connect, register, ask what is due, give each due
 * model its turn, prune now and then, wait.
 */
#include "daemon/evaluator.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/evaluator_private.h"
#include "storage/baseline_store.h"
#include "storage/outcome_count.h"
#include "storage/schema.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES	  ((size_t)32 << 20)
#define INTERVAL_US	  CLOCK_SECOND_US
#define PRUNE_INTERVAL_US (10 * CLOCK_MINUTE_US)
/* Wakes come with every flush of every model: passes keep this distance. */
#define PASS_GAP_US (100 * INT64_C(1000))
enum { PRUNE_BATCHES = 64 }; /* of a model in one go */

struct evaluator *evaluator_new(const struct evaluator_options *o)
{
	struct evaluator *v = xcalloc(1, sizeof(*v));
	pthread_condattr_t attr;

	v->pg_options = o->pg;
	v->pg_options.dsn = o->pg.dsn ? xstrdup(o->pg.dsn) : NULL;
	v->pg_options.application =
		o->pg.application ? xstrdup(o->pg.application) : NULL;
	v->pg = pg_new(&v->pg_options);
	v->cache = baseline_cache_new(CACHE_BYTES);
	v->on_final = o->on_final;
	v->arg = o->arg;
	v->config = config_ref(o->config);
	v->config_changed = true;
	v->next_prune_us = clock_monotonic_us() + PRUNE_INTERVAL_US;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->wake, &attr);
	pthread_cond_init(&v->progress, &attr);
	pthread_condattr_destroy(&attr);
	return v;
}

void evaluator_free(struct evaluator *v)
{
	union {
		const char *borrowed;
		char *owned;
	} dsn, application;

	if (!v)
		return;
	evaluator_plan_free(v->plan);
	baseline_cache_free(v->cache);
	pg_free(v->pg);
	config_unref(v->config);
	dsn.borrowed = v->pg_options.dsn;
	application.borrowed = v->pg_options.application;
	free(dsn.owned);
	free(application.owned);
	pthread_cond_destroy(&v->progress);
	pthread_cond_destroy(&v->wake);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

void evaluator_stop(struct evaluator *v)
{
	pthread_mutex_lock(&v->lock);
	v->stopping = true;
	pthread_cond_broadcast(&v->wake);
	pthread_cond_broadcast(&v->progress);
	pthread_mutex_unlock(&v->lock);
	pg_interrupt(v->pg);
}

void evaluator_set_config(struct evaluator *v, struct config *c)
{
	struct config *old;

	pthread_mutex_lock(&v->lock);
	old = v->config;
	v->config = config_ref(c);
	v->config_changed = true;
	v->woken = true;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
	config_unref(old);
}

void evaluator_wake(struct evaluator *v)
{
	pthread_mutex_lock(&v->lock);
	v->woken = true;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
}

void evaluator_get_status(struct evaluator *v, struct evaluator_status *out)
{
	pthread_mutex_lock(&v->lock);
	*out = v->status;
	pthread_mutex_unlock(&v->lock);
}

enum evaluation_force evaluator_current_force(struct evaluator *v)
{
	enum evaluation_force force = EVALUATION_NORMAL;

	pthread_mutex_lock(&v->lock);
	if (v->n_force_final)
		force = EVALUATION_FINAL;
	else if (v->n_force_now)
		force = EVALUATION_NOW;
	pthread_mutex_unlock(&v->lock);
	return force;
}

bool evaluator_is_stopping(struct evaluator *v)
{
	bool stopping;

	pthread_mutex_lock(&v->lock);
	stopping = v->stopping;
	pthread_mutex_unlock(&v->lock);
	return stopping;
}

void evaluator_note(struct evaluator *v, const struct err *e)
{
	pthread_mutex_lock(&v->lock);
	memcpy(v->status.message, e->message, sizeof(v->status.message));
	v->status.message[sizeof(v->status.message) - 1] = '\0';
	pthread_mutex_unlock(&v->lock);
}

void evaluator_wait_until(struct evaluator *v, pthread_cond_t *cond,
			  int64_t until_us)
{
	struct timespec until = {
		.tv_sec = until_us / CLOCK_SECOND_US,
		.tv_nsec = until_us % CLOCK_SECOND_US * 1000,
	};

	pthread_cond_timedwait(cond, &v->lock, &until);
}

static void set_reached(struct evaluator *v, bool connected, bool paused)
{
	bool was_connected, was_paused;

	pthread_mutex_lock(&v->lock);
	was_connected = v->status.connected;
	was_paused = v->status.paused;
	v->status.connected = connected;
	v->status.paused = paused;
	pthread_mutex_unlock(&v->lock);
	if (paused && !was_paused)
		log_warn("evaluate", "paused: the schema is of a newer driftd");
	if (connected && !was_connected)
		log_info("evaluate", "connected to the database");
}

/* A new configuration, if there is one. */
static void take_config(struct evaluator *v)
{
	struct config *c = NULL;

	pthread_mutex_lock(&v->lock);
	if (v->config_changed) {
		c = config_ref(v->config);
		v->config_changed = false;
	}
	pthread_mutex_unlock(&v->lock);
	if (!c)
		return;
	evaluator_plan_free(v->plan);
	v->plan = evaluator_plan_new(c);
	config_unref(c);
}

/* 1: connected, the schema is ours; 0: not to be touched now; -1. */
static int get_ready(struct evaluator *v, struct err *e)
{
	enum schema_state state;
	int version;

	if (!pg_is_connected(v->pg))
		for (size_t i = 0; i < v->plan->n; i++)
			v->plan->models[i].registered = false;
	if (pg_connect(v->pg, e) || schema_check(v->pg, &state, &version, e))
		return -1;
	pthread_mutex_lock(&v->lock);
	v->status.message[0] = '\0';
	pthread_mutex_unlock(&v->lock);
	if (state == SCHEMA_OLDER) {
		err_set(e, ERR_TEMP, "the schema is of version %d, not yet %d",
			version, schema_version());
		evaluator_note(v, e);
	}
	set_reached(v, true, state == SCHEMA_NEWER);
	return state == SCHEMA_CURRENT;
}

static int apply_pin(struct evaluator *v, const struct config_model *m,
		     struct err *e)
{
	return m->baseline
		       ? baseline_store_pin(v->pg, m->model_id, m->baseline, e)
		       : 0;
}

static int register_models(struct evaluator *v, struct err *e)
{
	for (size_t i = 0; i < v->plan->n; i++) {
		struct evaluator_model *m = &v->plan->models[i];
		int64_t now = clock_monotonic_us();

		if (m->registered)
			continue;
		if (!evaluation_register(v->pg, m->config, m->definition, e) &&
		    !apply_pin(v, m->config, e)) {
			m->registered = true;
			continue;
		}
		if (e->code == ERR_UNAVAILABLE)
			return -1;
		err_wrap(e, "model \"%s\"", m->config->name);
		evaluator_note(v, e);
		if (now >= m->next_log_us)
			log_error("evaluate", "%s", e->message);
		m->next_log_us = now + CLOCK_MINUTE_US;
	}
	return 0;
}

static int prune_model(struct evaluator *v, const struct config_model *m,
		       struct err *e)
{
	const struct config_storage *s = &v->plan->config->storage;
	long n = 1;

	for (int i = 0; i < PRUNE_BATCHES && n > 0; i++) {
		if (evaluator_is_stopping(v))
			return 0;
		n = evaluation_prune(v->pg, m, s->retention_results_us,
				     s->retention_profiles_us, e);
	}
	for (int i = 0; m->labels && i < PRUNE_BATCHES && n >= 0; i++) {
		if (evaluator_is_stopping(v))
			return 0;
		n = outcome_prune(v->pg, m, s->retention_predictions_us, e);
		if (n == 0)
			break;
	}
	return n < 0 ? -1 : 0;
}

static int prune(struct evaluator *v, struct err *e)
{
	if (clock_monotonic_us() < v->next_prune_us)
		return 0;
	v->next_prune_us = clock_monotonic_us() + PRUNE_INTERVAL_US;
	for (size_t i = 0; i < v->plan->n; i++) {
		const struct config_model *m = v->plan->models[i].config;

		if (!prune_model(v, m, e))
			continue;
		if (e->code == ERR_UNAVAILABLE)
			return -1;
		log_warn("evaluate", "retention of model \"%s\": %s", m->name,
			 e->message);
	}
	return 0;
}

/* Every due model has one turn: 1 when there is more to do at once, 0, -1. */
static int pass(struct evaluator *v, struct err *e)
{
	struct evaluator_plan *p;
	int rc, more = 0;

	take_config(v);
	p = v->plan;
	rc = get_ready(v, e);
	if (rc != 1)
		return rc;
	if (register_models(v, e) ||
	    evaluation_due(v->pg, p->ids, p->n, p->due, e))
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		if (!p->due[i] || !p->models[i].registered)
			continue;
		rc = evaluator_turn(v, &p->models[i], e);
		if (rc < 0)
			return -1;
		more |= rc;
	}
	return prune(v, e) ? -1 : more;
}

static void pass_failed(struct evaluator *v, const struct err *e)
{
	bool was_connected;

	if (evaluator_is_stopping(v))
		return;
	pthread_mutex_lock(&v->lock);
	was_connected = v->status.connected;
	v->status.connected = false;
	pthread_mutex_unlock(&v->lock);
	evaluator_note(v, e);
	if (was_connected)
		log_warn("evaluate", "%s", e->message);
}

/* Until the interval is over or somebody wakes it; false: stop. */
static bool wait_for_work(struct evaluator *v, int64_t begun_us, bool more,
			  bool failed)
{
	int64_t soon = begun_us + PASS_GAP_US, late = begun_us + INTERVAL_US;
	bool go_on;

	pthread_mutex_lock(&v->lock);
	pthread_cond_broadcast(&v->progress);
	if (v->n_force_now || v->n_force_final)
		late = soon;
	while (!more && !v->stopping) {
		int64_t until = v->woken && !failed ? soon : late;

		if (clock_monotonic_us() >= until)
			break;
		evaluator_wait_until(v, &v->wake, until);
	}
	v->woken = false;
	go_on = !v->stopping;
	pthread_mutex_unlock(&v->lock);
	return go_on;
}

void evaluator_run(struct evaluator *v)
{
	int64_t begun;
	struct err e;
	int rc;

	do {
		begun = clock_monotonic_us();
		memset(&e, 0, sizeof(e));
		rc = pass(v, &e);
		if (rc < 0)
			pass_failed(v, &e);
	} while (wait_for_work(v, begun, rc == 1, rc < 0));
	pg_disconnect(v->pg);
}
