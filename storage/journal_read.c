/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_read - cursors: frames in order of position, never beyond the
 * durable end.
 *
 * A header that is none begins a corrupt stretch, which ends at the next
 * header that is one: position, salt and CRC in it make it all but impossible
 * that bytes of a payload pass for one.
 */
#include "storage/journal_private.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct journal_cursor {
	struct journal *j; /* borrowed */
	struct scan scan;
	struct segment seg; /* copy, of what scan has open */
	uint64_t limit;	    /* end of what may be read of it */
	char *payload;	    /* owned, for those larger than the window */
	size_t cap_payload;
};

struct journal_cursor *journal_cursor_new(struct journal *j)
{
	struct journal_cursor *c = xcalloc(1, sizeof(*c));

	c->j = j;
	scan_init(&c->scan);
	return c;
}

void journal_cursor_free(struct journal_cursor *c)
{
	if (!c)
		return;
	scan_release(&c->scan);
	free(c->payload);
	free(c);
}

/* The first segment with frames to read behind ${position}. */
static bool find_segment(struct journal_cursor *c, uint64_t position,
			 struct segment *out)
{
	struct journal *j = c->j;
	bool found = false;

	pthread_mutex_lock(&j->mutex);
	for (size_t i = 0; i < j->n_segments && !found; i++) {
		const struct segment *s = &j->segments[i];
		uint64_t durable = atomic_load(&j->durable_end);
		uint64_t end = s->end < durable ? s->end : durable;

		if (end > position && end > s->base + s->header_bytes) {
			*out = *s;
			c->limit = end;
			found = true;
		}
	}
	pthread_mutex_unlock(&j->mutex);
	return found;
}

/* 1: the segment is open; 0: there is no more; -1. */
static int open_segment(struct journal_cursor *c, uint64_t position,
			struct err *e)
{
	struct segment seg;

	while (find_segment(c, position, &seg)) {
		if (c->scan.fd >= 0 && c->seg.base == seg.base)
			return 1;
		if (scan_open(&c->scan, c->j, &seg, e) == 0) {
			c->seg = seg;
			return 1;
		}
		if (errno != ENOENT)
			return -1;
		/* Deleted in between: then the list says so, or it is lost. */
		if (journal_oldest(c->j) <= seg.base)
			return -1;
	}
	return 0;
}

/*
 * A position that is no boundary (of another history of this journal) may lie
 * within a good frame, which is not corrupt for it: its end, else 0.
 */
static int find_enclosing(struct journal_cursor *c, uint64_t position,
			  uint64_t *end, struct err *e)
{
	uint64_t at = c->scan.first;
	struct frame_header h;

	*end = 0;
	while (at < position) {
		int r = scan_header(&c->scan, at, c->limit, &h, e);

		if (r < 0)
			return -1;
		if (r > 0)
			at += frame_bytes(h.payload_len);
		else if (scan_resync(&c->scan, at + JOURNAL_ALIGN, c->limit,
				     &at, e) < 0)
			return -1;
		if (r > 0 && at > position)
			*end = at;
	}
	return 0;
}

/* Where to go on after bytes at ${position} that are no header. */
static int skip_bad(struct journal_cursor *c, uint64_t position, uint64_t *next,
		    struct err *e)
{
	struct bad_run run = {.start = position};

	*next = quarantine_known_end(c->j, position);
	if (*next > position)
		return 0;
	if (find_enclosing(c, position, next, e) < 0)
		return -1;
	if (*next > 0)
		return 0;
	if (scan_resync(&c->scan, position + JOURNAL_ALIGN, c->limit, next, e) <
	    0)
		return -1;
	run.end = *next;
	quarantine_note(c->j, c->scan.fd, c->seg.base, &run);
	return 0;
}

