/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_QUALITY_SCORES_H
#define DRIFTD_DETECTORS_QUALITY_SCORES_H

#include "detectors/moments.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct reader;

/*
 * quality_scores - how often scores occur in ordered cells, in two classes:
 * by label (0 negative, 1 positive) for quality, by predicted class for
 * estimates without labels.  Nothing but counts, so that parts add up and what
 * a changed label had counted can be taken away again, in any order.
 *
 * Cells are those of detectors/cells.h: n_edges + 1 of them, right-closed,
 * (-inf, e[0]], (e[0], e[1]], …, (e[n_edges-1], inf).  Offline every distinct
 * score is an edge: all counts are `equal` and every number is exact.  Online
 * the edges are the baseline's, and numbers are intervals that hold the exact
 * one; the same where every score is an edge.
 */

enum { QUALITY_OFFSET_UNITS = 4096 };

/* Counts stay whole numbers as doubles. */
#define QUALITY_COUNT_MAX (UINT64_C(1) << 53)

struct quality_cell {
	uint64_t n[2];	   /* scores in it, by class */
	uint64_t equal[2]; /* of them, those that are its upper edge */
	/*
	 * Sum over all of them of round((s - lower) * 4096 / (upper - lower));
	 * 0 in the two cells without an end, and for an edge 4096.
	 */
	uint64_t offset[2];
};

struct quality_scores {
	const double *edges; /* borrowed; ascending, distinct */
	uint32_t n_edges;
	uint64_t n_outside;	    /* scores below 0 or above 1 */
	struct quality_cell *cells; /* owned; NULL: there are no scores */
};

void quality_scores_init(struct quality_scores *s, const double *edges,
			 uint32_t n_edges);
void quality_scores_release(struct quality_scores *s);

/* Count a finite score. */
void quality_scores_add(struct quality_scores *s, double score, unsigned class);

/* Cell of a score: the number of edges below it. */
uint32_t quality_scores_cell(const struct quality_scores *s, double score);

uint64_t quality_scores_total(const struct quality_scores *s, unsigned class);

/* -1 when the edges are not the same, or a count would leave its range. */
int quality_scores_merge(struct quality_scores *to,
			 const struct quality_scores *from, struct err *e);
int quality_scores_subtract(struct quality_scores *from,
			    const struct quality_scores *part, struct err *e);

/* Versioned; names the hash of the edges, and decoding refuses others. */
void quality_scores_encode(const struct quality_scores *s, struct buf *out);
int quality_scores_decode(struct quality_scores *s, struct reader *in,
			  const double *edges, uint32_t n_edges, struct err *e);

/* Scores of which no more is known than that all are within [lower, upper]. */
struct quality_group {
	uint64_t n[2];
	double lower, upper;	 /* equal: all are there */
	struct interval mean[2]; /* of each class; nothing without scores */
};

/* Those that are not empty, ascending; owned by the caller, never NULL. */
struct quality_group *quality_scores_groups(const struct quality_scores *s,
					    size_t *n);

/* What depends on the order alone.  All NaN with fewer than two classes. */
struct quality_rank {
	struct interval roc_auc;	   /* ties count 1/2 */
	struct interval average_precision; /* sum (R_k - R_{k-1}) P_k */
	struct interval pr_auc_trapz;  /* trapezoids, from (R, P) = (0, 1) */
	struct interval ks_separation; /* max(TPR - FPR) */
	double roc_auc_error;	       /* standard error (DeLong) */
};
void quality_rank(const struct quality_group *groups, size_t n,
		  struct quality_rank *out);

/* What takes the score for a probability: NaN when one is outside [0, 1]. */
struct quality_loss {
	struct interval mean_score;
	struct interval log_loss, log_loss_eps1e15, log_loss_eps1e6;
	struct interval brier;
	struct interval ece10, mce10, ece10_right, mce10_right;
	double log_loss_error, brier_error; /* standard errors */
};
void quality_loss(const struct quality_group *groups, size_t n,
		  struct quality_loss *out);

/* Sum of -ln(max(p, eps)) over the scores of class 1, cut also at 1 - eps. */
struct interval quality_log_sum(const struct quality_group *groups, size_t n,
				double eps);

#endif
