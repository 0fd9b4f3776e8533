/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mwu - Mann-Whitney U of the current values against the reference: the pairs
 * in which the current one is greater, ties counting one half.  The p-value
 * is two-sided, by the normal law with corrections for ties and continuity.
 * It sees a shift, and no change of the width alone.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

__extension__ typedef __int128 wide;

struct ranks {
	double u;    /* of the current side */
	double ties; /* sum of t^3 - t over groups of equal values */
};

static struct ranks rank(const struct pair *p)
{
	wide twice = 0; /* U */
	struct ranks r = {0.0, 0.0};
	uint64_t f = 0;
	uint32_t j;

	for (j = 0; j < p->n_cells; j++) {
		uint64_t a = p->ref.count[j], b = p->cur.count[j];
		double t = (double)(a + b);

		twice += (wide)b * (2 * (wide)f + a);
		r.ties += t * (t * t - 1.0);
		f += a;
	}
	r.u = (double)twice / 2.0;
	return r;
}

static void mwu_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, total = n + m;
	double variance, most;
	struct ranks r;

	effect_init(p, out);
	if (out->status == FINDING_OK &&
	    (!p->is_exact || p->ref.n < 2 || p->cur.n < 2 || p->n_cells < 3))
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	r = rank(p);
	variance = n * m / 12.0 *
		   ((total + 1.0) - r.ties / (total * (total - 1.0)));
	effect_set(out, r.u);
	most = fmax(r.u, n * m - r.u) - n * m / 2.0;
	out->p_value = 2.0 * special_normal_q((most - 0.5) / sqrt(variance));
	out->p_value = out->p_value < 1.0 ? out->p_value : 1.0;
}

const struct detector detector_mwu = {
	.name = "mwu",
	.metric = "mwu_statistic",
	.summary = "Mann-Whitney U test",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.offline = true,
	.pvalue_metric = "mwu_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = mwu_run,
};
