/* SPDX-License-Identifier: GPL-3.0-or-later */
/* budget: the ceiling holds, alone and between threads. */

#include "base/budget.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_alone(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, 100);
	assert_true(budget_take(&b, 60));
	assert_false(budget_take(&b, 41));
	assert_true(budget_take(&b, 40));
	assert_false(budget_take(&b, 1));
	assert_true(budget_take(&b, 0));
	budget_give(&b, 60);
	assert_false(budget_take(&b, SIZE_MAX));
	assert_true(budget_take(&b, 60));
	assert_int_equal(b.used, 100);
}

enum { THREADS = 4, ROUNDS = 20000, SHARE = 3 };

static struct budget shared;
static atomic_int holders, most, refused;

static void *work(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int now, seen;

		if (!budget_take(&shared, SHARE)) {
			atomic_fetch_add(&refused, 1);
			continue;
		}
		now = atomic_fetch_add(&holders, 1) + 1;
		seen = atomic_load(&most);
		while (now > seen &&
		       !atomic_compare_exchange_weak(&most, &seen, now))
			;
		(void)sched_yield(); /* let others run into the ceiling */
		atomic_fetch_sub(&holders, 1);
		budget_give(&shared, SHARE);
	}
	return arg;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	/* Room for two of four. */
	budget_init(&shared, 2 * SHARE + 1);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL),
				 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_in_range(most, 1, 2);
	assert_int_equal(shared.used, 0);
	print_message("%d of %d refused\n", refused, THREADS * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
