/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * learn - thresholds from the blocks of a baseline; see the header.
 *
 * A group of blocks is compared with what is left of the column's counts when
 * its own are taken away: profiles are sums, so nothing is counted again.
 */
#include "detectors/learn.h"

#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/detector.h"
#include "detectors/pair.h"
#include "detectors/profile.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 3 }; /* 1, 2 and 4 blocks at a time */

struct learned_column {
	char *name;	 /* owned */
	double *factors; /* owned: [LEVELS][n_detectors], 1 = nothing */
};

struct learned {
	size_t n_detectors;
	size_t n_columns;
	struct learned_column *columns; /* owned, sorted by name; those with
					   a factor above 1 */
	uint64_t group_rows[LEVELS];	/* rows of a group; 0 = not there */
};

/* The effects of one metric over the groups of one level. */
struct series {
	double effects[BASELINE_BLOCKS];
	size_t n;
};

static uint64_t rows(const struct pair_side *s)
{
	return s->n + s->n_missing + s->n_invalid;
}

/* Take the current side of ${p} away from its reference. */
static void leave_out(struct pair *p)
{
	uint32_t i;

	p->ref.n -= p->cur.n;
	p->ref.n_missing -= p->cur.n_missing;
	p->ref.n_invalid -= p->cur.n_invalid;
	for (i = 0; i < p->n_cells; i++) {
		p->ref.count[i] -= p->cur.count[i];
		if (p->kind == COLUMN_CATEGORICAL) {
			p->is_new[i] = p->ref.count[i] == 0;
			continue;
		}
		p->ref.equal[i] -= p->cur.equal[i];
		p->ref.sum[i] -= p->cur.sum[i];
	}
	/* the bins of categories are the cells */
	if (p->kind == COLUMN_CATEGORICAL)
		return;
	for (i = 0; i < p->n_bins; i++)
		p->ref.bin[i] -= p->cur.bin[i];
}

static bool is_learned(const struct detector *d, enum column_kind kind,
		       uint64_t detectors, size_t index)
{
	return d->decides && !d->offline && (d->kinds & 1U << kind) != 0 &&
	       !isnan(d->thresholds.error) &&
	       (d->always || (detectors >> index & 1) != 0);
}

/* The effects of one group against the rest. */
static void measure_group(const struct baseline_column *c,
			  const struct profile *group, uint64_t detectors,
			  struct series *all)
{
	const struct detector *const *list;
	struct pair p;
	struct finding f;
	size_t i, n;

	list = detector_list(&n);
	pair_init(&p, c, group);
	leave_out(&p);
	for (i = 0; i < n; i++) {
		if (!is_learned(list[i], c->kind, detectors, i))
			continue;
		list[i]->run(&p, &f);
		if (f.status != FINDING_OK || f.n_cur < LEARN_ROWS ||
		    rows(&p.ref) == 0)
			continue;
		all[i].effects[all[i].n++] =
			list[i]->bound(&p, &f, LEARN_ALPHA);
	}
	pair_release(&p);
}

static double learn(const struct series *s, double threshold)
{
	double mean = 0.0, variance = 0.0, sigma, learned;
	double least = LEARN_FLOOR * threshold;
	size_t i;

	for (i = 0; i < s->n; i++)
		mean += s->effects[i] / (double)s->n;
	for (i = 0; i < s->n; i++)
		variance += (s->effects[i] - mean) * (s->effects[i] - mean) /
			    (double)(s->n - 1);
	sigma = sqrt(variance);
	learned = mean + 3.0 * (sigma > least ? sigma : least);
	if (!(learned > threshold))
		return 1.0;
	learned /= threshold;
	return learned < LEARN_CAP ? learned : LEARN_CAP;
}

