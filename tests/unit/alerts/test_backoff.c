/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backoff: the schedule and the breaker, on numbers alone. */

#include "alerts/backoff.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_ceilings(void **state)
{
	static const int64_t seconds[] = {5,	15,   45,   135, 405,
					  1215, 3600, 3600, 3600};

	(void)state;
	for (int n = 1; n <= 9; n++)
		assert_int_equal(backoff_ceiling_us(n),
				 seconds[n - 1] * CLOCK_SECOND_US);
	assert_int_equal(backoff_ceiling_us(1000000), CLOCK_HOUR_US);
	assert_int_equal(backoff_ceiling_us(0), 5 * CLOCK_SECOND_US);
}

/* Full jitter: over many draws all of [0, ceiling] is used, evenly. */
static void test_jitter(void **state)
{
	(void)state;
	for (int n = 1; n <= 8; n++) {
		int64_t ceiling = backoff_ceiling_us(n), least = ceiling,
			most = 0;
		double sum = 0;

		for (int i = 0; i < 4000; i++) {
			uint64_t random;
			int64_t us;

			random_bytes(&random, sizeof(random));
			us = backoff_delay_us(n, -1, random);
			assert_in_range(us, 0, ceiling);
			least = us < least ? us : least;
			most = us > most ? us : most;
			sum += (double)us / (double)ceiling;
		}
		assert_true(least < ceiling / 50);
		assert_true(most > ceiling - ceiling / 50);
		/* Standard error 0.0046: ten of them. */
		assert_true(sum / 4000 > 0.45 && sum / 4000 < 0.55);
	}
}

static void test_retry_after(void **state)
{
	const int64_t minute = CLOCK_MINUTE_US;

	(void)state;
	assert_int_equal(backoff_delay_us(1, minute, 0), minute);
	assert_true(backoff_delay_us(8, minute, UINT64_MAX - 1) > minute);
	assert_int_equal(backoff_delay_us(1, INT64_MAX, 0), CLOCK_HOUR_US);
	assert_int_equal(backoff_delay_us(1, -1, 0), 0);
	assert_int_equal(backoff_delay_us(1, 0, 0), 0);
}

static void test_breaker(void **state)
{
	struct breaker b = {0};
	int64_t now = 1000;

	(void)state;
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		assert_true(breaker_allows(&b, now));
		breaker_failed(&b, now);
	}
	assert_false(breaker_allows(&b, now));
	assert_false(breaker_allows(&b, now + BREAKER_OPEN_US - 1));
	/* One probe; when it fails the breaker is open as long again. */
	now += BREAKER_OPEN_US;
	assert_true(breaker_allows(&b, now));
	breaker_failed(&b, now);
	assert_false(breaker_allows(&b, now + BREAKER_OPEN_US - 1));
	now += BREAKER_OPEN_US;
	assert_true(breaker_allows(&b, now));
	breaker_succeeded(&b);
	/* Closed: it takes as many failures in a row as before. */
	for (int i = 0; i < BREAKER_FAILURES - 1; i++)
		breaker_failed(&b, now);
	assert_true(breaker_allows(&b, now));
	breaker_succeeded(&b);
	breaker_failed(&b, now);
	assert_true(breaker_allows(&b, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_breaker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
