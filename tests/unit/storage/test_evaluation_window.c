/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happens to a window, against a real PostgreSQL: nothing that a flush
 * adds meanwhile is lost or counted twice, revisions, empty windows,
 * retention and tombstones, two evaluators at once.
 */
#include "evaluation_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

/* --- what a window adds up to ------------------------------------------- */

/* The encoding of all events of the deltas, folded in one go. */
static void encode_sum(struct fixture *f, const struct fixture_delta *d,
		       size_t n, struct buf *out)
{
	struct profile_set sum, part;

	profile_set_init(&sum, f->baseline, 100);
	for (size_t i = n; i-- > 0;) {
		fixture_set(f, &part, d[i].start_us, d[i].n,
			    (uint32_t)d[i].seq + 17, d[i].shift);
		fixture_ok(profile_set_merge(&sum, &part, &fixture_err));
		profile_set_release(&part);
	}
	profile_set_close(&sum);
	profile_set_encode(&sum, out);
	profile_set_release(&sum);
}

static void check_peek(struct fixture *f, const struct buf *expected)
{
	struct evaluation_window w = {.start_us = f->t0_us};
	struct profile_set set;
	struct buf got;

	buf_init(&got, 1 << 24);
	fixture_ok(evaluation_peek(f->pg, &f->m, f->cache, &w, &set,
				   &fixture_err));
	profile_set_encode(&set, &got);
	assert_int_equal(got.len, expected->len);
	assert_memory_equal(got.data, expected->data, got.len);
	profile_set_release(&set);
	evaluation_window_release(&w);
	buf_release(&got);
}

static void test_profile_is_exact(void **state)
{
	enum { N = 300 };
	struct fixture *f = fixture_new();
	struct fixture_delta d[N];
	struct buf expected;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + HOUR / 2, 0, 0);
	buf_init(&expected, 1 << 24);
	for (int i = 0; i < N; i++) {
		d[i] = (struct fixture_delta){i % 3, i, f->t0_us, 5, 0};
		fixture_flush(f, f->pg, &d[i]);
	}
	encode_sum(f, d, N, &expected);
	check_peek(f, &expected);
	/* So many deltas are merged although the window is open. */
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 1);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 0);
	check_peek(f, &expected);
	assert_int_equal(fixture_evaluate(f, EVALUATION_FINAL), 1);
	assert_int_equal(fixture_number(f, n_events_sql, f->t0_us), 5 * N);
	check_peek(f, &expected);
	buf_release(&expected);
	fixture_free(f);
}

static void test_revision(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after = INT64_MIN;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 5 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 1);
	/* Late data: throttled like any other verdict, then revision 2. */
	fixture_delta(f, 1, 2, f->t0_us, FIXTURE_ROWS, 0.5);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 0);
	age_verdicts(f, "40 seconds");
	assert_int_equal(fixture_step(f, EVALUATION_NORMAL, &after, &w), 1);
	assert_true(w.is_final);
	assert_true(w.was_final);
	assert_int_equal(w.revision, 2);
	assert_int_equal(w.n_events, 2 * FIXTURE_ROWS);
	assert_int_equal(fixture_number(f, revision_sql, f->t0_us), 2);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f,
					"SELECT count(DISTINCT revision) FROM"
					" driftd.result WHERE model_id = $1"
					" AND window_start = $2",
					f->t0_us),
			 2);
	/* The first verdict stays as it was. */
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM driftd.result"
					" WHERE model_id = $1 AND window_start"
					" = $2 AND revision = 1 AND drifted",
					f->t0_us),
			 0);
	assert_true(fixture_number(f,
				   "SELECT count(*) FROM driftd.result"
				   " WHERE model_id = $1 AND window_start = $2"
				   " AND revision = 2 AND drifted",
				   f->t0_us) > 0);
	fixture_free(f);
}

