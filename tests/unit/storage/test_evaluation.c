/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The evaluator's SQL against a real PostgreSQL: which window is next, and
 * when it is final.
 */
#include "evaluation_fixture.h"

static struct evaluation_source source(int64_t event, int64_t received,
				       int64_t caught_up)
{
	return (struct evaluation_source){event, received, caught_up};
}

/* --- watermark: a pure function ----------------------------------------- */

static void test_watermark(void **state)
{
	const struct config_model m = {
		.idle_timeout_us = 15 * CLOCK_MINUTE_US,
		.source_timeout_us = 30 * CLOCK_MINUTE_US,
	};
	const int64_t now = 1000 * CLOCK_DAY_US, t = 900 * CLOCK_DAY_US;
	const int64_t minute = CLOCK_MINUTE_US;
	struct evaluation_model em = {.now_us = now};
	struct evaluation_source s[2] = {{0}};

	(void)state;
	evaluation_watermark(&m, s, 0, &em);
	assert_true(em.watermark_us == INT64_MIN);
	assert_false(em.source_missing);

	/* The least of two that deliver. */
	s[0] = source(t, now - minute, now);
	s[1] = source(t - HOUR, now - minute, now);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t - HOUR);
	assert_false(em.source_missing);

	/* A silent one that is caught up does not hold the other back. */
	s[1] = source(t - HOUR, now - 15 * minute, now - minute);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t);

	/* All silent: the clock is the watermark, up to what is applied. */
	s[0] = source(t, now - 20 * minute, now - 2 * minute);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == now - 2 * minute);
	assert_false(em.source_missing);

	/* Unheard: it leaves the minimum and is missing. */
	s[0] = source(t, now - minute, now);
	s[1] = source(t - HOUR, now - 40 * minute, now - 31 * minute);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t);
	assert_true(em.source_missing);
	assert_true(em.missing_from_us == t - HOUR);

	/* Unheard for a week: it is gone and misses nothing. */
	s[1] = source(t - HOUR, now - 8 * CLOCK_DAY_US, now - 8 * CLOCK_DAY_US);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t);
	assert_false(em.source_missing);

	/* Nobody is live: what they delivered stands, the clock does not. */
	s[0] = source(t, now - HOUR, now - HOUR);
	s[1] = source(t - HOUR, now - HOUR, now - HOUR);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t - HOUR);

	/* One that never had an event neither holds back nor is missed. */
	s[0] = source(t, now - minute, now);
	s[1] = source(INT64_MIN, INT64_MIN, now);
	evaluation_watermark(&m, s, 2, &em);
	assert_true(em.watermark_us == t);
	s[1] = source(INT64_MIN, INT64_MIN, now - HOUR);
	evaluation_watermark(&m, s, 2, &em);
	assert_false(em.source_missing);
}

/* --- which window, and when --------------------------------------------- */

static void test_order(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN;

	(void)state;
	fixture_put_model(f);
	fixture_delta(f, 1, 1, f->t0_us + 2 * HOUR, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 3, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	fixture_source(f, 1, f->t0_us + 5 * HOUR, 0, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w),
				 1);
		assert_true(w.start_us == f->t0_us + i * HOUR);
		assert_true(w.is_final);
		assert_false(w.was_final);
		assert_false(w.incomplete);
		assert_int_equal(w.revision, 1);
		assert_int_equal(w.n_events, FIXTURE_ROWS);
		assert_string_equal(w.baseline_version, "b1");
	}
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 0);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 3);
	fixture_free(f);
}

static void test_two_sources(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN;

	(void)state;
	fixture_put_model(f);
	fixture_delta(f, 1, 1, f->t0_us, 300, 0);
	fixture_delta(f, 2, 1, f->t0_us, 300, 0);
	fixture_source(f, 1, f->t0_us + 3 * HOUR, 0, 0);
	/* The other is a microsecond short of end + lateness. */
	fixture_source(f, 2, f->t0_us + HOUR + f->m.lateness_us - 1, 0, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_false(w.is_final);
	after = INT64_MIN;
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 0);
	fixture_source(f, 2, f->t0_us + HOUR + f->m.lateness_us, 0, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_int_equal(w.n_events, 600);
	assert_int_equal(fixture_number(f, n_provisional_sql, INT64_MIN), 0);
	fixture_free(f);
}

static void test_idle(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN, idle = f->m.idle_timeout_us;

	(void)state;
	fixture_put_model(f);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_source(f, 1, f->t0_us + 10, idle - CLOCK_MINUTE_US, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_false(w.is_final);
	/* Silent long enough, but not heard of since the window's end. */
	after = INT64_MIN;
	fixture_source(f, 1, f->t0_us + 10, idle + HOUR,
		       f->m.source_timeout_us + HOUR);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 0);
	fixture_source(f, 1, f->t0_us + 10, idle + CLOCK_MINUTE_US, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_false(w.incomplete);
	fixture_free(f);
}

static void test_incomplete(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN;

	(void)state;
	fixture_put_model(f);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	fixture_source(f, 1, f->t0_us + 9 * HOUR, 0, 0);
	/* It passed the first window and was lost in the second. */
	fixture_source(f, 2, f->t0_us + HOUR + HOUR / 2,
		       f->m.source_timeout_us + CLOCK_MINUTE_US,
		       f->m.source_timeout_us + CLOCK_MINUTE_US);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_false(w.incomplete);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_true(w.incomplete);
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM"
					" driftd.window_state WHERE model_id"
					" = $1 AND incomplete",
					INT64_MIN),
			 1);
	fixture_free(f);
}

