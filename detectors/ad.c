/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ad - Anderson-Darling of two samples with midranks (Scholz and Stephens,
 * 1987, eq. 7), less its mean 1, in units of its standard deviation.  With N
 * = n + m, l_j values in cell j, B_j and M_j the values before its middle in
 * all and in the reference:
 *
 *	A^2 = (N-1)/N (1/n + 1/m) sum l_j/N (N M_j - B_j n)^2
 *	                               / (B_j (N - B_j) - N l_j/4)
 *
 * The other sample's differences are the same with the sign turned, hence
 * one sum.  The p-value is interpolated between critical values from 0.25 to
 * 0.001 as a quadratic in ln p, and stays at these ends beyond them: small
 * ones say `at most`.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

enum { LEVELS = 7 };

static double sum_of_cells(const struct pair *p)
{
	double total = (double)p->ref.n + (double)p->cur.n;
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint64_t f = 0, g = 0;
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		uint64_t a = p->ref.count[j], b = p->cur.count[j];
		double size = (double)(a + b), middle, d, weight;

		if (a + b == 0)
			continue;
		/* N M - B n = m M_ref - n M_cur, M to the cell's middle */
		d = m * ((double)f + (double)a / 2.0) -
		    n * ((double)g + (double)b / 2.0);
		middle = (double)(f + g) + size / 2.0;
		weight = middle * (total - middle) - total * size / 4.0;
		sum += size / total * d / weight * d;
		f += a;
		g += b;
	}
	return sum * (total - 1.0) / total * (1.0 / n + 1.0 / m);
}

/* Of A^2 under the null, for two samples (Scholz and Stephens, eq. 4). */
static double variance(double n, double m)
{
	double total = n + m, k = 2.0, inverse = 1.0 / n + 1.0 / m;
	double h = 0.0, g = 0.0, a, b, c, d;
	uint64_t i;

	for (i = 2; i < (uint64_t)total; i++) {
		h += 1.0 / (total + 1.0 - (double)i);
		g += h / (double)i;
	}
	h += 1.0;
	a = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * inverse;
	b = (2.0 * g - 4.0) * k * k + 8.0 * h * k +
	    (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h + 4.0 * g - 6.0;
	c = (6.0 * h + 2.0 * g - 2.0) * k * k + (4.0 * h - 4.0 * g + 6.0) * k +
	    (2.0 * h - 6.0) * inverse + 4.0 * h;
	d = (2.0 * h + 6.0) * k * k - 4.0 * h * k;
	return (((a * total + b) * total + c) * total + d) /
	       ((total - 1.0) * (total - 2.0) * (total - 3.0));
}

/* Critical values for two samples: b0 + b1 + b2 of their table 2. */
static const double critical[LEVELS] = {
	0.675 - 0.245 - 0.105, 1.281 + 0.25 - 0.305,  1.645 + 0.678 - 0.362,
	1.96 + 1.149 - 0.391,  2.326 + 1.822 - 0.396, 2.573 + 2.364 - 0.345,
	3.085 + 3.615 - 0.154,
};
static const double level[LEVELS] = {0.25, 0.1,	  0.05, 0.025,
				     0.01, 0.005, 0.001};

/*
 * The least-squares quadratic through (critical, ln level) at ${x}, by
 * polynomials made orthogonal on the critical values.
 */
static double interpolate(double x)
{
	double mean = 0.0, s2 = 0.0, s3 = 0.0, s4 = 0.0, y0 = 0.0, y1 = 0.0;
	double y2 = 0.0, q, turn;
	int i;

	for (i = 0; i < LEVELS; i++)
		mean += critical[i] / LEVELS;
	for (i = 0; i < LEVELS; i++) {
		double t = critical[i] - mean;

		s2 += t * t;
		s3 += t * t * t;
	}
	turn = s3 / s2;
	for (i = 0; i < LEVELS; i++) {
		double t = critical[i] - mean, y = log(level[i]);

		q = t * t - turn * t - s2 / LEVELS;
		s4 += q * q;
		y0 += y / LEVELS;
		y1 += y * t / s2;
		y2 += y * q;
	}
	x -= mean;
	return exp(y0 + y1 * x + y2 / s4 * (x * x - turn * x - s2 / LEVELS));
}

static double p_value(double x)
{
	if (x < critical[0])
		return level[0];
	return x > critical[LEVELS - 1] ? level[LEVELS - 1] : interpolate(x);
}

static void ad_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;

	effect_init(p, out);
	if (out->status == FINDING_OK &&
	    (!p->is_exact || p->ref.n < 2 || p->cur.n < 2 || p->n_cells < 3))
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	effect_set(out, (sum_of_cells(p) - 1.0) / sqrt(variance(n, m)));
	out->p_value = p_value(out->value);
}

const struct detector detector_ad = {
	.name = "ad",
	.metric = "ad_statistic",
	.summary = "Anderson-Darling test, p-value within [0.001, 0.25]",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.offline = true,
	.pvalue_metric = "ad_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = ad_run,
};
