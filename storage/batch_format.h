/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_BATCH_FORMAT_H
#define DRIFTD_STORAGE_BATCH_FORMAT_H

#include <stdint.h>

/*
 * batch_format - the bytes of an encoded batch, shared by its writer
 * (batch_code.c) and its reader (batch_view.c) only.
 *
 *	struct batch_head
 *	struct batch_outcome_head, in version 2
 *	model NUL version NUL key NUL, padded
 *	for each column: struct batch_column_head, name NUL, padded, and
 *		numeric:     n_rows doubles
 *		categorical: n_texts text heads, padded; their bytes, padded;
 *		             n_rows codes, padded
 *	n_rows event times
 *	ids: varint length and bytes each, padded
 *
 * Padded means with zeros to a multiple of 8, so that every array can be read
 * where it lies.  Numbers are little-endian, like every machine we run on.
 */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the batch and journal formats are read in place");

#define BATCH_MAGIC UINT32_C(0x54424644) /* "DFBT" */

/*
 * Version 2 has a struct batch_outcome_head behind the head; what has nothing
 * to say there is written as version 1.
 */
enum {
	BATCH_VERSION_PLAIN = 1,
	BATCH_VERSION = 2,
	BATCH_HAS_KEY = 1,
	BATCH_ALIGN = 8
};

/* A text head: its length, and this bit when it stood as a number. */
#define BATCH_TEXT_NUMBER UINT32_C(0x80000000)

struct batch_head {
	uint32_t magic;
	uint32_t version;
	uint32_t n_rows;
	uint32_t n_columns;
	int64_t model_id;
	int64_t received_at_us;
	int64_t window_n;
	int64_t revise_horizon_us;
	uint32_t window_unit;
	uint32_t max_categories;
	uint32_t n_rejected;
	uint32_t flags;
	uint8_t body_hash[16];
	uint32_t model_len;
	uint32_t version_len;
	uint32_t key_len;
	uint32_t ids_len;
};
_Static_assert(sizeof(struct batch_head) == 96, "no padding");

struct batch_outcome_head {
	uint32_t kind;
	uint32_t sample;
};
_Static_assert(sizeof(struct batch_outcome_head) == 8, "no padding");

struct batch_column_head {
	uint32_t name_len;
	uint8_t kind;
	uint8_t role;
	uint16_t zero;
	uint32_t n_texts;
	uint32_t text_bytes;
};
_Static_assert(sizeof(struct batch_column_head) == 16, "no padding");

#endif
