/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * psi_left - PSI over [a, b) instead of (a, b], with the same edges: the
 * values equal to an edge count in the bin above.  Edges of bins are edges of
 * frozen cells, too, and the counts equal to those are kept, so it is exact
 * online as well.
 */
#include "detectors/detector.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/psi_shares.h"
#include "detectors/registry.h"

#include <math.h>

#define ZERO_SHARE 1e-4

enum { BINS_MAX = 10 };

/* Move what is equal to the edge of a bin into the bin above. */
static void move_equal(const struct pair *p, uint64_t *ref, uint64_t *cur)
{
	uint32_t i, j = 0;

	for (i = 0; i < p->n_bins; i++) {
		ref[i] = p->ref.bin[i];
		cur[i] = p->cur.bin[i];
	}
	for (i = 0; i + 1 < p->n_bins; i++) {
		while (j + 1 < p->n_cells && p->edges[j] < p->bin_edges[i])
			j++;
		if (j + 1 == p->n_cells || p->edges[j] > p->bin_edges[i])
			continue;
		ref[i] -= p->ref.equal[j];
		ref[i + 1] += p->ref.equal[j];
		cur[i] -= p->cur.equal[j];
		cur[i + 1] += p->cur.equal[j];
	}
}

static void psi_left_run(const struct pair *p, struct finding *out)
{
	uint64_t ref[BINS_MAX], cur[BINS_MAX];
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0;
	uint32_t i;

	effect_init(p, out);
	if (out->status != FINDING_OK)
		return;
	move_equal(p, ref, cur);
	for (i = 0; i < p->n_bins; i++)
		sum += psi_term((double)ref[i] / n, (double)cur[i] / m,
				ZERO_SHARE);
	effect_set(out, sum);
}

const struct detector detector_psi_left = {
	.name = "psi_left",
	.metric = "psi_left",
	.summary = "PSI over deciles closed on the left",
	.kinds = DETECTOR_KINDS_NUMERIC,
	.decides = true,
	.thresholds = EFFECT_NO_THRESHOLDS,
	.run = psi_left_run,
	.bound = effect_bound_values,
};
