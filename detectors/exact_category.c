/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exact_category - the categorical half of exact: counts by code, the
 * categories that occur sorted by text, and the union of two sides.
 */
#include "detectors/exact.h"
#include "detectors/exact_parts.h"

#include "base/mem.h"
#include "detectors/cells_category.h"
#include "detectors/pair.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
	const struct exact_category *x = a, *y = b;

	return cells_category_compare(x->text, x->len, y->text, y->len);
}

/* The tally is all zero between calls, also where it is new. */
static void room_to_tally(struct exact_space *s, size_t n_texts)
{
	if (n_texts <= s->cap_tally)
		return;
	free(s->tally);
	s->cap_tally = n_texts + n_texts / 2;
	s->tally = xcalloc(s->cap_tally, sizeof(*s->tally));
}

static uint32_t *tally(struct exact_column *c, const uint32_t *codes, size_t n,
		       size_t n_texts, struct exact_space *s)
{
	size_t i, n_most = n < n_texts ? n : n_texts;
	uint32_t *touched;

	room_to_tally(s, n_texts);
	s->spare = exact_room(s->spare, &s->cap_spare,
			      (n_most + 1) * sizeof(*touched), 1);
	touched = s->spare;
	for (i = 0; i < n; i++) {
		uint32_t code = codes[i];

		if (code >= n_texts) {
			c->n_missing += code == CODE_MISSING;
			c->n_invalid += code != CODE_MISSING;
			continue;
		}
		if (s->tally[code]++ == 0)
			touched[c->n_distinct++] = code;
	}
	c->n = n - c->n_missing - c->n_invalid;
	return touched;
}

/* One text may stand in the list twice. */
static void join_equal(struct exact_column *c)
{
	struct exact_category *v = c->categories;
	size_t i, k = 0;

	for (i = 0; i < c->n_distinct; i++) {
		if (k > 0 && by_text(&v[k - 1], &v[i]) == 0)
			v[k - 1].count += v[i].count;
		else
			v[k++] = v[i];
	}
	c->n_distinct = k;
}

void exact_column_codes(struct exact_column *c, const uint32_t *codes, size_t n,
			const struct category_text *texts, size_t n_texts,
			struct exact_space *s)
{
	const uint32_t *touched;
	size_t i;

	exact_clear(c, COLUMN_CATEGORICAL);
	touched = tally(c, codes, n, n_texts, s);
	c->categories = exact_room(c->categories, &c->cap_categories,
				   c->n_distinct + 1, sizeof(*c->categories));
	for (i = 0; i < c->n_distinct; i++) {
		const struct category_text *t = &texts[touched[i]];

		c->categories[i] = (struct exact_category){
			t->text, t->len, s->tally[touched[i]]};
		s->tally[touched[i]] = 0;
	}
	qsort(c->categories, c->n_distinct, sizeof(*c->categories), by_text);
	join_equal(c);
}

static void carve(struct pair *p, struct exact_space *s, size_t n)
{
	size_t size = n * (2 * sizeof(uint64_t) + sizeof(*p->names) +
			   sizeof(*p->is_new));

	s->cells = exact_room(s->cells, &s->cap_cells, size + 1, 1);
	p->ref.count = s->cells;
	p->cur.count = p->ref.count + n;
	p->names = (const char **)(void *)(p->cur.count + n);
	p->is_new = (bool *)(void *)(p->names + n);
	p->ref.bin = p->ref.count;
	p->cur.bin = p->cur.count;
}

void exact_categories(struct pair *p, const struct exact_column *ref,
		      const struct exact_column *cur, struct exact_space *s)
{
	size_t i = 0, j = 0, room = ref->n_distinct + cur->n_distinct;
	uint32_t k = 0;

	assert(room < UINT32_MAX);
	carve(p, s, room);
	while (i < ref->n_distinct || j < cur->n_distinct) {
		const struct exact_category *a = &ref->categories[i];
		const struct exact_category *b = &cur->categories[j];
		int order;

		if (j == cur->n_distinct)
			order = -1;
		else
			order = i == ref->n_distinct ? 1 : by_text(a, b);
		p->names[k] = order <= 0 ? a->text : b->text;
		p->is_new[k] = order > 0;
		p->ref.count[k] = order <= 0 ? a->count : 0;
		p->cur.count[k] = order >= 0 ? b->count : 0;
		i += order <= 0;
		j += order >= 0;
		k++;
	}
	p->n_cells = k;
	p->n_bins = k;
}
