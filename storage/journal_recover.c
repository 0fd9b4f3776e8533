/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_recover - what opening does to the segments of earlier lives.
 *
 * The newest segment whose state table is whole gives the states; its frames
 * and those of later segments move them on.  Behind the last good frame of
 * the newest segment everything is cut.  The journal never appends to a
 * segment of an earlier life.  Every step may be repeated: dying within
 * recovery leaves the next one the same work or less.
 *
 * A bad stretch that had been durable (a later frame says so: durable_before)
 * may have held the last frame of some model.  Then its next seq is not
 * known, and the same seq twice would look like a cloned journal: so the
 * journal takes a new identity.
 */
#include "storage/journal_private.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct recovery {
	struct journal *j;
	struct journal_recovery found;
	struct scan scan;
	uint64_t *bases; /* owned: of the files, ascending */
	size_t n_bases, cap_bases;
	bool *has_table;	 /* owned, beside journal.segments */
	uint64_t unreadable_end; /* behind a newest file without a header */
	uint64_t last_end;	 /* of the newest segment's header */
	bool doubt;		 /* a model's last seq may be unknown */

	/* Of the segment being scanned: bad runs not yet judged. */
	struct bad_run *runs; /* owned */
	size_t n_runs, cap_runs;
	uint64_t lost_from; /* least start of a run without a header */
	uint64_t durable;   /* greatest durable_before */
};

static bool parse_name(const char *name, uint64_t *base)
{
	uint8_t b[8];

	if (strlen(name) != 20 || strcmp(name + 16, ".seg") != 0 ||
	    hex_decode(name, 16, b) < 0)
		return false;
	*base = 0;
	for (unsigned i = 0; i < 8; i++)
		*base = *base << 8 | b[i];
	return true;
}

static int compare_bases(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static bool is_temp(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static int list_files(struct recovery *r, struct err *e)
{
	struct journal *j = r->j;
	int fd = openat(j->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		err_errno(e, "cannot list journal \"%s\"", j->dir);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this dir */
	while ((entry = readdir(dir)) != NULL) {
		uint64_t base;

		if (is_temp(entry->d_name))
			unlinkat(j->dir_fd, entry->d_name, 0);
		if (!parse_name(entry->d_name, &base))
			continue;
		if (r->n_bases == r->cap_bases) {
			r->cap_bases = r->cap_bases ? r->cap_bases * 2 : 16;
			r->bases = xrealloc_array(r->bases, r->cap_bases,
						  sizeof(*r->bases));
		}
		r->bases[r->n_bases++] = base;
	}
	closedir(dir);
	if (r->n_bases > 0)
		qsort(r->bases, r->n_bases, sizeof(*r->bases), compare_bases);
	return 0;
}

/* 1: ${out} is a whole header of this base; 0: neither copy is; -1. */
static int read_head(struct journal *j, int fd, uint64_t base,
		     struct segment_header *out, struct err *e)
{
	for (uint64_t copy = 0; copy < 2; copy++) {
		ssize_t n = io_read(fd, out, sizeof(*out), copy * JOURNAL_PAGE);

		if (n < 0)
			return err_errno(e, "cannot read journal \"%s\"",
					 j->dir);
		if (n != (ssize_t)sizeof(*out) ||
		    !segment_header_is_valid(out, base))
			continue;
		if (out->version != JOURNAL_VERSION)
			return err_set(e, ERR_INVALID,
				       "journal \"%s\" has a segment of "
				       "version %" PRIu32 ", this program "
				       "reads %d",
				       j->dir, out->version, JOURNAL_VERSION);
		return 1;
	}
	return 0;
}

/* True and ${records} (owned by the caller) when the table is whole. */
static bool read_table(int fd, const struct segment_header *h,
		       struct state_record **records)
{
	size_t bytes = h->n_states * sizeof(**records);
	struct stat st;

	*records = NULL;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)h->header_bytes)
		return false;
	*records = xmalloc(bytes + 1);
	if (io_read(fd, *records, bytes, JOURNAL_TABLE_AT) == (ssize_t)bytes &&
	    crc32c(0, *records, bytes) == h->states_crc)
		return true;
	free(*records);
	*records = NULL;
	return false;
}

/* A file whose header is gone tells nothing of its frames: set it aside. */
static int set_aside(struct recovery *r, uint64_t base, uint64_t bytes,
		     struct err *e)
{
	log_error("journal",
		  "a segment of \"%s\" at %" PRIu64
		  " has no header; moved to quarantine",
		  r->j->dir, base);
	r->found.n_corrupt_runs++;
	r->found.corrupt_bytes += bytes;
	atomic_fetch_add(&r->j->corrupt_count, 1);
	r->unreadable_end = base + bytes;
	return quarantine_segment(r->j, base, e);
}

static int load_file(struct recovery *r, uint64_t base, struct err *e)
{
	struct journal *j = r->j;
	struct segment_header h;
	struct state_record *table = NULL;
	struct stat st;
	char name[24];
	int fd, result = -1;

	segment_name(base, name);
	fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_errno(e, "cannot open \"%s/%s\"", j->dir, name);
		goto out;
	}
	result = read_head(j, fd, base, &h, e);
	if (result == 0)
		result = set_aside(r, base, (uint64_t)st.st_size, e);
	else if (result > 0) {
		const struct segment s = {
			.base = base,
			.end = base + (uint64_t)st.st_size,
			.file_bytes = (uint64_t)st.st_size,
			.header_bytes = h.header_bytes,
			.source_id = h.source_id,
			.salt = h.salt,
			.last_write_us = st.st_mtim.tv_sec * CLOCK_SECOND_US +
					 st.st_mtim.tv_nsec / 1000,
		};

		r->has_table[j->n_segments] = read_table(fd, &h, &table);
		segment_add(j, &s);
		r->last_end = h.last_end;
		r->unreadable_end = 0;
		result = 0;
	}
out:
	free(table);
	if (fd >= 0)
		close(fd);
	return result;
}

