/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cvm - Cramer-von Mises of two samples, with midranks for ties:
 *
 *	U = n sum (r_i - i)^2 + m sum (s_j - j)^2
 *	T = U / (n m (n + m)) - (4 n m - 1) / (6 (n + m))
 *
 * r_i and s_j the ranks of the sorted values in the pooled sample.  The two
 * parts of T nearly cancel, so they are taken in integers: of a cell with a
 * and b values, A and B before it, the k-th value of the reference has
 * 2 (r_i - i) = 2 B + a + b + 1 - 2 k.
 *
 * The p-value is that of the limit law at T brought to the mean and variance
 * of the limit (Anderson, 1962).  Its body is the series of Csorgo and Faraway
 * (1996, eq. 1.3) to 1e-18; its tail, where 1 less the series has no digits
 * left, is Smirnov's (1936),
 *
 *	P(x) = 1/pi sum (-1)^(k-1) integral over u from (2k-1) pi to 2k pi of
 *	       2/u sqrt(-u / sin u) exp(-x u^2 / 2)
 *
 * by Gauss and Chebyshev's rule, which takes the roots at both ends exactly.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

__extension__ typedef __int128 wide;

enum { TAIL_TERMS = 3, TAIL_NODES = 160 };

/* Beyond, U might not fit 128 bits. */
#define ROWS_MAX (UINT64_C(1) << 30)

/* sum over k = 1..a of (c - 2k)^2 */
static wide squares(wide a, wide c)
{
	return a * c * c - 2 * c * a * (a + 1) +
	       2 * a * (a + 1) * (2 * a + 1) / 3;
}

static double statistic(const struct pair *p)
{
	wide n = (wide)p->ref.n, m = (wide)p->cur.n, nm = n * m;
	wide f = 0, g = 0, ref = 0, cur = 0, top;
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		wide a = (wide)p->ref.count[j], b = (wide)p->cur.count[j];

		ref += squares(a, 2 * g + a + b + 1);
		cur += squares(b, 2 * f + a + b + 1);
		f += a;
		g += b;
	}
	top = 6 * (n * ref + m * cur) - 4 * nm * (4 * nm - 1);
	return (double)top / (24.0 * (double)nm * (double)(n + m));
}

/* P(W^2 <= x) of the limit law; many terms for large x. */
static double body(double x)
{
	double sum = 0.0, ratio = sqrt(M_PI), term; /* G(k+1/2)/G(k+1) */
	int k;

	for (k = 0; k < 40; k++) {
		double y = 4.0 * k + 1.0, q = y * y / (16.0 * x);

		term = ratio * sqrt(y) * exp(-2.0 * q) *
		       special_bessel_k_scaled(0.25, q);
		sum += term;
		if (term < 1e-18)
			break;
		ratio *= (k + 0.5) / (k + 1.0);
	}
	return sum / (pow(M_PI, 1.5) * sqrt(x));
}

/* P(W^2 > x), x not small. */
static double tail(double x)
{
	double sum = 0.0;
	int k, i;

	for (k = 1; k <= TAIL_TERMS; k++) {
		double middle = (2.0 * k - 0.5) * M_PI, part = 0.0;

		for (i = 0; i < TAIL_NODES; i++) {
			double angle = M_PI * (i + 0.5) / TAIL_NODES;
			double u = middle + M_PI_2 * cos(angle);

			/* -sin u = cos(u - middle), k or not */
			part += sqrt(1.0 / (u * cos(u - middle))) * sin(angle) *
				exp(-x * u * u / 2.0);
		}
		sum += k % 2 != 0 ? part : -part;
	}
	return sum * M_PI / TAIL_NODES;
}

/* Both are good to 1e-14 at the border. */
static double limit_q(double x)
{
	return x < 0.5 ? 1.0 - body(x) : tail(x);
}

static double p_value(double t, double n, double m)
{
	double total = n + m, nm = n * m;
	double mean = (1.0 + 1.0 / total) / 6.0;
	double variance =
		(total + 1.0) / (total * total) *
		(4.0 * nm * total - 3.0 * (n * n + m * m) - 2.0 * nm) /
		(4.0 * nm);
	double x = 1.0 / 6.0 + (t - mean) / sqrt(variance);

	/* below, the limit law has less than 1e-17 */
	return x < 0.003 ? 1.0 : limit_q(x);
}

static void cvm_run(const struct pair *p, struct finding *out)
{
	effect_init(p, out);
	if (out->status == FINDING_OK &&
	    (!p->is_exact || p->ref.n < 2 || p->cur.n < 2 ||
	     p->ref.n > ROWS_MAX || p->cur.n > ROWS_MAX))
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	effect_set(out, statistic(p));
	out->p_value = p_value(out->value, (double)p->ref.n, (double)p->cur.n);
}

const struct detector detector_cvm = {
	.name = "cvm",
	.metric = "cvm_statistic",
	.summary = "Cramer-von Mises test",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.offline = true,
	.pvalue_metric = "cvm_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = cvm_run,
};
