/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The evaluator's thread against a real PostgreSQL: it judges what flushes
 * leave, alone and beside another one; callers of evaluator_force wait for
 * exactly what they asked for; what is broken holds up nothing else.
 */
#include "../storage/evaluation_fixture.h"

#include "daemon/evaluator.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WAIT_SECONDS = 20 };

/* An evaluator on a thread of its own. */
struct running {
	struct evaluator *v;
	pthread_t thread;
	atomic_int n_final;
};

static void on_final(void *arg, int64_t model_id, int64_t window_end_us)
{
	struct running *r = arg;

	(void)model_id;
	(void)window_end_us;
	atomic_fetch_add(&r->n_final, 1);
}

static void *body(void *arg)
{
	evaluator_run(arg);
	return NULL;
}

static void start_at(struct running *r, struct config *c, const char *dsn)
{
	/* The model's name: so that its backend is known among others. */
	const struct evaluator_options o = {
		.pg = {.dsn = dsn,
		       .application = c->models[0].name,
		       .connect_timeout_us = 5 * CLOCK_SECOND_US,
		       .statement_timeout_us = 30 * CLOCK_SECOND_US},
		.config = c,
		.on_final = on_final,
		.arg = r,
	};

	atomic_init(&r->n_final, 0);
	r->v = evaluator_new(&o);
	pthread_create(&r->thread, NULL, body, r->v);
}

static void start(struct running *r, struct config *c)
{
	start_at(r, c, getenv("DRIFTD_TEST_DSN"));
}

static void stop(struct running *r)
{
	int64_t begun = clock_monotonic_us();

	evaluator_stop(r->v);
	pthread_join(r->thread, NULL);
	evaluator_free(r->v);
	assert_true(clock_monotonic_us() - begun < 5 * CLOCK_SECOND_US);
}

/* The fixture's model as a configuration; the fixture takes its identity. */
static struct config *configure(struct fixture *f)
{
	char path[] = "/tmp/driftd-evaluator-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	struct config *c;

	assert_non_null(file);
	(void)fprintf(
		file,
		"storage: {dsn: \"%s\"}\n"
		"journal: {dir: /tmp/none}\n"
		"alerts:\n"
		"  receivers:\n"
		"    - {name: hook, type: webhook, url: \"http://127.0.0.1:9\","
		" allow_private: true}\n"
		"  rules:\n"
		"    - {name: moved, signal: input, for: 1 of 1,"
		" severity: critical, receivers: [hook]}\n"
		"models:\n"
		"  - {name: %s, version: \"1\", task: regression,"
		" timestamp: t, prediction: y, features: {numeric: [x]},"
		" window: 1h, lateness: 10m, min_rows: 500}\n",
		getenv("DRIFTD_TEST_DSN"), f->name);
	assert_int_equal(fclose(file), 0);
	c = config_load(path, &fixture_err);
	if (!c)
		print_error("%s\n", fixture_err.message);
	assert_non_null(c);
	(void)unlink(path);
	f->m.model_id = c->models[0].model_id;
	fixture_put_model(f);
	return c;
}

static const char n_open_sql[] = "SELECT count(*) FROM driftd.window_state"
				 " WHERE model_id = $1 AND NOT final";
static const char n_revisions_sql[] =
	"SELECT count(DISTINCT (window_start, revision)) FROM driftd.result"
	" WHERE model_id = $1 AND metric = 'volume' AND value > 0";

static void wait_number(struct fixture *f, const char *sql, int64_t expected)
{
	int64_t end = clock_monotonic_us() + WAIT_SECONDS * CLOCK_SECOND_US;

	while (fixture_number(f, sql, INT64_MIN) != expected) {
		if (clock_monotonic_us() > end) {
			print_error("%s: %" PRId64 ", not %" PRId64 "\n", sql,
				    fixture_number(f, sql, INT64_MIN),
				    expected);
			fail();
		}
		clock_sleep_us(20000);
	}
}

static void test_judges(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct evaluator_status s;
	struct running r;

	(void)state;
	fixture_source(f, 1, f->t0_us + 2 * HOUR + HOUR / 2, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0.4);
	fixture_delta(f, 1, 3, f->t0_us + 2 * HOUR, FIXTURE_ROWS, 0);
	start(&r, c);
	wait_number(f, n_final_sql, 2);
	wait_number(f, n_provisional_sql, 1);
	/* Rule and verdict are of one transaction. */
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM driftd.alert"
					" WHERE model_id = $1 AND"
					" state = 'firing'",
					INT64_MIN),
			 1);
	/* What comes later is found without a wake. */
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	wait_number(f, n_final_sql, 3);
	evaluator_get_status(r.v, &s);
	assert_true(s.connected);
	assert_false(s.paused);
	assert_int_equal(s.n_judged, 4);
	assert_int_equal(s.n_final, 3);
	assert_int_equal(s.n_failed, 0);
	assert_string_equal(s.message, "");
	assert_int_equal(atomic_load(&r.n_final), 3);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

