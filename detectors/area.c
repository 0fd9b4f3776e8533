/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * area - the integral of f(h) over the line, h = F - G and f(h) = |h| or h^2.
 *
 * Where every distinct value is a cell, h is constant between edges and the
 * integral is a sum.
 *
 * Over frozen cells h is known at both ends of a cell (l, u], and its mean
 * over the cell is known within an interval: the integral of F over the cell
 * is F(l) w plus the sum of u - v over its inner values, whose offsets are
 * kept (moments.h).  In between F and G grow in an unknown order, so that
 *
 *	F(l) - G(u-) <= h <= F(u-) - G(l)
 *
 * As f is convex, its mean over the cell is at least f(mean of h) (Jensen),
 * and at most the chord of f over that range at the mean of h.  Both are
 * taken at the worst end of the mean's interval and summed.  The value
 * itself is that of a straight h between its ends, moved to the middle of
 * the mean, within these bounds.  Beyond the edges the cells end at the
 * extremes of both sides.
 */
#include "detectors/area.h"

#include "detectors/moments.h"
#include "detectors/pair.h"

#include <math.h>
#include <stdbool.h>

#define SLACK 1e-12 /* relative: what the sums of the bounds round */

/*
 * A power of two: with it the width of the whole range is finite, and shares
 * of the least widths keep their digits.
 */
static double unit_for(const struct pair *p)
{
	double most = larger(larger(fabs(p->ref.min), fabs(p->ref.max)),
			     larger(fabs(p->cur.min), fabs(p->cur.max)));

	if (most > 0x1p1000)
		return 0x1p24;
	return most < 0x1p-900 ? 0x1p-160 : 1.0;
}

static struct area exact_area(const struct pair *p, enum area_kind kind)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	double unit = unit_for(p), scale = 1.0 / unit;
	bool fits = n * m < 0x1p62; /* then n m h is exact in one word */
	uint64_t f = 0, g = 0;
	uint32_t j;

	for (j = 0; j + 2 < p->n_cells; j++) {
		double h, w = p->edges[j + 1] * scale - p->edges[j] * scale;

		f += p->ref.count[j];
		g += p->cur.count[j];
		if (fits)
			h = (double)(int64_t)(f * p->cur.n - g * p->ref.n);
		else
			h = (double)f * m - (double)g * n;
		sum += kind == AREA_SQUARE ? h / (n * m) * h * w : fabs(h) * w;
	}
	sum /= n * m;
	return (struct area){sum, sum, sum, unit};
}

static double apply(enum area_kind kind, double h)
{
	return kind == AREA_SQUARE ? h * h : fabs(h);
}

/* Mean of f over [a, b] by its antiderivative. */
static double mean_of(enum area_kind kind, double a, double b)
{
	if (kind == AREA_SQUARE)
		return (a * a + a * b + b * b) / 3.0;
	if ((a >= 0.0) == (b >= 0.0))
		return fabs(a + b) / 2.0;
	return (a * a + b * b) / (2.0 * fabs(b - a));
}

/* h within one cell. */
struct stretch {
	double from, to;      /* at its ends */
	double least, most;   /* in between */
	struct interval mean; /* over the cell */
};

static double chord(enum area_kind kind, const struct stretch *s, double h)
{
	double a = apply(kind, s->least), b = apply(kind, s->most), part;

	if (!(s->most > s->least))
		return b;
	part = (h - s->least) / (s->most - s->least);
	part = part > 0.0 ? (part < 1.0 ? part : 1.0) : 0.0;
	return a + (b - a) * part;
}

static void add_cell(struct area *sum, enum area_kind kind,
		     const struct stretch *s, double w)
{
	double lower, upper, shift, value;

	if (s->mean.lower > 0.0)
		lower = apply(kind, s->mean.lower);
	else
		lower = s->mean.upper < 0.0 ? apply(kind, s->mean.upper) : 0.0;
	upper = larger(chord(kind, s, s->mean.lower),
		       chord(kind, s, s->mean.upper));
	shift = interval_middle(s->mean) - (s->from + s->to) / 2.0;
	value = mean_of(kind, s->from + shift, s->to + shift);
	value = smaller(larger(value, lower), upper);
	sum->lower += lower * w;
	sum->upper += upper * w;
	sum->value += value * w;
}

/* ${f} and ${g}: the functions at the cell's lower end. */
static void measure(struct stretch *s, double f, double g,
		    const struct inner_values *ref,
		    const struct inner_values *cur, double n, double m)
{
	double df = ref->n / n, dg = cur->n / m, w = ref->upper - ref->lower;

	s->from = f - g;
	s->to = f + df - g - dg;
	s->least = f - g - dg;
	s->most = f + df - g;
	s->mean.lower = s->from + df * (1.0 - ref->offset.upper / w) -
			dg * (1.0 - cur->offset.lower / w);
	s->mean.upper = s->from + df * (1.0 - ref->offset.lower / w) -
			dg * (1.0 - cur->offset.upper / w);
	s->mean.lower = larger(s->mean.lower - SLACK, s->least);
	s->mean.upper = smaller(s->mean.upper + SLACK, s->most);
	s->mean.lower = smaller(s->mean.lower, s->mean.upper);
}

struct area area_between(const struct pair *p, enum area_kind kind)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;
	struct area sum = {0.0, 0.0, 0.0, 1.0};
	uint64_t f = 0, g = 0;
	uint32_t j;

	if (p->is_exact)
		return exact_area(p, kind);
	sum.unit = unit_for(p);
	for (j = 0; j < p->n_cells; j++) {
		struct inner_values ref = moments_inner(p, &p->ref, j);
		struct inner_values cur = moments_inner(p, &p->cur, j);
		double w = ref.upper / sum.unit - ref.lower / sum.unit;
		struct stretch s;

		if (w > 0.0 && isfinite(ref.upper - ref.lower)) {
			measure(&s, (double)f / n, (double)g / m, &ref, &cur, n,
				m);
			add_cell(&sum, kind, &s, w);
		} else if (w > 0.0) {
			sum.upper += w; /* |h| <= 1 */
		}
		f += p->ref.count[j];
		g += p->cur.count[j];
	}
	sum.lower *= 1.0 - SLACK;
	sum.upper *= 1.0 + SLACK;
	return sum;
}
