/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ks - Kolmogorov-Smirnov: the largest distance D of the two distribution
 * functions F and G, as an interval that always holds it.
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
 * B n; only their quotient by n m is rounded, outwards.  `value` is D_lo.
 *
 * The p-value is the limit law of Kolmogorov at sqrt(nm/(n+m)) D_lo.  The
 * bound takes from D_lo what Dvoretzky, Kiefer and Wolfowitz (with Massart's
 * constant) allow each empirical function to be off.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

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

/* A quotient of two rounded numbers is off by less than 2 ulp. */
static double two_ulp(double v, double towards)
{
	return nextafter(nextafter(v, towards), towards);
}

static void ks_run(const struct pair *p, struct finding *out)
{
	struct distance d;
	double n = (double)p->ref.n, m = (double)p->cur.n, nm;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	d = largest(p);
	nm = (double)((wide)p->ref.n * (wide)p->cur.n);
	effect_set(out, (double)d.lower / nm);
	if (!p->is_exact) {
		if (d.lower > 0)
			out->lower = two_ulp(out->value, 0.0);
		out->upper = two_ulp((double)d.upper / nm, 2.0);
		out->upper = out->upper < 1.0 ? out->upper : 1.0;
	}
	out->p_value = special_kolmogorov_q(sqrt(n / (n + m) * m) * out->value);
}

static double ks_bound(const struct pair *p, const struct finding *f,
		       double alpha)
{
	double off =
		sqrt(log(2.0 / alpha) / 2.0) *
		(1.0 / sqrt((double)p->ref.n) + 1.0 / sqrt((double)p->cur.n));

	return f->lower > off ? f->lower - off : 0.0;
}

const struct detector detector_ks = {
	.name = "ks",
	.metric = "ks_statistic",
	.summary = "Kolmogorov-Smirnov distance, as an interval",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.by_default = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.1,
		       .critical = (double)NAN},
	.run = ks_run,
	.bound = ks_bound,
};
