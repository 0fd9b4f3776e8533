/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flusher with a real journal and a real database: what a span becomes,
 * keys, lateness, windows, pins, corrupt frames, models that hold nobody up.
 */
#include "storage/flush.h"

#include "tests/unit/storage/flush_fixture.h"

#include <pthread.h>

static void test_counts(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.mark = "a",
				   .time_us = T0,
				   .step_us = 1,
				   .n = 10,
				   .n_rejected = 2});
	append(&w, &(struct frame){.mark = "b",
				   .time_us = T0 + HOUR - 5,
				   .step_us = 1,
				   .n = 10,
				   .key = "k1"});
	drain(&w);
	/* Again, in a span of its own; then twice in one span. */
	append(&w, &(struct frame){.mark = "b",
				   .time_us = T0 + HOUR - 5,
				   .step_us = 1,
				   .n = 10,
				   .key = "k1"});
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.n_rows, 1);
	assert_int_equal(s.applied, 20);
	assert_int_equal(s.duplicate, 10);
	assert_int_equal(s.rejected, 2);
	assert_int_equal(s.seq, 3);
	world_stop(&w);
	append(&w, &(struct frame){.mark = "c",
				   .time_us = T0,
				   .step_us = 1,
				   .n = 3,
				   .key = "k2"});
	append(&w, &(struct frame){.mark = "c",
				   .time_us = T0,
				   .step_us = 1,
				   .n = 3,
				   .key = "k2"});
	append(&w, &(struct frame){.mark = "d",
				   .time_us = T0,
				   .step_us = 1,
				   .n = 4,
				   .key = "k2"}); /* another body */
	append(&w, &(struct frame){.mark = "e",
				   .time_us = T0,
				   .step_us = 1,
				   .n = 5,
				   .key = "k1"}); /* another body */
	/* Times that do not ascend, over three windows. */
	append(&w, &(struct frame){.mark = "f",
				   .time_us = T0 + 2 * HOUR,
				   .step_us = -HOUR / 2,
				   .n = 5});
	world_start(&w, test_dsn(), true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 20 + 3 + 4 + 5 + 5);
	assert_int_equal(s.duplicate, 13);
	assert_int_equal(s.conflict, 9);
	assert_int_equal(s.n_events, 50);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	assert_int_equal(set.n_events, s.applied);
	assert_int_equal(count_mark(&set, "a"), 10);
	assert_int_equal(count_mark(&set, "b"), 10);
	assert_int_equal(count_mark(&set, "c"), 3);
	assert_int_equal(count_mark(&set, "d"), 4);
	assert_int_equal(count_mark(&set, "e"), 5);
	assert_int_equal(count_mark(&set, "f"), 5);
	assert_true(set.min_event_time_us == T0);
	assert_true(set.max_event_time_us == T0 + 2 * HOUR);
	profile_set_release(&set);
	read_profile(&w, w.model_id, T0 + HOUR, &set);
	assert_int_equal(count_mark(&set, "b"), 5);
	assert_int_equal(count_mark(&set, "f"), 2);
	profile_set_release(&set);
	world_release(&w);
}

/* A second life of the journal applies nothing twice. */
static void test_restart(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;
	char mark[16];

	(void)state;
	world_init(&w);
	for (int life = 0; life < 4; life++) {
		world_open_journal(&w);
		for (int i = 0; i < 10; i++) {
			snprintf(mark, sizeof(mark), "%d-%d", life, i);
			append(&w, &(struct frame){.mark = mark,
						   .time_us = T0,
						   .n = 2});
		}
		world_start(&w, test_dsn(), true);
		if (life != 2)
			drain(&w);
		world_close(&w);
	}
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.n_rows, 1);
	assert_int_equal(s.applied, 80);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	for (int life = 0; life < 4; life++)
		for (int i = 0; i < 10; i++) {
			snprintf(mark, sizeof(mark), "%d-%d", life, i);
			assert_int_equal(count_mark(&set, mark), 2);
		}
	profile_set_release(&set);
	world_release(&w);
}

