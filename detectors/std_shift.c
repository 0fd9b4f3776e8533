/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * std_shift - how much the standard deviation (ddof 0) has changed, relative
 * to the reference's: 0.5 is half as wide again.  Undefined where that is 0.
 * Online an interval (moments.c).
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/moments.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void std_shift_run(const struct pair *p, struct finding *out)
{
	struct interval ref, cur;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	ref = moments_std0(p, &p->ref);
	cur = moments_std0(p, &p->cur);
	if (!(ref.lower > 0.0) || !isfinite(cur.upper / ref.lower)) {
		effect_undefined(out);
		return;
	}
	effect_set_bounds(
		out, interval_middle(cur) / interval_middle(ref) - 1.0,
		cur.lower / ref.upper - 1.0, cur.upper / ref.lower - 1.0);
}

const struct detector detector_std_shift = {
	.name = "std_shift",
	.metric = "std_shift",
	.summary = "relative change of the standard deviation",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = std_shift_run,
};
