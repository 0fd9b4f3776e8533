/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_EVALUATION_FIXTURE_H
#define DRIFTD_TESTS_EVALUATION_FIXTURE_H

/*
 * A model with a baseline in a real database, and what a flush would have
 * written for it: shared by the tests of evaluations and of results.  Every
 * model has a random name, so that tests can share one database.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/window.h"
#include "config/config.h"
#include "detectors/baseline.h"
#include "detectors/detector.h"
#include "detectors/judge.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "storage/baseline_store.h"
#include "storage/evaluation.h"
#include "storage/pg.h"
#include "storage/schema.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR CLOCK_HOUR_US
enum { FIXTURE_BASELINE_ROWS = 4000, FIXTURE_ROWS = 600 };

struct fixture {
	struct pg *pg;
	struct config_model m;
	struct config_column columns[2];
	struct thresholds *thresholds;
	struct baseline *baseline;
	struct baseline_cache *cache;
	uint8_t definition[SHA256_SIZE];
	char name[64];
	int64_t t0_us; /* start of a day, thirty days ago */
};

#define fixture_ok(expression)                                                 \
	do {                                                                   \
		memset(&fixture_err, 0, sizeof(fixture_err));                  \
		if ((expression) < 0) {                                        \
			print_error("%s\n", fixture_err.message);              \
			fail();                                                \
		}                                                              \
	} while (0)

ATTR_UNUSED static struct err fixture_err;

ATTR_UNUSED static struct pg *fixture_connect_to(const char *dsn)
{
	const struct pg_options o = {
		.dsn = dsn,
		.application = "test",
		.connect_timeout_us = 10 * CLOCK_SECOND_US,
		.statement_timeout_us = 60 * CLOCK_SECOND_US,
	};
	struct pg *pg = pg_new(&o);

	fixture_ok(pg_connect(pg, &fixture_err));
	return pg;
}

ATTR_UNUSED static struct pg *fixture_connect(void)
{
	return fixture_connect_to(getenv("DRIFTD_TEST_DSN"));
}

/* Values that move slowly through [0, 1), the same for the same seed. */
ATTR_UNUSED static void fixture_values(double *out, size_t n, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		out[i] = (double)(x >> 8) / 16777216.0;
	}
}

ATTR_UNUSED static struct baseline *fixture_baseline(void)
{
	static const struct baseline_spec_column columns[] = {
		{"x", COLUMN_NUMERIC, ROLE_FEATURE},
		{"y", COLUMN_NUMERIC, ROLE_PREDICTION},
	};
	double values[FIXTURE_BASELINE_ROWS];
	int64_t times[FIXTURE_BASELINE_ROWS];
	struct baseline_builder *b =
		baseline_builder_new(columns, 2, 64, 100, 0);
	struct baseline *out;

	fixture_values(values, FIXTURE_BASELINE_ROWS, 1);
	for (size_t i = 0; i < FIXTURE_BASELINE_ROWS; i++)
		times[i] = (int64_t)i;
	for (size_t c = 0; c < 2; c++)
		fixture_ok(baseline_builder_numbers(
			b, c, values, FIXTURE_BASELINE_ROWS, &fixture_err));
	fixture_ok(baseline_builder_rows(b, times, FIXTURE_BASELINE_ROWS,
					 &fixture_err));
	out = baseline_builder_finish(b, &fixture_err);
	assert_non_null(out);
	baseline_builder_free(b);
	return out;
}