static void test_late(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	w.horizon_us = 2 * HOUR;
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){
			   .mark = "new", .time_us = T0 + 10 * HOUR, .n = 1});
	drain(&w);
	/* Windows that end at 8 h or later are within the horizon: of hours
	 * 5 to 9 the first two are late. */
	append(&w, &(struct frame){.mark = "old",
				   .time_us = T0 + 5 * HOUR,
				   .step_us = HOUR,
				   .n = 5});
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.late, 2);
	assert_int_equal(s.applied, 4);
	/* A pruned window takes nothing either. */
	run_sql(w.pg,
		"UPDATE driftd.window_state SET pruned = true "
		"WHERE model_id = $1 AND window_start = "
		"'2026-01-01T08:00Z'",
		w.model_id);
	append(&w, &(struct frame){.mark = "old",
				   .time_us = T0 + 8 * HOUR,
				   .step_us = HOUR,
				   .n = 2});
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.late, 3);
	assert_int_equal(s.applied, 5);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	assert_int_equal(count_mark(&set, "old"), 4);
	profile_set_release(&set);
	world_release(&w);
}

/* Every delta of the window decodes over this baseline; their events. */
static uint64_t events_on(struct world *w, int64_t window_us,
			  const struct baseline *b)
{
	struct profile_set set;
	struct pg_params p;
	struct pg_result *r;
	uint64_t n = 0;

	pg_params_init(&p);
	pg_add_int8(&p, w->model_id);
	pg_add_time(&p, window_us);
	fixture_ok(pg_exec(w->pg,
			   "SELECT content FROM driftd.delta "
			   "WHERE model_id = $1 AND window_start = $2",
			   &p, &r, &fixture_e));
	pg_params_release(&p);
	for (size_t i = 0; i < pg_rows(r); i++) {
		struct buf raw;
		const void *packed;
		size_t len;

		packed = pg_get_bytea(r, i, 0, &len);
		buf_init(&raw, 64 << 20);
		profile_set_init(&set, b, 100);
		fixture_ok(zstd_unpack(packed, len, &raw, &fixture_e));
		fixture_ok(profile_set_decode(&set, raw.data, raw.len,
					      &fixture_e));
		n += set.n_events;
		profile_set_release(&set);
		buf_release(&raw);
	}
	pg_result_free(r);
	return n;
}

static void test_pins(void **state)
{
	enum baseline_put_outcome outcome;
	struct baseline *a, *b;
	struct world w;

	(void)state;
	world_init(&w);
	a = make_baseline(0);
	b = make_baseline(500);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.time_us = T0, .n = 5, .step_us = 1});
	drain(&w);
	fixture_ok(baseline_store_put(w.pg, w.model_id, w.model, "1", "a", a,
				      false, &outcome, &fixture_e));
	append(&w, &(struct frame){.time_us = T0, .n = 6, .step_us = 1});
	append(&w, &(struct frame){.time_us = T0 + HOUR, .n = 7});
	drain(&w);
	fixture_ok(baseline_store_put(w.pg, w.model_id, w.model, "1", "b", b,
				      true, &outcome, &fixture_e));
	append(&w, &(struct frame){.time_us = T0 + HOUR, .n = 8});
	append(&w, &(struct frame){.time_us = T0 + 2 * HOUR, .n = 9});
	drain(&w);
	/* A window stays on what it began with. */
	assert_int_equal(events_on(&w, T0, NULL), 11);
	assert_int_equal(events_on(&w, T0 + HOUR, a), 15);
	assert_int_equal(events_on(&w, T0 + 2 * HOUR, b), 9);
	world_release(&w);
	baseline_free(a);
	baseline_free(b);
}

/* Accumulators beyond `memory`: several groups, the same sums. */
static void test_many_windows(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	for (int i = 0; i < 5; i++)
		append(&w, &(struct frame){.mark = i % 2 ? "odd" : "even",
					   .time_us = T0 + 700 * HOUR * (i % 3),
					   .step_us = HOUR / 3,
					   .n = 3000});
	world_start(&w, test_dsn(), true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 15000);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	assert_int_equal(count_mark(&set, "odd"), 6000);
	assert_int_equal(count_mark(&set, "even"), 9000);
	profile_set_release(&set);
	world_release(&w);
}

