/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Learned thresholds: the factor against the formula worked out from the
 * counts, its levels, its cap, and that a threshold that was set stays.
 */
#include "base/err.h"
#include "detectors/baseline.h"
#include "detectors/judge.h"
#include "detectors/learn.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "detectors/registry.h"
#include "detectors/special.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = 1000, BLOCKS = BASELINE_BLOCKS };

static struct rng rng;

static const struct category_text texts[] = {{"a", 1, false}, {"b", 1, false}};

/* How the blocks differ: values move by it, the share of "b" rises by it. */
typedef double course(unsigned block);

static double still(unsigned block)
{
	(void)block;
	return 0.0;
}

/* With the floor on sigma what each block is off by is above linf's 0.1. */
static double alternating(unsigned block)
{
	return block % 2 == 0 ? 0.1 : -0.1;
}

/* … and just below. */
static double alternating_less(unsigned block)
{
	return alternating(block) * 0.8;
}

static double two_regimes(unsigned block)
{
	return block < BLOCKS / 2 ? 0.0 : 2.0;
}

/*
 * A numeric column "x" and a categorical one "c" of BLOCKS blocks; in each
 * just the share 0.5 + course of "c" is "b".
 */
static struct baseline *make(course *move, size_t block_rows, bool has_times)
{
	static const struct baseline_spec_column columns[] = {
		{"c", COLUMN_CATEGORICAL, ROLE_FEATURE},
		{"x", COLUMN_NUMERIC, ROLE_FEATURE},
	};
	struct baseline_builder *b = baseline_builder_new(columns, 2, 64, 9, 0);
	size_t n = block_rows * BLOCKS, i;
	double *values = calloc(n, sizeof(*values));
	uint32_t *codes = calloc(n, sizeof(*codes));
	int64_t *times = calloc(n, sizeof(*times));
	struct baseline *out;
	struct err e;

	for (i = 0; i < n; i++) {
		unsigned block = (unsigned)(i / block_rows);
		double share = fmin(0.5 + move(block), 1.0);

		values[i] = rng_gauss(&rng) + move(block);
		codes[i] =
			(double)(i % block_rows) < share * (double)block_rows;
		times[i] = (int64_t)i;
	}
	assert_int_equal(baseline_builder_codes(b, 0, codes, n, texts, 2, &e),
			 0);
	assert_int_equal(baseline_builder_numbers(b, 1, values, n, &e), 0);
	assert_int_equal(
		baseline_builder_rows(b, has_times ? times : NULL, n, &e), 0);
	out = baseline_builder_finish(b, &e);
	assert_non_null(out);
	baseline_builder_free(b);
	free(values);
	free(codes);
	free(times);
	return out;
}

static double factor(const struct learned *l, const char *column,
		     const struct detector *d, uint64_t n)
{
	return learned_factor(l, column, detector_index(d), n);
}

static void even_blocks_teach_nothing(void **state)
{
	struct baseline *b = make(still, BLOCK, true);
	struct learned *l = learned_new(b, UINT64_MAX);
	const struct detector *const *list;
	size_t n, i;

	(void)state;
	assert_non_null(l);
	list = detector_list(&n);
	for (i = 0; i < n; i++) {
		assert_true(factor(l, "x", list[i], 500) == 1.0);
		assert_true(factor(l, "c", list[i], 100000) == 1.0);
	}
	assert_true(learned_factor(NULL, "x", 0, 500) == 1.0);
	assert_true(factor(l, "unknown", &detector_psi, 500) == 1.0);
	learned_free(l);
	baseline_free(b);
}

/* linf of each block against the others, from the counts as they were made. */
static double expected_linf_factor(course *move)
{
	double effects[BLOCKS], all = 0.0, mean = 0.0, sum = 0.0, sigma;
	double threshold = detector_linf.thresholds.error;
	unsigned i;

	for (i = 0; i < BLOCKS; i++)
		all += (0.5 + move(i)) * BLOCK;
	for (i = 0; i < BLOCKS; i++) {
		double own = (0.5 + move(i)) * BLOCK;

		effects[i] = fabs(own / BLOCK -
				  (all - own) / (BLOCK * (BLOCKS - 1.0)));
		mean += effects[i] / BLOCKS;
	}
	for (i = 0; i < BLOCKS; i++)
		sum += pow(effects[i] - mean, 2);
	sigma = fmax(sqrt(sum / (BLOCKS - 1)), LEARN_FLOOR * threshold);
	return (mean + 3.0 * sigma) / threshold;
}

