/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_LEARN_H
#define DRIFTD_DETECTORS_LEARN_H

#include <stddef.h>
#include <stdint.h>

struct baseline;

/*
 * learn - how much the blocks of a baseline differ from each other, so that
 * a default threshold is not below what the training data did anyway.
 *
 * Each block of the baseline, in order of time, is compared with the rest of
 * it; what counts is the lower bound of the effect at LEARN_ALPHA, the coin
 * in which windows are judged: it does not depend on the number of rows, so
 * blocks of other sizes than the window's say something about it.  Over the
 * blocks
 *
 *	learned = mean + 3 max(sigma, LEARN_FLOOR t)
 *
 * with t the default threshold, and the threshold that holds is
 *
 *	t <= max(t, learned) <= LEARN_CAP t, and within the metric's range
 *
 * Larger windows average more: neighbouring blocks are merged by 2 or 4 (32,
 * 16 or 8 of them) as long as they stay no larger than the window.  Windows
 * smaller than a block get the blocks as they are.  Blocks have at least
 * LEARN_ROWS values, or nothing is learned at that size.
 *
 * The cap is there because a baseline with a trend or two regimes has blocks
 * that are drift by any book, and learning them would hide all that comes.
 */

enum { LEARN_ROWS = 200, LEARN_BLOCKS_MIN = 8 };

#define LEARN_ALPHA 0.05
#define LEARN_FLOOR 0.05
#define LEARN_CAP   2.0

struct learned;

/*
 * Of every column and deciding detector in ${detectors} (bits, those that run
 * always are added) that has a default threshold.  NULL when there is nothing
 * to learn from: no event times, or too few blocks or rows.  Computed once
 * per baseline; immutable.
 */
struct learned *learned_new(const struct baseline *b, uint64_t detectors);
void learned_free(struct learned *l);

/*
 * By how much (1 to LEARN_CAP) the default thresholds of detector
 * ${detector} (index) hold for a window with ${n_current} values of
 * ${column}; 1 when nothing was learned, ${l} NULL included.
 */
double learned_factor(const struct learned *l, const char *column,
		      size_t detector, uint64_t n_current);

#endif
