/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Outcomes: how the inbox is counted, by which plan, and what retention takes.
 */
#include "tests/unit/storage/evaluation_fixture.h"

#include "storage/outcome_count.h"
#include "storage/outcome_quality.h"

enum { N_OUTCOMES = 20000 };

/* 20,000 predictions with labels in one window, not yet counted; every fourth
 * label is wrong. */
static const char fill_sql[] =
	"INSERT INTO driftd.outcome (model_id, id, window_start, event_time,"
	" predicted, score, label, label_time, label_received, written_at)"
	" SELECT $1, 'id' || i, $2, $2, (i % 2)::text, i / 20000.0,"
	" ((i % 2 + (i % 4 = 0)::int) % 2)::text, $2, $2, clock_timestamp()"
	" FROM generate_series(1, 20000) AS i";

static const char state_sql[] =
	"INSERT INTO driftd.window_state (model_id, window_start, window_end)"
	" VALUES ($1, $2, $2 + interval '1 hour')";

static const char inbox_sql[] =
	"INSERT INTO driftd.outcome_inbox (model_id, source_id, seq, id)"
	" SELECT $1, 1, 1, 'id' || i FROM generate_series(1, 20000) AS i";

static void fill(struct fixture *f)
{
	fixture_put_model(f);
	(void)fixture_number(f, state_sql, f->t0_us);
	(void)fixture_number(f, fill_sql, f->t0_us);
}

static void count_all(struct fixture *f)
{
	int rc = 1;

	fixture_ok(pg_begin(f->pg, &fixture_err));
	while (rc == 1) {
		rc = outcome_count_batch(f->pg, &f->m, f->cache, INT64_MIN,
					 &fixture_err);
		fixture_ok(rc);
	}
	fixture_ok(pg_commit(f->pg, &fixture_err));
}

static int64_t of_window(struct fixture *f, const char *sql)
{
	return fixture_number(f, sql, f->t0_us);
}

static const char n_labeled_sql[] =
	"SELECT n_labeled FROM driftd.window_quality"
	" WHERE model_id = $1 AND window_start = $2";
static const char n_right_sql[] =
	"SELECT sum(n)::bigint FROM driftd.quality_cell WHERE model_id = $1"
	" AND window_start = $2 AND predicted = label";
static const char n_wrong_sql[] =
	"SELECT sum(n)::bigint FROM driftd.quality_cell WHERE model_id = $1"
	" AND window_start = $2 AND predicted <> label";

static void test_a_change_is_taken_away_and_added(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->m.task = TASK_BINARY;
	fill(f);
	fixture_exec(f, inbox_sql);
	count_all(f);
	assert_int_equal(of_window(f, n_labeled_sql), N_OUTCOMES);
	assert_int_equal(of_window(f, n_wrong_sql), N_OUTCOMES / 4);
	assert_int_equal(of_window(f, n_dirty_sql), 1);

	/* Named again without a change: nothing is counted twice. */
	fixture_exec(f, inbox_sql);
	count_all(f);
	assert_int_equal(of_window(f, n_labeled_sql), N_OUTCOMES);

	fixture_exec(f, "UPDATE driftd.outcome SET label = predicted"
			" WHERE model_id = $1");
	fixture_exec(f, inbox_sql);
	count_all(f);
	assert_int_equal(of_window(f, n_labeled_sql), N_OUTCOMES);
	assert_int_equal(of_window(f, n_right_sql), N_OUTCOMES);
	assert_int_equal(of_window(f, n_wrong_sql), 0);
	fixture_free(f);
}

/* The plan of a batch of one id beside 20,000. */
static void explain(struct fixture *f, struct buf *out)
{
	static const char *const ids[] = {"id7"};
	static const double edges[] = {0.25, 0.5}, negated[] = {-0.5, -0.25};
	struct pg_result *r = NULL;
	struct pg_params p;
	struct buf sql;

	buf_init(&sql, 1 << 16);
	buf_printf(&sql, "EXPLAIN %s", outcome_count_classes_sql);
	pg_params_init(&p);
	pg_add_int8(&p, f->m.model_id);
	pg_add_text_array(&p, ids, 1);
	pg_add_bytea(&p, NULL, 0);
	pg_add_time(&p, INT64_MIN);
	pg_add_float8_array(&p, edges, 2);
	pg_add_float8_array(&p, negated, 2);
	fixture_ok(pg_begin(f->pg, &fixture_err));
	fixture_ok(outcome_forbid_scans(f->pg, &fixture_err));
	fixture_ok(pg_exec(f->pg, buf_str(&sql), &p, &r, &fixture_err));
	pg_params_release(&p);
	for (size_t i = 0; i < pg_rows(r); i++)
		buf_printf(out, "%s\n", pg_get_text(r, i, 0));
	pg_result_free(r);
	pg_rollback(f->pg);
	buf_release(&sql);
}

