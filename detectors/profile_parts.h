/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_PROFILE_PARTS_H
#define DRIFTD_DETECTORS_PROFILE_PARTS_H

#include "detectors/profile.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * profile_parts - what the files of the profile share; private to them.
 *
 * Values in one profile are bounded by PROFILE_COUNT_MAX, so that no sum of
 * offsets (4096 for each value) can overflow: merging and decoding refuse
 * more.
 */
#define PROFILE_COUNT_MAX (INT64_C(1) << 50)

enum { PROFILE_OFFSET_UNITS = 4096, TAIL_CACHE = 256 };

/* Working memory of the fold; made at its first use, kept by clear. */
struct profile_scratch {
	/* categorical: counts by code, all zero between calls */
	uint64_t *tally;   /* owned */
	uint32_t *touched; /* owned */
	size_t cap_tally;

	/* numeric: values outside, on their way to the sorted tails */
	struct tail_cell *cache;   /* owned, TAIL_CACHE; count 0 = free */
	struct tail_cell *pending; /* owned */
	size_t n_pending, cap_pending;
	struct tail_cell *spare; /* owned: the other side of a sort */
	size_t cap_spare;
	struct tail_cell *merged; /* owned: tails change places with it */
	size_t cap_merged;
};

struct profile_scratch *profile_scratch_get(struct profile *p);
void profile_scratch_free(struct profile_scratch *s);
size_t profile_scratch_memory(const struct profile_scratch *s);

/* Tail cell of a finite value that is not -0.0. */
int32_t profile_tail_key(double v);

/* Count the values outside [lo, hi] of the ${n} in the tails. */
void profile_tails_count(struct profile *p, const double *values, size_t n,
			 double lo, double hi);

/* Bring what was counted into the sorted tails; every fold ends with it. */
void profile_tails_flush(struct profile *p);

/* Add ${n} cells, ascending by key. */
void profile_tails_merge(struct profile *p, const struct tail_cell *from,
			 size_t n);

/* Count ${n} values of a category that the cells do not have. */
void profile_extras_add(struct profile *p, const char *text, size_t len,
			uint64_t hash, uint64_t n);
void profile_extras_clear(struct profile *p);

/* Number of cells; 0 without a baseline. */
uint32_t profile_n_cells(const struct profile *p);

static inline uint64_t profile_total(const struct profile *p)
{
	return p->n_valid + p->n_missing + p->n_invalid;
}

#endif
