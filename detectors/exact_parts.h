/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_EXACT_PARTS_H
#define DRIFTD_DETECTORS_EXACT_PARTS_H

#include "detectors/column.h"

#include <stddef.h>

struct exact_column;
struct exact_space;
struct pair;

/* exact_parts - what the files of exact share; private to them. */

/* Room for ${n} elements of ${size}; what was in the block is lost. */
void *exact_room(void *block, size_t *cap, size_t n, size_t size);

/* A column without rows; its memory is kept. */
void exact_clear(struct exact_column *c, enum column_kind kind);

/* The union of two categorical columns, sorted by text. */
void exact_categories(struct pair *p, const struct exact_column *ref,
		      const struct exact_column *cur, struct exact_space *s);

#endif