static void fill_frame(const struct journal_cursor *c,
		       const struct frame_header *h, struct journal_frame *out)
{
	*out = (struct journal_frame){
		.position = h->position,
		.end = h->position + frame_bytes(h->payload_len),
		.source_id = c->seg.source_id,
		.model_id = h->model_id,
		.seq = h->seq,
		.chain_before = h->chain_before,
		.chain_after = frame_chain(h->chain_before, h->payload_crc,
					   h->seq, h->n_events),
		.n_events_before = h->n_events_before,
		.n_events = h->n_events,
		.n_rejected = h->n_rejected,
		.payload_len = h->payload_len,
	};
}

int journal_next(struct journal_cursor *c, uint64_t position,
		 struct journal_frame *out, struct err *e)
{
	struct frame_header h;
	int r;

	for (;;) {
		r = open_segment(c, position, e);
		if (r <= 0)
			return r;
		if (position < c->scan.first)
			position = c->scan.first;
		position = (position + JOURNAL_ALIGN - 1) &
			   ~(uint64_t)(JOURNAL_ALIGN - 1);
		while (position < c->limit) {
			r = scan_header(&c->scan, position, c->limit, &h, e);
			if (r < 0)
				return -1;
			if (r > 0) {
				fill_frame(c, &h, out);
				return 1;
			}
			if (skip_bad(c, position, &position, e) < 0)
				return -1;
		}
	}
}

static const char *read_payload(struct journal_cursor *c,
				const struct frame_header *h, struct err *e)
{
	uint64_t at = h->position + sizeof(*h);
	const char *data = scan_bytes(&c->scan, at, h->payload_len, c->limit);
	ssize_t n;

	if (data)
		return data;
	if (h->payload_len > c->cap_payload) {
		void *p = malloc(h->payload_len);

		if (!p) {
			err_set(e, ERR_TEMP,
				"no memory for a frame of %" PRIu32 " bytes",
				h->payload_len);
			return NULL;
		}
		free(c->payload);
		c->payload = p;
		c->cap_payload = h->payload_len;
	}
	n = io_read(c->scan.fd, c->payload, h->payload_len, at - c->seg.base);
	if (n < 0) {
		err_errno(e, "cannot read the journal at %" PRIu64, at);
		return NULL;
	}
	/* A file cut short by somebody: the CRC will tell. */
	memset(c->payload + n, 0, h->payload_len - (size_t)n);
	return c->payload;
}

/* The header again, of a frame that journal_next gave out. */
static int find_frame(struct journal_cursor *c,
		      const struct journal_frame *frame, struct frame_header *h,
		      struct err *e)
{
	int r = open_segment(c, frame->position, e);

	if (r == 0 || (r == 1 && frame->position < c->scan.first))
		return err_set(e, ERR_IO,
			       "the journal has no frame at %" PRIu64
			       " any more",
			       frame->position);
	if (r < 0)
		return -1;
	r = scan_header(&c->scan, frame->position, c->limit, h, e);
	if (r == 0)
		return err_set(e, ERR_INVALID,
			       "the journal has no frame at %" PRIu64,
			       frame->position);
	return r < 0 ? -1 : 0;
}

const void *journal_payload(struct journal_cursor *c,
			    const struct journal_frame *frame, struct err *e)
{
	struct bad_run run = {frame->position, frame->end, true};
	struct frame_header h = {0};
	const char *data;

	if (find_frame(c, frame, &h, e) < 0)
		return NULL;
	data = read_payload(c, &h, e);
	if (!data)
		return NULL;
	if (crc32c(0, data, h.payload_len) == h.payload_crc)
		return data;
	quarantine_note(c->j, c->scan.fd, c->seg.base, &run);
	err_set(e, ERR_INVALID,
		"the payload of the frame at %" PRIu64 " is corrupt",
		frame->position);
	return NULL;
}

int journal_quarantine(struct journal *j, const struct journal_frame *frame,
		       const char *reason, struct err *e)
{
	struct journal_cursor *c = journal_cursor_new(j);
	struct frame_header h = {0};
	int result = -1;

	if (find_frame(c, frame, &h, e) == 0)
		result = quarantine_range(j, c->scan.fd, c->seg.base,
					  frame->position, frame->end, reason,
					  e);
	journal_cursor_free(c);
	return result;
}