/* A flush that commits while the window is being judged. */
static void test_flush_meanwhile(void **state)
{
	struct fixture *f = fixture_new();
	struct pg *other = fixture_connect();
	const struct fixture_delta late = {2, 7, f->t0_us, 50, 0};
	/* Its key is before those that were read. */
	const struct fixture_delta early = {0, 1, f->t0_us, 25, 0};
	struct evaluation_model em;
	struct evaluation_window w;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 5 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	assert_int_equal(evaluation_begin(f->pg, &f->m, EVALUATION_NOW, &em,
					  &fixture_err),
			 1);
	assert_int_equal(
		evaluation_next(f->pg, &f->m, &em, INT64_MIN, &w, &fixture_err),
		1);
	/* Nobody else has the model meanwhile, and nobody waits for it. */
	assert_int_equal(evaluation_begin(other, &f->m, EVALUATION_NOW, &em,
					  &fixture_err),
			 0);
	struct judge_column columns[2];
	struct judge_spec spec = fixture_spec(f, columns);
	struct verdicts v = {0};
	struct profile_set set;

	fixture_ok(evaluation_load(f->pg, &f->m, f->cache, &w, &set,
				   &fixture_err));
	fixture_flush(f, other, &late);
	fixture_flush(f, other, &early);
	judge_window(&spec, w.baseline, &set, &v);
	fixture_ok(evaluation_save(f->pg, &f->m, f->definition, &em, &w, &set,
				   &v, &fixture_err));
	fixture_ok(pg_commit(f->pg, &fixture_err));
	verdicts_release(&v);
	profile_set_release(&set);
	evaluation_window_release(&w);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 2);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 2);
	assert_int_equal(fixture_number(f, n_events_sql, f->t0_us),
			 FIXTURE_ROWS);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 1);
	assert_int_equal(fixture_number(f, n_events_sql, f->t0_us),
			 FIXTURE_ROWS + 75);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	pg_free(other);
	fixture_free(f);
}

/*
 * A flush that commits just before the marks are deleted: the table is locked
 * until the evaluator waits for it.  Whatever mark goes, what it marked must
 * be in the verdict; so the marks go first.
 */
static void *evaluate_once(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 1);
	return NULL;
}

static void wait_for_waiter(struct pg *pg)
{
	struct pg_result *r = NULL;
	int64_t n;

	do {
		clock_sleep_us(5000);
		fixture_ok(pg_exec(pg,
				   "SELECT count(*) FROM pg_locks WHERE NOT"
				   " granted AND relation ="
				   " 'driftd.dirty'::regclass",
				   NULL, &r, &fixture_err));
		n = pg_get_int(r, 0, 0);
		pg_result_free(r);
	} while (!n);
}

static void test_flush_before_marks_go(void **state)
{
	struct fixture *f = fixture_new();
	struct pg *other = fixture_connect();
	const struct fixture_delta d = {2, 7, f->t0_us, 50, 0};
	pthread_t thread;
	struct err e = {0};

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 5 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	assert_int_equal(pg_begin(other, &e), 0);
	assert_int_equal(pg_exec(other,
				 "LOCK TABLE driftd.dirty IN EXCLUSIVE"
				 " MODE",
				 NULL, NULL, &e),
			 0);
	pthread_create(&thread, NULL, evaluate_once, f);
	wait_for_waiter(other);
	assert_int_equal(fixture_flush_rows(f, other, &d, &e), 0);
	assert_int_equal(pg_commit(other, &e), 0);
	pthread_join(thread, NULL);
	if (!fixture_number(f, n_dirty_sql, INT64_MIN))
		assert_int_equal(fixture_number(f, n_events_sql, f->t0_us),
				 FIXTURE_ROWS + 50);
	(void)fixture_evaluate(f, EVALUATION_NOW);
	assert_int_equal(fixture_number(f, n_events_sql, f->t0_us),
			 FIXTURE_ROWS + 50);
	pg_free(other);
	fixture_free(f);
}

/* What was not committed is as if it had never begun. */
static void test_rollback(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_model em;
	struct evaluation_window w;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 5 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_ok(evaluation_begin(f->pg, &f->m, EVALUATION_NOW, &em,
				    &fixture_err));
	fixture_ok(evaluation_next(f->pg, &f->m, &em, INT64_MIN, &w,
				   &fixture_err));
	fixture_ok(fixture_judge(f, f->pg, f->cache, &em, &w, &fixture_err));
	evaluation_window_release(&w);
	pg_rollback(f->pg);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 1);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 1);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 1);
	assert_int_equal(fixture_number(f, revision_sql, f->t0_us), 1);
	fixture_free(f);
}

/* --- empty windows ------------------------------------------------------- */

