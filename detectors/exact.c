/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exact - numeric columns as sorted distinct values with counts, and the
 * merge of two columns into a pair; exact_category.c is the categorical half.
 *
 * Values are compacted in place after sorting, so a column takes 12 bytes for
 * each distinct value, and a pair 28 for each distinct pooled one.
 */
#include "detectors/exact.h"

#include "base/mem.h"
#include "detectors/exact_parts.h"
#include "detectors/moments.h"
#include "detectors/pair.h"
#include "detectors/quantile.h"
#include "detectors/sort.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DECILES = 10 };

void exact_space_release(struct exact_space *s)
{
	free(s->spare);
	free(s->cells);
	free(s->tally);
	*s = (struct exact_space){.spare = NULL};
}

void exact_column_release(struct exact_column *c)
{
	free(c->values);
	free(c->counts);
	free(c->categories);
	*c = (struct exact_column){.kind = c->kind};
}

void *exact_room(void *block, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return block;
	n += n / 8;
	free(block); /* nothing in it is kept: no copy */
	*cap = n;
	return xrealloc_array(NULL, n, size);
}

void exact_clear(struct exact_column *c, enum column_kind kind)
{
	c->kind = kind;
	c->n = 0;
	c->n_missing = 0;
	c->n_invalid = 0;
	c->n_distinct = 0;
	c->mean = (double)NAN;
	c->std0 = (double)NAN;
	c->std = (double)NAN;
	c->mean_low = 0.0;
}

/* The finite values, -0.0 as 0.0. */
static size_t take_finite(struct exact_column *c, const double *values,
			  size_t n)
{
	uint64_t n_missing = 0;
	double *out = c->values;
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		out[k] = values[i] + 0.0;
		k += fabs(values[i]) <= DBL_MAX;
		n_missing += value_is_missing(values[i]);
	}
	c->n = k;
	c->n_missing = n_missing;
	c->n_invalid = n - k - n_missing;
	return k;
}

static size_t count_distinct(const double *sorted, size_t n)
{
	size_t i, k = n > 0;

	for (i = 1; i < n; i++)
		k += sorted[i] > sorted[i - 1];
	return k;
}

/* Sorted values to distinct values and counts. */
static void compact(struct exact_column *c, size_t n)
{
	double *v = c->values;
	size_t i = 0, k = 0, start;

	c->n_distinct = count_distinct(v, n);
	c->counts = exact_room(c->counts, &c->cap_counts, c->n_distinct,
			       sizeof(*c->counts));
	while (i < n) {
		start = i++;
		while (i < n && !(v[i] > v[start]))
			i++;
		v[k] = v[start];
		c->counts[k++] = (uint32_t)(i - start);
	}
}

/* Many equal values need no room for each. */
static void shrink(struct exact_column *c)
{
	size_t n = c->n_distinct > 0 ? c->n_distinct : 1;

	if (n > c->cap_values / 2)
		return;
	c->values = xrealloc_array(c->values, n, sizeof(*c->values));
	c->cap_values = n;
}

void exact_column_numbers(struct exact_column *c, const double *values,
			  size_t n, struct exact_space *s)
{
	size_t k;

	assert(n < UINT32_MAX);
	exact_clear(c, COLUMN_NUMERIC);
	c->values = exact_room(c->values, &c->cap_values, n + 1,
			       sizeof(*c->values));
	k = take_finite(c, values, n);
	s->spare = exact_room(s->spare, &s->cap_spare, (k + 1) * sizeof(double),
			      1);
	sort_numbers(c->values, s->spare, k);
	compact(c, k);
	shrink(c);
	moments_of_values(c);
}

/* Runs over a column's values in order, one order statistic after another. */
struct walk {
	const struct exact_column *column;
	size_t at;
	uint64_t before; /* values in distinct ones before ${at} */
};

static double walk_to(struct walk *w, uint64_t rank)
{
	const struct exact_column *c = w->column;

	while (rank >= w->before + c->counts[w->at])
		w->before += c->counts[w->at++];
	return c->values[w->at];
}

void exact_bins_init(struct exact_bins *b, const struct exact_column *ref)
{
	struct walk w = {.column = ref};
	uint64_t i;

	b->n_edges = 0;
	if (ref->kind != COLUMN_NUMERIC || ref->n == 0)
		return;
	for (i = 1; i < DECILES; i++) {
		struct quantile_place at = quantile_place(ref->n, i, DECILES);
		double low = walk_to(&w, at.rank), edge;
		struct walk next = w;

		edge = quantile_between(low, walk_to(&next, at.next), at.part);
		if (b->n_edges == 0 || edge > b->edges[b->n_edges - 1])
			b->edges[b->n_edges++] = edge;
	}
}

/* What of a pair's arrays is const to its readers. */
struct writable {
	double *edges;
	uint32_t *cell_bin;
};