static int load_files(struct recovery *r, struct err *e)
{
	struct journal *j = r->j;

	r->has_table = xcalloc(r->n_bases + 1, sizeof(*r->has_table));
	for (size_t i = 0; i < r->n_bases; i++) {
		if (load_file(r, r->bases[i], e) < 0)
			return -1;
	}
	for (size_t i = 0; i + 1 < j->n_segments; i++) {
		struct segment *s = &j->segments[i];

		if (s->end > s[1].base)
			s->end = s[1].base;
	}
	r->found.n_segments = j->n_segments;
	return 0;
}

static void add_run(struct recovery *r, uint64_t start, uint64_t end,
		    bool is_payload)
{
	if (r->n_runs == r->cap_runs) {
		r->cap_runs = r->cap_runs ? r->cap_runs * 2 : 16;
		r->runs =
			xrealloc_array(r->runs, r->cap_runs, sizeof(*r->runs));
	}
	r->runs[r->n_runs++] = (struct bad_run){start, end, is_payload};
}

/* The runs so far are followed by something good. */
static void judge_corrupt(struct recovery *r)
{
	for (size_t i = 0; i < r->n_runs; i++) {
		const struct bad_run *run = &r->runs[i];

		r->found.n_corrupt_runs++;
		r->found.corrupt_bytes += run->end - run->start;
		if (!run->is_payload && run->start < r->lost_from)
			r->lost_from = run->start;
		quarantine_note(r->j, r->scan.fd, r->scan.base, run);
	}
	r->n_runs = 0;
}

/*
 * Frames of the open segment in [first, data_end), with their payloads;
 * ${good_end}: behind the last good one.
 */
static int scan_frames(struct recovery *r, uint64_t data_end, uint64_t limit,
		       uint64_t *good_end, struct err *e)
{
	uint64_t at = r->scan.first;
	struct frame_header h;

	*good_end = at;
	while (at < data_end) {
		uint64_t next;
		int ok = scan_header(&r->scan, at, limit, &h, e);
		bool is_payload = ok > 0;

		if (ok > 0)
			ok = scan_payload(&r->scan, &h, e);
		if (ok < 0)
			return -1;
		if (is_payload)
			next = at + frame_bytes(h.payload_len);
		else if (scan_resync(&r->scan, at + JOURNAL_ALIGN, limit, &next,
				     e) < 0)
			return -1;
		if (ok > 0) {
			judge_corrupt(r);
			r->found.n_frames++;
			if (h.durable_before > r->durable)
				r->durable = h.durable_before;
			*good_end = next;
		} else {
			add_run(r, at, next, is_payload);
		}
		at = next;
	}
	return 0;
}

