/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sort - doubles by radix: the bits of a double, sign flipped for positive
 * and all bits for negative ones, are in the order of the values as unsigned
 * integers.  A digit that all values share costs no pass.
 *
 * Forty bits tell nearly all values apart that are not equal: only by these
 * is everything sorted, and then each run of values that share them, if it is
 * not in order, by the other bits.
 */
#include "detectors/sort.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	SMALL = 256, /* values: not worth the counts */
	FEW = 32,    /* values of a run: not worth a call */
	BITS = 10,   /* of a digit: 8 and 11 are slower */
	RADIX = 1 << BITS,
	HIGH_DIGITS = 4, /* the forty bits */
	LOW_DIGITS = 3,	 /* the others, and some of those */
	HIGH_BIT = 64 - HIGH_DIGITS * BITS
};

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

/* By ${n_digits} digits from bit ${low} on, the lowest first; stable. */
static void by_digits(double *values, double *spare, size_t n, unsigned low,
		      unsigned n_digits)
{
	size_t counts[HIGH_DIGITS][RADIX], i;
	double *from = values, *to = spare, *other;
	unsigned d;

	memset(counts, 0, sizeof(counts));
	for (i = 0; i < n; i++) {
		uint64_t key = key_of(values[i]);

		for (d = 0; d < n_digits; d++)
			counts[d][key >> (low + BITS * d) & (RADIX - 1)]++;
	}
	for (d = 0; d < n_digits; d++) {
		unsigned shift = low + BITS * d;
		size_t one = key_of(from[0]) >> shift & (RADIX - 1);

		if (counts[d][one] == n)
			continue;
		pass(from, to, n, shift, counts[d]);
		other = from;
		from = to;
		to = other;
	}
	if (from != values)
		memcpy(values, from, n * sizeof(*values));
}

static void insert_each(double *values, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		double v = values[i];
		size_t k = i;

		for (; k > 0 && values[k - 1] > v; k--)
			values[k] = values[k - 1];
		values[k] = v;
	}
}

static bool same_run(double a, double b)
{
	return (key_of(a) ^ key_of(b)) >> HIGH_BIT == 0;
}

/* Sort the run that ${at} is in; returns its end. */
static size_t sort_run(double *values, double *spare, size_t n, size_t at)
{
	size_t start = at, end = at + 1;

	while (start > 0 && same_run(values[start - 1], values[at]))
		start--;
	while (end < n && same_run(values[end], values[at]))
		end++;
	if (end - start <= FEW)
		insert_each(values + start, end - start);
	else
		by_digits(values + start, spare, end - start, 0, LOW_DIGITS);
	return end;
}

void sort_numbers(double *values, double *spare, size_t n)
{
	size_t i = 1;

	if (n < SMALL) {
		qsort(values, n, sizeof(*values), compare);
		return;
	}
	by_digits(values, spare, n, HIGH_BIT, HIGH_DIGITS);
	while (i < n) {
		if (values[i] < values[i - 1])
			i = sort_run(values, spare, n, i);
		else
			i++;
	}
}
