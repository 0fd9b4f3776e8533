/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The simulation of tests/simulation in small, with fixed seeds: columns that
 * are off by less than matters raise no alert, and a shift is found within
 * three windows.
 */
#include "tests/simulation/month.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void run(uint64_t seed, struct month_figures *f)
{
	struct month m = {
		.seed = seed,
		.n_columns = 24,
		.n_judged = 300,
		.n_shape = {[SHAPE_STILL] = 6,
			    [SHAPE_OFFSET] = 7,
			    [SHAPE_CYCLE] = 7,
			    [SHAPE_SHIFT] = 2,
			    [SHAPE_VARIANCE] = 1,
			    [SHAPE_SWAP] = 1},
		.n_windows = 60,
		.onset = 40,
		.n_baseline = 100000,
		.n = 10000,
		.n_threads = 2,
	};
	struct month_run r;

	month_run(&r, &m);
	month_judge(&r, f);
	month_release(&r);
}

static void no_false_alarm_and_all_found(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 2; seed++) {
		struct month_figures f, again;

		run(seed, &f);
		assert_false(f.failed);
		assert_int_equal(f.n_real, 4);
		assert_int_equal(f.n_found, 4);
		assert_int_equal(f.n_false_alerts, 0);
		assert_int_equal(f.n_false_windows, 0);
		if (seed > 1)
			continue;
		/* whatever thread took which column */
		run(seed, &again);
		assert_memory_equal(&f, &again, sizeof(f));
	}
}

/* A simulation that finds nothing false must be able to. */
static void a_loose_bound_is_noticed(void **state)
{
	struct month m = {
		.seed = 1,
		.n_columns = 20,
		.n_windows = 60,
		.onset = 60,
		.n_baseline = 100000,
		.n = 30, /* below any min_rows but the simulation's own */
		.n_threads = 2,
		.alpha = 0.3 * 20.0,
	};
	struct month_figures f;
	struct month_run r;

	(void)state;
	month_run(&r, &m);
	month_judge(&r, &f);
	month_release(&r);
	assert_true(f.n_false_windows > 20 * 60 / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_false_alarm_and_all_found),
		cmocka_unit_test(a_loose_bound_is_noticed),
	};

	special_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
