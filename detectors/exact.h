/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_EXACT_H
#define DRIFTD_DETECTORS_EXACT_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct pair;

/*
 * exact - pairs in which every distinct value is a cell, for comparisons of
 * values that are all at hand.  A column of one side (the whole reference, or
 * one chunk) is sorted once; a pair is the merge of two such columns, linear
 * in their distinct values.
 *
 * All memory grows as needed and is kept: one space and one exact_column
 * serve any number of columns and chunks.  A space belongs to one thread.
 */

/* Working memory, and the arrays of the pair that was made last. */
struct exact_space {
	void *spare; /* owned: of sorting */
	size_t cap_spare;
	void *cells; /* owned: arrays of the pair */
	size_t cap_cells;
	uint64_t *tally; /* owned: by code, all zero between calls */
	size_t cap_tally;
};

struct exact_category {
	const char *text; /* borrowed from the list it was made from */
	uint32_t len;
	uint64_t count; /* > 0 */
};

/* What one side of a column holds.  Start with zeros. */
struct exact_column {
	enum column_kind kind;
	uint64_t n, n_missing, n_invalid;
	size_t n_distinct;

	/* numeric: ascending distinct values, and how often each occurs */
	double *values;	  /* owned */
	uint32_t *counts; /* owned */
	size_t cap_values, cap_counts;
	double mean, std0, std; /* NaN without values; std also with one */
	double mean_low;	/* what rounding took from the mean */

	/* categorical: sorted by text */
	struct exact_category *categories; /* owned */
	size_t cap_categories;
};

/*
 * The inner edges of the golden bins: the distinct deciles of the reference;
 * none for categorical columns and those without values.
 */
struct exact_bins {
	double edges[9];
	uint32_t n_edges; /* n_bins - 1 */
};

void exact_space_release(struct exact_space *s);
void exact_column_release(struct exact_column *c);

/*
 * Make ${c} the column of these values (see column.h for missing and
 * invalid); what it held before is forgotten, its memory is used again.
 * ${n} is below 2^32.
 */
void exact_column_numbers(struct exact_column *c, const double *values,
			  size_t n, struct exact_space *s);
void exact_column_codes(struct exact_column *c, const uint32_t *codes, size_t n,
			const struct category_text *texts, size_t n_texts,
			struct exact_space *s);

void exact_bins_init(struct exact_bins *b, const struct exact_column *ref);

/*
 * Pair two columns of one kind; ${cur} NULL is a side without rows, and the
 * same column may stand on both sides.  The pair borrows from all four until
 * the next pair of this space; pair_release is allowed and does nothing.
 */
void exact_pair_init(struct pair *p, const struct exact_column *ref,
		     const struct exact_column *cur,
		     const struct exact_bins *bins, struct exact_space *s);

#endif