/* All groups of ${size} blocks; the last blocks are left if they are fewer. */
static void learn_level(const struct baseline *b,
			const struct baseline_column *c, uint32_t size,
			uint64_t detectors, double *factors)
{
	const struct detector *const *list;
	struct profile *group = profile_new(c->kind, c->cells, 0);
	struct series *all;
	struct err e;
	uint32_t first, i;
	size_t d, n;

	list = detector_list(&n);
	all = xcalloc(n, sizeof(*all));
	for (first = 0; first + size <= b->n_blocks; first += size) {
		profile_clear(group);
		for (i = 0; i < size; i++) {
			/* one column's blocks are over its cells */
			if (profile_merge(group, c->blocks[first + i], &e))
				goto out;
		}
		measure_group(c, group, detectors, all);
	}
	for (d = 0; d < n; d++) {
		if (all[d].n >= LEARN_BLOCKS_MIN)
			factors[d] = learn(&all[d], list[d]->thresholds.error);
	}
out:
	free(all);
	profile_free(group);
}

/* The factors of a column; NULL when all are 1, as they mostly are. */
static double *learn_column(const struct learned *l, const struct baseline *b,
			    const struct baseline_column *c, uint64_t detectors)
{
	size_t i, level, n = LEVELS * l->n_detectors;
	double *factors = xcalloc(n, sizeof(*factors));
	bool any = false;

	for (i = 0; i < n; i++)
		factors[i] = 1.0;
	for (level = 0; level < LEVELS; level++) {
		if (l->group_rows[level] > 0)
			learn_level(b, c, 1U << level, detectors,
				    factors + level * l->n_detectors);
	}
	for (i = 0; i < n; i++)
		any = any || factors[i] > 1.0;
	if (any)
		return factors;
	free(factors);
	return NULL;
}

struct learned *learned_new(const struct baseline *b, uint64_t detectors)
{
	struct learned *l;
	size_t i, level;
	uint64_t n_rows;

	if (b->first_us == INT64_MIN || b->n_blocks < LEARN_BLOCKS_MIN ||
	    b->n_rows / b->n_blocks << (LEVELS - 1) < LEARN_ROWS)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	detector_list(&l->n_detectors);
	for (level = 0; level < LEVELS; level++) {
		n_rows = b->n_rows / b->n_blocks << level;
		if (n_rows >= LEARN_ROWS &&
		    b->n_blocks >> level >= LEARN_BLOCKS_MIN)
			l->group_rows[level] = n_rows;
	}
	l->columns = xcalloc(b->n_columns + 1, sizeof(*l->columns));
	for (i = 0; i < b->n_columns; i++) {
		const struct baseline_column *c = &b->columns[i];
		double *factors = learn_column(l, b, c, detectors);

		if (factors == NULL)
			continue;
		l->columns[l->n_columns++] = (struct learned_column){
			.name = xstrdup(c->name), .factors = factors};
	}
	return l;
}

void learned_free(struct learned *l)
{
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n_columns; i++) {
		free(l->columns[i].name);
		free(l->columns[i].factors);
	}
	free(l->columns);
	free(l);
}

static int by_name(const void *key, const void *item)
{
	const struct learned_column *c = item;

	return strcmp(key, c->name);
}

/* The largest groups that are no larger than the window; else the smallest. */
static size_t level_for(const struct learned *l, uint64_t n_current)
{
	size_t level, best = LEVELS;

	for (level = 0; level < LEVELS; level++) {
		if (l->group_rows[level] == 0)
			continue;
		if (best == LEVELS || l->group_rows[level] <= n_current)
			best = level;
	}
	return best;
}

double learned_factor(const struct learned *l, const char *column,
		      size_t detector, uint64_t n_current)
{
	const struct learned_column *c;
	size_t level;

	if (l == NULL || detector >= l->n_detectors)
		return 1.0;
	c = bsearch(column, l->columns, l->n_columns, sizeof(*c), by_name);
	level = level_for(l, n_current);
	if (c == NULL || level == LEVELS)
		return 1.0;
	return c->factors[level * l->n_detectors + detector];
}