ATTR_UNUSED static void fixture_model(struct fixture *f)
{
	static const char *const names[] = {"x", "y"};
	static const enum column_role roles[] = {ROLE_FEATURE, ROLE_PREDICTION};
	const struct detector *const *list;
	uint8_t random[8];
	char hex[17];
	size_t n;

	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), hex);
	(void)snprintf(f->name, sizeof(f->name), "model-%s", hex);
	list = detector_list(&n);
	f->thresholds = calloc(n, sizeof(*f->thresholds));
	assert_non_null(f->thresholds);
	for (size_t i = 0; i < n; i++)
		f->thresholds[i] = list[i]->thresholds;
	for (size_t c = 0; c < 2; c++) {
		union {
			const char *text;
			char *name;
		} name = {.text = names[c]};

		f->columns[c] = (struct config_column){
			.name = name.name,
			.kind = COLUMN_NUMERIC,
			.role = roles[c],
			.importance = (double)NAN,
			.thresholds = f->thresholds,
		};
	}
	f->m = (struct config_model){
		.name = f->name,
		.model_id = hash_id63(f->name, strlen(f->name)),
		.columns = f->columns,
		.n_columns = 2,
		.window = {WINDOW_FIXED, HOUR},
		.lateness_us = 10 * CLOCK_MINUTE_US,
		.idle_timeout_us = 15 * CLOCK_MINUTE_US,
		.source_timeout_us = 30 * CLOCK_MINUTE_US,
		.revise_horizon_us = 7 * CLOCK_DAY_US,
		.min_rows = 500,
		.alpha = 0.01,
		.max_categories = 100,
		.detectors = ~UINT64_C(0) >> (64 - n),
	};
	f->m.version = strdup("1");
	assert_non_null(f->m.version);
}

/* NULL (after a loud skip) without a database. */
ATTR_UNUSED static struct fixture *fixture_new(void)
{
	struct window_width day = {WINDOW_FIXED, CLOCK_DAY_US};
	struct fixture *f;
	int64_t now;

	if (!getenv("DRIFTD_TEST_DSN")) {
		print_message("skipped: DRIFTD_TEST_DSN is not set\n");
		skip();
	}
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->pg = fixture_connect();
	fixture_ok(schema_migrate(f->pg, &fixture_err));
	fixture_ok(evaluation_clock(f->pg, &now, &fixture_err));
	f->t0_us = window_start(day, now) - 30 * CLOCK_DAY_US;
	fixture_model(f);
	f->baseline = fixture_baseline();
	f->cache = baseline_cache_new(1 << 20);
	return f;
}

/* The model's row without config/: what evaluation_register makes. */
ATTR_UNUSED static void fixture_put_model(struct fixture *f)
{
	enum baseline_put_outcome outcome;

	memset(f->definition, 7, sizeof(f->definition));
	fixture_ok(baseline_store_put(f->pg, f->m.model_id, f->name, "1", "b1",
				      f->baseline, true, &outcome,
				      &fixture_err));
}

ATTR_UNUSED static void fixture_free(struct fixture *f)
{
	baseline_cache_free(f->cache);
	baseline_free(f->baseline);
	free(f->thresholds);
	free(f->m.version);
	pg_free(f->pg);
	free(f);
}

/* One number; ${start} is $2 when it is not INT64_MIN. */
ATTR_UNUSED static int64_t fixture_number(struct fixture *f, const char *sql,
					  int64_t start)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int64_t v = INT64_MIN;

	pg_params_init(&p);
	pg_add_int8(&p, f->m.model_id);
	if (start != INT64_MIN)
		pg_add_time(&p, start);
	fixture_ok(pg_exec(f->pg, sql, &p, &r, &fixture_err));
	pg_params_release(&p);
	if (pg_rows(r) && !pg_is_null(r, 0, 0))
		v = pg_get_int(r, 0, 0);
	pg_result_free(r);
	return v;
}

ATTR_UNUSED static void fixture_exec(struct fixture *f, const char *sql)
{
	(void)fixture_number(f, sql, INT64_MIN);
}

/* A source as its flusher left it, in ages by the database's clock. */
ATTR_UNUSED static void fixture_source(struct fixture *f, int64_t source,
				       int64_t max_event_us,
				       int64_t received_ago_us,
				       int64_t caught_up_ago_us)
{
	struct pg_params p;
	int64_t now;

	fixture_ok(evaluation_clock(f->pg, &now, &fixture_err));
	pg_params_init(&p);
	pg_add_int8(&p, f->m.model_id);
	pg_add_int8(&p, source);
	pg_add_time(&p, max_event_us);
	pg_add_time(&p, now - received_ago_us);
	pg_add_time(&p, now - caught_up_ago_us);
	fixture_ok(pg_exec(
		f->pg,
		"INSERT INTO driftd.source_position (model_id, source_id,"
		" epoch, position, seq, chain, n_events, applied, duplicate,"
		" late, rejected, corrupt, lost, key_conflict, max_event_time,"
		" last_received_at, caught_up_to) VALUES ($1, $2, 1, 0, 0, 0,"
		" 0, 10, 1, 2, 3, 0, 0, 0, $3, $4, $5)"
		" ON CONFLICT (model_id, source_id) DO UPDATE SET"
		" max_event_time = excluded.max_event_time,"
		" last_received_at = excluded.last_received_at,"
		" caught_up_to = excluded.caught_up_to",
		&p, NULL, &fixture_err));
	pg_params_release(&p);
}

