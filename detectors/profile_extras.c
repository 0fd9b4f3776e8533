/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile_extras - categories new to the baseline, in a bounded list.
 *
 * Of all new categories those with the smallest (hash, text) stay.  A
 * category that is ever pushed out had max_categories smaller ones beside
 * it, so it is not among the smallest of any union either; one that stays
 * was never pushed out of any part, so its count is whole.  Hence the list,
 * n_other and truncated do not depend on how events were split and merged.
 */
#include "detectors/profile_parts.h"

#include "base/mem.h"
#include "detectors/cells_category.h"

#include <stdlib.h>
#include <string.h>

static int compare_extra(const struct extra_category *x, const char *text,
			 size_t len, uint64_t hash)
{
	if (x->hash != hash)
		return x->hash < hash ? -1 : 1;
	return cells_category_compare(x->text, x->len, text, len);
}

static size_t find_extra(const struct profile *p, const char *text, size_t len,
			 uint64_t hash)
{
	size_t lo = 0, hi = p->n_extras;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_extra(&p->extras[mid], text, len, hash) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void insert_extra(struct profile *p, size_t at, const char *text,
			 size_t len, uint64_t hash)
{
	struct extra_category *x;

	if (p->n_extras == p->cap_extras) {
		p->cap_extras = p->cap_extras > 0 ? p->cap_extras * 2 : 16;
		p->extras = xrealloc_array(p->extras, p->cap_extras,
					   sizeof(*p->extras));
	}
	x = p->extras + at;
	memmove(x + 1, x, (p->n_extras - at) * sizeof(*x));
	p->n_extras++;
	x->text = xstrndup(text, len);
	x->len = (uint32_t)len;
	x->hash = hash;
	x->count = 0;
}

static void drop_last(struct profile *p)
{
	struct extra_category *x = &p->extras[--p->n_extras];

	p->n_other += x->count;
	p->truncated = true;
	free(x->text);
}

void profile_extras_add(struct profile *p, const char *text, size_t len,
			uint64_t hash, uint64_t n)
{
	size_t at = find_extra(p, text, len, hash);

	if (at == p->n_extras ||
	    compare_extra(&p->extras[at], text, len, hash) != 0) {
		if (at >= p->max_categories) {
			p->n_other += n;
			p->truncated = true;
			return;
		}
		insert_extra(p, at, text, len, hash);
	}
	p->extras[at].count += n;
	if (p->n_extras > p->max_categories)
		drop_last(p);
}

void profile_extras_clear(struct profile *p)
{
	size_t i;

	for (i = 0; i < p->n_extras; i++)
		free(p->extras[i].text);
	p->n_extras = 0;
}
