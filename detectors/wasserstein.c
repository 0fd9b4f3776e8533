/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wasserstein - the first Wasserstein distance, the integral of |F - G|: how
 * far the values have moved on average, in units of the column.  Online an
 * interval (area.c).
 */
#include "detectors/area.h"
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void wasserstein_run(const struct pair *p, struct finding *out)
{
	struct area a;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	a = area_between(p, AREA_ABSOLUTE);
	if (!isfinite(a.upper * a.unit)) {
		effect_undefined(out); /* beyond the largest double */
		return;
	}
	effect_set_bounds(out, a.value * a.unit, a.lower * a.unit,
			  a.upper * a.unit);
}

const struct detector detector_wasserstein = {
	.name = "wasserstein",
	.metric = "wasserstein",
	.summary = "Wasserstein distance, in units of the column",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = wasserstein_run,
	.bound = effect_bound_values,
};
