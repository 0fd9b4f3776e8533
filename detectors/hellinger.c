/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hellinger - Hellinger distance over the decile bins or the categories, in
 * [0, 1]:
 *
 *	sqrt(1/2 sum (sqrt p - sqrt q)^2)
 *
 * It needs no rule for empty bins.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static double term(double ref, double cur)
{
	double d = sqrt(ref) - sqrt(cur);

	return d * d;
}

static void hellinger_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += term((double)p->ref.bin[i] / n,
			    (double)p->cur.bin[i] / m);
	effect_set(out, sqrt(sum < 2.0 ? sum / 2.0 : 1.0));
}

const struct detector detector_hellinger = {
	.name = "hellinger",
	.metric = "hellinger",
	.summary = "Hellinger distance over deciles or categories",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = hellinger_run,
	.bound = effect_bound_bins,
};
