/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * n_new_categories - how many of the current categories the reference does not
 * have.  Where it had more than were kept there is no such measure.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void n_new_categories_run(const struct pair *p, struct finding *out)
{
	uint32_t i, n = 0;

	effect_init(p, out);
	if (p->ref_truncated)
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_cells; i++)
		n += p->is_new[i] && p->cur.count[i] > 0;
	effect_set(out, n);
}

const struct detector detector_n_new_categories = {
	.name = "n_new_categories",
	.metric = "n_new_categories",
	.summary = "number of categories new to the reference",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.described = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = n_new_categories_run,
};
