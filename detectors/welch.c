/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * welch - Welch's t of the current mean less the reference's, variances not
 * taken as equal, degrees of freedom by Welch and Satterthwaite, two-sided.
 * Two constants that differ have an infinite t and a p-value of 0.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

static void welch_run(const struct pair *p, struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;
	double a, b, share, dof;

	effect_init(p, out);
	if (out->status == FINDING_OK &&
	    (!p->is_exact || p->ref.n < 2 || p->cur.n < 2 || p->n_cells < 3))
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	a = p->ref.std / sqrt(n);
	b = p->cur.std / sqrt(m);
	/* of means in twice the precision: values one ulp apart count */
	effect_set(out, ((p->cur.mean - p->ref.mean) +
			 (p->cur.mean_low - p->ref.mean_low)) /
				hypot(a, b));
	/* (a^2 + b^2)^2 / (a^4/(n-1) + b^4/(m-1)) without the powers */
	share = a > b ? b / a : a / b;
	share *= share;
	dof = (1.0 + share) * (1.0 + share);
	if (a > b)
		dof /= 1.0 / (n - 1.0) + share * share / (m - 1.0);
	else
		dof /= share * share / (n - 1.0) + 1.0 / (m - 1.0);
	out->p_value = isinf(out->value)
			       ? 0.0
			       : 2.0 * special_student_q(fabs(out->value), dof);
}

const struct detector detector_welch = {
	.name = "welch",
	.metric = "welch_t",
	.summary = "Welch's t test of the means",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.offline = true,
	.pvalue_metric = "welch_pvalue",
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = welch_run,
};
