/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * n_lost_categories - how many of the reference's categories do not occur.
 * Where it had more than were kept there is no such measure.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void n_lost_categories_run(const struct pair *p, struct finding *out)
{
	uint32_t i, n = 0;

	effect_init(p, out);
	if (p->ref_truncated)
		out->status = FINDING_NOT_APPLICABLE;
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_cells; i++)
		n += p->ref.count[i] > 0 && p->cur.count[i] == 0;
	effect_set(out, n);
}

const struct detector detector_n_lost_categories = {
	.name = "n_lost_categories",
	.metric = "n_lost_categories",
	.summary = "number of reference categories that do not occur",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.described = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = n_lost_categories_run,
};
