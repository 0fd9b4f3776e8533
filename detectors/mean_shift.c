/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mean_shift - how far the mean has moved, in units of the reference's
 * standard deviation (ddof 0), with its sign; undefined where that is 0.
 * Online an interval (moments.c).
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/moments.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void mean_shift_run(const struct pair *p, struct finding *out)
{
	struct interval ref, cur, std;
	double low, high, value, rest;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	ref = moments_mean(p, &p->ref);
	cur = moments_mean(p, &p->cur);
	std = moments_std0(p, &p->ref);
	if (!(std.lower > 0.0)) {
		effect_undefined(out);
		return;
	}
	rest = p->cur.mean_low - p->ref.mean_low;
	low = cur.lower - ref.upper + rest;
	high = cur.upper - ref.lower + rest;
	value = (interval_middle(cur) - interval_middle(ref) + rest) /
		interval_middle(std);
	low /= low < 0.0 ? std.lower : std.upper;
	high /= high < 0.0 ? std.upper : std.lower;
	if (isfinite(low) && isfinite(high))
		effect_set_bounds(out, value, low, high);
	else
		effect_undefined(out);
}

const struct detector detector_mean_shift = {
	.name = "mean_shift",
	.metric = "mean_shift",
	.summary = "change of the mean in reference standard deviations",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = mean_shift_run,
};
