/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_scan - reading one segment through a window of bytes.  Shared by
 * recovery and the cursors.  Bytes below the end that was durable when they
 * were read never change, so the window may be kept between calls.
 */
#include "storage/journal_private.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 256 * 1024 };

void scan_init(struct scan *s)
{
	*s = (struct scan){.fd = -1};
	s->data = xaligned(WINDOW);
}

static void scan_close(struct scan *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->len = 0;
}

void scan_release(struct scan *s)
{
	scan_close(s);
	free(s->data);
	s->data = NULL;
}

int scan_open(struct scan *s, struct journal *j, const struct segment *seg,
	      struct err *e)
{
	char name[24];

	scan_close(s);
	segment_name(seg->base, name);
	s->fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0) {
		int saved = errno;

		err_errno(e, "cannot open \"%s/%s\"", j->dir, name);
		errno = saved;
		return -1;
	}
	s->base = seg->base;
	s->salt = seg->salt;
	s->first = seg->base + seg->header_bytes;
	s->at = s->base;
	return 0;
}

/* Have ${len} bytes at ${position} in the window if the file has them. */
static int fill(struct scan *s, uint64_t position, uint64_t len, uint64_t limit,
		struct err *e)
{
	uint64_t want = limit - position;
	ssize_t n;

	if (position >= s->at && position - s->at <= s->len &&
	    len <= s->len - (position - s->at))
		return 0;
	if (want > WINDOW)
		want = WINDOW;
	s->len = 0;
	n = io_read(s->fd, s->data, (size_t)want, position - s->base);
	if (n < 0)
		return err_errno(e, "cannot read the journal at %llu",
				 (unsigned long long)position);
	s->at = position;
	s->len = (size_t)n;
	return 0;
}

const char *scan_bytes(struct scan *s, uint64_t position, uint64_t len,
		       uint64_t limit)
{
	struct err e;

	if (len > WINDOW || len > limit - position ||
	    fill(s, position, len, limit, &e) < 0 ||
	    s->len - (position - s->at) < len)
		return NULL;
	return s->data + (position - s->at);
}

int scan_header(struct scan *s, uint64_t position, uint64_t limit,
		struct frame_header *out, struct err *e)
{
	if (position >= limit || limit - position < sizeof(*out))
		return 0;
	if (fill(s, position, sizeof(*out), limit, e) < 0)
		return -1;
	if (s->len - (position - s->at) < sizeof(*out))
		return 0;
	memcpy(out, s->data + (position - s->at), sizeof(*out));
	return frame_header_is_valid(out, position, s->salt) &&
	       frame_bytes(out->payload_len) <= limit - position;
}

int scan_resync(struct scan *s, uint64_t from, uint64_t limit, uint64_t *out,
		struct err *e)
{
	const size_t need = sizeof(struct frame_header);
	struct frame_header h;

	for (uint64_t at = from; at < limit; at += JOURNAL_ALIGN) {
		uint32_t magic;
		int r;

		if (limit - at < need)
			break;
		if (fill(s, at, need, limit, e) < 0)
			return -1;
		if (s->len - (at - s->at) < need)
			break; /* the file ends here */
		memcpy(&magic, s->data + (at - s->at), sizeof(magic));
		if (magic != FRAME_MAGIC)
			continue;
		r = scan_header(s, at, limit, &h, e);
		if (r < 0)
			return -1;
		if (r > 0) {
			*out = at;
			return 0;
		}
	}
	*out = limit;
	return 0;
}

int scan_payload(struct scan *s, const struct frame_header *h, struct err *e)
{
	uint64_t at = h->position + sizeof(*h);
	uint64_t end = at + h->payload_len;
	uint32_t crc = 0;

	while (at < end) {
		size_t n;

		if (fill(s, at, 1, end, e) < 0)
			return -1;
		n = s->len - (size_t)(at - s->at);
		if (n == 0)
			return 0; /* the file ends here */
		if (n > end - at)
			n = (size_t)(end - at);
		crc = crc32c(crc, s->data + (at - s->at), n);
		at += n;
	}
	return crc == h->payload_crc;
}

static size_t trim_zeros(const char *data, size_t n)
{
	while (n > 0 && data[n - 1] == 0)
		n--;
	return n;
}

int scan_data_end(struct scan *s, uint64_t from, uint64_t to, uint64_t *out,
		  struct err *e)
{
	while (to > from) {
		uint64_t at = to - from > WINDOW ? to - WINDOW : from;
		size_t n;

		s->len = 0;
		if (fill(s, at, 1, to, e) < 0)
			return -1;
		n = trim_zeros(s->data, s->len);
		if (n > 0) {
			*out = at + n;
			return 0;
		}
		to = at;
	}
	*out = from;
	return 0;
}
