/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flusher when the database goes wrong: answers to COMMIT that never come,
 * backends that are killed, an older state, schemas from the future.  Whatever
 * happens, every frame is counted exactly once and the counters add up.
 */
#include "storage/flush.h"

#include "tests/unit/storage/flush_fixture.h"

/* COMMIT done and the answer lost, COMMIT never sent, and cuts anywhere. */
static void test_unknown_commit(void **state)
{
	struct pg_proxy proxy;
	struct world w;
	uint32_t seed;
	int n = 0;

	(void)state;
	world_init(&w);
	proxy_start(&proxy);
	world_open_journal(&w);
	random_bytes(&seed, sizeof(seed));
	print_message("seed %u\n", seed);
	srand(seed);
	world_start(&w, proxy.dsn, true);
	for (int round = 0; round < 60; round++) {
		atomic_store(&proxy.bytes, rand() % 6000);
		atomic_store(&proxy.cut, round % 3 == 0	  ? CUT_AFTER_COMMIT
					 : round % 3 == 1 ? CUT_BEFORE_COMMIT
							  : CUT_AFTER_BYTES);
		append_marked(&w, n, n + 3, 2, true);
		n += 3;
		drain(&w);
		assert_int_equal(read_sums(&w, w.model_id).applied, 2 * n);
	}
	assert_true(atomic_load(&proxy.n_cuts) > 40);
	assert_marked(&w, 0, n, 2);
	assert_int_equal(read_sums(&w, w.model_id).duplicate, 0);
	world_release(&w);
	proxy_stop(&proxy);
}

struct killer {
	atomic_bool stop;
	unsigned seed;
	atomic_int n_killed;
};

static void *kill_backends(void *arg)
{
	struct killer *k = arg;
	struct pg *pg = test_pg(getenv("DRIFTD_TEST_DSN"));
	struct pg_result *r;
	struct err e;

	while (!atomic_load(&k->stop)) {
		clock_sleep_us(2000 + rand_r(&k->seed) % 20000);
		if (pg_exec(pg,
			    "SELECT count(pg_terminate_backend(pid)) "
			    "FROM pg_stat_activity WHERE "
			    "application_name = 'flush'",
			    NULL, &r, &e))
			continue;
		atomic_fetch_add(&k->n_killed, (int)pg_get_int(r, 0, 0));
		pg_result_free(r);
	}
	pg_free(pg);
	return NULL;
}

static void test_killed_backends(void **state)
{
	struct killer k = {.n_killed = 0};
	pthread_t thread;
	struct world w;
	int n = 0;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	random_bytes(&k.seed, sizeof(k.seed));
	print_message("seed %u\n", k.seed);
	pthread_create(&thread, NULL, kill_backends, &k);
	/* Until enough of them were killed, while there was work for them. */
	while (n < 300 || (atomic_load(&k.n_killed) < 10 && n < 6000)) {
		append_marked(&w, n, n + 2, 3, true);
		n += 2;
		clock_sleep_us(5000);
	}
	atomic_store(&k.stop, true);
	pthread_join(thread, NULL);
	drain(&w);
	assert_true(k.n_killed >= 10);
	assert_int_equal(read_sums(&w, w.model_id).applied, 3 * n);
	assert_marked(&w, 0, n, 3);
	world_release(&w);
}

/* The same keyed bodies through two journals at once: each counts once. */
static void test_two_sources(void **state)
{
	struct world a, b;
	struct sums s;

	(void)state;
	world_init(&a);
	world_init(&b);
	memcpy(b.model, a.model, sizeof(a.model));
	b.model_id = a.model_id;
	world_open_journal(&a);
	world_open_journal(&b);
	world_start(&a, test_dsn(), true);
	world_start(&b, test_dsn(), true);
	for (int i = 0; i < 60; i++) {
		char mark[16];

		for (int j = 0; j < 2; j++) {
			int frame = j ? 60 - i : i + 1;

			snprintf(mark, sizeof(mark), "f%d", frame);
			append(j ? &b : &a, &(struct frame){.mark = mark,
							    .key = mark,
							    .time_us = T0,
							    .n = 2});
		}
	}
	drain(&a);
	drain(&b);
	s = read_sums(&a, a.model_id);
	assert_int_equal(s.n_rows, 2);
	assert_int_equal(s.applied, 120);
	assert_int_equal(s.duplicate, 120);
	assert_marked(&a, 1, 61, 2);
	world_release(&a);
	world_release(&b);
}

