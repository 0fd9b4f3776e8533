/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chi2 - Pearson's test on the 2 x K table of categories, K those with a
 * count on either side, K-1 degrees of freedom, no continuity correction and
 * no pooling.  For two rows the statistic is
 *
 *	sum (a m - b n)^2 / (n m (a + b))
 *
 * whose differences are exact in integers.  The statistic grows with the
 * sample, so it informs and never decides.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

__extension__ typedef __int128 wide;

static double chi2_contribution(const struct pair *p, uint32_t i)
{
	uint64_t a = p->ref.count[i], b = p->cur.count[i];
	double d, nm = (double)p->ref.n * (double)p->cur.n;

	if (a + b == 0)
		return 0.0;
	d = (double)((wide)a * p->cur.n - (wide)b * p->ref.n);
	return d / nm * d / (double)(a + b);
}

static void chi2_run(const struct pair *p, struct finding *out)
{
	uint32_t n_used;
	double sum;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	sum = effect_chi2(p, &n_used);
	effect_set(out, n_used < 2 ? 0.0 : sum);
	effect_add(out, "chi2_dof", (double)n_used - 1.0);
	out->p_value = n_used < 2 ? 1.0 : special_chisq_q(sum, n_used - 1);
}

const struct detector detector_chi2 = {
	.name = "chi2",
	.metric = "chi2_statistic",
	.summary = "Pearson's chi-square test of the categories",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.by_default = true,
	.pvalue_metric = "chi2_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = chi2_run,
	.contribution = chi2_contribution,
};
