/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_BASELINE_PARTS_H
#define DRIFTD_DETECTORS_BASELINE_PARTS_H

#include <stddef.h>

struct baseline;
struct baseline_column;
struct err;

/* baseline_parts - what decoding and building share; private to them. */

/* Make the column's profile: the sum of its blocks, which hold every row. */
int baseline_sum_blocks(const struct baseline *b, struct baseline_column *c,
			struct err *e);

size_t baseline_memory(const struct baseline *b);

#endif
