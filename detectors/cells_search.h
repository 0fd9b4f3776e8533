/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_CELLS_SEARCH_H
#define DRIFTD_DETECTORS_CELLS_SEARCH_H

#include <stddef.h>
#include <stdint.h>

struct cells;

/*
 * cells_search - how a value finds its cell; private to the cells and the
 * fold.  Built once per baseline column, read by every fold.
 *
 * Numeric columns get one of two searches, chosen by how evenly the edges
 * lie.  A linear table maps a value to the first edge that may be its own,
 * and `steps` halvings finish; the bucket of a value is a monotone function,
 * so the edges are put into buckets by the same function and no rounding can
 * send a value past its edge.  Where more than 7 edges share a bucket, the
 * branch-free binary search over all edges is as good.
 */

/* What counting a value in a cell needs, in half a cache line. */
struct cell_geometry {
	double upper;	/* the edge; +inf in the last cell */
	double lower;	/* 0 in the unbounded cells */
	double inverse; /* 4096 / width; 0 in the unbounded cells */
	double unused;
};

struct cells_search {
	double *padded;	 /* owned; the edges, then +inf */
	uint32_t steps;	 /* halvings */
	uint16_t *table; /* owned; NULL = binary search from 0 */
	double base, scale, last;
	struct cell_geometry *geometry; /* owned, one per cell */
	double first_edge, last_edge;	/* +inf, -inf without edges */

	/* categorical: categories that are numbers, by their bits */
	uint32_t n_slots;    /* a power of two; 0 = none */
	uint64_t *slot_bits; /* owned */
	uint32_t *slot_cell; /* owned; DICT_NONE = free */
	uint32_t slot_shift;
};

struct cells_search *cells_search_new(const struct cells *c);
void cells_search_free(struct cells_search *s);
size_t cells_search_memory(const struct cells *c);

/* The cells of ${n} finite values, none of them -0.0. */
void cells_search_many(const struct cells_search *s, const double *values,
		       uint32_t *cells, size_t n);

#endif
