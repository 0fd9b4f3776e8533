/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * n_categories - how many categories occur among the current values, at least:
 * those beyond `max_categories` count as one.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void n_categories_run(const struct pair *p, struct finding *out)
{
	uint32_t i, n = 0;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	for (i = 0; i < p->n_cells; i++)
		n += p->cur.count[i] > 0;
	effect_set(out, n);
}

const struct detector detector_n_categories = {
	.name = "n_categories",
	.metric = "n_categories",
	.summary = "number of categories that occur",
	.kinds = DETECTOR_KINDS_CATEGORICAL,
	.described = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = n_categories_run,
};
