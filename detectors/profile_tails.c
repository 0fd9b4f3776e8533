/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile_tails - sparse log-spaced cells for values that the baseline's
 * cells do not resolve.
 *
 * The key is the top 19 bits of the double (sign, exponent, 7 bits of
 * mantissa) in the order of the values, so there are at most 2^19 of them.
 * A fold counts into a small direct-mapped cache; what is pushed out of it
 * waits in `pending`, which is sorted and merged when it is as long as the
 * tails are: each value costs O(log n) amortised whatever their order.
 */
#include "detectors/profile_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
	TAIL_SHIFT = 45,
	KEY_BIAS = 1 << 18, /* keys are within [-2^18, 2^18) */
	RADIX_BITS = 10,
	RADIX_MASK = (1 << RADIX_BITS) - 1,
	RADIX_MIN = 128,
	PENDING_FIRST = 64,
	PENDING_MIN = 1024,
	DIRECT_MAX = 8 /* so few are cheaper to insert one by one */
};

struct profile_scratch *profile_scratch_get(struct profile *p)
{
	if (p->scratch == NULL)
		p->scratch = xcalloc(1, sizeof(*p->scratch));
	return p->scratch;
}

void profile_scratch_free(struct profile_scratch *s)
{
	if (s == NULL)
		return;
	free(s->tally);
	free(s->touched);
	free(s->cache);
	free(s->pending);
	free(s->spare);
	free(s->merged);
	free(s);
}

size_t profile_scratch_memory(const struct profile_scratch *s)
{
	size_t n_cells;

	if (s == NULL)
		return 0;
	n_cells = s->cap_pending + s->cap_spare + s->cap_merged;
	if (s->cache != NULL)
		n_cells += TAIL_CACHE;
	return sizeof(*s) + n_cells * sizeof(struct tail_cell) +
	       s->cap_tally * (sizeof(*s->tally) + sizeof(*s->touched));
}

int32_t profile_tail_key(double v)
{
	uint64_t bits;
	int32_t magnitude;

	memcpy(&bits, &v, sizeof(bits));
	magnitude = (int32_t)((bits & INT64_MAX) >> TAIL_SHIFT);
	return (bits >> 63) != 0 ? -magnitude - 1 : magnitude;
}

