/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * psi - population stability index, over the decile bins or the categories:
 *
 *	PSI = sum (q - p) ln(q / p)
 *
 * A share that is exactly 0 counts as 1e-4, without renormalisation; a bin
 * empty on both sides gives 0.  Between two samples of one law PSI is about
 * chi2_{B-1} (1/n + 1/m) (Yurdakul 2018), so with few rows large values come
 * by chance: below that quantile the effect is none (judge_null.h has what
 * holds for bins with few rows).
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/judge_null.h"
#include "detectors/pair.h"
#include "detectors/psi_shares.h"
#include "detectors/registry.h"

#define ZERO_SHARE 1e-4

static double psi_contribution(const struct pair *p, uint32_t i)
{
	return psi_term((double)p->ref.bin[i] / (double)p->ref.n,
			(double)p->cur.bin[i] / (double)p->cur.n, ZERO_SHARE);
}

static void psi_run(const struct pair *p, struct finding *out)
{
	double sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_bins; i++)
		sum += psi_contribution(p, i);
	effect_set(out, sum);
}

static double psi_bound(const struct pair *p, const struct finding *f,
			double alpha)
{
	double noise = judge_null_quantile(p, alpha, psi_contribution, 1.0);

	return f->value > noise ? f->value : 0.0;
}

const struct detector detector_psi = {
	.name = "psi",
	.metric = "psi",
	.summary = "population stability index over deciles or categories",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.by_default = true,
	.thresholds = {.warning = 0.1, .error = 0.2, .critical = 0.25},
	.run = psi_run,
	.bound = psi_bound,
	.contribution = psi_contribution,
};
