/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_quarantine - bytes that will not be applied, kept for people:
 * quarantine/<position in hex>-<reason>.bin, the frame with its header, or
 * whatever stood where one should be.
 *
 * It is bounded: an eighth of the journal's own bound, and what does not fit
 * is counted and logged but not copied.  A copy is a convenience, never a
 * reason to fail.
 */
#include "storage/journal_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUARANTINE_DIR "quarantine"

enum { COPY_BYTES = 64 * 1024, REASON_MAX = 32, SHARE = 8 };

/* Beyond so many, bad stretches are counted each time they are met. */
enum { BAD_MAX = 4096 };

void quarantine_init(struct journal *j)
{
	int fd = openat(j->dir_fd, QUARANTINE_DIR,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this dir */
	while ((entry = readdir(dir)) != NULL) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			j->quarantine_bytes += (uint64_t)st.st_size;
	}
	closedir(dir);
}

static void make_dir(struct journal *j)
{
	if (mkdirat(j->dir_fd, QUARANTINE_DIR, 0700) == 0)
		io_sync_dir(j->io, j->dir_fd);
}

/* False: it would not fit. */
static bool reserve(struct journal *j, uint64_t n)
{
	bool fits;

	pthread_mutex_lock(&j->mutex);
	fits = n <= j->max_bytes / SHARE &&
	       j->quarantine_bytes <= j->max_bytes / SHARE - n;
	if (fits)
		j->quarantine_bytes += n;
	pthread_mutex_unlock(&j->mutex);
	return fits;
}

static void add_name(struct buf *out, uint64_t position, const char *reason)
{
	buf_printf(out, QUARANTINE_DIR "/%016" PRIx64 "-", position);
	for (size_t i = 0; i < REASON_MAX && reason[i]; i++) {
		char c = reason[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain)
			buf_add_char(out, c);
		else
			buf_add_char(out, '-');
	}
	buf_add_str(out, ".bin");
}

static int copy_bytes(struct journal *j, int from, int to, uint64_t offset,
		      uint64_t len)
{
	char *data = xmalloc(COPY_BYTES);
	uint64_t done = 0;
	int result = -1;

	while (done < len) {
		size_t want = len - done < COPY_BYTES ? (size_t)(len - done)
						      : COPY_BYTES;
		ssize_t n = io_read(from, data, want, offset + done);
		struct iovec iov = {data, n > 0 ? (size_t)n : 0};

		if (n < 0 || io_write(j->io, to, &iov, 1, done) < 0)
			goto out;
		if (n == 0)
			break;
		done += (uint64_t)n;
	}
	result = 0;
out:
	free(data);
	return result;
}

int quarantine_range(struct journal *j, int fd, uint64_t base, uint64_t start,
		     uint64_t end, const char *reason, struct err *e)
{
	struct buf name;
	int to, result = -1;

	buf_init(&name, 256);
	add_name(&name, start, reason);
	make_dir(j);
	to = openat(j->dir_fd, buf_str(&name),
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 && errno == EEXIST) {
		result = 0; /* from an earlier time */
		goto out;
	}
	if (to < 0) {
		err_errno(e, "cannot make \"%s/%s\"", j->dir, buf_str(&name));
		goto out;
	}
	if (!reserve(j, end - start)) {
		err_set(e, ERR_LIMIT, "the quarantine of \"%s\" is full",
			j->dir);
		unlinkat(j->dir_fd, buf_str(&name), 0);
	} else if (copy_bytes(j, fd, to, start - base, end - start) < 0) {
		err_errno(e, "cannot copy to \"%s/%s\"", j->dir,
			  buf_str(&name));
		unlinkat(j->dir_fd, buf_str(&name), 0);
	} else {
		result = 0;
	}
	close(to);
out:
	buf_release(&name);
	return result;
}

int quarantine_segment(struct journal *j, uint64_t base, struct err *e)
{
	struct buf to;
	char name[24];
	int result = 0;

	segment_name(base, name);
	buf_init(&to, 256);
	buf_printf(&to, QUARANTINE_DIR "/%s", name);
	make_dir(j);
	if (renameat(j->dir_fd, name, j->dir_fd, buf_str(&to)) < 0 ||
	    io_sync_dir(j->io, j->dir_fd) < 0)
		result = err_errno(e, "cannot move \"%s/%s\" to quarantine",
				   j->dir, name);
	buf_release(&to);
	return result;
}

static const struct bad_run *find(const struct journal *j, uint64_t start,
				  bool is_payload)
{
	for (size_t i = 0; i < j->n_bad; i++) {
		if (j->bad[i].start == start &&
		    j->bad[i].is_payload == is_payload)
			return &j->bad[i];
	}
	return NULL;
}

uint64_t quarantine_known_end(struct journal *j, uint64_t start)
{
	const struct bad_run *run;
	uint64_t end = 0;

	pthread_mutex_lock(&j->mutex);
	run = find(j, start, false);
	if (run)
		end = run->end;
	pthread_mutex_unlock(&j->mutex);
	return end;
}

/* True when it was not known. */
static bool remember(struct journal *j, const struct bad_run *run)
{
	bool is_new;

	pthread_mutex_lock(&j->mutex);
	is_new = !find(j, run->start, run->is_payload);
	if (is_new && j->n_bad < BAD_MAX) {
		if (j->n_bad == j->cap_bad) {
			j->cap_bad = j->cap_bad ? j->cap_bad * 2 : 16;
			j->bad = xrealloc_array(j->bad, j->cap_bad,
						sizeof(*j->bad));
		}
		j->bad[j->n_bad++] = *run;
	}
	pthread_mutex_unlock(&j->mutex);
	return is_new;
}

void quarantine_note(struct journal *j, int fd, uint64_t base,
		     const struct bad_run *run)
{
	struct err e;

	if (!remember(j, run))
		return;
	atomic_fetch_add(&j->corrupt_count, 1);
	log_error("journal",
		  "journal \"%s\" is corrupt at %" PRIu64 " (%" PRIu64
		  " bytes, %s); copied to quarantine",
		  j->dir, run->start, run->end - run->start,
		  run->is_payload ? "payload" : "no frame");
	if (quarantine_range(j, fd, base, run->start, run->end, "corrupt", &e) <
	    0)
		log_warn("journal", "%s", e.message);
}
