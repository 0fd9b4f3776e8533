/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_KS_DISTANCE_H
#define DRIFTD_DETECTORS_KS_DISTANCE_H

#include <stdint.h>

struct pair;

/*
 * ks_distance - the largest distance D of the two distribution functions as
 * an interval that always holds it, and what follows from it.  Both sides
 * have values.
 */
struct ks_distance {
	double value, lower, upper;
	double scaled; /* sqrt(nm/(n+m)) value */
};
struct ks_distance ks_distance(const struct pair *p);

/*
 * P(D >= d) of ${count} values, n, against a continuous law, as SciPy's kstwo.sf has it:
 * exact for n <= 140 and in both tails, else the expansion of Pelz and Good.
 */
double ks_law_q(uint64_t count, double d);

/*
 * P(D >= d) of two samples without ties, by counting lattice paths; only for
 * both sides at most KS_EXACT_MAX.  ${distance} is d times n m.
 */
enum { KS_EXACT_MAX = 10000 };
double ks_exact_q(uint64_t n_ref, uint64_t n_cur, uint64_t distance);

#endif