/* A payload with a good CRC that is no batch; another whose header lies. */
static void test_garbage(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	append(&w, &(struct frame){.mark = "a", .time_us = T0, .n = 3});
	append(&w, &(struct frame){.garbage = "this is no batch at all",
				   .n_claimed = 7,
				   .n_rejected = 1});
	append(&w, &(struct frame){.mark = "b", .time_us = T0, .n = 4});
	append(&w, &(struct frame){.garbage = "nor is this", .n_claimed = 2});
	world_start(&w, test_dsn(), true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 7);
	assert_int_equal(s.corrupt, 9);
	assert_int_equal(s.rejected, 1);
	assert_int_equal(s.seq, 4);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	assert_int_equal(count_mark(&set, "a"), 3);
	assert_int_equal(count_mark(&set, "b"), 4);
	profile_set_release(&set);
	world_release(&w);
}

/* The database refuses events of two hours: the frames that have them are
 * found and set aside, all others are applied. */
static void test_refused(void **state)
{
	struct profile_set set;
	struct world w;
	struct sums s;
	char sql[1024], mark[16];

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	snprintf(sql, sizeof(sql),
		 "CREATE FUNCTION driftd.refuse_%s() RETURNS trigger "
		 "LANGUAGE plpgsql AS $$ BEGIN "
		 "RAISE SQLSTATE '22021'; END $$; "
		 "CREATE TRIGGER refuse_%s BEFORE INSERT ON driftd.delta "
		 "FOR EACH ROW WHEN (NEW.model_id = %" PRId64
		 " AND NEW.window_start IN ('2026-01-01T05:00Z', "
		 "'2026-01-01T06:00Z')) "
		 "EXECUTE FUNCTION driftd.refuse_%s()",
		 w.model, w.model, w.model_id, w.model);
	run_script(w.pg, sql);
	for (int i = 0; i < 40; i++) {
		int64_t hour = i == 13 ? 5 : i == 29 ? 6 : i % 4;

		snprintf(mark, sizeof(mark), "f%d", i);
		append(&w, &(struct frame){.mark = mark,
					   .n = 2,
					   .time_us = T0 + hour * HOUR});
	}
	world_start(&w, test_dsn(), true);
	drain(&w);
	snprintf(sql, sizeof(sql),
		 "DROP TRIGGER refuse_%s ON driftd.delta; "
		 "DROP FUNCTION driftd.refuse_%s()",
		 w.model, w.model);
	run_script(w.pg, sql);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 76);
	assert_int_equal(s.corrupt, 4);
	read_profile(&w, w.model_id, INT64_MIN, &set);
	for (int i = 0; i < 40; i++) {
		snprintf(mark, sizeof(mark), "f%d", i);
		assert_int_equal(count_mark(&set, mark),
				 i == 13 || i == 29 ? 0 : 2);
	}
	profile_set_release(&set);
	world_release(&w);
}

/* A row that somebody holds delays its own model only. */
static void test_held_up(void **state)
{
	struct flush_status status;
	struct pg *holder;
	struct world w;
	char other[32];
	int64_t other_id, began;

	(void)state;
	world_init(&w);
	random_name(other);
	other_id = hash_id63(other, strlen(other));
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.mark = "a", .time_us = T0, .n = 1});
	drain(&w);
	holder = test_pg(test_dsn());
	fixture_ok(pg_begin(holder, &fixture_e));
	run_sql(holder,
		"SELECT 1 FROM driftd.source_position "
		"WHERE model_id = $1 FOR UPDATE",
		w.model_id);
	append(&w, &(struct frame){.mark = "b", .time_us = T0, .n = 2});
	append(&w, &(struct frame){.model = other, .time_us = T0, .n = 3});
	began = clock_monotonic_us();
	while (read_sums(&w, other_id).applied != 3) {
		assert_true(clock_monotonic_us() - began <
			    WAIT_S * CLOCK_SECOND_US);
		clock_sleep_us(20000);
	}
	/* Past it, and later frames of the other too. */
	append(&w, &(struct frame){.model = other, .time_us = T0, .n = 4});
	while (read_sums(&w, other_id).applied != 7) {
		assert_true(clock_monotonic_us() - began <
			    WAIT_S * CLOCK_SECOND_US);
		clock_sleep_us(20000);
	}
	flusher_get_status(w.flusher, &status);
	assert_true(status.position < journal_durable_end(w.journal));
	assert_true(status.lag_us > 0);
	pg_rollback(holder);
	pg_free(holder);
	append(&w, &(struct frame){.mark = "c", .time_us = T0, .n = 5});
	drain(&w);
	assert_int_equal(read_sums(&w, w.model_id).applied, 8);
	world_release(&w);
}

