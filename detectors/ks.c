/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ks - Kolmogorov-Smirnov: the largest distance D of the two distribution
 * functions, as an interval that always holds it (ks_distance.h); `value` is
 * its lower end D_lo.
 *
 * Online the p-value is the limit law of Kolmogorov at sqrt(nm/(n+m)) D_lo.
 * Of an exact pair it is what SciPy's ks_2samp gives: exact up to 10,000 rows
 * a side (it assumes that there are no ties), else the law of one sample of
 * round(nm/(n+m)) values; the others stand beside it.
 *
 * The bound takes from D_lo what Dvoretzky, Kiefer and Wolfowitz (with
 * Massart's constant) allow each empirical function to be off.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/ks_distance.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>

static void add_p_values(const struct pair *p, const struct ks_distance *d,
			 struct finding *out)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;
	double root = sqrt(n / (n + m) * m);
	uint64_t rounded = (uint64_t)nearbyint(n * m / (n + m));

	if (rounded > 0) { /* 0: one row against one */
		out->p_value = ks_law_q(rounded, d->value);
		effect_add(out, "ks_pvalue_asymp", out->p_value);
	}
	effect_add(out, "ks_pvalue_kolmogorov",
		   special_kolmogorov_q(d->scaled));
	effect_add(
		out, "ks_pvalue_stephens",
		special_kolmogorov_q((root + 0.12 + 0.11 / root) * d->value));
	if (p->ref.n > KS_EXACT_MAX || p->cur.n > KS_EXACT_MAX)
		return;
	out->p_value = ks_exact_q(p->ref.n, p->cur.n,
				  (uint64_t)nearbyint(d->value * n * m));
	effect_add(out, "ks_pvalue_exact", out->p_value);
}

static void ks_run(const struct pair *p, struct finding *out)
{
	struct ks_distance d;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	d = ks_distance(p);
	effect_set_bounds(out, d.value, d.lower, d.upper);
	out->p_value = special_kolmogorov_q(d.scaled);
	if (p->is_exact)
		add_p_values(p, &d, out);
}

static double ks_bound(const struct pair *p, const struct finding *f,
		       double alpha)
{
	double off =
		sqrt(log(2.0 / alpha) / 2.0) *
		(1.0 / sqrt((double)p->ref.n) + 1.0 / sqrt((double)p->cur.n));

	return f->lower > off ? f->lower - off : 0.0;
}

const struct detector detector_ks = {
	.name = "ks",
	.metric = "ks_statistic",
	.summary = "Kolmogorov-Smirnov distance, as an interval",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.by_default = true,
	.pvalue_metric = "ks_pvalue",
	.thresholds = {.warning = (double)NAN,
		       .error = 0.1,
		       .critical = (double)NAN},
	.run = ks_run,
	.bound = ks_bound,
};
