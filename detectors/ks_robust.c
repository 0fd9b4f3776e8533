/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ks_robust - the Kolmogorov-Smirnov distance less what chance may make of it,
 *
 *	max(0, D - 1.8 sqrt((n + m) / (n m)))
 *
 * as Deequ defines its robust distance, so that thresholds of SageMaker Model
 * Monitor can be kept.  It is its own bound.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/ks_distance.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static double less(double d, double chance)
{
	return d > chance ? d - chance : 0.0;
}

static void ks_robust_run(const struct pair *p, struct finding *out)
{
	struct ks_distance d;
	double chance;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	d = ks_distance(p);
	chance = 1.8 * sqrt(1.0 / (double)p->ref.n + 1.0 / (double)p->cur.n);
	effect_set_bounds(out, less(d.value, chance), less(d.lower, chance),
			  less(d.upper, chance));
}

static double ks_robust_bound(const struct pair *p, const struct finding *f,
			      double alpha)
{
	(void)p;
	(void)alpha;
	return f->lower;
}

const struct detector detector_ks_robust = {
	.name = "ks_robust",
	.metric = "ks_robust",
	.summary = "Kolmogorov-Smirnov distance less the chance in it",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = ks_robust_run,
	.bound = ks_robust_bound,
};
