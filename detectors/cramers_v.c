/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cramers_v - Cramer's V, sqrt(chi2 / (n + m)): Pearson's statistic as an
 * effect size in [0, 1].  It depends on how the rows split between the sides.
 * Undefined with one category.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void cramers_v_run(const struct pair *p, struct finding *out)
{
	uint32_t n_used;
	double chi2;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	chi2 = effect_chi2(p, &n_used);
	if (n_used < 2) {
		effect_undefined(out);
		return;
	}
	effect_set(out, sqrt(chi2 / ((double)p->ref.n + (double)p->cur.n)));
}

const struct detector detector_cramers_v = {
	.name = "cramers_v",
	.metric = "cramers_v",
	.summary = "Cramer's V of the categories",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = cramers_v_run,
	.bound = effect_bound_bins,
};
