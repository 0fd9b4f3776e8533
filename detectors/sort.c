/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sort - doubles by radix: the bits of a double, sign flipped for positive
 * and all bits for negative ones, are in the order of the values as unsigned
 * integers.  A digit that all values share costs no pass.
 */
#include "detectors/sort.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 256, DIGITS = 8, RADIX = 256 };

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static inline uint64_t key_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits ^ (-(bits >> 63) | UINT64_C(1) << 63);
}

static void pass(const double *from, double *to, size_t n, unsigned shift,
		 const size_t *counts)
{
	size_t at[RADIX], i, sum = 0;

	for (i = 0; i < RADIX; i++) {
		at[i] = sum;
		sum += counts[i];
	}
	for (i = 0; i < n; i++)
		to[at[key_of(from[i]) >> shift & (RADIX - 1)]++] = from[i];
}

void sort_numbers(double *values, double *spare, size_t n)
{
	size_t counts[DIGITS][RADIX], i;
	double *from = values, *to = spare, *other;
	unsigned d;

	if (n < SMALL) {
		qsort(values, n, sizeof(*values), compare);
		return;
	}
	memset(counts, 0, sizeof(counts));
	for (i = 0; i < n; i++) {
		uint64_t key = key_of(values[i]);

		for (d = 0; d < DIGITS; d++)
			counts[d][key >> (8 * d) & (RADIX - 1)]++;
	}
	for (d = 0; d < DIGITS; d++) {
		size_t first = key_of(from[0]) >> (8 * d) & (RADIX - 1);

		if (counts[d][first] == n)
			continue;
		pass(from, to, n, 8 * d, counts[d]);
		other = from;
		from = to;
		to = other;
	}
	if (from != values)
		memcpy(values, from, n * sizeof(*values));
}
