/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_JOURNAL_FORMAT_H
#define DRIFTD_STORAGE_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * journal_format - the bytes of a segment.  Private to the journal and its
 * tests.
 *
 *	page 0        struct segment_header
 *	page 1        the same again: one bad page must not cost a segment
 *	page 2...     n_states times struct state_record, zeros to a page
 *	header_bytes  frames, each a struct frame_header, payload, zeros to 8
 *
 * Integers are little-endian.  The offset in the file is position - base.
 */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the batch and journal formats are read in place");

#define SEGMENT_MAGIC UINT64_C(0x4745535446495244) /* "DRIFTSEG" */
#define FRAME_MAGIC   UINT32_C(0x52464644)	   /* "DFFR" */

enum {
	JOURNAL_VERSION = 1,
	JOURNAL_PAGE = 4096,
	JOURNAL_TABLE_AT = 2 * JOURNAL_PAGE,
	JOURNAL_ALIGN = 8
};

/* Beyond it a length in a header is not believed, nor appended. */
#define JOURNAL_MAX_PAYLOAD (UINT32_C(1) << 30)

struct segment_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes;
	uint64_t base; /* the position of its first byte */
	int64_t source_id;
	uint64_t salt;
	uint64_t epoch;
	uint64_t last_end; /* of the last frame before this segment */
	int64_t created_at_us;
	uint32_t n_states;
	uint32_t states_crc;
	uint32_t zero;
	uint32_t crc; /* of all before */
};
_Static_assert(sizeof(struct segment_header) == 80, "no padding");

/* What is known of a model after its last frame. */
struct state_record {
	int64_t model_id;
	uint64_t seq;
	uint64_t chain;
	uint64_t n_events;
};
_Static_assert(sizeof(struct state_record) == 32, "no padding");

struct frame_header {
	uint32_t magic;
	uint32_t version;
	uint64_t position;
	uint64_t salt;
	uint64_t durable_before; /* on disk before this was written */
	int64_t model_id;
	uint64_t seq;
	uint64_t chain_before;
	uint64_t n_events_before;
	uint32_t n_events;
	uint32_t n_rejected;
	uint32_t payload_len;
	uint32_t payload_crc;
	uint32_t zero;
	uint32_t crc; /* of all before */
};
_Static_assert(sizeof(struct frame_header) == 88, "no padding");

/* Bytes of a frame with this payload. */
static inline uint64_t frame_bytes(uint64_t payload_len)
{
	return (sizeof(struct frame_header) + payload_len + JOURNAL_ALIGN - 1) &
	       ~(uint64_t)(JOURNAL_ALIGN - 1);
}

/* Bytes before the first frame with so many models. */
uint64_t segment_header_bytes(uint64_t n_states);

/* Fill in the CRC. */
void segment_header_seal(struct segment_header *h);
void frame_header_seal(struct frame_header *h);

/* The header is whole and of this base; the version may be another one. */
bool segment_header_is_valid(const struct segment_header *h, uint64_t base);

/* The header is whole and belongs at this place of this segment. */
bool frame_header_is_valid(const struct frame_header *h, uint64_t position,
			   uint64_t salt);

/* The chain after a frame. */
uint64_t frame_chain(uint64_t chain_before, uint32_t payload_crc, uint64_t seq,
		     uint32_t n_events);

#endif
