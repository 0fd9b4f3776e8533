/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * psi_missbin - PSI with one more bin, of the missing values; shares are over
 * valid and missing rows.  There is no such measure of a column that never
 * has a missing value.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/psi_shares.h"
#include "detectors/registry.h"

#include <math.h>

#define ZERO_SHARE 1e-4

static void psi_missbin_run(const struct pair *p, struct finding *out)
{
	double n = (double)(p->ref.n + p->ref.n_missing);
	double m = (double)(p->cur.n + p->cur.n_missing), sum;
	uint32_t i;

	effect_init(p, out);
	if (p->ref.n_missing + p->cur.n_missing == 0 && !p->missing_elsewhere)
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	sum = psi_term((double)p->ref.n_missing / n,
		       (double)p->cur.n_missing / m, ZERO_SHARE);
	for (i = 0; i < p->n_bins; i++)
		sum += psi_term((double)p->ref.bin[i] / n,
				(double)p->cur.bin[i] / m, ZERO_SHARE);
	effect_set(out, sum);
}

/* The missing values are one more effect that chance has to explain. */
static double psi_missbin_bound(const struct pair *p, const struct finding *f,
				double alpha)
{
	double n = (double)(p->ref.n + p->ref.n_missing);
	double m = (double)(p->cur.n + p->cur.n_missing);
	double rise = fabs((double)p->cur.n_missing / m -
			   (double)p->ref.n_missing / n);

	if (effect_bins_differ(p, alpha / 2.0) ||
	    rise > effect_share_noise(p->ref.n_missing, (uint64_t)n,
				      p->cur.n_missing, (uint64_t)m,
				      alpha / 4.0))
		return f->value;
	return 0.0;
}

const struct detector detector_psi_missbin = {
	.name = "psi_missbin",
	.metric = "psi_missbin",
	.summary = "PSI with a bin of the missing values",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = psi_missbin_run,
	.bound = psi_missbin_bound,
};