static const char n_volume_sql[] =
	"SELECT count(*) FROM driftd.result r JOIN driftd.window_state s"
	" ON s.model_id = $1 AND s.window_start = r.window_start"
	" WHERE r.model_id = $1 AND s.final AND s.revision = 1"
	" AND s.n_events = 0 AND r.column_name = '__model__'"
	" AND r.metric = 'volume' AND r.value = 0";

static void test_empty_windows(void **state)
{
	struct fixture *f = fixture_new();
	struct evaluation_window w;
	int64_t after;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 20 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + 4 * HOUR, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 2);
	assert_int_equal(fixture_number(f, n_volume_sql, INT64_MIN), 3);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 5);
	/* Late data for one of them: it has a baseline to be counted on. */
	fixture_delta(f, 1, 3, f->t0_us + 2 * HOUR, FIXTURE_ROWS, 0);
	after = f->t0_us;
	assert_int_equal(fixture_step(f, EVALUATION_NOW, &after, &w), 1);
	assert_int_equal(w.revision, 2);
	assert_int_equal(w.n_events, FIXTURE_ROWS);
	assert_string_equal(w.baseline_version, "b1");
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 5);
	fixture_free(f);
}

static void test_long_gap(void **state)
{
	struct fixture *f = fixture_new();
	int64_t far = f->t0_us + 600 * HOUR;

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 700 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, far, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 2);
	assert_int_equal(fixture_number(f, n_volume_sql, INT64_MIN), 400);
	/* The newest ones. */
	assert_int_equal(fixture_number(f, revision_sql, far - HOUR), 1);
	assert_int_equal(fixture_number(f, revision_sql, far - 400 * HOUR), 1);
	assert_true(fixture_number(f, revision_sql, far - 401 * HOUR) ==
		    INT64_MIN);
	fixture_free(f);
}

/* --- retention ----------------------------------------------------------- */

static long prune_all(struct fixture *f, int64_t results_us,
		      int64_t profiles_us)
{
	long n, sum = 0;

	do {
		n = evaluation_prune(f->pg, &f->m, results_us, profiles_us,
				     &fixture_err);
		assert_true(n >= 0);
		sum += n;
	} while (n > 0);
	return sum;
}

static void test_retention(void **state)
{
	static const char n_results_sql[] =
		"SELECT count(*) FROM driftd.result WHERE model_id = $1";
	static const char n_profiles_sql[] =
		"SELECT count(*) FROM driftd.window_profile"
		" WHERE model_id = $1";
	struct fixture *f = fixture_new();
	struct evaluation_window w, gone = {.start_us = f->t0_us};
	struct profile_set set;
	int64_t after = INT64_MIN, old = 2 * HOUR, results;

	(void)state;
	f->m.revise_horizon_us = old;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 20 * HOUR, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 2);
	results = fixture_number(f, n_results_sql, INT64_MIN);

	/* Old by event time, written just now: kept. */
	assert_int_equal(prune_all(f, old, old), 0);
	/* Written long ago, young by event time: kept. */
	fixture_exec(f, "UPDATE driftd.window_state SET evaluated_at ="
			" evaluated_at - interval '90 days'"
			" WHERE model_id = $1");
	fixture_exec(f, "UPDATE driftd.result SET evaluated_at ="
			" evaluated_at - interval '90 days'"
			" WHERE model_id = $1");
	assert_int_equal(prune_all(f, 40 * HOUR, 40 * HOUR), 0);
	/* Both: the profiles go, their states stay as tombstones. */
	assert_int_equal(prune_all(f, 40 * HOUR, old), 2);
	assert_int_equal(fixture_number(f, n_profiles_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_results_sql, INT64_MIN), results);
	assert_int_equal(evaluation_peek(f->pg, &f->m, f->cache, &gone, &set,
					 &fixture_err),
			 -1);
	assert_int_equal(fixture_err.code, ERR_NOT_FOUND);
	profile_set_release(&set);
	/* What comes now cannot be judged; the verdict stays. */
	fixture_delta(f, 1, 3, f->t0_us, 10, 0);
	assert_int_equal(fixture_step(f, EVALUATION_NOW, &after, &w), 1);
	assert_true(w.pruned);
	assert_int_equal(fixture_step(f, EVALUATION_NOW, &after, &w), 0);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, revision_sql, f->t0_us), 1);
	assert_int_equal(fixture_number(f, n_results_sql, INT64_MIN), results);
	/* Then the results. */
	assert_int_equal(prune_all(f, old, old), results);
	assert_int_equal(fixture_number(f, n_results_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_final_sql, INT64_MIN), 2);
	fixture_free(f);
}

