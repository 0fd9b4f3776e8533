/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wasserstein_norm - the Wasserstein distance in units of the reference's
 * standard deviation (ddof 0); undefined where that is 0.  Online an interval:
 * the distance's ends by those of the deviation.
 */
#include "detectors/area.h"
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/moments.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void wasserstein_norm_run(const struct pair *p, struct finding *out)
{
	struct interval std;
	struct area a;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	a = area_between(p, AREA_ABSOLUTE);
	std = moments_std0(p, &p->ref);
	std.lower /= a.unit;
	std.upper /= a.unit;
	if (!(std.lower > 0.0) || !isfinite(a.upper / std.lower)) {
		effect_undefined(out);
		return;
	}
	effect_set_bounds(out, a.value / interval_middle(std),
			  a.lower / std.upper, a.upper / std.lower);
}

const struct detector detector_wasserstein_norm = {
	.name = "wasserstein_norm",
	.metric = "wasserstein_norm",
	.summary = "Wasserstein distance in reference standard deviations",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = wasserstein_norm_run,
	.bound = effect_bound_values,
};
