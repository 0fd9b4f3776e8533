/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge_null - the law of a sum over bins under no drift; see the header.
 *
 * Bins are not independent: their counts add up to n and m.  For chi-square
 * shares the second and third moments of the whole exceed the sums of those
 * of the bins by 2 (B-1 - sum (1-r)^2) and 8 (B-1 - sum (1-r)^3), r being a
 * bin's share of the rows; the same is added here.
 */
#include "detectors/judge_null.h"

#include "detectors/pair.h"
#include "detectors/special.h"

#include <math.h>
#include <stdbool.h>

/*
 * A bin is well filled when the smaller sample is expected to have this many
 * rows of it.
 */
#define FILLED 30.0

/* Sums of splits end where what is left of the weight is below this share. */
#define TAIL_SHARE 1e-12

/* The gamma law is as good as normal from this shape. */
#define SHAPE_MAX 1e4

enum { MEMO = 64 };

struct moments {
	double mean, variance, third; /* central */
	bool is_known;
};

struct null_law {
	const struct pair *pair;
	double (*contribution)(const struct pair *p, uint32_t i);
	double unit; /* scale (1/n + 1/m) */
	bool cur_is_smaller;
	uint64_t small, large; /* sizes of the samples */
	struct moments memo[MEMO];
};

/* The contribution of a bin with ${k} rows in the smaller sample. */
static double split_value(const struct null_law *l, uint64_t total, uint64_t k)
{
	uint64_t ref = l->cur_is_smaller ? total - k : k;
	uint64_t cur = total - ref;
	struct pair p = {.kind = l->pair->kind, .n_cells = 1, .n_bins = 1};

	p.ref.n = l->pair->ref.n;
	p.cur.n = l->pair->cur.n;
	p.ref.count = &ref;
	p.ref.bin = &ref;
	p.cur.count = &cur;
	p.cur.bin = &cur;
	return l->contribution(&p, 0);
}

/*
 * Over all splits of a bin with ${total} rows; weights by their recurrence
 * from k = 0, moments about the unit, so that differences do not cancel.
 */
static struct moments over_splits(const struct null_law *l, uint64_t total)
{
	double weight = 1.0, sum = 0.0, d1 = 0.0, d2 = 0.0, d3 = 0.0;
	double t = (double)total, small = (double)l->small;
	double large = (double)l->large, mode = t * small / (small + large);
	uint64_t k, most = total < l->small ? total : l->small;
	uint64_t least = total > l->large ? total - l->large : 0;
	struct moments m = {.is_known = true};

	for (k = least; k <= most; k++) {
		double d = split_value(l, total, k) - l->unit, j = (double)k;

		sum += weight;
		d1 += weight * d;
		d2 += weight * d * d;
		d3 += weight * d * d * d;
		weight *= (t - j) * (small - j) /
			  ((j + 1.0) * (large - t + j + 1.0));
		if (j > mode && weight < TAIL_SHARE * sum)
			break;
	}
	d1 /= sum;
	d2 /= sum;
	d3 /= sum;
	m.mean = l->unit + d1;
	m.variance = d2 - d1 * d1;
	m.third = d3 - 3.0 * d1 * d2 + 2.0 * d1 * d1 * d1;
	return m;
}

static struct moments moments_of(struct null_law *l, uint64_t total)
{
	double n = (double)l->small + (double)l->large;
	double rest = 1.0 - (double)total / n;
	double filled = (double)total * (double)l->small / n;

	if (filled >= FILLED)
		return (struct moments){
			.mean = l->unit * rest,
			.variance = 2.0 * pow(l->unit * rest, 2),
			.third = 8.0 * pow(l->unit * rest, 3),
		};
	if (total >= MEMO)
		return over_splits(l, total);
	if (!l->memo[total].is_known)
		l->memo[total] = over_splits(l, total);
	return l->memo[total];
}

static double pearson_quantile(const struct moments *m, double alpha)
{
	double sigma = sqrt(m->variance), skew, shape, gamma;

	if (!(m->variance > 0.0))
		return m->mean;
	skew = m->third / (sigma * m->variance);
	shape = skew > 0.0 ? 4.0 / (skew * skew) : SHAPE_MAX;
	shape = shape < SHAPE_MAX ? shape : SHAPE_MAX;
	gamma = special_chisq_q_inv(alpha, 2.0 * shape) / 2.0;
	return m->mean + sigma * (gamma - shape) / sqrt(shape);
}

double judge_null_quantile(const struct pair *p, double alpha,
			   double (*contribution)(const struct pair *p,
						  uint32_t i),
			   double scale)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;
	struct null_law l = {
		.pair = p,
		.contribution = contribution,
		.unit = scale * (1.0 / n + 1.0 / m),
		.cur_is_smaller = p->cur.n <= p->ref.n,
	};
	struct moments sum = {0.0, 0.0, 0.0, false};
	double joint2 = -1.0, joint3 = -1.0;
	uint32_t i, n_used = 0;

	l.small = l.cur_is_smaller ? p->cur.n : p->ref.n;
	l.large = l.cur_is_smaller ? p->ref.n : p->cur.n;
	for (i = 0; i < p->n_bins; i++) {
		uint64_t total = p->ref.bin[i] + p->cur.bin[i];
		double rest = 1.0 - (double)total / (n + m);
		struct moments bin;

		if (total == 0)
			continue;
		n_used++;
		bin = moments_of(&l, total);
		sum.mean += bin.mean;
		sum.variance += bin.variance;
		sum.third += bin.third;
		joint2 += 1.0 - rest * rest;
		joint3 += 1.0 - rest * rest * rest;
	}
	if (n_used < 2)
		return 0.0;
	sum.variance += 2.0 * joint2 * l.unit * l.unit;
	sum.third += 8.0 * joint3 * l.unit * l.unit * l.unit;
	return pearson_quantile(&sum, alpha);
}
