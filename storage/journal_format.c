/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_format - checksums and checks of what journal_format.h lays out.
 */
#include "storage/journal_format.h"

#include "base/hash.h"

uint64_t segment_header_bytes(uint64_t n_states)
{
	uint64_t n = JOURNAL_TABLE_AT + n_states * sizeof(struct state_record);

	return (n + JOURNAL_PAGE - 1) & ~(uint64_t)(JOURNAL_PAGE - 1);
}

void segment_header_seal(struct segment_header *h)
{
	h->crc = crc32c(0, h, offsetof(struct segment_header, crc));
}

void frame_header_seal(struct frame_header *h)
{
	h->crc = crc32c(0, h, offsetof(struct frame_header, crc));
}

bool segment_header_is_valid(const struct segment_header *h, uint64_t base)
{
	if (h->magic != SEGMENT_MAGIC || h->base != base ||
	    h->crc != crc32c(0, h, offsetof(struct segment_header, crc)))
		return false;
	return h->version != JOURNAL_VERSION ||
	       h->header_bytes == segment_header_bytes(h->n_states);
}

bool frame_header_is_valid(const struct frame_header *h, uint64_t position,
			   uint64_t salt)
{
	return h->magic == FRAME_MAGIC && h->position == position &&
	       h->salt == salt && h->version == JOURNAL_VERSION &&
	       h->payload_len <= JOURNAL_MAX_PAYLOAD &&
	       h->crc == crc32c(0, h, offsetof(struct frame_header, crc));
}

uint64_t frame_chain(uint64_t chain_before, uint32_t payload_crc, uint64_t seq,
		     uint32_t n_events)
{
	const uint64_t link[4] = {chain_before, payload_crc, seq, n_events};

	return hash64(link, sizeof(link));
}
