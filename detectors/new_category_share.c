/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * new_category_share - the share of values whose category the reference does
 * not have; the reference's own share is 0.  Where the reference had more
 * categories than were kept, new and dropped ones cannot be told apart and
 * there is no such measure.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static uint64_t count_new(const struct pair *p)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < p->n_cells; i++) {
		if (p->is_new[i])
			n += p->cur.count[i];
	}
	return n;
}

static void new_category_share_run(const struct pair *p, struct finding *out)
{
	effect_init(p, out);
	if (p->ref_truncated)
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status == FINDING_OK)
		effect_set(out, (double)count_new(p) / (double)p->cur.n);
}

static double new_category_share_bound(const struct pair *p,
				       const struct finding *f, double alpha)
{
	return effect_share_rise(0, f->n_ref, count_new(p), f->n_cur, alpha);
}

const struct detector detector_new_category_share = {
	.name = "new_category_share",
	.metric = "new_category_share",
	.summary = "share of values in categories new to the reference",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.decides = true,
	.by_default = true,
	.always = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.05,
		       .critical = (double)NAN},
	.run = new_category_share_run,
	.bound = new_category_share_bound,
};
