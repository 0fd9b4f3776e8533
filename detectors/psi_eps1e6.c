/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * psi_eps1e6 - PSI (psi.c) where a share that is exactly 0 counts as 1e-6
 * instead of 1e-4: bins that one side lacks weigh about half as much again.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/psi_shares.h"
#include "detectors/registry.h"

#include <math.h>

#define ZERO_SHARE 1e-6

static void psi_eps1e6_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += psi_term((double)p->ref.bin[i] / n,
				(double)p->cur.bin[i] / m, ZERO_SHARE);
	effect_set(out, sum);
}

const struct detector detector_psi_eps1e6 = {
	.name = "psi_eps1e6",
	.metric = "psi_eps1e6",
	.summary = "PSI with empty shares counted as 1e-6",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = psi_eps1e6_run,
	.bound = effect_bound_bins,
};
