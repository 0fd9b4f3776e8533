/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chi2_yates - Pearson's test with Yates' correction, only of two categories:
 * all four counts differ from what is expected by the same d = |a m - b n| /
 * N, which is brought nearer to 0 by 1/2.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

__extension__ typedef __int128 wide;

static double statistic(const struct pair *p, uint32_t i, uint32_t k)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, total = n + m;
	double first = (double)(p->ref.count[i] + p->cur.count[i]);
	double second = (double)(p->ref.count[k] + p->cur.count[k]);
	double d = fabs((double)((wide)p->ref.count[i] * p->cur.n -
				 (wide)p->cur.count[i] * p->ref.n)) /
		   total;

	d = d > 0.5 ? d - 0.5 : 0.0;
	/* d^2 times the sum of 1 / expected, which is N^3 / (n m c1 c2) */
	return d * d * (total / n) * (total / m) * (total / first) / second;
}

static void chi2_yates_run(const struct pair *p, struct finding *out)
{
	uint32_t i, at[2] = {0, 0}, n_used = 0;

	effect_init(p, out);
	for (i = 0; i < p->n_cells; i++) {
		if (p->ref.count[i] + p->cur.count[i] == 0)
			continue;
		if (n_used < 2)
			at[n_used] = i;
		n_used++;
	}
	if (out->status == FINDING_OK && n_used != 2)
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	effect_set(out, statistic(p, at[0], at[1]));
	out->p_value = special_chisq_q(out->value, 1);
}

const struct detector detector_chi2_yates = {
	.name = "chi2_yates",
	.metric = "chi2_yates_statistic",
	.summary = "chi-square test of two categories, Yates-corrected",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.pvalue_metric = "chi2_yates_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = chi2_yates_run,
};
