/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_PROFILE_H
#define DRIFTD_DETECTORS_PROFILE_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct cells;
struct err;
struct reader;

/*
 * profile - the mergeable summary of one column over some events: counts in
 * cells, and nothing but integers, minima and maxima, so that merging is
 * commutative, associative and bit-exact, in any order and number of parts.
 *
 * Per numeric cell {count, equal, sum}: values in it; those equal to its upper
 * edge (0 in the last cell); and the sum of round((v - lower) * 4096 / width)
 * over the cell (0 in the two unbounded cells).  Values outside [min, max] of
 * the baseline, and every value when there is none, also go to sparse tail
 * cells: the top bits of the double (sign, exponent, 7 bits of mantissa),
 * about 0.8 % wide.
 *
 * Categorical: a count per cell, and extra categories (new to the baseline)
 * with their own counts: those with the smallest hash64 stay, up to
 * `max_categories`; the others are n_other, and `truncated` is set.  If the
 * cells themselves are truncated, every unknown category counts in the last
 * cell instead, as it did in the training data.
 */

struct tail_cell {
	int32_t key; /* order of keys = order of values */
	uint64_t count;
};

struct extra_category {
	char *text; /* owned, NUL-terminated */
	uint32_t len;
	uint64_t hash; /* hash64(text) */
	uint64_t count;
};

struct profile {
	enum column_kind kind;
	const struct cells *cells; /* borrowed from the baseline; NULL = none */
	uint32_t max_categories;
	uint64_t n_valid; /* neither missing nor invalid */
	uint64_t n_missing;
	uint64_t n_invalid;

	uint64_t *count; /* owned, cells->n_cells */
	uint64_t *equal; /* owned, numeric only */
	int64_t *sum;	 /* owned, numeric only */
	double min, max; /* of the valid values; +inf, -inf when none */

	struct tail_cell *tails; /* owned, ascending by key */
	size_t n_tails, cap_tails;

	struct extra_category *extras; /* owned, ascending by (hash, text) */
	size_t n_extras, cap_extras;
	uint64_t n_other; /* in categories that did not stay */
	bool truncated;

	struct profile_scratch *scratch; /* owned; private to profile.c */
};

struct profile *profile_new(enum column_kind kind, const struct cells *cells,
			    uint32_t max_categories);
void profile_free(struct profile *p);

/* As new; the memory is kept. */
void profile_clear(struct profile *p);

/* Bytes that a new profile over ${cells} takes. */
size_t profile_memory(enum column_kind kind, const struct cells *cells);

/*
 * Count values[rows[i]] for i < n (rows NULL: values[0..n-1]).
 */
void profile_add_numbers(struct profile *p, const double *values,
			 const uint32_t *rows, size_t n);

/*
 * Count texts[codes[rows[i]]], with CODE_MISSING and CODE_INVALID; codes are
 * below ${n_texts} otherwise.
 */
void profile_add_categories(struct profile *p, const uint32_t *codes,
			    const uint32_t *rows, size_t n,
			    const struct category_text *texts, size_t n_texts);

/* Add ${from} to ${to}: refused unless kind and cells' hashes are equal. */
int profile_merge(struct profile *to, const struct profile *from,
		  struct err *e);

/*
 * Varints; equal profiles give equal bytes.  The encoding names the hash of
 * the cells; decoding refuses others and never trusts a count for an
 * allocation beyond the bytes that are there.
 */
void profile_encode(const struct profile *p, struct buf *out);
struct profile *profile_decode(struct reader *in, const struct cells *cells,
			       uint32_t max_categories, struct err *e);

#endif
