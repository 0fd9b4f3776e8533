/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_CELLS_CATEGORY_H
#define DRIFTD_DETECTORS_CELLS_CATEGORY_H

#include <stddef.h>
#include <stdint.h>

struct category_text;
struct cells;
struct err;
struct reader;

/* cells_category - the categorical half of cells; private to them. */

/*
 * Keep the ${max} distinct texts with the smallest hash64, sorted by bytes;
 * sets truncated when there were more.
 */
void cells_category_choose(struct cells *c, const struct category_text *texts,
			   size_t n, uint32_t max);

/* Index the categories that read as numbers by value. */
void cells_category_index(struct cells *c);

int cells_category_decode(struct cells *c, struct reader *in, struct err *e);

/* Order of texts by their bytes, the shorter first. */
int cells_category_compare(const char *a, size_t a_len, const char *b,
			   size_t b_len);

#endif
