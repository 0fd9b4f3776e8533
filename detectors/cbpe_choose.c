/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cbpe_choose - whether a calibration helps, on what it has not seen. */
#include "detectors/cbpe.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 10 };

struct gaps {
	double n, gap[BINS];
};

static void add_gap(struct gaps *g, double p, unsigned class, double n)
{
	double b = floor(p * BINS);

	if (n == 0.0)
		return;
	g->n += n;
	g->gap[b < 0.0	      ? 0
	       : b < BINS - 1 ? (unsigned)b
			      : BINS - 1] += n * (p - (double)class);
}

static double error_of(const struct gaps *g)
{
	double sum = 0.0;

	for (unsigned i = 0; i < BINS; i++)
		sum += fabs(g->gap[i]);
	return g->n > 0.0 ? sum / g->n : (double)NAN;
}

/* ${curve} NULL: the scores themselves. */
static void add_gaps(struct gaps *g, const struct quality_scores *s,
		     const struct isotonic *curve)
{
	struct quality_group *groups;
	size_t n;

	groups = quality_scores_groups(s, &n);
	for (size_t i = 0; i < n; i++) {
		for (unsigned c = 0; c < 2; c++) {
			double p = interval_middle(groups[i].mean[c]);

			if (groups[i].n[c] == 0)
				continue;
			if (curve != NULL)
				p = isotonic_at(curve, p);
			if (isfinite(p))
				add_gap(g, p, c, (double)groups[i].n[c]);
		}
	}
	free(groups);
}

/* The curve of all folds but one. */
static void fit_others(const struct quality_scores *folds, size_t n_folds,
		       size_t without, struct isotonic *curve)
{
	struct quality_scores others;
	struct quality_group *groups;
	size_t n;

	quality_scores_init(&others, folds[0].edges, folds[0].n_edges);
	for (size_t i = 0; i < n_folds; i++) /* the edges are the same */
		if (i != without)
			(void)quality_scores_merge(&others, &folds[i], NULL);
	groups = quality_scores_groups(&others, &n);
	isotonic_fit(curve, groups, n);
	free(groups);
	quality_scores_release(&others);
}

void cbpe_choose(const struct quality_scores *folds, size_t n_folds,
		 struct cbpe_choice *out)
{
	struct gaps raw = {.n = 0.0}, calibrated = {.n = 0.0};
	uint64_t n_outside = 0;

	for (size_t i = 0; i < n_folds; i++) {
		struct isotonic curve = {.n = 0};

		n_outside += folds[i].n_outside;
		add_gaps(&raw, &folds[i], NULL);
		fit_others(folds, n_folds, i, &curve);
		add_gaps(&calibrated, &folds[i], &curve);
		isotonic_release(&curve);
	}
	*out = (struct cbpe_choice){
		.calibrates = n_outside > 0,
		.ece_raw = n_outside > 0 ? (double)NAN : error_of(&raw),
		.ece_calibrated = error_of(&calibrated),
	};
	if (n_outside == 0)
		out->calibrates = out->ece_calibrated < out->ece_raw;
}
