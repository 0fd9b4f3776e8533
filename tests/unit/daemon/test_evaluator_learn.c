/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The evaluator learns a baseline's thresholds once, and those of the right
 * one. */
#include "base/err.h"
#include "daemon/evaluator_private.h"
#include "detectors/baseline.h"
#include "detectors/learn.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 32 * 500 };

/* Values 0 … 99; the second half of the rows moves by ${shift}. */
static struct baseline *make(double shift)
{
	static const struct baseline_spec_column column = {"x", COLUMN_NUMERIC,
							   ROLE_FEATURE};
	struct baseline_builder *b = baseline_builder_new(&column, 1, 64, 9, 0);
	double *values = calloc(ROWS, sizeof(*values));
	int64_t *times = calloc(ROWS, sizeof(*times));
	struct baseline *out;
	struct err e;

	for (int i = 0; i < ROWS; i++) {
		values[i] = i % 100 + (i >= ROWS / 2 ? shift : 0.0);
		times[i] = i;
	}
	assert_int_equal(baseline_builder_numbers(b, 0, values, ROWS, &e), 0);
	assert_int_equal(baseline_builder_rows(b, times, ROWS, &e), 0);
	out = baseline_builder_finish(b, &e);
	assert_non_null(out);
	baseline_builder_free(b);
	free(values);
	free(times);
	return out;
}

static double factor(const struct evaluator_model *m)
{
	return learned_factor(m->spec.learned, "x",
			      detector_index(&detector_ks), 500);
}

static void once_for_each_baseline(void **state)
{
	struct evaluator_model m = {.spec = {.detectors = UINT64_MAX}};
	struct baseline *still = make(0.0), *moving = make(60.0);
	const struct learned *before;

	(void)state;
	evaluator_model_learn(&m, moving);
	before = m.spec.learned;
	assert_non_null(before);
	assert_true(factor(&m) == LEARN_CAP);
	evaluator_model_learn(&m, moving);
	assert_ptr_equal(m.spec.learned, before);
	evaluator_model_learn(&m, still);
	assert_true(factor(&m) == 1.0);
	evaluator_model_learn(&m, NULL);
	assert_null(m.spec.learned);
	evaluator_model_learn(&m, still); /* what it had is still good */
	assert_non_null(m.spec.learned);
	assert_true(factor(&m) == 1.0);
	learned_free(m.learned);
	baseline_free(still);
	baseline_free(moving);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_for_each_baseline),
	};

	special_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
