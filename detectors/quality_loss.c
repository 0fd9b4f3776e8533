/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_loss - measures that take the score for a probability.
 *
 * Log loss and the Brier score are, for each class, sums of a convex and
 * monotone function f of the score.  Over a group of n scores in [l, u] with
 * mean m their sum is at least n f(m) (Jensen) and at most n times the chord
 * of f over [l, u] at m; a mean known as an interval gives the extremes at its
 * ends.  The logarithm is cut at eps: it is then the same function of scores
 * cut to [eps, 1 - eps], which moves the mean by eps at most.
 *
 * Calibration errors have ten bins of equal width.  A group that lies in one
 * bin adds to its gap, sum of score - class.  One that straddles a limit of
 * bins may add any part of what it has to either: each such score pulls the
 * gap of its bin by what it has (negatives up, positives down), and the error
 * by no more than that, wherever it lies.
 */
#include "detectors/quality_scores.h"

#include <math.h>
#include <stdbool.h>

enum { BINS = 10 };

#define EPS_DOUBLE 0x1p-52

/* Of one class of a group: n scores in [lower, upper], mean within `mean`. */
struct some {
	double n, lower, upper;
	struct interval mean;
};

static struct some some_of(const struct quality_group *g, unsigned class)
{
	return (struct some){(double)g->n[class], g->lower, g->upper,
			     g->mean[class]};
}

/* f of the distance from the class: of 1 - score for class 1. */
typedef double convex(double x);

static double minus_log(double p)
{
	return -log(p);
}

static double square(double x)
{
	return x * x;
}

static double chord_at(convex *f, const struct some *s, double m)
{
	double low = f(s->lower), high = f(s->upper);

	if (!(s->upper > s->lower))
		return low;
	return low + (high - low) * ((m - s->lower) / (s->upper - s->lower));
}

/* Add the sum of f over these. */
static void add_convex(convex *f, const struct some *s, struct interval *sum)
{
	double a, b, c, d;

	if (s->n == 0.0)
		return;
	a = f(s->mean.lower);
	b = f(s->mean.upper);
	c = chord_at(f, s, s->mean.lower);
	d = chord_at(f, s, s->mean.upper);
	sum->lower += s->n * smaller(a, b);
	sum->upper += s->n * larger(larger(a, b), larger(c, d));
}

/* Scores cut to [eps, 1 - eps], and their mean with them. */
static struct some cut(struct some s, double eps)
{
	double low = eps, high = 1.0 - eps;

	if (s.lower >= low && s.upper <= high)
		return s;
	s.lower = smaller(larger(s.lower, low), high);
	s.upper = smaller(larger(s.upper, low), high);
	s.mean.lower = smaller(larger(s.mean.lower - eps, s.lower), s.upper);
	s.mean.upper = smaller(larger(s.mean.upper + eps, s.lower), s.upper);
	return s;
}

/* 1 - score. */
static struct some mirrored(struct some s)
{
	return (struct some){s.n,
			     1.0 - s.upper,
			     1.0 - s.lower,
			     {1.0 - s.mean.upper, 1.0 - s.mean.lower}};
}

static bool is_probability(const struct quality_group *groups, size_t n)
{
	return n > 0 && groups[0].lower >= 0.0 && groups[n - 1].upper <= 1.0;
}

struct interval quality_log_sum(const struct quality_group *groups, size_t n,
				double eps)
{
	struct interval sum = {0.0, 0.0};

	if (n > 0 && !is_probability(groups, n))
		return (struct interval){(double)NAN, (double)NAN};
	for (size_t i = 0; i < n; i++) {
		struct some s = cut(some_of(&groups[i], 1), eps);

		add_convex(minus_log, &s, &sum);
	}
	return sum;
}

static struct interval log_loss(const struct quality_group *groups, size_t n,
				double total, double eps)
{
	struct interval sum = quality_log_sum(groups, n, eps);

	for (size_t i = 0; i < n; i++) {
		struct some s = mirrored(cut(some_of(&groups[i], 0), eps));

		add_convex(minus_log, &s, &sum);
	}
	return (struct interval){sum.lower / total, sum.upper / total};
}

static struct interval brier(const struct quality_group *groups, size_t n,
			     double total)
{
	struct interval sum = {0.0, 0.0};

	for (size_t i = 0; i < n; i++) {
		struct some zeros = some_of(&groups[i], 0);
		struct some ones = mirrored(some_of(&groups[i], 1));

		add_convex(square, &zeros, &sum);
		add_convex(square, &ones, &sum);
	}
	return (struct interval){sum.lower / total, sum.upper / total};
}

