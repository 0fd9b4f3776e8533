/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out_of_range_share - the share of values below the reference's minimum or
 * above its maximum; the reference's own share is 0.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void out_of_range_share_run(const struct pair *p, struct finding *out)
{
	effect_init(p, out);
	if (out->status == FINDING_OK)
		effect_set(out, (double)(p->n_below + p->n_above) /
					(double)p->cur.n);
}

static double out_of_range_share_bound(const struct pair *p,
				       const struct finding *f, double alpha)
{
	return effect_share_rise(0, f->n_ref, p->n_below + p->n_above, f->n_cur,
				 alpha);
}

const struct detector detector_out_of_range_share = {
	.name = "out_of_range_share",
	.metric = "out_of_range_share",
	.summary = "share of values outside the reference's range",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.by_default = true,
	.always = true,
	.described = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.05,
		       .critical = (double)NAN},
	.run = out_of_range_share_run,
	.bound = out_of_range_share_bound,
};
