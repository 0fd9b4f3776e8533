/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_DESCRIBE_H
#define DRIFTD_DETECTORS_DESCRIBE_H

#include <stddef.h>

struct pair;

/*
 * describe - the numbers that describe one side of a pair, by themselves no
 * measure of drift: n, n_missing, missing_share, mean, std0, std, min, max,
 * n_unique, q01 … q99, bin_edge_i, bin_count_i, n_categories and, of the
 * current side, out_of_range_share, n_new_categories, n_lost_categories.
 *
 * A side without values has the first three, and n_categories.  Of a pair
 * that is not exact the numbers that its cells do not determine are left out.
 * Detectors whose number is among these have `described` set: who prints both
 * prints those detectors' rows only once.
 */
struct description {
	const char *metric; /* static */
	double value;	    /* NaN: undefined, as std of one value */
};

enum { DESCRIBE_MAX = 48 };

/* Fill ${out}; both return how many. */
size_t describe_reference(const struct pair *p,
			  struct description out[DESCRIBE_MAX]);
size_t describe_current(const struct pair *p,
			struct description out[DESCRIBE_MAX]);

#endif
