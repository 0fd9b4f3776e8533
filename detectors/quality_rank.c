/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_rank - measures of the order of scores.
 *
 * Between groups the order is known; within a group of equal scores it is a
 * tie; within any other group it may be whatever it is, and the interval is
 * that of the best and the worst order:
 *
 *   roc_auc   p positives and n negatives add between 0 and p n pairs.
 *   average_precision   after T positives and F negatives, the i-th positive
 *       of the group has a precision between (T+i)/(T+i+F+n), the negatives
 *       first, and (T+p)/(T+p+F), all positives as one tie.
 *   pr_auc_trapz   on the curve of precision over positives every point is
 *       between h(t) = t/(t+F+n) and g(t) = t/(t+F), both concave: the area is
 *       at least the chord of h over the group and at most the area under g.
 *   ks_separation   TPR - FPR rises by at most p/P before it falls.
 *
 * AUC is counted in integers of 128 bits: ties need no rounding.  Its standard
 * error is DeLong's (1988).  Precision at no prediction is 1, as in SciPy's
 * and scikit-learn's curves.
 */
#include "detectors/quality_scores.h"

#include <math.h>
#include <stdbool.h>

enum { SUM_DIRECTLY = 64 };

__extension__ typedef unsigned __int128 uint128;

/* A walk from the highest score to the lowest. */
struct walk {
	double t, f; /* positives and negatives above the group */
	double p, n; /* in it */
	double positives, negatives;
	bool is_tie;
};

static double precision(double t, double f)
{
	return t + f > 0.0 ? t / (t + f) : 1.0;
}

static bool is_tie(const struct quality_group *g)
{
	return g->lower == g->upper || g->n[0] + g->n[1] == 1;
}

/* Sum of (t+i)/(t+i+g) for i = 1 .. p, from below. */
static double steps_below(double t, double g, double p)
{
	double sum = 0.0;

	if (p > SUM_DIRECTLY) /* 1/x is convex: midpoints are below the area */
		return p - g * log1p(p / (t + g + 0.5));
	for (unsigned i = 1; i <= (unsigned)p; i++)
		sum += (t + i) / (t + i + g);
	return sum;
}

/* Area under x/(x+f) from t to t + p by trapezoids of one, or from above. */
static double area_above(double t, double f, double p)
{
	double sum = 0.0;

	if (f == 0.0)
		return p;
	if (p > SUM_DIRECTLY)
		return p - f * log1p(p / (t + f));
	for (unsigned i = 0; i < (unsigned)p; i++)
		sum += (precision(t + i, f) + precision(t + i + 1.0, f)) / 2.0;
	return sum;
}

static double chord(double t, double f, double p)
{
	return p * (precision(t, f) + precision(t + p, f)) / 2.0;
}

static void add_precision(const struct walk *w, struct quality_rank *out)
{
	double tied = w->p * precision(w->t + w->p, w->f + w->n);
	double trapezoid =
		w->p *
		(precision(w->t, w->f) + precision(w->t + w->p, w->f + w->n)) /
		2.0;

	if (w->p == 0.0)
		return;
	if (w->is_tie) {
		out->average_precision.lower += tied;
		out->average_precision.upper += tied;
		out->pr_auc_trapz.lower += trapezoid;
		out->pr_auc_trapz.upper += trapezoid;
		return;
	}
	out->average_precision.lower += steps_below(w->t, w->f + w->n, w->p);
	out->average_precision.upper += w->p * precision(w->t + w->p, w->f);
	out->pr_auc_trapz.lower += chord(w->t, w->f + w->n, w->p);
	out->pr_auc_trapz.upper += area_above(w->t, w->f, w->p);
}

static void add_separation(const struct walk *w, struct quality_rank *out)
{
	struct interval *ks = &out->ks_separation;
	double before = w->t / w->positives - w->f / w->negatives;
	double after =
		(w->t + w->p) / w->positives - (w->f + w->n) / w->negatives;

	ks->lower = larger(ks->lower, after);
	ks->upper = larger(ks->upper, after);
	if (!w->is_tie)
		ks->upper = larger(ks->upper, before + w->p / w->positives);
}

/* Variance of each one's share of pairs won, ties 1/2. */
struct placements {
	double won, lost; /* sums of squares around the mean */
};

static void add_placement(const struct walk *w, double auc,
			  struct placements *sums)
{
	double below = w->negatives - w->f - w->n;
	double share = (below + w->n / 2.0) / w->negatives;
	double above = (w->t + w->p / 2.0) / w->positives;

	sums->won += w->p * (share - auc) * (share - auc);
	sums->lost += w->n * (above - auc) * (above - auc);
}

static double auc_error(const struct walk *w, const struct placements *sums)
{
	double p = w->positives, n = w->negatives;

	if (p < 2.0 || n < 2.0)
		return (double)NAN;
	return sqrt(sums->won / (p - 1.0) / p + sums->lost / (n - 1.0) / n);
}

/* Twice the pairs in which the positive has the higher score, ties once. */
static struct interval auc(const struct quality_group *groups, size_t n,
			   uint64_t positives, uint64_t negatives)
{
	long double pairs =
		2.0L * (long double)positives * (long double)negatives;
	uint128 lower = 0, upper = 0;
	uint64_t below = 0;

	for (size_t i = 0; i < n; i++) {
		const struct quality_group *g = &groups[i];
		uint128 won = (uint128)2 * g->n[1] * below;
		uint128 within = (uint128)g->n[0] * g->n[1];

		lower += won + (is_tie(g) ? within : 0);
		upper += won + (is_tie(g) ? within : 2 * within);
		below += g->n[0];
	}
	return (struct interval){(double)((long double)lower / pairs),
				 (double)((long double)upper / pairs)};
}

static void undefined(struct quality_rank *out)
{
	const struct interval none = {(double)NAN, (double)NAN};

	*out = (struct quality_rank){none, none, none, none, (double)NAN};
}

void quality_rank(const struct quality_group *groups, size_t n,
		  struct quality_rank *out)
{
	struct placements sums = {0.0, 0.0};
	struct walk w = {.t = 0.0};
	uint64_t total[2] = {0, 0};
	double middle;

	for (size_t i = 0; i < n; i++)
		for (unsigned c = 0; c < 2; c++)
			total[c] += groups[i].n[c];
	if (total[0] == 0 || total[1] == 0) {
		undefined(out);
		return;
	}
	*out = (struct quality_rank){
		.roc_auc = auc(groups, n, total[1], total[0])};
	middle = interval_middle(out->roc_auc);
	w.positives = (double)total[1];
	w.negatives = (double)total[0];
	for (size_t i = n; i > 0; i--) {
		const struct quality_group *g = &groups[i - 1];

		w.p = (double)g->n[1];
		w.n = (double)g->n[0];
		w.is_tie = is_tie(g);
		add_precision(&w, out);
		add_separation(&w, out);
		add_placement(&w, middle, &sums);
		w.t += w.p;
		w.f += w.n;
	}
	out->average_precision.lower /= w.positives;
	out->average_precision.upper /= w.positives;
	out->pr_auc_trapz.lower /= w.positives;
	out->pr_auc_trapz.upper /= w.positives;
	out->roc_auc_error = auc_error(&w, &sums);
}