static void factor_is_the_formula(void **state)
{
	struct baseline *b = make(alternating, BLOCK, true);
	struct learned *l = learned_new(b, UINT64_MAX);
	double expected = expected_linf_factor(alternating);

	(void)state;
	assert_true(expected > 1.1 && expected < LEARN_CAP);
	assert_true(fabs(factor(l, "c", &detector_linf, BLOCK) - expected) <
		    1e-9);
	/* a window that is smaller learns from the same blocks */
	assert_true(factor(l, "c", &detector_linf, 10) ==
		    factor(l, "c", &detector_linf, BLOCK));
	/* two neighbours together are even: a larger window averages, too */
	assert_true(factor(l, "c", &detector_linf, 2 * BLOCK - 1) > 1.0);
	assert_true(factor(l, "c", &detector_linf, 2 * BLOCK) == 1.0);
	learned_free(l);
	baseline_free(b);

	b = make(alternating_less, BLOCK, true);
	l = learned_new(b, UINT64_MAX);
	assert_true(expected_linf_factor(alternating_less) < 1.0);
	assert_true(factor(l, "c", &detector_linf, BLOCK) == 1.0);
	learned_free(l);
	baseline_free(b);
}

static void nothing_to_learn_from(void **state)
{
	struct baseline *b = make(alternating, BLOCK, false);
	struct learned *l;

	(void)state;
	assert_null(learned_new(b, UINT64_MAX)); /* no order */
	baseline_free(b);

	b = make(alternating, 49, true); /* 4 blocks hold 196 */
	assert_null(learned_new(b, UINT64_MAX));
	baseline_free(b);

	b = make(two_regimes, 50, true); /* 4 hold 200 */
	l = learned_new(b, UINT64_MAX);
	assert_true(factor(l, "x", &detector_psi, 10) == LEARN_CAP);
	learned_free(l);
	/* what does not run is not learned */
	l = learned_new(b, 0);
	assert_true(factor(l, "x", &detector_psi, 10) == 1.0);
	learned_free(l);
	baseline_free(b);
}

/* Judge 4,000 values around ${centre} of "x"; the row of ${metric}. */
static struct verdict judge_x(const struct baseline *b, const struct learned *l,
			      const struct thresholds *thresholds,
			      double centre, const char *metric)
{
	struct judge_column column = {"x", COLUMN_NUMERIC, ROLE_FEATURE,
				      (double)NAN, thresholds};
	struct judge_spec spec = {
		.columns = &column,
		.n_columns = 1,
		.detectors = UINT64_MAX,
		.alpha = 0.01,
		.min_rows = 500,
		.learned = l,
	};
	struct verdicts v = {.n = 0};
	struct verdict found = {.metric = NULL};
	struct profile_set w;
	struct profile *p;
	struct err e;
	size_t i;

	profile_set_init(&w, b, 9);
	p = profile_set_get(&w, "x", 1, COLUMN_NUMERIC, ROLE_FEATURE, &e)
		    ->profile;
	for (i = 0; i < 4000; i++) {
		double x = rng_gauss(&rng) + centre;

		profile_add_numbers(p, &x, NULL, 1);
	}
	w.n_events = 4000;
	judge_window(&spec, b, &w, &v);
	for (i = 0; i < v.n; i++) {
		if (strcmp(v.items[i].metric, metric) == 0)
			found = v.items[i];
	}
	assert_non_null(found.metric);
	verdicts_release(&v);
	profile_set_release(&w);
	return found;
}

static void a_split_baseline_hides_nothing(void **state)
{
	struct baseline *b = make(two_regimes, BLOCK, true);
	struct learned *l = learned_new(b, UINT64_MAX);
	struct verdict v;

	(void)state;
	assert_true(factor(l, "x", &detector_ks, 4000) == LEARN_CAP);
	v = judge_x(b, l, NULL, 6.0, "psi");
	assert_true(v.threshold == LEARN_CAP * detector_psi.thresholds.error);
	assert_true(v.drifted);
	assert_int_equal(v.severity, SEVERITY_CRITICAL);
	learned_free(l);
	baseline_free(b);
}

static void what_was_set_stays(void **state)
{
	struct baseline *b = make(two_regimes, BLOCK, true);
	struct learned *l = learned_new(b, UINT64_MAX);
	struct thresholds given[DETECTORS_MAX];
	const struct detector *const *list;
	size_t n, i;

	(void)state;
	list = detector_list(&n);
	for (i = 0; i < n; i++)
		given[i] = list[i]->thresholds;
	given[detector_index(&detector_psi)].error = 0.21;
	assert_true(judge_x(b, l, given, 0.0, "psi").threshold == 0.21);
	/* a metric whose levels are the default ones is raised all the same */
	assert_true(judge_x(b, l, given, 0.0, "js").threshold ==
		    LEARN_CAP * detector_js.thresholds.error);
	assert_true(judge_x(b, NULL, given, 0.0, "js").threshold ==
		    detector_js.thresholds.error);
	learned_free(l);
	baseline_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_blocks_teach_nothing),
		cmocka_unit_test(factor_is_the_formula),
		cmocka_unit_test(nothing_to_learn_from),
		cmocka_unit_test(a_split_baseline_hides_nothing),
		cmocka_unit_test(what_was_set_stays),
	};

	rng = rng_start("test_judge_learn");
	special_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
