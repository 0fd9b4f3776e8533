/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile_fold - counting: the hot loop of the flush.
 *
 * Numeric values go in blocks that stay in the first-level cache through
 * four passes without data-dependent branches: gather and drop what is no
 * number, extremes, search, bookkeeping.  Values outside the baseline's range
 * are looked for only in blocks whose extremes are.
 */
#include "detectors/profile_parts.h"

#include "base/attr.h"
#include "base/dict.h"
#include "base/hash.h"
#include "base/mem.h"
#include "detectors/cells.h"
#include "detectors/cells_search.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

/*
 * Copy the finite ones of ${n} values and count the missing; -0.0 becomes
 * 0.0.  Returns how many were copied.  Inlined for rows and for no rows.
 */
static inline size_t gather(const double *values, const uint32_t *rows,
			    size_t n, double *out, uint64_t *n_missing)
{
	size_t i, k = 0;
	uint64_t missing = 0;

	for (i = 0; i < n; i++) {
		double v = rows != NULL ? values[rows[i]] : values[i];

		out[k] = v + 0.0;
		k += fabs(v) <= DBL_MAX;
		missing += value_is_missing(v);
	}
	*n_missing = missing;
	return k;
}

static void extremes(const double *v, size_t n, double *min, double *max)
{
	double lo[4], hi[4];
	size_t i, j;

	for (j = 0; j < 4; j++) {
		lo[j] = v[0];
		hi[j] = v[0];
	}
	for (i = 0; i + 4 <= n; i += 4) {
		for (j = 0; j < 4; j++) {
			lo[j] = v[i + j] < lo[j] ? v[i + j] : lo[j];
			hi[j] = v[i + j] > hi[j] ? v[i + j] : hi[j];
		}
	}
	for (; i < n; i++) {
		lo[0] = v[i] < lo[0] ? v[i] : lo[0];
		hi[0] = v[i] > hi[0] ? v[i] : hi[0];
	}
	for (j = 1; j < 4; j++) {
		lo[0] = lo[j] < lo[0] ? lo[j] : lo[0];
		hi[0] = hi[j] > hi[0] ? hi[j] : hi[0];
	}
	*min = lo[0];
	*max = hi[0];
}

/*
 * round(x) to even for 0 <= x <= 4096, by the low bits of a sum whose unit in
 * the last place is 1.
 */
static inline int64_t round_small(double x)
{
	const double magic = 6755399441055744.0; /* 1.5 * 2^52 */
	int64_t bits, zero;
	double y = x + magic;

	memcpy(&bits, &y, sizeof(bits));
	memcpy(&zero, &magic, sizeof(zero));
	return bits - zero;
}

/*
 * The offset is 0 when a width is infinite (0 * inf is NaN, which the first
 * comparison turns into 0) and 4096 when its inverse is.
 */
static void count_block(struct profile *p, const double *v,
			const uint32_t *cell, size_t n)
{
	const struct cell_geometry *geometry = p->cells->search->geometry;
	uint64_t *restrict count = p->count;
	uint64_t *restrict equal = p->equal;
	int64_t *restrict sum = p->sum;
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t c = cell[i];
		const struct cell_geometry *g = &geometry[c];
		/* NOLINTNEXTLINE(*UndefinedBinary*): gather wrote n of them */
		double x = (v[i] - g->lower) * g->inverse;

		x = x > 0.0 ? x : 0.0;
		x = x < PROFILE_OFFSET_UNITS ? x : PROFILE_OFFSET_UNITS;
		count[c]++;
		equal[c] += v[i] == g->upper;
		sum[c] += round_small(x);
	}
}

static void fold_block(struct profile *p, const double *v, size_t n)
{
	const struct cells_search *search;
	uint32_t cell[BLOCK];
	double min, max;

	extremes(v, n, &min, &max);
	p->min = min < p->min ? min : p->min;
	p->max = max > p->max ? max : p->max;
	if (p->cells == NULL) {
		profile_tails_count(p, v, n, HUGE_VAL, -HUGE_VAL);
		return;
	}
	search = p->cells->search;
	cells_search_many(search, v, cell, n);
	count_block(p, v, cell, n);
	if (min < search->first_edge || max > search->last_edge)
		profile_tails_count(p, v, n, search->first_edge,
				    search->last_edge);
}

void profile_add_numbers(struct profile *p, const double *values,
			 const uint32_t *rows, size_t n)
{
	double v[BLOCK];
	size_t at, len, k;
	uint64_t n_missing;

	for (at = 0; at < n; at += len) {
		len = n - at < BLOCK ? n - at : BLOCK;
		if (rows != NULL)
			k = gather(values, rows + at, len, v, &n_missing);
		else
			k = gather(values + at, NULL, len, v, &n_missing);
		p->n_valid += k;
		p->n_missing += n_missing;
		p->n_invalid += len - k - n_missing;
		if (k > 0)
			fold_block(p, v, k);
	}
	profile_tails_flush(p);
}

static struct profile_scratch *tally_room(struct profile *p, size_t n_texts)
{
	struct profile_scratch *s = profile_scratch_get(p);

	if (s->cap_tally >= n_texts)
		return s;
	free(s->tally);
	s->cap_tally = n_texts + n_texts / 2;
	s->tally = xcalloc(s->cap_tally, sizeof(*s->tally));
	s->touched =
		xrealloc_array(s->touched, s->cap_tally, sizeof(*s->touched));
	return s;
}

static void add_category(struct profile *p, const struct category_text *t,
			 uint64_t n)
{
	const struct cells *c = p->cells;
	uint32_t cell = DICT_NONE;

	if (c != NULL)
		cell = cells_find_category(c, t->text, t->len, t->is_number);
	if (cell != DICT_NONE)
		p->count[cell] += n;
	else if (c != NULL && c->truncated)
		p->count[c->n_cells - 1] += n;
	else
		profile_extras_add(p, t->text, t->len, hash64(t->text, t->len),
				   n);
}

void profile_add_categories(struct profile *p, const uint32_t *codes,
			    const uint32_t *rows, size_t n,
			    const struct category_text *texts, size_t n_texts)
{
	struct profile_scratch *s = tally_room(p, n_texts);
	size_t i, n_touched = 0, n_missing = 0, n_invalid = 0;

	for (i = 0; i < n; i++) {
		uint32_t code = codes[rows != NULL ? rows[i] : i];

		if (UNLIKELY(code >= n_texts)) {
			n_missing += code == CODE_MISSING;
			n_invalid += code != CODE_MISSING;
			continue;
		}
		if (s->tally[code]++ == 0)
			s->touched[n_touched++] = code;
	}
	p->n_missing += n_missing;
	p->n_invalid += n_invalid;
	p->n_valid += n - n_missing - n_invalid;
	for (i = 0; i < n_touched; i++) {
		uint32_t code = s->touched[i];

		add_category(p, &texts[code], s->tally[code]);
		s->tally[code] = 0;
	}
}
