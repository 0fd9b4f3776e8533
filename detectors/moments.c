/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moments - of values: the mean from a sum in twice the precision, as if it
 * had been rounded once; the variance around it.  Values are scaled by a power
 * of two first when squares of them would overflow or vanish.
 *
 * Of cells: a cell (l, u] of width w holds `count` values, `equal` of them at
 * u, and S, the sum of their offsets from l in 1/4096 of w, each rounded.  The
 * other a = count - equal values have offsets that sum to S - 4096 equal, off
 * by at most a/2 (and a hair for the rounding of the products), so the mean of
 * v - l over them lies in
 *
 *	w/4096 (S - 4096 equal -+ a/2) / a, cut to [0, w].
 *
 * A convex function f of v then has over these values a mean of at least
 * f(mean) (Jensen), and at most the chord of f over [l, u] at the mean; with
 * f(v) = (v - c)^2 these bound the variance.
 */
#include "detectors/moments.h"

#include "detectors/exact.h"
#include "detectors/pair.h"
#include "detectors/quantile.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#define OFFSET_UNITS 4096.0
#define ROUNDING     0.5001 /* of one offset, and of its product */
#define WIDTH_MIN    1e-300 /* narrower: 4096 / width may be infinite */
#define SLACK	     1e-12  /* of what the interval's own arithmetic rounds */
#define LEAST	     1e-322 /* and where that is no more than a bit */

double interval_middle(struct interval i)
{
	return i.lower + (i.upper - i.lower) / 2.0;
}

/* A power of two that brings ${most} near 1 where its square is no number. */
static double scale_for(double most)
{
	int exponent;

	if (!(most > 0.0) || (most < 0x1p400 && most > 0x1p-400))
		return 1.0;
	(void)frexp(most, &exponent);
	/* in range also for the smallest: 2^1073 is not */
	return ldexp(1.0, exponent < -1000 ? 1000 : -exponent);
}

/* sum += a n, the error of both operations kept in ${low}. */
static inline void add_product(double *sum, double *low, double a, uint32_t n)
{
	double product = a, error = 0.0, s, other;

	if (n != 1) { /* fma is a call; most values occur once */
		product = a * n;
		error = fma(a, n, -product);
	}
	s = *sum + product;
	other = s - *sum;
	error += (*sum - (s - other)) + (product - other);
	*sum = s;
	*low += error;
}

/* Sum of squares around the mean; what the mean's rounding adds, taken off. */
static double squares_around(const struct exact_column *c, double scale,
			     double mean)
{
	double squares = 0.0, lost = 0.0, sum = 0.0, low = 0.0;
	size_t i;

	/* what is lost stays out of the sums: no addition waits for it */
	for (i = 0; i < c->n_distinct; i++) {
		double d = c->values[i] * scale - mean;

		add_product(&squares, &lost, d * d * c->counts[i], 1);
		add_product(&sum, &low, d, c->counts[i]);
	}
	squares += lost;
	sum += low;
	squares -= sum * (sum / (double)c->n);
	return squares > 0.0 ? squares : 0.0;
}

void moments_of_values(struct exact_column *c)
{
	double n = (double)c->n, sum = 0.0, low = 0.0, scale, mean, off;
	double squares;
	size_t i;

	if (c->n == 0)
		return;
	scale = scale_for(
		larger(fabs(c->values[0]), fabs(c->values[c->n_distinct - 1])));
	for (i = 0; i < c->n_distinct; i++)
		add_product(&sum, &low, c->values[i] * scale, c->counts[i]);
	mean = sum / n;
	off = (fma(-mean, n, sum) + low) / n;
	c->mean = (mean + off) / scale;
	c->mean_low = ((mean - c->mean * scale) + off) / scale;
	squares = squares_around(c, scale, mean + off);
	c->std0 = sqrt(squares / n) / scale;
	c->std = c->n > 1 ? sqrt(squares / (n - 1.0)) / scale : (double)NAN;
}

struct inner_values moments_inner(const struct pair *p,
				  const struct pair_side *s, uint32_t j)
{
	uint64_t n = s->count[j] - s->equal[j];
	struct inner_values v = {.n = (double)n};
	uint32_t last = p->n_cells - 1;
	double w, mean, off;

	v.lower = j > 0 ? p->edges[j - 1] : smaller(p->ref.min, p->cur.min);
	v.upper = j < last ? p->edges[j] : larger(p->ref.max, p->cur.max);
	if (!(v.lower < v.upper)) /* an outer cell without values */
		v.lower = v.upper = j > 0 ? p->edges[j - 1] : v.upper;
	w = v.upper - v.lower;
	v.offset = (struct interval){0.0, w};
	if (j == 0 && s->min < v.upper)
		v.offset.lower = s->min - v.lower;
	if (j == last && s->max > v.lower)
		v.offset.upper = s->max - v.lower;
	if (j == 0 || j == last || n == 0 || !(w > WIDTH_MIN) || isinf(w))
		return v;
	mean = (double)(s->sum[j] -
			(int64_t)OFFSET_UNITS * (int64_t)s->equal[j]) /
	       v.n;
	off = ROUNDING / OFFSET_UNITS;
	v.offset.lower = larger(0.0, (mean / OFFSET_UNITS - off)) * w;
	v.offset.upper =
		smaller(1.0, larger(0.0, mean / OFFSET_UNITS + off)) * w;
	v.offset.lower = smaller(v.offset.lower, v.offset.upper);
	return v;
}

