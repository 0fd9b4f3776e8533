/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair - two profiles side by side over the same cells, in one block of
 * memory.
 *
 * Where the column's kind changed, values of the other kind are none that
 * the reference could have: they count as invalid, so that the shares still
 * rest on all rows.
 */
#include "detectors/pair.h"

#include "base/dict.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/cells_category.h"
#include "detectors/profile.h"

#include <math.h>
#include <stdlib.h>

static const char other_name[] = "__other__";

static void init_side(struct pair_side *s, const struct profile *p)
{
	s->min = HUGE_VAL;
	s->max = -HUGE_VAL;
	s->mean = (double)NAN;
	s->std0 = (double)NAN;
	s->std = (double)NAN;
	s->mean_low = 0.0;
	if (p == NULL)
		return;
	s->n = p->n_valid;
	s->n_missing = p->n_missing;
	s->n_invalid = p->n_invalid;
	s->min = p->min;
	s->max = p->max;
}

static void fill_number_side(const struct cells *c, struct pair_side *s,
			     const struct profile *from)
{
	uint32_t j;

	if (from == NULL)
		return;
	for (j = 0; j < c->n_cells; j++) {
		s->count[j] = from->count[j];
		s->equal[j] = from->equal[j];
		s->sum[j] = from->sum[j];
		s->bin[c->bin[j]] += from->count[j];
	}
}

static void carve_number_side(struct pair_side *s, uint64_t *at, size_t n)
{
	s->count = at;
	s->equal = at + n;
	s->sum = (int64_t *)(at + 2 * n);
	s->bin = at + 3 * n;
}

static void init_numeric(struct pair *p, const struct baseline_column *ref,
			 const struct profile *current)
{
	const struct cells *c = ref->cells;
	size_t n = c->n_cells, size = 3 * n + c->n_bins;
	uint64_t *block = xcalloc(2 * size + c->n_bins, sizeof(*block));
	double *bin_edges = (double *)(void *)(block + 2 * size);
	uint32_t j;

	p->memory = block;
	p->n_cells = c->n_cells;
	p->edges = c->edges;
	p->cell_bin = c->bin;
	p->n_bins = c->n_bins;
	p->bin_edges = bin_edges;
	for (j = 0; j + 1 < c->n_cells; j++) {
		if (c->bin[j] != c->bin[j + 1])
			bin_edges[c->bin[j]] = c->edges[j];
	}
	carve_number_side(&p->ref, block, n);
	carve_number_side(&p->cur, block + size, n);
	fill_number_side(c, &p->ref, ref->profile);
	fill_number_side(c, &p->cur, current);
	if (c->n_edges > 0) {
		p->n_below = p->cur.count[0] - p->cur.equal[0];
		p->n_above = p->cur.count[c->n_edges];
	}
}

static int by_text(const void *a, const void *b)
{
	const struct extra_category *const *x = a, *const *y = b;

	return cells_category_compare((*x)->text, (*x)->len, (*y)->text,
				      (*y)->len);
}

/* The extras of a profile in order of their texts. */
static const struct extra_category **sort_extras(const struct profile *from)
{
	const struct extra_category **sorted;
	size_t i, n = from != NULL ? from->n_extras : 0;

	sorted = xcalloc(n > 0 ? n : 1, sizeof(void *));
	for (i = 0; i < n; i++)
		sorted[i] = &from->extras[i];
	qsort(sorted, n, sizeof(void *), by_text);
	return sorted;
}

/* Room for ${n} cells. */
static void carve_categories(struct pair *p, size_t n)
{
	char *block = xcalloc(n, 2 * sizeof(uint64_t) + sizeof(*p->names) +
					 sizeof(*p->is_new));

	p->memory = block;
	p->ref.count = (uint64_t *)(void *)block;
	p->cur.count = p->ref.count + n;
	p->names = (const char **)(void *)(p->cur.count + n);
	p->is_new = (bool *)(void *)(p->names + n);
	p->ref.bin = p->ref.count;
	p->cur.bin = p->cur.count;
}

static void put_category(struct pair *p, const char *name, bool is_new,
			 uint64_t n_ref, uint64_t n_cur)
{
	p->names[p->n_cells] = name;
	p->is_new[p->n_cells] = is_new;
	p->ref.count[p->n_cells] = n_ref;
	p->cur.count[p->n_cells] = n_cur;
	p->n_cells++;
}

static void init_categorical(struct pair *p, const struct baseline_column *ref,
			     const struct profile *current)
{
	const struct cells *c = ref->cells;
	const struct extra_category **extras = sort_extras(current);
	size_t n_extras = current != NULL ? current->n_extras : 0, j = 0, len;
	uint64_t other_ref, other_cur;
	uint32_t i = 0;

	carve_categories(p, c->n_cells + n_extras);
	while (i < c->n_categories || j < n_extras) {
		const char *text = NULL;
		bool is_known = i < c->n_categories;

		if (is_known)
			text = dict_text(c->categories, i, &len);
		if (is_known && j < n_extras)
			is_known = cells_category_compare(text, len,
							  extras[j]->text,
							  extras[j]->len) < 0;
		if (is_known) {
			put_category(p, text, false, ref->profile->count[i],
				     current != NULL ? current->count[i] : 0);
			i++;
		} else {
			put_category(p, extras[j]->text, true, 0,
				     extras[j]->count);
			j++;
		}
	}
	other_ref = ref->profile->count[c->n_categories];
	other_cur = current != NULL
			    ? current->count[c->n_categories] + current->n_other
			    : 0;
	if (other_ref > 0 || other_cur > 0)
		put_category(p, other_name, !c->truncated, other_ref,
			     other_cur);
	p->n_bins = p->n_cells;
	p->ref_truncated = c->truncated;
	p->truncated = c->truncated || (current != NULL && current->truncated);
	free(extras);
}

void pair_init(struct pair *p, const struct baseline_column *reference,
	       const struct profile *current)
{
	*p = (struct pair){.kind = reference->kind};
	init_side(&p->ref, reference->profile);
	init_side(&p->cur, current);
	if (current != NULL &&
	    (current->kind != reference->kind || current->cells == NULL ||
	     current->cells->hash != reference->cells->hash)) {
		p->cur.n_invalid += p->cur.n;
		p->cur.n = 0;
		return;
	}
	if (reference->kind == COLUMN_NUMERIC)
		init_numeric(p, reference, current);
	else
		init_categorical(p, reference, current);
}

void pair_release(struct pair *p)
{
	free(p->memory);
	p->memory = NULL;
	p->n_cells = 0;
	p->n_bins = 0;
}
