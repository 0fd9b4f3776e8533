/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_BASELINE_H
#define DRIFTD_DETECTORS_BASELINE_H

#include "base/hash.h"
#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct cells;
struct err;
struct profile;

/*
 * baseline - the immutable profiles of the training data of a model version.
 * It defines the cells.  Its identity is the SHA-256 of its encoding, which
 * holds no name, version or date: the same data give the same identity.
 */

enum { BASELINE_BLOCKS = 32 }; /* time-ordered, of equally many rows */

struct baseline_column {
	char *name; /* owned */
	enum column_kind kind;
	enum column_role role;
	struct cells *cells;	 /* owned */
	struct profile *profile; /* owned, over all rows */
	struct profile **blocks; /* owned, n_blocks of them */
};

struct baseline {
	uint8_t hash[SHA256_SIZE];
	uint64_t n_rows;
	uint32_t n_blocks;	   /* min(BASELINE_BLOCKS, n_rows) */
	int64_t first_us, last_us; /* event times; INT64_MIN without them */
	uint32_t n_columns;
	struct baseline_column *columns; /* owned, sorted by name */
	size_t memory;			 /* bytes, about */
};

void baseline_free(struct baseline *b);

/* The column of that name, or NULL. */
const struct baseline_column *baseline_find(const struct baseline *b,
					    const char *name, size_t len);

void baseline_encode(const struct baseline *b, struct buf *out);

/* NULL and ${e} for bytes that are no baseline.  The hash is computed. */
struct baseline *baseline_decode(const void *data, size_t len, struct err *e);

/*
 * builder - rows in, a baseline out.  All values are held in memory until
 * finish (exact quantiles); ${max_bytes} bounds that, 0 = unbounded.
 */
struct baseline_builder;

struct baseline_spec_column {
	const char *name; /* borrowed for the builder's life */
	enum column_kind kind;
	enum column_role role;
};

struct baseline_builder *
baseline_builder_new(const struct baseline_spec_column *columns,
		     size_t n_columns, unsigned resolution,
		     uint32_t max_categories, size_t max_bytes);
void baseline_builder_free(struct baseline_builder *b);

/*
 * Append ${n} rows: values of column ${c} (numeric) or codes into its texts
 * (categorical); every column must be given the same rows before
 * baseline_builder_rows.  Blocks are cut by ${times} (event time, ties and
 * INT64_MIN in order of arrival).
 */
int baseline_builder_numbers(struct baseline_builder *b, size_t c,
			     const double *values, size_t n, struct err *e);
int baseline_builder_codes(struct baseline_builder *b, size_t c,
			   const uint32_t *codes, size_t n,
			   const struct category_text *texts, size_t n_texts,
			   struct err *e);
int baseline_builder_rows(struct baseline_builder *b, const int64_t *times,
			  size_t n, struct err *e);

/* NULL and ${e} when there are no rows.  The builder stays the caller's. */
struct baseline *baseline_builder_finish(struct baseline_builder *b,
					 struct err *e);

#endif
