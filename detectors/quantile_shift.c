/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quantile_shift - the largest move of a quantile (5, 25, 50, 75, 95 %) in
 * units of the reference's standard deviation (ddof 0); undefined where that
 * is 0.  Each quantile's own move, with its sign, stands beside it.  Online
 * an interval: each order statistic is known to its cell (moments.c).
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/moments.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static const struct {
	unsigned percent;
	const char *metric;
} quantiles[] = {
	{5, "q05_shift"},  {25, "q25_shift"}, {50, "q50_shift"},
	{75, "q75_shift"}, {95, "q95_shift"},
};

/* The least |x| of an interval. */
static double nearest(double low, double high)
{
	if (low > 0.0)
		return low;
	return high < 0.0 ? -high : 0.0;
}

static void quantile_shift_run(const struct pair *p, struct finding *out)
{
	double value = 0.0, lower = 0.0, upper = 0.0;
	struct interval std;
	size_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	std = moments_std0(p, &p->ref);
	for (i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		struct interval ref, cur;
		double low, high, middle;

		ref = moments_quantile(p, &p->ref, quantiles[i].percent);
		cur = moments_quantile(p, &p->cur, quantiles[i].percent);
		low = cur.lower - ref.upper;
		high = cur.upper - ref.lower;
		middle = (interval_middle(cur) - interval_middle(ref)) /
			 interval_middle(std);
		effect_add(out, quantiles[i].metric, middle);
		value = fmax(value, fabs(middle));
		lower = fmax(lower, nearest(low, high) / std.upper);
		upper = fmax(upper, fmax(-low, high) / std.lower);
	}
	if (std.lower > 0.0 && isfinite(upper))
		effect_set_bounds(out, value, lower, upper);
	else
		effect_undefined(out);
}

const struct detector detector_quantile_shift = {
	.name = "quantile_shift",
	.metric = "quantile_shift",
	.summary =
		"largest change of a quantile in reference standard deviations",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = quantile_shift_run,
};