static struct interval mean_score(const struct quality_group *groups, size_t n,
				  double total)
{
	struct interval sum = {0.0, 0.0};

	for (size_t i = 0; i < n; i++) {
		for (unsigned c = 0; c < 2; c++) {
			sum.lower +=
				(double)groups[i].n[c] *
				(groups[i].n[c] > 0 ? groups[i].mean[c].lower
						    : 0.0);
			sum.upper +=
				(double)groups[i].n[c] *
				(groups[i].n[c] > 0 ? groups[i].mean[c].upper
						    : 0.0);
		}
	}
	return (struct interval){sum.lower / total, sum.upper / total};
}

/* Standard error of the mean of f, each group at the middle of its mean. */
static double error_of_mean(const struct quality_group *groups, size_t n,
			    convex *f, bool of_distance)
{
	double total = 0.0, mean = 0.0, squares = 0.0;

	for (size_t i = 0; i < n; i++) {
		for (unsigned c = 0; c < 2; c++) {
			double k = (double)groups[i].n[c], x, d;

			if (k == 0.0)
				continue;
			x = interval_middle(groups[i].mean[c]);
			/* log: of the class's probability; else its miss */
			x = (c == 1) == of_distance ? 1.0 - x : x;
			if (!of_distance)
				x = smaller(larger(x, EPS_DOUBLE),
					    1.0 - EPS_DOUBLE);
			x = f(x);
			d = x - mean;
			total += k;
			mean += d * (k / total);
			squares += k * d * (x - mean);
		}
	}
	return total > 1.0 ? sqrt(squares / (total - 1.0) / total)
			   : (double)NAN;
}

/* ---- calibration errors ---- */

typedef unsigned bin_of(double p);

static unsigned bin_left(double p)
{
	double b = floor(p * 10.0);

	return b < 9.0 ? (unsigned)b : 9;
}

static unsigned bin_right(double p)
{
	double b = ceil(p * 10.0) - 1.0;

	return b < 0.0 ? 0 : b < 9.0 ? (unsigned)b : 9;
}

/* One bin: what is surely in it, and what may be. */
struct bin {
	double n;
	struct interval gap; /* sum of score - class */
	double maybe[2];     /* scores that straddle a limit, by class */
	double down, up;     /* sum of what these pull */
	double lower, upper; /* all of these are within */
};

struct calibration {
	struct bin bins[BINS];
	double pulled;	     /* by all that straddle, one time each */
	struct interval gap; /* over all */
};

static void add_sure(struct bin *b, const struct quality_group *g)
{
	for (unsigned c = 0; c < 2; c++) {
		double n = (double)g->n[c];

		if (n == 0.0)
			continue;
		b->n += n;
		b->gap.lower += n * (g->mean[c].lower - (double)c);
		b->gap.upper += n * (g->mean[c].upper - (double)c);
	}
}

static void add_maybe(struct calibration *k, const struct quality_group *g,
		      unsigned first, unsigned last)
{
	double down = (double)g->n[1] * (1.0 - g->mean[1].lower);
	double up = (double)g->n[0] * g->mean[0].upper;

	down = g->n[1] > 0 ? down : 0.0;
	up = g->n[0] > 0 ? up : 0.0;
	k->pulled += down + up;
	for (unsigned i = first; i <= last; i++) {
		struct bin *b = &k->bins[i];
		bool first_one = b->maybe[0] + b->maybe[1] == 0.0;

		b->maybe[0] += (double)g->n[0];
		b->maybe[1] += (double)g->n[1];
		b->down += down;
		b->up += up;
		b->lower = first_one ? g->lower : smaller(b->lower, g->lower);
		b->upper = first_one ? g->upper : larger(b->upper, g->upper);
	}
}

static void calibrate(const struct quality_group *groups, size_t n, bin_of *bin,
		      struct calibration *k)
{
	*k = (struct calibration){.pulled = 0.0};
	for (size_t i = 0; i < n; i++) {
		const struct quality_group *g = &groups[i];
		bool one = g->lower == g->upper;
		/* strictly within: the limits themselves are not in it */
		double low = one ? g->lower : nextafter(g->lower, 2.0);
		double high = one ? g->upper : nextafter(g->upper, -1.0);
		struct bin all = {.gap = k->gap};
		unsigned first, last;

		/* the ends of [0, 1] may be in it */
		first = bin(g->lower == 0.0 ? 0.0 : low);
		last = bin(g->upper == 1.0 ? 1.0 : high);
		add_sure(&all, g);
		k->gap = all.gap;
		if (first == last)
			add_sure(&k->bins[first], g);
		else
			add_maybe(k, g, first, last);
	}
}

