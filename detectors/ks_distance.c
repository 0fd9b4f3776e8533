/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ks_distance - the largest distance of two distribution functions F and G.
 *
 * At an edge e both functions and their left limits F(e-) are known exactly
 * (the counts equal to an edge are kept), so
 *
 *	D_lo = max_j of |F - G| at e_j and at e_j-
 *
 * Inside a cell F and G grow from their values at e_(j-1) to their left
 * limits at e_j in an unknown order, so
 *
 *	D_hi = max(D_lo, max_j max(F(e_j-) - G(e_(j-1)), G(e_j-) - F(e_(j-1))))
 *
 * The cells beyond the first and the last edge count.  Where every distinct
 * value is a cell D_hi = D_lo.  All maxima are taken over the integers A m -
 * B n; only their quotient by n m is rounded, outwards.
 */
#include "detectors/ks_distance.h"

#include "detectors/pair.h"

#include <math.h>

__extension__ typedef __int128 wide;

struct distance {
	wide lower, upper; /* times n m */
};

static wide max_of(wide a, wide b)
{
	return a > b ? a : b;
}

static wide abs_of(wide a)
{
	return a < 0 ? -a : a;
}

static struct distance largest(const struct pair *p)
{
	struct distance d = {0, 0};
	wide n = (wide)p->ref.n, m = (wide)p->cur.n;
	wide f = 0, g = 0; /* at the edge before, times n m */
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		wide f_left = f + m * (p->ref.count[j] - p->ref.equal[j]);
		wide g_left = g + n * (p->cur.count[j] - p->cur.equal[j]);

		d.lower = max_of(d.lower, abs_of(f_left - g_left));
		d.upper = max_of(d.upper, max_of(f_left - g, g_left - f));
		f += m * p->ref.count[j];
		g += n * p->cur.count[j];
		d.lower = max_of(d.lower, abs_of(f - g));
	}
	d.upper = max_of(d.upper, d.lower);
	return d;
}

/* The same of exact pairs whose n m fits 62 bits, in one word. */
static int64_t largest_exact(const struct pair *p)
{
	int64_t n = (int64_t)p->ref.n, m = (int64_t)p->cur.n;
	int64_t h = 0, low = 0, high = 0;
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		h += m * (int64_t)p->ref.count[j] -
		     n * (int64_t)p->cur.count[j];
		low = h < low ? h : low;
		high = h > high ? h : high;
	}
	return high > -low ? high : -low;
}

/* A quotient of two rounded numbers is off by less than 2 ulp. */
static double two_ulp(double v, double towards)
{
	return nextafter(nextafter(v, towards), towards);
}

struct ks_distance ks_distance(const struct pair *p)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;
	wide product = (wide)p->ref.n * (wide)p->cur.n;
	double nm = (double)product;
	struct ks_distance out;
	struct distance d;

	if (p->is_exact && product < (wide)1 << 62)
		d.lower = d.upper = largest_exact(p);
	else
		d = largest(p);
	out.value = (double)d.lower / nm;
	out.lower = out.value;
	out.upper = out.value;
	if (!p->is_exact) {
		if (d.lower > 0)
			out.lower = two_ulp(out.value, 0.0);
		out.upper = two_ulp((double)d.upper / nm, 2.0);
		out.upper = out.upper < 1.0 ? out.upper : 1.0;
	}
	out.scaled = sqrt(n / (n + m) * m) * out.value;
	return out;
}
