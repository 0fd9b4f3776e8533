/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The radix sort of doubles against qsort, on shapes that it treats apart. */

#include "detectors/sort.h"
#include "base/mem.h"
#include "tests/unit/detectors/rng.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHAPES = 9, ROUNDS = 300, MOST = 5000 };

static struct rng rng;

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return isfinite(v) ? v + 0.0 : 1.0;
}

static double draw(int shape)
{
	switch (shape) {
	case 0: /* any double */
		return from_bits(rng_next(&rng));
	case 1: /* neighbours: the upper bits are one run */
		return from_bits(UINT64_C(0x4059000000000000) +
				 rng_next(&rng) % 5000);
	case 2: /* runs of a few, on both sides of zero */
		return from_bits((rng_next(&rng) % 64) << 24 |
				 rng_next(&rng) % 16 |
				 UINT64_C(0x4010000000000000) |
				 (rng_next(&rng) & 1) << 63);
	case 3:
		return (double)(rng_next(&rng) % 10);
	case 4: /* subnormals */
		return from_bits(rng_next(&rng) % 100000 | (rng_next(&rng) & 1)
								   << 63);
	case 5:
		return 7.5;
	case 6:
		return (rng_next(&rng) & 1 ? 1.0 : -1.0) *
		       (rng_next(&rng) % 3 ? 1e300 : DBL_MAX);
	case 7: /* the lower bits alone, of negative values */
		return from_bits(UINT64_C(0xc059000000000000) +
				 rng_next(&rng) % 5000);
	default:
		return (double)(rng_next(&rng) >> 11) * 0x1p-53 - 0.5;
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void the_order_is_that_of_qsort(void **state)
{
	double *v = xcalloc(MOST, sizeof(*v)), *w = xcalloc(MOST, sizeof(*w));
	double *spare = xcalloc(MOST, sizeof(*spare));

	(void)state;
	rng = rng_start("test_sort");
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = (size_t)(rng_next(&rng) % MOST);

		for (size_t i = 0; i < n; i++)
			v[i] = draw(round % SHAPES);
		memcpy(w, v, n * sizeof(*w));
		sort_numbers(v, spare, n);
		qsort(w, n, sizeof(*w), compare);
		assert_memory_equal(v, w, n * sizeof(*v) + (n == 0));
	}
	free(v);
	free(w);
	free(spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_is_that_of_qsort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