static void test_throttle(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + HOUR / 2, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, 100, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_false(w.is_final);
	assert_int_equal(w.revision, 0);
	assert_int_equal(fixture_number(f, n_provisional_sql, INT64_MIN), 1);
	/* Deltas stay until the window is final. */
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 1);

	/* An hour's window: 36 s. */
	fixture_delta(f, 1, 2, f->t0_us, 200, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 0);
	age_verdicts(f, "30 seconds");
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 0);
	age_verdicts(f, "7 seconds");
	after = INT64_MIN;
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_int_equal(w.n_events, 300);
	/* Nothing new: not judged again, not even by force. */
	age_verdicts(f, "1 day");
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 0);
	fixture_delta(f, 1, 3, f->t0_us, 300, 0);
	age_verdicts(f, "-1 day");
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 1);
	assert_int_equal(fixture_number(f, n_events_sql, f->t0_us), 600);
	assert_int_equal(fixture_number(f, n_provisional_sql, INT64_MIN), 1);
	fixture_free(f);
}

static void test_force_final(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN, now, start;

	(void)state;
	fixture_put_model(f);
	fixture_ok(evaluation_clock(f->pg, &now, &fixture_err));
	start = window_start(f->m.window, now);
	fixture_source(f, 1, f->t0_us + 10, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, start, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 2);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 0);
	assert_int_equal(evaluation_open_windows(f->pg, &f->m.model_id, 1, now,
						 &fixture_err),
			 1);
	/* The clock has passed the first; the second has just begun. */
	assert_int_equal(fixture_step(f, EVALUATION_FINAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_true(w.start_us == f->t0_us);
	assert_int_equal(fixture_step(f, EVALUATION_FINAL, &after, &w), 0);
	assert_int_equal(evaluation_open_windows(f->pg, &f->m.model_id, 1, now,
						 &fixture_err),
			 0);
	fixture_free(f);
}

/* --- hints and definitions ---------------------------------------------- */

static void test_due(void **state)
{
	struct fixture *f = fixture_new();
	int64_t ids[2] = {f->m.model_id, f->m.model_id ^ 1};
	struct evaluation_dirty dirty[4];
	bool due[2] = {true, true};

	(void)state;
	fixture_put_model(f);
	fixture_ok(evaluation_due(f->pg, ids, 2, due, &fixture_err));
	assert_false(due[0]);
	assert_false(due[1]);
	fixture_source(f, 1, f->t0_us + 20 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us + HOUR, 10, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, 10, 0);
	fixture_delta(f, 1, 3, f->t0_us, 10, 0);
	fixture_ok(evaluation_due(f->pg, ids, 2, due, &fixture_err));
	assert_true(due[0]);
	assert_false(due[1]);
	assert_int_equal(
		evaluation_dirty_windows(f->pg, ids, 2, dirty, 4, &fixture_err),
		2);
	assert_true(dirty[0].start_us == f->t0_us);
	assert_true(dirty[1].start_us == f->t0_us + HOUR);
	assert_int_equal(
		evaluation_dirty_windows(f->pg, ids, 2, dirty, 1, &fixture_err),
		1);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 2);
	fixture_ok(evaluation_due(f->pg, ids, 2, due, &fixture_err));
	assert_false(due[0]);
	fixture_free(f);
}

static void test_register(void **state)
{
	static const char n_sql[] =
		"SELECT count(*) FROM driftd.definition d JOIN driftd.model m"
		" ON m.model_id = d.model_id WHERE d.model_id = $1";
	struct fixture *f = fixture_new();
	uint8_t a[SHA256_SIZE], b[SHA256_SIZE];

	(void)state;
	fixture_ok(evaluation_register(f->pg, &f->m, a, &fixture_err));
	fixture_ok(evaluation_register(f->pg, &f->m, b, &fixture_err));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(fixture_number(f, n_sql, INT64_MIN), 1);
	f->m.min_rows = 501;
	fixture_ok(evaluation_register(f->pg, &f->m, b, &fixture_err));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(fixture_number(f, n_sql, INT64_MIN), 2);
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM driftd.model m"
					" JOIN driftd.definition d"
					" USING (model_id, definition)"
					" WHERE model_id = $1 AND"
					" sha256(convert_to(body, 'UTF8'))"
					" = definition",
					INT64_MIN),
			 1);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watermark),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_two_sources),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_throttle),
		cmocka_unit_test(test_force_final),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
