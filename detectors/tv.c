/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tv - total variation over the decile bins or the categories: 1/2 sum |p -
 * q|, the share of rows that would have to change their bin, in [0, 1].
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static double term(double ref, double cur)
{
	return fabs(ref - cur);
}

static void tv_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += term((double)p->ref.bin[i] / n,
			    (double)p->cur.bin[i] / m);
	effect_set(out, sum < 2.0 ? sum / 2.0 : 1.0);
}

const struct detector detector_tv = {
	.name = "tv",
	.metric = "tv",
	.summary = "total variation over deciles or categories",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = tv_run,
	.bound = effect_bound_bins,
};
