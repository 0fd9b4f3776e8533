/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_ISOTONIC_H
#define DRIFTD_DETECTORS_ISOTONIC_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct quality_group;
struct reader;

/*
 * isotonic - the never falling curve nearest to what happened at each score:
 * calibration of scores into probabilities.  Linear between its points,
 * constant beyond the first and the last.
 */
struct isotonic {
	double *x, *y; /* owned; x ascending, y not descending, in [0, 1] */
	size_t n;      /* 0: nothing was seen */
};

/*
 * Fit to groups of scores by label, ascending; a group of more than one score
 * stands at the mean of them.  Points amid a level stretch are left out.
 */
void isotonic_fit(struct isotonic *iso, const struct quality_group *groups,
		  size_t n);
void isotonic_release(struct isotonic *iso);

/* NaN of a curve without points. */
double isotonic_at(const struct isotonic *iso, double x);

void isotonic_encode(const struct isotonic *iso, struct buf *out);
int isotonic_decode(struct isotonic *iso, struct reader *in, struct err *e);

#endif