static struct interval absolute(struct interval i)
{
	double least = larger(larger(i.lower, -i.upper), 0.0);

	return (struct interval){least, larger(-i.lower, i.upper)};
}

static struct interval ece(const struct calibration *k, double total)
{
	struct interval sure = {0.0, 0.0}, wide = {0.0, 0.0}, all;

	for (unsigned i = 0; i < BINS; i++) {
		const struct bin *b = &k->bins[i];
		struct interval gap = absolute(b->gap);

		sure.lower += gap.lower;
		sure.upper += gap.upper;
		gap = absolute((struct interval){b->gap.lower - b->down,
						 b->gap.upper + b->up});
		wide.lower += gap.lower;
		wide.upper += gap.upper;
	}
	all = absolute(k->gap);
	sure.lower = larger(sure.lower - k->pulled, all.lower);
	sure.upper = smaller(sure.upper + k->pulled, wide.upper);
	sure.lower = larger(sure.lower, wide.lower);
	/* one number, summed in another order, may be above itself */
	return (struct interval){smaller(sure.lower, sure.upper) / total,
				 sure.upper / total};
}

/*
 * The mean gap of a bin that takes any of those that may be in it: a fraction
 * that is monotone in the number of each kind, so one of the ends is extreme.
 */
static struct interval bin_mean(const struct bin *b)
{
	struct interval mean = {HUGE_VAL, -HUGE_VAL};

	for (unsigned some = 0; some < 4; some++) {
		double ones = some & 1 ? b->maybe[1] : 0.0;
		double zeros = some & 2 ? b->maybe[0] : 0.0;
		double n = b->n + ones + zeros;

		if (n == 0.0)
			continue;
		mean.lower =
			smaller(mean.lower, (b->gap.lower + zeros * b->lower +
					     ones * (b->lower - 1.0)) /
						    n);
		mean.upper =
			larger(mean.upper, (b->gap.upper + zeros * b->upper +
					    ones * (b->upper - 1.0)) /
						   n);
	}
	return mean;
}

static struct interval mce(const struct calibration *k)
{
	struct interval most = {0.0, 0.0};

	for (unsigned i = 0; i < BINS; i++) {
		const struct bin *b = &k->bins[i];
		struct interval gap;

		if (b->n + b->maybe[0] + b->maybe[1] == 0.0)
			continue;
		gap = absolute(bin_mean(b));
		if (b->n == 0.0) /* it may be empty */
			gap.lower = 0.0;
		most.lower = larger(most.lower, gap.lower);
		most.upper = larger(most.upper, gap.upper);
	}
	return most;
}

static double count(const struct quality_group *groups, size_t n)
{
	double total = 0.0;

	for (size_t i = 0; i < n; i++)
		total += (double)groups[i].n[0] + (double)groups[i].n[1];
	return total;
}

void quality_loss(const struct quality_group *groups, size_t n,
		  struct quality_loss *out)
{
	const struct interval none = {(double)NAN, (double)NAN};
	double total = count(groups, n);
	struct calibration k;

	*out = (struct quality_loss){none, none,	none,	    none,
				     none, none,	none,	    none,
				     none, (double)NAN, (double)NAN};
	if (total == 0.0)
		return;
	out->mean_score = mean_score(groups, n, total);
	if (!is_probability(groups, n))
		return;
	out->log_loss = log_loss(groups, n, total, EPS_DOUBLE);
	out->log_loss_eps1e15 = log_loss(groups, n, total, 1e-15);
	out->log_loss_eps1e6 = log_loss(groups, n, total, 1e-6);
	out->brier = brier(groups, n, total);
	out->log_loss_error = error_of_mean(groups, n, minus_log, false);
	out->brier_error = error_of_mean(groups, n, square, true);
	calibrate(groups, n, bin_left, &k);
	out->ece10 = ece(&k, total);
	out->mce10 = mce(&k);
	calibrate(groups, n, bin_right, &k);
	out->ece10_right = ece(&k, total);
	out->mce10_right = mce(&k);
}
