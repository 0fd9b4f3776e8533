/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_MOMENTS_H
#define DRIFTD_DETECTORS_MOMENTS_H

#include <stdint.h>

struct exact_column;
struct pair;
struct pair_side;

/*
 * moments - mean, standard deviation and quantiles of one side of a numeric
 * pair: numbers where the pair is exact, else intervals that hold them.
 */

struct interval {
	double lower, upper;
};

/* Of numbers, without the calls that NaN takes. */
static inline double larger(double a, double b)
{
	return a > b ? a : b;
}

static inline double smaller(double a, double b)
{
	return a < b ? a : b;
}

/* A number within the interval: what is likely in its middle. */
double interval_middle(struct interval i);

/* Fill in the mean and standard deviations of a numeric column. */
void moments_of_values(struct exact_column *c);

/*
 * The side has values.  Of cells without a width that can be trusted, and of
 * those beyond the edges, only the extremes are known.
 */
struct interval moments_mean(const struct pair *p, const struct pair_side *s);
struct interval moments_std0(const struct pair *p, const struct pair_side *s);

/* The quantile ${i}/100. */
struct interval moments_quantile(const struct pair *p,
				 const struct pair_side *s, unsigned i);

/*
 * Where the values of a side lie in cell ${j}, apart from those equal to its
 * upper edge: how many there are, the ends of the cell (the extremes of both
 * sides where it has no end) and an interval for the mean of value - lower.
 */
struct inner_values {
	double n;
	double lower, upper;
	struct interval offset;
};
struct inner_values moments_inner(const struct pair *p,
				  const struct pair_side *s, uint32_t j);

#endif
