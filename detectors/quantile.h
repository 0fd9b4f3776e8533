/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_QUANTILE_H
#define DRIFTD_DETECTORS_QUANTILE_H

#include <math.h>
#include <stdint.h>

/*
 * quantile - the quantile i/r of n sorted values (type 7), its place in
 * integers: t = (n-1) i, k = t div r, f = (t mod r) / r,
 *
 *	x[k] + (x[k+1] - x[k]) f
 *
 * In this form it is exactly the value when x[k] = x[k+1].
 */
struct quantile_place {
	uint64_t rank, next; /* k, and k+1 or k at the end */
	double part;	     /* f */
};

/* ${n} > 0, below 2^56. */
static inline struct quantile_place quantile_place(uint64_t n, uint64_t i,
						   uint64_t r)
{
	uint64_t t = (n - 1) * i, k = t / r;

	return (struct quantile_place){
		.rank = k,
		.next = k + 1 < n ? k + 1 : k,
		.part = (double)(t % r) / (double)r,
	};
}

static inline double quantile_between(double low, double high, double part)
{
	double d = high - low;

	if (!isfinite(d)) /* the range itself overflows: no exact form left */
		return low * (1.0 - part) + high * part + 0.0;
	return low + d * part + 0.0;
}

#endif