/* ${n} events of which x is moved by ${shift}. */
ATTR_UNUSED static void fixture_set(struct fixture *f, struct profile_set *set,
				    int64_t start, size_t n, uint32_t seed,
				    double shift)
{
	double *values = calloc(n + 1, sizeof(*values));
	struct profile_entry *x, *y;

	assert_non_null(values);
	profile_set_init(set, f->baseline, 100);
	fixture_values(values, n, seed);
	y = profile_set_get(set, "y", 1, COLUMN_NUMERIC, ROLE_PREDICTION,
			    &fixture_err);
	assert_non_null(y);
	profile_add_numbers(y->profile, values, NULL, n);
	for (size_t i = 0; i < n; i++)
		values[i] += shift;
	x = profile_set_get(set, "x", 1, COLUMN_NUMERIC, ROLE_FEATURE,
			    &fixture_err);
	assert_non_null(x);
	profile_add_numbers(x->profile, values, NULL, n);
	set->n_events = n;
	set->min_event_time_us = start;
	set->max_event_time_us = start + HOUR - 1;
	free(values);
}

struct fixture_delta {
	int64_t source, seq;
	int64_t start_us;
	size_t n;
	double shift;
};

ATTR_UNUSED static void fixture_pack(struct fixture *f,
				     const struct fixture_delta *d,
				     struct buf *packed)
{
	struct profile_set set;
	struct buf plain;

	buf_init(&plain, 1 << 24);
	fixture_set(f, &set, d->start_us, d->n, (uint32_t)d->seq + 17,
		    d->shift);
	profile_set_encode(&set, &plain);
	zstd_pack(plain.data, plain.len, packed);
	assert_false(packed->failed);
	profile_set_release(&set);
	buf_release(&plain);
}

/* Steps 3 and 5 of a flush: pin, delta and mark, in the open transaction. */
ATTR_UNUSED static int fixture_flush_rows(struct fixture *f, struct pg *pg,
					  const struct fixture_delta *d,
					  struct err *e)
{
	static const char *const sql[] = {
		"INSERT INTO driftd.window_state (model_id, window_start,"
		" window_end, baseline, baseline_version)"
		" VALUES ($1, $2, $2 + interval '1 h', $7, 'b1')"
		" ON CONFLICT (model_id, window_start) DO NOTHING"
		" RETURNING $3::bigint, $4::bigint, $5::bigint, $6::bytea",
		"INSERT INTO driftd.delta (model_id, window_start, source_id,"
		" seq, n_events, content) VALUES ($1, $2, $3, $4, $5, $6)"
		" RETURNING $7::bytea",
		"INSERT INTO driftd.dirty (model_id, window_start, source_id,"
		" seq) VALUES ($1, $2, $3, $4)"
		" RETURNING $5::bigint, $6::bytea, $7::bytea"};
	struct pg_params p;
	struct buf packed;
	int rc = 0;

	buf_init(&packed, 1 << 24);
	fixture_pack(f, d, &packed);
	pg_params_init(&p);
	pg_add_int8(&p, f->m.model_id);
	pg_add_time(&p, d->start_us);
	pg_add_int8(&p, d->source);
	pg_add_int8(&p, d->seq);
	pg_add_int8(&p, (int64_t)d->n);
	pg_add_bytea(&p, packed.data, packed.len);
	pg_add_bytea(&p, f->baseline->hash, SHA256_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(sql) && !rc; i++)
		rc = pg_exec(pg, sql[i], &p, NULL, e);
	pg_params_release(&p);
	buf_release(&packed);
	return rc;
}

/* The same as a transaction; any thread. */
ATTR_UNUSED static void fixture_flush(struct fixture *f, struct pg *pg,
				      const struct fixture_delta *d)
{
	struct err e = {0};

	if (pg_begin(pg, &e) || fixture_flush_rows(f, pg, d, &e) ||
	    pg_commit(pg, &e)) {
		print_error("%s\n", e.message);
		abort();
	}
}