struct interval moments_mean(const struct pair *p, const struct pair_side *s)
{
	struct interval m = {0.0, 0.0};
	double n = (double)s->n, size = 0.0;
	uint32_t j;

	if (p->is_exact)
		return (struct interval){s->mean, s->mean};
	for (j = 0; j < p->n_cells; j++) {
		struct inner_values v;
		double equal = (double)s->equal[j] / n;

		if (s->count[j] == 0)
			continue;
		v = moments_inner(p, s, j);
		m.lower +=
			equal * v.upper + v.n / n * (v.lower + v.offset.lower);
		m.upper +=
			equal * v.upper + v.n / n * (v.lower + v.offset.upper);
		size += (double)s->count[j] / n *
			larger(fabs(v.lower), fabs(v.upper));
	}
	size = SLACK * size + LEAST * p->n_cells;
	m.lower = larger(m.lower - size, s->min);
	m.upper = smaller(m.upper + size, s->max);
	return m;
}

/* Mean of ((v - c) / unit)^2 over the side's values. */
static struct interval mean_square(const struct pair *p,
				   const struct pair_side *s, double c,
				   double unit)
{
	struct interval m = {0.0, 0.0};
	double n = (double)s->n;
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		struct inner_values v;
		double l, u, from, to, at_edge;

		if (s->count[j] == 0)
			continue;
		v = moments_inner(p, s, j);
		l = v.lower / unit - c / unit;
		u = v.upper / unit - c / unit;
		from = l + v.offset.lower / unit; /* ends of the mean */
		to = l + v.offset.upper / unit;
		at_edge = (double)s->equal[j] / n * u * u;
		m.lower += at_edge;
		if (from > 0.0)
			m.lower += v.n / n * from * from;
		else if (to < 0.0)
			m.lower += v.n / n * to * to;
		/* the chord of v^2 over [l, u] is v (l + u) - l u */
		m.upper +=
			at_edge +
			v.n / n *
				(larger(from * (l + u), to * (l + u)) - l * u);
	}
	return m;
}

struct interval moments_std0(const struct pair *p, const struct pair_side *s)
{
	struct interval mean, square;
	double c, off, unit;

	if (p->is_exact || !(s->min < s->max))
		return p->is_exact ? (struct interval){s->std0, s->std0}
				   : (struct interval){0.0, 0.0};
	mean = moments_mean(p, s);
	c = interval_middle(mean);
	unit = larger(s->max / 2.0 - s->min / 2.0, DBL_MIN);
	square = mean_square(p, s, c, unit);
	off = larger(mean.upper - c, c - mean.lower) / unit;
	square.lower = larger(0.0, square.lower * (1.0 - SLACK) - off * off);
	square.upper =
		smaller(1.0, square.upper * (1.0 + SLACK)); /* Popoviciu */
	return (struct interval){
		larger(0.0, sqrt(square.lower) * (1.0 - SLACK) * unit - LEAST),
		sqrt(square.upper) * (1.0 + SLACK) * unit + LEAST};
}

/* Order statistic ${rank}, as far as the cells tell. */
static struct interval order_statistic(const struct pair *p,
				       const struct pair_side *s, uint64_t rank)
{
	uint32_t j = 0, last = p->n_cells - 1;
	struct interval x;

	while (rank >= s->count[j])
		rank -= s->count[j++];
	if (j < last && rank >= s->count[j] - s->equal[j])
		return (struct interval){p->edges[j], p->edges[j]};
	x.lower = j > 0 ? larger(p->edges[j - 1], s->min) : s->min;
	x.upper = j < last ? smaller(p->edges[j], s->max) : s->max;
	return x;
}

struct interval moments_quantile(const struct pair *p,
				 const struct pair_side *s, unsigned i)
{
	struct quantile_place at = quantile_place(s->n, i, 100);
	struct interval low = order_statistic(p, s, at.rank);
	struct interval high = order_statistic(p, s, at.next);

	return (struct interval){
		quantile_between(low.lower, high.lower, at.part),
		quantile_between(low.upper, high.upper, at.part)};
}