static int by_key(const void *a, const void *b)
{
	const struct tail_cell *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* First index whose key is not below ${key}. */
static size_t find_key(const struct tail_cell *tails, size_t n, int32_t key)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (tails[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void insert_one(struct profile *p, struct tail_cell cell)
{
	size_t i = find_key(p->tails, p->n_tails, cell.key);

	if (i < p->n_tails && p->tails[i].key == cell.key) {
		p->tails[i].count += cell.count;
		return;
	}
	if (p->n_tails == p->cap_tails) {
		p->cap_tails = p->cap_tails > 0 ? p->cap_tails * 2 : 16;
		p->tails = xrealloc_array(p->tails, p->cap_tails,
					  sizeof(*p->tails));
	}
	memmove(p->tails + i + 1, p->tails + i,
		(p->n_tails - i) * sizeof(*p->tails));
	p->tails[i] = cell;
	p->n_tails++;
}

/* Append to an ascending list, adding to its last cell if that is the same. */
static size_t append(struct tail_cell *out, size_t n, struct tail_cell cell)
{
	if (n > 0 && out[n - 1].key == cell.key) {
		out[n - 1].count += cell.count;
		return n;
	}
	out[n] = cell;
	return n + 1;
}

void profile_tails_merge(struct profile *p, const struct tail_cell *from,
			 size_t n)
{
	struct profile_scratch *s;
	struct tail_cell *tails = p->tails;
	size_t cap = p->cap_tails, i = 0, j = 0, k = 0;

	if (n <= DIRECT_MAX) {
		for (j = 0; j < n; j++)
			insert_one(p, from[j]);
		return;
	}
	s = profile_scratch_get(p);
	if (s->cap_merged < p->n_tails + n) {
		s->cap_merged = (p->n_tails + n) * 2;
		s->merged = xrealloc_array(s->merged, s->cap_merged,
					   sizeof(*s->merged));
	}
	while (i < p->n_tails || j < n) {
		if (j == n || (i < p->n_tails && tails[i].key < from[j].key))
			k = append(s->merged, k, tails[i++]);
		else
			k = append(s->merged, k, from[j++]);
	}
	p->tails = s->merged;
	p->cap_tails = s->cap_merged;
	p->n_tails = k;
	s->merged = tails;
	s->cap_merged = cap;
}

/* One pass over 10 of the 19 bits of a key, made non-negative. */
static void sort_pass(const struct tail_cell *from, struct tail_cell *to,
		      size_t n, unsigned shift)
{
	uint32_t at[1 << RADIX_BITS] = {0}, sum = 0, i;
	size_t j;

	for (j = 0; j < n; j++)
		at[(uint32_t)(from[j].key + KEY_BIAS) >> shift & RADIX_MASK]++;
	for (i = 0; i <= RADIX_MASK; i++) {
		uint32_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (j = 0; j < n; j++)
		to[at[(uint32_t)(from[j].key + KEY_BIAS) >> shift &
		      RADIX_MASK]++] = from[j];
}

static void sort_pending(struct profile_scratch *s)
{
	if (s->n_pending < RADIX_MIN) {
		qsort(s->pending, s->n_pending, sizeof(*s->pending), by_key);
		return;
	}
	if (s->cap_spare < s->n_pending) {
		s->cap_spare = s->cap_pending;
		s->spare = xrealloc_array(s->spare, s->cap_spare,
					  sizeof(*s->spare));
	}
	sort_pass(s->pending, s->spare, s->n_pending, 0);
	sort_pass(s->spare, s->pending, s->n_pending, RADIX_BITS);
}

static void merge_pending(struct profile *p)
{
	struct profile_scratch *s = p->scratch;

	sort_pending(s);
	profile_tails_merge(p, s->pending, s->n_pending);
	s->n_pending = 0;
}

static void push_pending(struct profile *p, struct tail_cell cell)
{
	struct profile_scratch *s = p->scratch;

	if (s->n_pending == s->cap_pending) {
		if (s->n_pending >= PENDING_MIN && s->n_pending >= p->n_tails) {
			merge_pending(p);
		} else {
			s->cap_pending = s->cap_pending > 0 ? s->cap_pending * 2
							    : PENDING_FIRST;
			s->pending = xrealloc_array(s->pending, s->cap_pending,
						    sizeof(*s->pending));
		}
	}
	s->pending[s->n_pending++] = cell;
}

void profile_tails_count(struct profile *p, const double *values, size_t n,
			 double lo, double hi)
{
	struct profile_scratch *s = profile_scratch_get(p);
	size_t i;

	if (s->cache == NULL)
		s->cache = xcalloc(TAIL_CACHE, sizeof(*s->cache));
	for (i = 0; i < n; i++) {
		struct tail_cell *cell;
		int32_t key;

		if (values[i] >= lo && values[i] <= hi)
			continue;
		key = profile_tail_key(values[i]);
		cell = &s->cache[(uint32_t)key & (TAIL_CACHE - 1)];
		if (cell->count > 0 && cell->key != key) {
			push_pending(p, *cell);
			cell->count = 0;
		}
		cell->key = key;
		cell->count++;
	}
}

void profile_tails_flush(struct profile *p)
{
	struct profile_scratch *s = p->scratch;
	size_t i;

	if (s == NULL || s->cache == NULL)
		return;
	for (i = 0; i < TAIL_CACHE; i++) {
		if (s->cache[i].count > 0)
			push_pending(p, s->cache[i]);
		s->cache[i].count = 0;
	}
	if (s->n_pending > 0)
		merge_pending(p);
}
