/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_PAIR_H
#define DRIFTD_DETECTORS_PAIR_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct baseline_column;
struct profile;

/*
 * pair - the reference and the current counts of one column over the same
 * ordered cells: all that a detector reads.
 *
 * Online the cells are the frozen ones of the baseline; offline every distinct
 * value is a cell (`is_exact`, made by exact.h), and the same detectors are
 * exact: then every count is of values equal to the upper edge (equal and
 * count are one array), there are no offset sums (sum is NULL), and the last
 * cell, beyond the greatest edge, is empty.
 * For categorical columns the cells are the union of both sides, sorted by
 * text, `__other__` last when it is not empty.
 */
struct pair_side {
	uint64_t n; /* valid: neither missing nor invalid */
	uint64_t n_missing;
	uint64_t n_invalid;
	uint64_t *count; /* n_cells; sums to n */
	uint64_t *equal; /* numeric: of these, equal to the upper edge */
	int64_t *sum;	 /* numeric: see profile.h */
	uint64_t *bin;	 /* n_bins; sums to n */
	double min, max;
	double mean, std0, std; /* exact numeric pairs only, else NaN: mean,
				   standard deviations of ddof 0 and 1 */
	double mean_low;	/* what rounding took from the mean */
};

struct pair {
	enum column_kind kind;
	bool is_exact;
	bool truncated;	    /* categories were dropped on either side */
	bool ref_truncated; /* … in the reference: `__other__` is not new */

	uint32_t n_cells;
	const double *edges;	  /* numeric: n_cells - 1, borrowed */
	const uint32_t *cell_bin; /* numeric: bin of each cell, borrowed */
	const char **names;	  /* categorical: n_cells, text of each cell */
	bool *is_new; /* categorical: not in the reference's categories */

	/* decile bins (numeric), or the cells themselves (categorical) */
	uint32_t n_bins;
	const double *bin_edges; /* numeric: n_bins - 1, borrowed */

	/* rows of the column that are in neither side have a missing value */
	bool missing_elsewhere;

	struct pair_side ref;
	struct pair_side cur;

	/* numeric: current values below the reference's minimum, above its maximum */
	uint64_t n_below, n_above;

	void *memory; /* owned: one block holding all arrays above */
};

/*
 * Line up a baseline column with a window's profile of it; ${current} may be
 * NULL (no events had the column) and may be over other or no cells when the
 * column's kind changed: then n_cells is 0 and only missing and invalid count.
 * Names are borrowed from both.  Never fails.
 */
void pair_init(struct pair *p, const struct baseline_column *reference,
	       const struct profile *current);
void pair_release(struct pair *p);

#endif
