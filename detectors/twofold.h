/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_TWOFOLD_H
#define DRIFTD_DETECTORS_TWOFOLD_H

#include <math.h>

/*
 * twofold - a sum in twice the precision: an unevaluated pair of doubles whose
 * sum is the value (Knuth's two-sum, Dekker's product by fma).  Sums of
 * squares keep enough digits to have their mean's square taken off.  Start
 * with zeros.
 */
struct twofold {
	double high, low;
};

static inline void twofold_add(struct twofold *t, double x)
{
	double s = t->high + x, other = s - t->high;
	double low = t->low + ((t->high - (s - other)) + (x - other));

	t->high = s + low;
	t->low = low - (t->high - s);
}

static inline void twofold_add_product(struct twofold *t, double a, double b)
{
	double product = a * b;

	twofold_add(t, product);
	twofold_add(t, fma(a, b, -product));
}

static inline void twofold_merge(struct twofold *t, struct twofold from)
{
	twofold_add(t, from.high);
	twofold_add(t, from.low);
}

static inline struct twofold twofold_negative(struct twofold t)
{
	return (struct twofold){-t.high, -t.low};
}

/* t - a^2 / n, of a sum of squares t and a sum a over n > 0 values. */
static inline double twofold_around_mean(struct twofold t, struct twofold a,
					 double n)
{
	double mean = a.high / n;
	double rest = fma(-mean, n, a.high) + a.low; /* a - n m */

	/* sum (x - m)^2 for m the rounded mean, less n (a/n - m)^2 */
	twofold_add_product(&t, -2.0 * mean, a.high);
	twofold_add_product(&t, -2.0 * mean, a.low);
	twofold_add_product(&t, mean * n, mean);
	twofold_add_product(&t, fma(mean, n, -(mean * n)), mean);
	return t.high + (t.low - rest * rest / n);
}

static inline double twofold_value(struct twofold t)
{
	/* beyond the range of doubles the low half is no number */
	return isfinite(t.high) ? t.high + t.low : t.high;
}

#endif