static void test_the_plan_scans_no_table(void **state)
{
	struct fixture *f = fixture_new();
	struct buf plan;
	const char *at;
	int n = 0;

	(void)state;
	f->m.task = TASK_BINARY;
	fill(f);
	buf_init(&plan, 1 << 20);
	for (int analysed = 0; analysed < 2; analysed++) {
		buf_clear(&plan);
		explain(f, &plan);
		if (strstr(buf_str(&plan), "Seq Scan") ||
		    strstr(buf_str(&plan), "Bitmap"))
			print_error("%s", buf_str(&plan));
		assert_null(strstr(buf_str(&plan), "Seq Scan"));
		assert_null(strstr(buf_str(&plan), "Bitmap"));
		/* Every look at a partition is by id: the line below it. */
		for (at = strstr(buf_str(&plan), " on outcome_"); at;
		     at = strstr(at, " on outcome_"), n++) {
			at = strchr(at, '\n');
			assert_non_null(at);
			at += 1 + strspn(at + 1, " ");
			assert_int_equal(strncmp(at, "Index Cond", 10), 0);
			assert_non_null(strstr(at, "id = u.id"));
			assert_true(strstr(at, "id = u.id") < strchr(at, '\n'));
		}
		fixture_ok(pg_exec(f->pg, "ANALYZE driftd.outcome", NULL, NULL,
				   &fixture_err));
	}
	assert_true(n >= 2 * 16);
	buf_release(&plan);
	fixture_free(f);
}

static const char n_outcomes_sql[] =
	"SELECT count(*) FROM driftd.outcome WHERE model_id = $1";
static const char n_orphans_sql[] =
	"SELECT sum(orphans)::bigint FROM driftd.outcome_count"
	" WHERE model_id = $1";
static const char n_unlabeled_sql[] =
	"SELECT sum(unlabeled)::bigint FROM driftd.outcome_count"
	" WHERE model_id = $1";

static long prune_all(struct fixture *f, int64_t keep_us)
{
	long n, sum = 0;

	do {
		n = outcome_prune(f->pg, &f->m, keep_us, &fixture_err);
		assert_true(n >= 0);
		sum += n;
	} while (n > 0);
	return sum;
}

static void test_retention_counts_what_found_nothing(void **state)
{
	struct fixture *f = fixture_new();
	int64_t keep = 10 * CLOCK_DAY_US;

	(void)state;
	f->m.revise_horizon_us = CLOCK_DAY_US;
	fill(f);
	fixture_exec(f, "UPDATE driftd.outcome SET label_time = NULL,"
			" label = NULL WHERE model_id = $1"
			" AND id IN ('id1', 'id2', 'id3')");
	fixture_exec(f, "UPDATE driftd.outcome SET window_start = NULL"
			" WHERE model_id = $1 AND id IN ('id10', 'id11')");
	/* Old by event time, but written just now. */
	fixture_source(f, 1, f->t0_us + 20 * CLOCK_DAY_US, 0, 0);
	assert_int_equal(prune_all(f, keep), 0);
	/* Written long ago, but not old by event time: only orphans go. */
	fixture_exec(f, "UPDATE driftd.outcome SET"
			" written_at = written_at - interval '11 days'"
			" WHERE model_id = $1");
	fixture_source(f, 1, f->t0_us + CLOCK_DAY_US, 0, 0);
	assert_int_equal(prune_all(f, keep), 2);
	assert_int_equal(fixture_number(f, n_orphans_sql, INT64_MIN), 2);
	/* Both. */
	fixture_source(f, 1, f->t0_us + 20 * CLOCK_DAY_US, 0, 0);
	assert_int_equal(prune_all(f, keep), N_OUTCOMES - 2);
	assert_int_equal(fixture_number(f, n_outcomes_sql, INT64_MIN), 0);
	assert_int_equal(fixture_number(f, n_unlabeled_sql, INT64_MIN), 3);
	assert_int_equal(fixture_number(f, n_orphans_sql, INT64_MIN), 2);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_is_taken_away_and_added),
		cmocka_unit_test(test_the_plan_scans_no_table),
		cmocka_unit_test(test_retention_counts_what_found_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
