/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * energy_distance - sqrt(2 integral (F - G)^2), in units of the root of the
 * column's; it weighs where the functions differ most.  Online an interval
 * (area.c).
 */
#include "detectors/area.h"
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void energy_distance_run(const struct pair *p, struct finding *out)
{
	struct area a;
	double unit;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	a = area_between(p, AREA_SQUARE);
	unit = sqrt(2.0) * sqrt(a.unit);
	effect_set_bounds(out, sqrt(a.value) * unit, sqrt(a.lower) * unit,
			  sqrt(a.upper) * unit);
}

const struct detector detector_energy_distance = {
	.name = "energy_distance",
	.metric = "energy_distance",
	.summary = "energy distance",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = energy_distance_run,
	.bound = effect_bound_values,
};
