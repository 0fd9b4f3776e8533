/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * linf - the largest difference of a category's share: max |p - q|.  It is
 * an effect when it exceeds the two-sample binomial bound at that category,
 * at alpha over the number of categories, since the largest was picked.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static double linf_contribution(const struct pair *p, uint32_t i)
{
	return fabs((double)p->cur.count[i] / (double)p->cur.n -
		    (double)p->ref.count[i] / (double)p->ref.n);
}

static uint32_t largest_cell(const struct pair *p, double *difference)
{
	uint32_t i, at = 0;
	double most = 0.0;

	for (i = 0; i < p->n_cells; i++) {
		double d = linf_contribution(p, i);

		if (d > most) {
			most = d;
			at = i;
		}
	}
	*difference = most;
	return at;
}

static void linf_run(const struct pair *p, struct finding *out)
{
	double difference;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	largest_cell(p, &difference);
	effect_set(out, difference);
}

static double linf_bound(const struct pair *p, const struct finding *f,
			 double alpha)
{
	double difference;
	uint32_t i = largest_cell(p, &difference);
	double noise =
		effect_share_noise(p->ref.count[i], p->ref.n, p->cur.count[i],
				   p->cur.n, alpha / p->n_cells);

	return f->value > noise ? f->value : 0.0;
}

const struct detector detector_linf = {
	.name = "linf",
	.metric = "linf",
	.summary = "largest difference of a category's share",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.decides = true,
	.by_default = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.1,
		       .critical = (double)NAN},
	.run = linf_run,
	.bound = linf_bound,
	.contribution = linf_contribution,
};