/* More windows than one turn takes: all of them, in order. */
static void test_long_history(void **state)
{
	enum { WINDOWS = 150 };
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct running r;

	(void)state;
	for (int i = WINDOWS - 1; i >= 0; i--)
		fixture_delta(f, 1, i, f->t0_us + i * HOUR, 20, 0);
	fixture_source(f, 1, f->t0_us + 200 * HOUR, 0, 0);
	start(&r, c);
	wait_number(f, n_final_sql, WINDOWS);
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM (SELECT"
					" evaluated_at < lag(evaluated_at)"
					" OVER (ORDER BY window_start) AS bad"
					" FROM driftd.window_state"
					" WHERE model_id = $1) q WHERE bad",
					INT64_MIN),
			 0);
	assert_int_equal(fixture_number(f, n_revisions_sql, INT64_MIN),
			 WINDOWS);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

static void test_force(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct running r;

	(void)state;
	fixture_source(f, 1, f->t0_us + HOUR / 2, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	start(&r, c);
	wait_number(f, n_provisional_sql, 1);
	wait_number(f, n_dirty_sql, 0);
	/* Throttled by now, but not for a caller that waits. */
	fixture_delta(f, 1, 2, f->t0_us, FIXTURE_ROWS, 0);
	clock_sleep_us(1500000);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 1);
	fixture_ok(evaluator_force(r.v, EVALUATION_NOW, 10 * CLOCK_SECOND_US,
				   &fixture_err));
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f,
					"SELECT n_events FROM"
					" driftd.window_state"
					" WHERE model_id = $1",
					INT64_MIN),
			 2 * FIXTURE_ROWS);
	assert_int_equal(fixture_number(f, n_open_sql, INT64_MIN), 1);
	fixture_ok(evaluator_force(r.v, EVALUATION_FINAL, 10 * CLOCK_SECOND_US,
				   &fixture_err));
	assert_int_equal(fixture_number(f, n_open_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_provisional_sql, INT64_MIN), 0);
	/* Nothing to do: at once. */
	fixture_ok(evaluator_force(r.v, EVALUATION_FINAL, CLOCK_SECOND_US,
				   &fixture_err));
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

/* Somebody else holds the model and does not let go. */
static void test_force_in_vain(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct pg *holder = fixture_connect();
	struct evaluation_model em;
	struct running r;
	int64_t begun;

	(void)state;
	fixture_source(f, 1, f->t0_us + HOUR / 2, 0, 0);
	start(&r, c);
	fixture_ok(evaluator_force(r.v, EVALUATION_NOW, 10 * CLOCK_SECOND_US,
				   &fixture_err));
	while (evaluation_begin(holder, &c->models[0], EVALUATION_NOW, &em,
				&fixture_err) != 1)
		;
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	begun = clock_monotonic_us();
	assert_int_equal(
		evaluator_force(r.v, EVALUATION_NOW, 700000, &fixture_err), -1);
	assert_int_equal(fixture_err.code, ERR_TEMP);
	assert_true(clock_monotonic_us() - begun >= 700000);
	assert_true(clock_monotonic_us() - begun < 5 * CLOCK_SECOND_US);
	pg_rollback(holder);
	fixture_ok(evaluator_force(r.v, EVALUATION_NOW, 10 * CLOCK_SECOND_US,
				   &fixture_err));
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	pg_free(holder);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

/* Two evaluators and a flusher; a caller waits on the one of them. */
static void test_two(void **state)
{
	enum { FLUSHES = 48, WINDOWS = 6, ROWS = 10 };
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct evaluator_status a, b;
	struct running first, second;

	(void)state;
	fixture_source(f, 1, f->t0_us + 20 * HOUR, 0, 0);
	start(&first, c);
	start(&second, c);
	for (int i = 0; i < FLUSHES; i++) {
		fixture_delta(f, i % 3, i, f->t0_us + i % WINDOWS * HOUR, ROWS,
			      0);
		evaluator_wake(first.v);
		evaluator_wake(second.v);
		if (i % 12 == 11)
			fixture_ok(evaluator_force(first.v, EVALUATION_NOW,
						   20 * CLOCK_SECOND_US,
						   &fixture_err));
	}
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f,
					"SELECT sum(n_events)::bigint FROM"
					" driftd.window_state"
					" WHERE model_id = $1",
					INT64_MIN),
			 FLUSHES * ROWS);
	evaluator_get_status(first.v, &a);
	evaluator_get_status(second.v, &b);
	assert_int_equal(a.n_final + b.n_final,
			 fixture_number(f, n_revisions_sql, INT64_MIN));
	assert_int_equal(a.n_failed + b.n_failed, 0);
	stop(&first);
	stop(&second);
	config_unref(c);
	fixture_free(f);
}

