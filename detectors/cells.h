/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_CELLS_H
#define DRIFTD_DETECTORS_CELLS_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct dict;
struct err;
struct reader;

/*
 * cells - the frozen cells of one column, fixed by the baseline for good.
 *
 * Numeric: n_edges ascending distinct edges e[0] = minimum … e[E-1] = maximum
 * of the training data (never -0.0).  n_cells = n_edges + 1, right-closed:
 *
 *	cell 0 = (-inf, e[0]]   cell j = (e[j-1], e[j]]   cell E = (e[E-1], inf)
 *
 * Edges: up to `resolution` equal-frequency quantiles (type 7, integer
 * positions, x[k] + (x[k+1]-x[k])*f), or every distinct value where there are
 * no more than `resolution`; the nine deciles, the minimum and the maximum
 * always.  bin[j] says in which of the n_bins (<= 10) decile bins (golden
 * rule: deciles merged when equal, right-closed, outer ones unbounded) cell j
 * lies; as the deciles are edges, every cell lies in exactly one.
 *
 * Categorical: n_categories texts, sorted by bytes, one cell each, and one
 * last cell `__other__` for what was beyond `max_categories` (those with the
 * smallest hash64 stay): n_cells = n_categories + 1.
 *
 * No cells at all (a constant column has one edge and two cells; a column
 * that was all missing has n_edges = 0 and one cell).
 *
 * Immutable once built: shared between threads without a lock.
 */
struct cells {
	enum column_kind kind;
	uint32_t n_cells;
	uint64_t hash; /* of the encoding: equal hashes = the same cells */

	/* numeric */
	uint32_t n_edges;
	double *edges; /* owned, n_edges */
	uint32_t n_bins;
	uint32_t *bin; /* owned, n_cells */

	/* categorical */
	uint32_t n_categories;
	struct dict *categories; /* owned; index = cell */
	bool truncated;		 /* the training data had more of them */

	struct cells_search *search; /* owned; private to cells.c */
};

/*
 * ${sorted}: the ${n} finite values of the column, ascending, -0.0 as 0.0.
 * ${resolution} in [16, 4096].  NULL never: n = 0 gives a single cell.
 */
struct cells *cells_new_numeric(const double *sorted, size_t n,
				unsigned resolution);

/* ${texts}: the distinct categories, any order. */
struct cells *cells_new_categorical(const struct category_text *texts, size_t n,
				    uint32_t max_categories);
void cells_free(struct cells *c);

/* Index of the cell that holds ${v}, which is finite. */
uint32_t cells_find_number(const struct cells *c, double v);

/*
 * Cell of a category: by its text; if that is unknown and ${is_number}, by
 * the same value (1.0 is "1").  DICT_NONE when the baseline does not have it.
 */
uint32_t cells_find_category(const struct cells *c, const char *text,
			     size_t len, bool is_number);

void cells_encode(const struct cells *c, struct buf *out);
struct cells *cells_decode(struct reader *in, struct err *e);

#endif