/* caught_up_to follows the database's clock while nothing comes. */
static void test_caught_up(void **state)
{
	struct world w;
	struct pg_params p;
	struct pg_result *r;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.time_us = T0, .n = 1});
	drain(&w);
	pg_params_init(&p);
	pg_add_int8(&p, w.model_id);
	fixture_ok(pg_exec(w.pg,
			   "SELECT caught_up_to BETWEEN "
			   "clock_timestamp() - interval '20 s' "
			   "AND clock_timestamp(), last_received_at "
			   "BETWEEN clock_timestamp() - interval '20 s' "
			   "AND clock_timestamp(), max_event_time "
			   "FROM driftd.source_position WHERE model_id = $1",
			   &p, &r, &fixture_e));
	assert_true(pg_get_bool(r, 0, 0));
	assert_true(pg_get_bool(r, 0, 1));
	assert_true(pg_get_time(r, 0, 2) == T0);
	pg_result_free(r);
	/* A new life says so at once, without an event. */
	world_close(&w);
	run_sql(w.pg,
		"UPDATE driftd.source_position SET caught_up_to = "
		"'epoch' WHERE model_id = $1",
		w.model_id);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	for (int i = 0;; i++) {
		bool is_current;

		fixture_ok(pg_exec(w.pg,
				   "SELECT caught_up_to > clock_timestamp() "
				   "- interval '20 s' FROM "
				   "driftd.source_position "
				   "WHERE model_id = $1",
				   &p, &r, &fixture_e));
		is_current = pg_get_bool(r, 0, 0);
		pg_result_free(r);
		if (is_current)
			break;
		assert_true(i < 500);
		clock_sleep_us(10000);
	}
	pg_params_release(&p);
	world_release(&w);
}

static int64_t count_keys(struct world *w)
{
	struct pg_params p;
	struct pg_result *r;
	int64_t n;

	pg_params_init(&p);
	pg_add_int8(&p, w->model_id);
	fixture_ok(pg_exec(w->pg,
			   "SELECT count(*) FROM driftd.batch_key "
			   "WHERE model_id = $1",
			   &p, &r, &fixture_e));
	n = pg_get_int(r, 0, 0);
	pg_params_release(&p);
	pg_result_free(r);
	return n;
}

/* Keys go after their time to live, but not while a live source may still
 * have a retry in its journal. */
static void test_keys_expire(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.key = "old", .time_us = T0, .n = 1});
	drain(&w);
	run_sql(w.pg,
		"UPDATE driftd.batch_key SET created_at = "
		"clock_timestamp() - interval '30 h' "
		"WHERE model_id = $1",
		w.model_id);
	append(&w, &(struct frame){.key = "new", .time_us = T0, .n = 1});
	drain(&w);
	world_stop(&w);
	/* Another source that did not flush for 10 hours. */
	run_sql(w.pg,
		"INSERT INTO driftd.source_position SELECT model_id, 1, "
		"0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, "
		"clock_timestamp() - interval '10 h' "
		"FROM driftd.source_position WHERE model_id = $1",
		w.model_id);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.time_us = T0, .n = 1});
	drain(&w);
	append(&w, &(struct frame){.time_us = T0, .n = 1});
	drain(&w);
	assert_int_equal(count_keys(&w), 2);
	world_stop(&w);
	run_sql(w.pg,
		"DELETE FROM driftd.source_position "
		"WHERE model_id = $1 AND source_id = 1",
		w.model_id);
	world_start(&w, test_dsn(), true);
	append(&w, &(struct frame){.time_us = T0, .n = 1});
	drain(&w);
	append(&w, &(struct frame){.time_us = T0, .n = 1});
	drain(&w);
	assert_int_equal(count_keys(&w), 1);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_many_windows),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_caught_up),
		cmocka_unit_test(test_keys_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