/* The database goes back to an older state, once to before the first flush;
 * what was applied meanwhile is applied again from the journal. */
static void test_older_database(void **state)
{
	enum baseline_put_outcome outcome;
	struct baseline *b;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	b = make_baseline(0);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	snapshot(&w, false);
	append_marked(&w, 0, 10, 2, true);
	drain(&w);
	snapshot(&w, true);
	append_marked(&w, 10, 12, 2, true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 24);
	assert_int_equal(s.duplicate + s.lost + s.corrupt, 0);
	assert_marked(&w, 0, 12, 2);
	snapshot(&w, false);
	append_marked(&w, 12, 20, 2, true);
	drain(&w);
	snapshot(&w, true);
	append_marked(&w, 20, 22, 2, true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 44);
	assert_int_equal(s.duplicate + s.lost + s.corrupt, 0);
	assert_marked(&w, 0, 22, 2);
	/* It also lost the content of a baseline that is pinned. */
	fixture_ok(baseline_store_put(w.pg, w.model_id, w.model, "1", "b", b,
				      false, &outcome, &fixture_e));
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	snapshot(&w, false);
	run_script(w.pg, "DELETE FROM old_baseline");
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	snapshot(&w, true);
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 47);
	{
		struct baseline *got = NULL;

		fixture_ok(baseline_store_get(w.pg, w.model_id, "b", &got, NULL,
					      &fixture_e));
		baseline_free(got);
	}
	world_release(&w);
	baseline_free(b);
}

/* A newer schema: journal only, until it is ours again. */
static void test_newer_schema(void **state)
{
	struct flush_status status = {.paused = false};
	struct world w;
	struct pg *pg;
	char sql[128], dsn[512];

	(void)state;
	world_init(&w);
	snprintf(sql, sizeof(sql), "CREATE DATABASE driftd_%s", w.model);
	run_script(w.pg, sql);
	snprintf(dsn, sizeof(dsn), "%s dbname=driftd_%s", test_dsn(), w.model);
	pg = test_pg(dsn);
	world_open_journal(&w);
	append_marked(&w, 0, 3, 2, false);
	/* An empty database and nobody who may migrate it. */
	world_start(&w, dsn, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_true(status.paused);
	world_stop(&w);
	world_start(&w, dsn, true);
	drain(&w);
	run_script(pg, "INSERT INTO driftd.schema_migration "
		       "VALUES (1000, 'future', now())");
	append_marked(&w, 3, 5, 2, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_true(status.paused && status.connected && !status.fenced);
	assert_non_null(strstr(status.message, "1000"));
	run_script(pg, "DELETE FROM driftd.schema_migration "
		       "WHERE version = 1000");
	drain(&w);
	flusher_get_status(w.flusher, &status);
	assert_false(status.paused);
	assert_string_equal(status.message, "");
	pg_free(w.pg);
	w.pg = pg;
	assert_int_equal(read_sums(&w, w.model_id).applied, 10);
	world_close(&w);
	pg_free(w.pg);
	w.pg = test_pg(test_dsn());
	snprintf(sql, sizeof(sql), "DROP DATABASE driftd_%s WITH (FORCE)",
		 w.model);
	run_script(w.pg, sql);
	world_release(&w);
}

/* No database at first, then one: a drain at the end waits for it. */
static void test_late_database(void **state)
{
	struct flush_status status;
	struct pg_proxy proxy;
	struct world w;
	int64_t began;

	(void)state;
	world_init(&w);
	proxy_start(&proxy);
	atomic_store(&proxy.cut, STALL);
	world_open_journal(&w);
	world_start(&w, proxy.dsn, true);
	append_marked(&w, 0, 4, 2, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_false(status.connected);
	/* Without a drain a stop does not wait for anything. */
	began = clock_monotonic_us();
	world_stop(&w);
	assert_true(clock_monotonic_us() - began < CLOCK_SECOND_US);
	world_start(&w, proxy.dsn, true);
	atomic_store(&proxy.cut, CUT_NEVER);
	flusher_stop(w.flusher, true, WAIT_S * CLOCK_SECOND_US);
	pthread_join(w.thread, NULL);
	flusher_free(w.flusher);
	w.flusher = NULL;
	assert_int_equal(read_sums(&w, w.model_id).applied, 8);
	world_release(&w);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_commit),
		cmocka_unit_test(test_killed_backends),
		cmocka_unit_test(test_two_sources),
		cmocka_unit_test(test_older_database),
		cmocka_unit_test(test_newer_schema),
		cmocka_unit_test(test_late_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
