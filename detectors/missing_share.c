/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * missing_share - the share of all rows whose value is null, absent or empty.
 * The effect is its rise over the reference's share.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/registry.h"

#include <math.h>

static void missing_share_run(const struct pair *p, struct finding *out)
{
	effect_init(p, out);
	out->n_ref = effect_rows(&p->ref);
	out->n_cur = effect_rows(&p->cur);
	if (out->n_cur == 0) {
		out->status = FINDING_EMPTY;
		return;
	}
	out->status = FINDING_OK;
	effect_set(out, (double)p->cur.n_missing / (double)out->n_cur);
}

static double missing_share_bound(const struct pair *p, const struct finding *f,
				  double alpha)
{
	return effect_share_rise(p->ref.n_missing, f->n_ref, p->cur.n_missing,
				 f->n_cur, alpha);
}

const struct detector detector_missing_share = {
	.name = "missing_share",
	.metric = "missing_share",
	.summary = "share of rows whose value is missing",
	.kinds = DETECTOR_KINDS_ALL,
	.decides = true,
	.by_default = true,
	.always = true,
	.described = true,
	.over_rows = true,
	.thresholds = {.warning = (double)NAN,
		       .error = 0.05,
		       .critical = (double)NAN},
	.run = missing_share_run,
	.bound = missing_share_bound,
};
