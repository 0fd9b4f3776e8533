/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * psi_laplace - PSI of shares smoothed on both sides, (count + 1/2) / (n +
 * B/2) with B bins, so that no share is 0 and few rows move it less.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void psi_laplace_run(const struct pair *p, struct finding *out)
{
	double bins = (double)p->n_bins, sum = 0.0;
	double n = (double)p->ref.n + bins / 2.0;
	double m = (double)p->cur.n + bins / 2.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++) {
		double ref = ((double)p->ref.bin[i] + 0.5) / n;
		double cur = ((double)p->cur.bin[i] + 0.5) / m;

		sum += (cur - ref) * log(cur / ref);
	}
	effect_set(out, sum);
}

const struct detector detector_psi_laplace = {
	.name = "psi_laplace",
	.metric = "psi_laplace",
	.summary = "PSI of shares with half a row added to each bin",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = psi_laplace_run,
	.bound = effect_bound_bins,
};