ATTR_UNUSED static void fixture_delta(struct fixture *f, int64_t source,
				      int64_t seq, int64_t start, size_t n,
				      double shift)
{
	const struct fixture_delta d = {source, seq, start, n, shift};

	fixture_flush(f, f->pg, &d);
}

ATTR_UNUSED static struct judge_spec fixture_spec(const struct fixture *f,
						  struct judge_column out[2])
{
	for (size_t i = 0; i < 2; i++)
		out[i] = (struct judge_column){
			.name = f->columns[i].name,
			.kind = f->columns[i].kind,
			.role = f->columns[i].role,
			.importance = f->columns[i].importance,
			.thresholds = f->columns[i].thresholds,
		};
	return (struct judge_spec){
		.columns = out,
		.n_columns = 2,
		.detectors = f->m.detectors,
		.alpha = f->m.alpha,
		.min_rows = (uint64_t)f->m.min_rows,
	};
}

/* Load, judge and save ${w}, which is locked; the transaction stays open. */
ATTR_UNUSED static int fixture_judge(struct fixture *f, struct pg *pg,
				     struct baseline_cache *cache,
				     const struct evaluation_model *em,
				     struct evaluation_window *w, struct err *e)
{
	struct judge_column columns[2];
	struct judge_spec spec = fixture_spec(f, columns);
	struct verdicts v = {0};
	struct profile_set set;
	int rc;

	rc = evaluation_load(pg, &f->m, cache, w, &set, e);
	if (!rc && !w->pruned) {
		judge_window(&spec, w->baseline, &set, &v);
		rc = evaluation_save(pg, &f->m, f->definition, em, w, &set, &v,
				     e);
	}
	verdicts_release(&v);
	profile_set_release(&set);
	return rc;
}

/*
 * One whole transaction for the first window after *after: 1 and what it was,
 * 0 when there is none.
 */
ATTR_UNUSED static int fixture_step(struct fixture *f,
				    enum evaluation_force force, int64_t *after,
				    struct evaluation_window *out)
{
	struct evaluation_model em;
	struct evaluation_window w;
	int rc;

	rc = evaluation_begin(f->pg, &f->m, force, &em, &fixture_err);
	fixture_ok(rc);
	assert_int_equal(rc, 1);
	rc = evaluation_next(f->pg, &f->m, &em, *after, &w, &fixture_err);
	fixture_ok(rc);
	if (!rc) {
		pg_rollback(f->pg);
		return 0;
	}
	fixture_ok(fixture_judge(f, f->pg, f->cache, &em, &w, &fixture_err));
	fixture_ok(pg_commit(f->pg, &fixture_err));
	*after = w.start_us;
	evaluation_window_release(&w);
	*out = w;
	return 1;
}

/* Every window that is due; how many. */
ATTR_UNUSED static int fixture_evaluate(struct fixture *f,
					enum evaluation_force force)
{
	struct evaluation_window w;
	int64_t after = INT64_MIN;
	int n = 0;

	while (fixture_step(f, force, &after, &w))
		n++;
	return n;
}

/* Verdicts as if they had been made that much earlier. */
ATTR_UNUSED static void age_verdicts(struct fixture *f, const char *interval)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
		       "UPDATE driftd.window_state SET evaluated_at ="
		       " evaluated_at - interval '%s' WHERE model_id = $1",
		       interval);
	fixture_exec(f, sql);
}

ATTR_UNUSED static const char n_dirty_sql[] =
	"SELECT count(*) FROM driftd.dirty WHERE model_id = $1";
ATTR_UNUSED static const char n_delta_sql[] =
	"SELECT count(*) FROM driftd.delta WHERE model_id = $1";
ATTR_UNUSED static const char n_final_sql[] =
	"SELECT count(*) FROM driftd.window_state"
	" WHERE model_id = $1 AND final";
ATTR_UNUSED static const char revision_sql[] =
	"SELECT revision FROM driftd.window_state"
	" WHERE model_id = $1 AND window_start = $2";
ATTR_UNUSED static const char n_events_sql[] =
	"SELECT n_events FROM driftd.window_state"
	" WHERE model_id = $1 AND window_start = $2";
ATTR_UNUSED static const char n_provisional_sql[] =
	"SELECT count(*) FROM driftd.provisional WHERE model_id = $1";

#endif
