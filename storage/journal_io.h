/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_JOURNAL_IO_H
#define DRIFTD_STORAGE_JOURNAL_IO_H

#include "storage/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * journal_io - the system calls by which the journal writes, in a struct so
 * that tests can make them fail.  Private to the journal and its tests.
 */
struct journal_io {
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd); /* of files and directories just made */
	int (*fallocate)(int fd, int mode, off_t offset, off_t len);
	int (*ftruncate)(int fd, off_t len);
};

extern const struct journal_io journal_io_system;

/* journal_open over other system calls; ${io} outlives the journal. */
struct journal *journal_open_io(const struct journal_options *o,
				const struct journal_io *io,
				struct journal_recovery *recovery,
				struct err *e);

/*
 * Write all of it at ${at}: short writes are continued, interruptions
 * repeated.  The array is used up.  -1 and errno.
 */
int io_write(const struct journal_io *io, int fd, struct iovec *iov, int n,
	     uint64_t at);

/* Up to ${len} bytes from ${at}: fewer only at the end of the file. */
ssize_t io_read(int fd, void *out, size_t len, uint64_t at);

/* Make room: true, or false and errno; a file system that cannot is fine. */
bool io_reserve(const struct journal_io *io, int fd, uint64_t len);

/* A failure that says "no room now", after which nothing is in doubt. */
bool io_is_shortage(int error);

/* What an errno means; strerror is not for threads. */
const char *io_why(int error);

int io_sync_dir(const struct journal_io *io, int dir_fd);

/* The whole file, old or new, whatever happens between. */
int io_replace_file(const struct journal_io *io, int dir_fd, const char *name,
		    const void *data, size_t len);

#endif
