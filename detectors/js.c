/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * js - Jensen-Shannon distance over the decile bins or the categories: the
 * square root of the divergence to base 2, in [0, 1]:
 *
 *	JS^2 = 1/2 sum p log2(2p/(p+q)) + 1/2 sum q log2(2q/(p+q))
 *
 * with 0 log 0 = 0 and no zero replaced.  Near equality JS^2 is PSI / (8 ln
 * 2), which is the scale of what comes by chance.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/judge_null.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static double term(double p, double mixed)
{
	return p > 0.0 ? p * log2(p / mixed) : 0.0;
}

/* Of the divergence: the distance's square is their sum. */
static double js_contribution(const struct pair *p, uint32_t i)
{
	double ref = (double)p->ref.bin[i] / (double)p->ref.n;
	double cur = (double)p->cur.bin[i] / (double)p->cur.n;
	double mixed = (ref + cur) / 2.0;
	double sum = term(ref, mixed) + term(cur, mixed);

	/* rounding can take equal shares to either side of 0 */
	return sum > 0.0 ? sum / 2.0 : 0.0;
}

static void js_run(const struct pair *p, struct finding *out)
{
	double sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += js_contribution(p, i);
	effect_set(out, sqrt(sum < 1.0 ? sum : 1.0));
}

static double js_bound(const struct pair *p, const struct finding *f,
		       double alpha)
{
	double noise = judge_null_quantile(p, alpha, js_contribution,
					   1.0 / (8.0 * M_LN2));

	return f->value * f->value > noise ? f->value : 0.0;
}

const struct detector detector_js = {
	.name = "js",
	.metric = "js",
	.summary = "Jensen-Shannon distance over deciles or categories",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.by_default = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.1,
		       .critical = (double)NAN},
	.run = js_run,
	.bound = js_bound,
	.contribution = js_contribution,
};