/* --- two evaluators, one model ------------------------------------------ */

enum { RACE_WINDOWS = 6, RACE_FLUSHES = 60, RACE_ROWS = 5 };

struct race {
	struct fixture *f;
	atomic_bool done;      /* the flusher has finished */
	atomic_int n_verdicts; /* committed, by both */
};

static int race_step(struct race *r, struct pg *pg,
		     struct baseline_cache *cache, int64_t *after)
{
	struct evaluation_model em;
	struct evaluation_window w = {0};
	struct err e = {0};
	int rc;

	rc = evaluation_begin(pg, &r->f->m, EVALUATION_NOW, &em, &e);
	if (rc != 1)
		goto out;
	rc = evaluation_next(pg, &r->f->m, &em, *after, &w, &e);
	if (rc == 1) {
		*after = w.start_us;
		rc = fixture_judge(r->f, pg, cache, &em, &w, &e) ? -1 : 1;
	}
	if (rc == 1 && pg_commit(pg, &e))
		rc = -1;
	if (rc != 1)
		pg_rollback(pg);
	else
		atomic_fetch_add(&r->n_verdicts, 1);
out:
	evaluation_window_release(&w);
	if (rc < 0 && e.code != ERR_TEMP) {
		print_error("%s\n", e.message);
		abort();
	}
	return rc;
}

static void *race_evaluate(void *arg)
{
	struct race *r = arg;
	struct baseline_cache *cache = baseline_cache_new(1 << 20);
	struct pg *pg = fixture_connect();
	bool last = false;

	for (;;) {
		int64_t after = INT64_MIN;
		bool was_done = atomic_load(&r->done);

		while (race_step(r, pg, cache, &after) != 0)
			;
		if (last)
			break;
		last = was_done;
	}
	pg_free(pg);
	baseline_cache_free(cache);
	return NULL;
}

static void *race_flush(void *arg)
{
	struct race *r = arg;
	struct pg *pg = fixture_connect();

	for (int i = 0; i < RACE_FLUSHES; i++) {
		const struct fixture_delta d = {
			i % 3, i, r->f->t0_us + i % RACE_WINDOWS * HOUR,
			RACE_ROWS, 0};

		fixture_flush(r->f, pg, &d);
	}
	atomic_store(&r->done, true);
	pg_free(pg);
	return NULL;
}

static void test_two_evaluators(void **state)
{
	struct fixture *f = fixture_new();
	struct race race = {.f = f};
	pthread_t threads[3];

	(void)state;
	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 20 * HOUR, 0, 0);
	pthread_create(&threads[0], NULL, race_evaluate, &race);
	pthread_create(&threads[1], NULL, race_evaluate, &race);
	pthread_create(&threads[2], NULL, race_flush, &race);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	/* A last look: the evaluators may both have skipped the other's. */
	atomic_fetch_add(&race.n_verdicts, fixture_evaluate(f, EVALUATION_NOW));

	assert_int_equal(fixture_number(f, n_dirty_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_delta_sql, INT64_MIN), 0);
	/* Every event once, every committed verdict one revision. */
	assert_int_equal(fixture_number(f,
					"SELECT sum(n_events)::bigint FROM"
					" driftd.window_state"
					" WHERE model_id = $1",
					INT64_MIN),
			 RACE_FLUSHES * RACE_ROWS);
	assert_int_equal(fixture_number(f,
					"SELECT count(DISTINCT (window_start,"
					" revision)) FROM driftd.result"
					" WHERE model_id = $1 AND value > 0"
					" AND metric = 'volume'",
					INT64_MIN),
			 atomic_load(&race.n_verdicts));
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile_is_exact),
		cmocka_unit_test(test_revision),
		cmocka_unit_test(test_flush_meanwhile),
		cmocka_unit_test(test_flush_before_marks_go),
		cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_empty_windows),
		cmocka_unit_test(test_long_gap),
		cmocka_unit_test(test_retention),
		cmocka_unit_test(test_two_evaluators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