/* The arrays of a numeric pair in one block of the space. */
static struct writable carve(struct pair *p, struct exact_space *s,
			     size_t n_cells)
{
	size_t n_bins = p->n_bins;
	size_t size = n_cells * (sizeof(double) + 2 * sizeof(uint64_t) +
				 sizeof(uint32_t)) +
		      2 * n_bins * sizeof(uint64_t);
	struct writable w;
	uint64_t *block;

	s->cells = exact_room(s->cells, &s->cap_cells, size, 1);
	block = s->cells;
	p->ref.bin = block;
	p->cur.bin = block + n_bins;
	p->ref.count = block + 2 * n_bins;
	p->cur.count = p->ref.count + n_cells;
	w.edges = (double *)(void *)(p->cur.count + n_cells);
	w.cell_bin = (uint32_t *)(void *)(w.edges + n_cells);
	p->edges = w.edges;
	p->cell_bin = w.cell_bin;
	p->ref.equal = p->ref.count;
	p->cur.equal = p->cur.count;
	memset(block, 0, 2 * n_bins * sizeof(*block));
	return w;
}

/* Cells of the distinct values of both, ascending; the last one is empty. */
static void merge(struct pair *p, double *edges, const struct exact_column *a,
		  const struct exact_column *b)
{
	uint64_t *ref = p->ref.count, *cur = p->cur.count;
	size_t i = 0, j = 0, k = 0;

	while (i < a->n_distinct && j < b->n_distinct) {
		double x = a->values[i], y = b->values[j];
		bool in_a = x <= y, in_b = y <= x;

		edges[k] = in_a ? x : y;
		ref[k] = in_a ? a->counts[i] : 0;
		cur[k] = in_b ? b->counts[j] : 0;
		i += in_a;
		j += in_b;
		k++;
	}
	for (; i < a->n_distinct; i++, k++) {
		edges[k] = a->values[i];
		ref[k] = a->counts[i];
		cur[k] = 0;
	}
	for (; j < b->n_distinct; j++, k++) {
		edges[k] = b->values[j];
		ref[k] = 0;
		cur[k] = b->counts[j];
	}
	ref[k] = 0;
	cur[k] = 0;
	p->n_cells = (uint32_t)k + 1;
}

static void fill_bins(struct pair *p, uint32_t *cell_bin)
{
	uint32_t j, b = 0;

	for (j = 0; j + 1 < p->n_cells; j++) {
		while (b + 1 < p->n_bins && p->edges[j] > p->bin_edges[b])
			b++;
		cell_bin[j] = b;
		p->ref.bin[b] += p->ref.count[j];
		p->cur.bin[b] += p->cur.count[j];
	}
	cell_bin[j] = p->n_bins - 1;
}

static void fill_side(struct pair_side *s, const struct exact_column *c)
{
	s->n = c->n;
	s->n_missing = c->n_missing;
	s->n_invalid = c->n_invalid;
	s->min = HUGE_VAL;
	s->max = -HUGE_VAL;
	s->mean = c->mean;
	s->std0 = c->std0;
	s->std = c->std;
	s->mean_low = c->mean_low;
	if (c->kind == COLUMN_NUMERIC && c->n > 0) {
		s->min = c->values[0];
		s->max = c->values[c->n_distinct - 1];
	}
}

static void count_outside(struct pair *p, const struct exact_column *cur)
{
	size_t i = 0, j = cur->n_distinct;

	if (p->ref.n == 0)
		return;
	while (i < cur->n_distinct && cur->values[i] < p->ref.min)
		p->n_below += cur->counts[i++];
	while (j > 0 && cur->values[j - 1] > p->ref.max)
		p->n_above += cur->counts[--j];
}

static void init_numeric(struct pair *p, const struct exact_column *ref,
			 const struct exact_column *cur,
			 const struct exact_bins *bins, struct exact_space *s)
{
	size_t room = ref->n_distinct + cur->n_distinct + 1;
	struct writable w;

	assert(room < UINT32_MAX);
	p->n_bins = bins->n_edges + 1;
	p->bin_edges = bins->edges;
	w = carve(p, s, room);
	merge(p, w.edges, ref, cur);
	fill_bins(p, w.cell_bin);
	count_outside(p, cur);
}

void exact_pair_init(struct pair *p, const struct exact_column *ref,
		     const struct exact_column *cur,
		     const struct exact_bins *bins, struct exact_space *s)
{
	struct exact_column none = {.kind = ref->kind};

	exact_clear(&none, ref->kind);
	if (cur == NULL)
		cur = &none;
	assert(cur->kind == ref->kind);
	*p = (struct pair){.kind = ref->kind, .is_exact = true};
	fill_side(&p->ref, ref);
	fill_side(&p->cur, cur);
	if (ref->kind == COLUMN_NUMERIC)
		init_numeric(p, ref, cur, bins, s);
	else
		exact_categories(p, ref, cur, s);
}
