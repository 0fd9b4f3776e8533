/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_segment - the files: made, cut, deleted.
 *
 * A segment is made under another name and renamed when its header is on
 * disk, so a file with a segment's name always has one.  Its end is known from
 * the next one's base, so cutting the preallocated rest needs no sync.
 */
#include "storage/journal_private.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEMP_NAME "segment.tmp"

/* Models that may turn up between an estimate and the segment. */
enum { SPARE_STATES = 64 };

void segment_name(uint64_t base, char out[24])
{
	uint8_t big_endian[8];

	for (unsigned i = 0; i < 8; i++)
		big_endian[i] = (uint8_t)(base >> (56 - 8 * i));
	hex_encode(big_endian, sizeof(big_endian), out);
	memcpy(out + 16, ".seg", sizeof(".seg"));
}

void segment_count_bytes(struct journal *j)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < j->n_segments; i++)
		sum += j->segments[i].file_bytes;
	atomic_store(&j->bytes, sum);
	if (j->n_segments > 0)
		atomic_store(&j->oldest, j->segments[0].base);
}

void segment_add(struct journal *j, const struct segment *s)
{
	if (j->n_segments == j->cap_segments) {
		j->cap_segments = j->cap_segments ? j->cap_segments * 2 : 16;
		j->segments = xrealloc_array(j->segments, j->cap_segments,
					     sizeof(*j->segments));
	}
	j->segments[j->n_segments++] = *s;
	segment_count_bytes(j);
}

uint64_t segment_overhead(const struct journal *j)
{
	return segment_header_bytes(states_count(j->states) + SPARE_STATES);
}

/* The header twice and the table, in one piece. */
static void make_head(struct journal *j, struct segment_header *h,
		      struct buf *out)
{
	struct buf table;

	buf_init(&table, SIZE_MAX);
	states_copy(j->states, &table);
	*h = (struct segment_header){
		.magic = SEGMENT_MAGIC,
		.version = JOURNAL_VERSION,
		.base = j->w.end,
		.source_id = atomic_load(&j->source_id),
		.epoch = atomic_load(&j->epoch),
		.last_end = atomic_load(&j->durable_end),
		.created_at_us = clock_wall_us(),
		.n_states = (uint32_t)(table.len / sizeof(struct state_record)),
		.states_crc = crc32c(0, buf_str(&table), table.len),
	};
	h->header_bytes = (uint32_t)segment_header_bytes(h->n_states);
	random_bytes(&h->salt, sizeof(h->salt));
	segment_header_seal(h);
	for (unsigned i = 0; i < 2; i++) {
		buf_add(out, h, sizeof(*h));
		buf_pad(out, JOURNAL_PAGE);
	}
	if (table.len > 0)
		buf_add(out, table.data, table.len);
	buf_pad(out, JOURNAL_PAGE);
	if (table.failed)
		out->failed = true;
	buf_release(&table);
}

