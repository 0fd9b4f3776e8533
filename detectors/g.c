/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * g - the likelihood-ratio test on the 2 x K table of categories: 2 sum O
 * ln(O / E), K-1 degrees of freedom, no correction; 0 ln 0 = 0.
 *
 * Near equality the terms cancel, and what is left of them is off by some N
 * 1e-16.  They are taken as they stand, E from one product and one quotient,
 * so that these digits, too, are those of other programs.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

static double term(double observed, double expected)
{
	return observed > 0.0 ? observed * log(observed / expected) : 0.0;
}

static void g_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i, n_used = 0;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_cells; i++) {
		double a = (double)p->ref.count[i];
		double b = (double)p->cur.count[i];

		if (a + b == 0.0)
			continue;
		n_used++;
		sum += term(a, n * (a + b) / (n + m)) +
		       term(b, m * (a + b) / (n + m));
	}
	effect_set(out, n_used < 2 || sum < 0.0 ? 0.0 : 2.0 * sum);
	out->p_value =
		n_used < 2 ? 1.0 : special_chisq_q(out->value, n_used - 1);
}

const struct detector detector_g = {
	.name = "g",
	.metric = "g_statistic",
	.summary = "likelihood-ratio (G) test of the categories",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.pvalue_metric = "g_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = g_run,
};