/* The states move on with every header before ${end}, payloads or not. */
static int apply_headers(struct recovery *r, uint64_t end, struct err *e)
{
	uint64_t at = r->scan.first;
	struct frame_header h;

	while (at < end) {
		int ok = scan_header(&r->scan, at, end, &h, e);

		if (ok < 0)
			return -1;
		if (ok > 0) {
			states_apply(r->j->states, &h);
			at += frame_bytes(h.payload_len);
		} else if (scan_resync(&r->scan, at + JOURNAL_ALIGN, end, &at,
				       e) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Keep what was torn for people, then cut it and the preallocated rest. */
static int cut_tail(struct recovery *r, struct segment *s, uint64_t good_end,
		    uint64_t data_end, struct err *e)
{
	struct journal *j = r->j;
	struct err ignored;
	char name[24];
	int fd, result = -1;

	if (data_end > good_end) {
		r->found.torn_bytes = data_end - good_end;
		if (quarantine_range(j, r->scan.fd, s->base, good_end, data_end,
				     "torn", &ignored) < 0)
			log_warn("journal", "%s", ignored.message);
	}
	r->n_runs = 0;
	segment_name(s->base, name);
	fd = openat(j->dir_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || j->io->ftruncate(fd, (off_t)(good_end - s->base)) < 0 ||
	    j->io->fsync(fd) < 0)
		err_errno(e, "cannot cut \"%s/%s\"", j->dir, name);
	else
		result = 0;
	if (fd >= 0)
		close(fd);
	s->end = good_end;
	s->file_bytes = good_end - s->base;
	return result;
}

static int load_states(struct recovery *r, const struct segment *s,
		       struct err *e)
{
	struct state_record *table;
	struct segment_header h;

	states_clear(r->j->states);
	if (read_head(r->j, r->scan.fd, s->base, &h, e) <= 0 ||
	    !read_table(r->scan.fd, &h, &table)) {
		r->doubt = true;
		return 0;
	}
	for (uint32_t i = 0; i < h.n_states; i++)
		states_set(r->j->states, &table[i]);
	free(table);
	return 0;
}

static int recover_segment(struct recovery *r, size_t i, bool with_table,
			   struct err *e)
{
	struct segment *s = &r->j->segments[i];
	bool is_newest = i + 1 == r->j->n_segments;
	uint64_t data_end = s->end, good_end;

	r->lost_from = UINT64_MAX;
	r->durable = 0;
	if (scan_open(&r->scan, r->j, s, e) < 0)
		return -1;
	if (with_table && load_states(r, s, e) < 0)
		return -1;
	if (is_newest &&
	    scan_data_end(&r->scan, r->scan.first, s->end, &data_end, e) < 0)
		return -1;
	if (scan_frames(r, data_end, s->end, &good_end, e) < 0)
		return -1;
	if (is_newest) {
		if (cut_tail(r, s, good_end, data_end, e) < 0)
			return -1;
	} else {
		judge_corrupt(r);
		r->durable = UINT64_MAX;
	}
	if (r->lost_from < r->durable)
		r->doubt = true;
	return apply_headers(r, s->end, e);
}

static int recover_segments(struct recovery *r, struct err *e)
{
	struct journal *j = r->j;
	size_t from = j->n_segments;

	while (from > 0 && !r->has_table[--from])
		;
	for (size_t i = from; i < j->n_segments; i++) {
		bool renewed = i > from && j->segments[i].source_id !=
						   j->segments[i - 1].source_id;

		if (!r->has_table[i]) {
			log_error("journal",
				  "a segment of \"%s\" at %" PRIu64
				  " has a corrupt state table",
				  j->dir, j->segments[i].base);
			r->found.n_corrupt_runs++;
			atomic_fetch_add(&j->corrupt_count, 1);
		}
		if (recover_segment(r, i, i == from || renewed, e) < 0)
			return -1;
	}
	return 0;
}

/* Where the new life begins. */
static void set_ends(struct recovery *r)
{
	struct journal *j = r->j;
	const struct segment *newest;
	uint64_t durable = 0;

	j->w.end = 0;
	if (j->n_segments > 0) {
		newest = &j->segments[j->n_segments - 1];
		j->w.end = newest->end;
		durable = newest->end;
		/* Without a frame it ends where the one before it did. */
		if (newest->end == newest->base + newest->header_bytes)
			durable = r->last_end;
	}
	if (r->unreadable_end > j->w.end)
		j->w.end = (r->unreadable_end + JOURNAL_ALIGN - 1) &
			   ~(uint64_t)(JOURNAL_ALIGN - 1);
	atomic_store(&j->durable_end, durable);
	atomic_store(&j->written_end, durable);
	atomic_store(&j->oldest, j->w.end);
	segment_count_bytes(j);
}

/*
 * Whose states these are.  A journal without segments starts at position 0
 * again: under its old identity that would read as another history.
 */
static int settle_identity(struct recovery *r, struct err *e)
{
	struct journal *j = r->j;
	bool doubt = r->doubt || r->unreadable_end > 0;

	if (doubt || j->n_segments == 0) {
		states_clear(j->states);
		r->found.new_identity = doubt;
		return journal_new_identity(j, e);
	}
	if (j->segments[j->n_segments - 1].source_id !=
	    atomic_load(&j->source_id))
		states_clear(j->states); /* renewed, nothing written since */
	return 0;
}

int journal_recover(struct journal *j, struct journal_recovery *found,
		    struct err *e)
{
	struct recovery r = {.j = j};
	int result = -1;

	scan_init(&r.scan);
	quarantine_init(j);
	if (list_files(&r, e) < 0 || load_files(&r, e) < 0)
		goto out;
	if (recover_segments(&r, e) < 0)
		goto out;
	set_ends(&r);
	if (settle_identity(&r, e) < 0)
		goto out;
	*found = r.found;
	result = 0;
out:
	scan_release(&r.scan);
	free(r.bases);
	free(r.has_table);
	free(r.runs);
	return result;
}