/* The new file, open, under its own name; -1 and errno. */
static int make_file(struct journal *j, const struct buf *head, uint64_t base,
		     uint64_t size)
{
	int fd = openat(j->dir_fd, TEMP_NAME,
			O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct iovec iov = {head->data, head->len};
	char name[24];
	int saved;

	if (fd < 0)
		return -1;
	segment_name(base, name);
	if (io_reserve(j->io, fd, size) &&
	    io_write(j->io, fd, &iov, 1, 0) == 0 && j->io->fsync(fd) == 0 &&
	    renameat(j->dir_fd, TEMP_NAME, j->dir_fd, name) == 0)
		return fd;
	saved = errno;
	close(fd);
	unlinkat(j->dir_fd, TEMP_NAME, 0);
	errno = saved;
	return -1;
}

void segment_finish(struct journal *j)
{
	uint64_t used = j->w.end - j->w.base;

	if (j->w.fd < 0)
		return;
	if (j->io->ftruncate(j->w.fd, (off_t)used) < 0)
		log_warn("journal", "cannot cut a segment of \"%s\": %s",
			 j->dir, io_why(errno));
	close(j->w.fd);
	j->w.fd = -1;
	pthread_mutex_lock(&j->mutex);
	j->segments[j->n_segments - 1].file_bytes = used;
	j->room = 0;
	segment_count_bytes(j);
	pthread_mutex_unlock(&j->mutex);
}

/* Would the file go beyond the bound?  The one before will be cut. */
static bool exceeds_bound(struct journal *j, uint64_t size)
{
	uint64_t spare = 0;

	pthread_mutex_lock(&j->mutex);
	if (j->w.fd >= 0)
		spare = j->segments[j->n_segments - 1].file_bytes -
			(j->w.end - j->w.base);
	pthread_mutex_unlock(&j->mutex);
	return atomic_load(&j->bytes) - spare + size > j->max_bytes;
}

static void adopt(struct journal *j, int fd, const struct segment_header *h,
		  uint64_t size)
{
	const struct segment s = {
		.base = h->base,
		.end = h->base + h->header_bytes,
		.file_bytes = size,
		.header_bytes = h->header_bytes,
		.source_id = h->source_id,
		.salt = h->salt,
		.last_write_us = h->created_at_us,
	};

	segment_finish(j);
	j->w.fd = fd;
	j->w.base = h->base;
	j->w.salt = h->salt;
	j->w.limit = h->base + size;
	j->w.end = s.end;
	pthread_mutex_lock(&j->mutex);
	segment_add(j, &s);
	j->room = size - h->header_bytes;
	pthread_mutex_unlock(&j->mutex);
}

int segment_start(struct journal *j, uint64_t frame, bool *shortage,
		  struct err *e)
{
	uint64_t size = j->segment_bytes;
	struct segment_header h;
	struct buf head;
	int result = -1, fd;

	*shortage = false;
	if (j->w.unsynced && journal_sync_now(j) < 0)
		return err_set(e, ERR_IO, "journal \"%s\" is broken", j->dir);
	buf_init(&head, SIZE_MAX);
	make_head(j, &h, &head);
	if (size < 2 * (uint64_t)h.header_bytes)
		size = 2 * (uint64_t)h.header_bytes;
	if (size < h.header_bytes + frame)
		size = h.header_bytes + frame;
	if (head.failed || exceeds_bound(j, size)) {
		*shortage = true;
		err_set(e, ERR_LIMIT, "journal \"%s\" is full", j->dir);
		goto out;
	}
	fd = make_file(j, &head, h.base, size);
	if (fd < 0) {
		*shortage = io_is_shortage(errno);
		err_errno(e, "cannot make a segment of \"%s\"", j->dir);
		goto out;
	}
	if (io_sync_dir(j->io, j->dir_fd) < 0) {
		err_errno(e, "cannot sync journal \"%s\"", j->dir);
		close(fd);
		goto out;
	}
	adopt(j, fd, &h, size);
	result = 0;
out:
	buf_release(&head);
	return result;
}

/* May the oldest segment go?  Never the newest: it knows the states. */
static bool is_deletable(const struct journal *j, uint64_t position,
			 int64_t now_us)
{
	const struct segment *s = &j->segments[0];

	if (j->n_segments < 2 || s->end > position)
		return false;
	return now_us - s->last_write_us >= j->retain_us ||
	       atomic_load(&j->bytes) > j->max_bytes / 2;
}

void journal_applied(struct journal *j, uint64_t position)
{
	int64_t now_us = clock_wall_us();
	char name[24];

	pthread_mutex_lock(&j->mutex);
	while (is_deletable(j, position, now_us)) {
		segment_name(j->segments[0].base, name);
		if (unlinkat(j->dir_fd, name, 0) < 0 && errno != ENOENT) {
			log_warn("journal", "cannot delete \"%s/%s\": %s",
				 j->dir, name, io_why(errno));
			break;
		}
		j->n_segments--;
		memmove(j->segments, j->segments + 1,
			j->n_segments * sizeof(*j->segments));
		segment_count_bytes(j);
	}
	pthread_mutex_unlock(&j->mutex);
}