/* A delta that cannot be read holds up its own window only. */
static void test_broken_window(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct evaluator_status s;
	struct running r;

	(void)state;
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	fixture_exec(f, "UPDATE driftd.delta SET content = '\\x00ff'"
			" WHERE model_id = $1 AND seq = 1");
	start(&r, c);
	wait_number(f, n_final_sql, 1);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 1);
	assert_int_equal(evaluator_force(r.v, EVALUATION_NOW, CLOCK_SECOND_US,
					 &fixture_err),
			 -1);
	evaluator_get_status(r.v, &s);
	assert_true(s.n_failed > 0);
	assert_true(s.connected);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

static void test_reload(void **state)
{
	struct fixture *f = fixture_new(), *g = fixture_new();
	struct config *one = configure(f), *two = configure(g);
	struct running r;

	(void)state;
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	fixture_source(g, 1, g->t0_us + 9 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(g, 1, 1, g->t0_us, FIXTURE_ROWS, 0);
	start(&r, one);
	wait_number(f, n_final_sql, 1);
	/* Models of other files are left alone. */
	clock_sleep_us(300000);
	assert_int_equal(fixture_number(g, n_final_sql, INT64_MIN), 0);
	evaluator_set_config(r.v, two);
	config_unref(one);
	config_unref(two);
	wait_number(g, n_final_sql, 1);
	stop(&r);
	fixture_free(g);
	fixture_free(f);
}

static void test_no_database(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct evaluator_status s;
	struct running r;

	(void)state;
	start_at(&r, c, "host=/nonexistent dbname=none");
	assert_int_equal(evaluator_force(r.v, EVALUATION_NOW, CLOCK_SECOND_US,
					 &fixture_err),
			 -1);
	assert_int_equal(fixture_err.code, ERR_UNAVAILABLE);
	do {
		clock_sleep_us(10000);
		evaluator_get_status(r.v, &s);
	} while (!s.message[0]);
	assert_false(s.connected);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

static int64_t kill_backend(struct fixture *f)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
		       "SELECT count(pg_terminate_backend(pid)) FROM"
		       " pg_stat_activity WHERE application_name = '%s'"
		       " AND $1::bigint IS NOT NULL",
		       f->name);
	return fixture_number(f, sql, INT64_MIN);
}

/* The backend is killed: the evaluator connects again and goes on. */
static void test_reconnect(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct running r;

	(void)state;
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	start(&r, c);
	wait_number(f, n_final_sql, 1);
	assert_int_equal(kill_backend(f), 1);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	wait_number(f, n_final_sql, 2);
	stop(&r);
	config_unref(c);
	fixture_free(f);
}

/* A newer driftd was here: nothing is touched until it is ours again. */
static void test_newer_schema(void **state)
{
	struct fixture *f = fixture_new();
	struct config *c = configure(f);
	struct evaluator_status s;
	struct running r;
	char dsn[512], sql[128];

	(void)state;
	f->name[5] = '_'; /* a plain identifier */
	(void)snprintf(sql, sizeof(sql),
		       "CREATE DATABASE %s TEMPLATE template0", f->name);
	fixture_ok(pg_exec(f->pg, sql, NULL, NULL, &fixture_err));
	(void)snprintf(dsn, sizeof(dsn), "%s dbname=%s",
		       getenv("DRIFTD_TEST_DSN"), f->name);
	pg_free(f->pg);
	f->pg = fixture_connect_to(dsn);
	fixture_ok(schema_migrate(f->pg, &fixture_err));
	f->name[5] = '-';
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_exec(f, "UPDATE driftd.schema_migration SET version = version"
			" + 1000 WHERE $1::bigint IS NOT NULL");
	start_at(&r, c, dsn);
	do {
		clock_sleep_us(10000);
		evaluator_get_status(r.v, &s);
	} while (!s.paused);
	clock_sleep_us(300000);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 0);
	fixture_exec(f, "UPDATE driftd.schema_migration SET version = version"
			" - 1000 WHERE $1::bigint IS NOT NULL");
	wait_number(f, n_final_sql, 1);
	stop(&r);
	pg_free(f->pg);
	f->pg = fixture_connect();
	(void)snprintf(sql, sizeof(sql), "DROP DATABASE model_%s", f->name + 6);
	fixture_ok(pg_exec(f->pg, sql, NULL, NULL, &fixture_err));
	config_unref(c);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judges),
		cmocka_unit_test(test_long_history),
		cmocka_unit_test(test_force),
		cmocka_unit_test(test_force_in_vain),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_broken_window),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_no_database),
		cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_newer_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
