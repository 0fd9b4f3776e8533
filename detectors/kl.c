/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kl - Kullback-Leibler divergence of the current shares q from the
 * reference's p, over the decile bins or the categories, in nats:
 *
 *	sum q ln(q / p)
 *
 * A share that is exactly 0 counts as 1e-4, as in PSI; a bin empty on both
 * sides gives 0.  With that rule the sum can fall slightly below 0.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

#define ZERO_SHARE 1e-4

static double term(double ref, double cur)
{
	if (ref == 0.0 && cur == 0.0)
		return 0.0;
	ref = ref > 0.0 ? ref : ZERO_SHARE;
	cur = cur > 0.0 ? cur : ZERO_SHARE;
	return cur * log(cur / ref);
}

static void kl_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += term((double)p->ref.bin[i] / n,
			    (double)p->cur.bin[i] / m);
	effect_set(out, sum);
}

const struct detector detector_kl = {
	.name = "kl",
	.metric = "kl",
	.summary = "Kullback-Leibler divergence from the reference",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = kl_run,
	.bound = effect_bound_bins,
};
