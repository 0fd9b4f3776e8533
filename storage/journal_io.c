/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_io - writes that are whole or have failed, and files that are
 * replaced at once: written beside, synced, renamed, directory synced.
 */
#include "storage/journal_io.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* EAGAIN on a file is odd; a device that goes on with it is broken. */
enum { AGAIN_MAX = 100, AGAIN_SLEEP_US = 1000 };

const struct journal_io journal_io_system = {
	.pwritev = pwritev,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.fallocate = fallocate,
	.ftruncate = ftruncate,
};

/* Drop the first ${n} bytes of what is to be written. */
static void advance(struct iovec **iov, int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

int io_write(const struct journal_io *io, int fd, struct iovec *iov, int n,
	     uint64_t at)
{
	int n_again = 0;

	advance(&iov, &n, 0);
	while (n > 0) {
		ssize_t done = io->pwritev(fd, iov, n, (off_t)at);

		if (done > 0) {
			at += (uint64_t)done;
			advance(&iov, &n, (size_t)done);
		} else if (done == 0) {
			errno = EIO;
			return -1;
		} else if (errno == EAGAIN && n_again < AGAIN_MAX) {
			n_again++;
			clock_sleep_us(AGAIN_SLEEP_US);
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

ssize_t io_read(int fd, void *out, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)out + done, len - done,
				  (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

bool io_reserve(const struct journal_io *io, int fd, uint64_t len)
{
	int r;

	do
		r = io->fallocate(fd, 0, 0, (off_t)len);
	while (r < 0 && errno == EINTR);
	return r == 0 || errno == EOPNOTSUPP || errno == ENOSYS ||
	       errno == EINVAL;
}

bool io_is_shortage(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ||
	       error == EMFILE || error == ENFILE || error == ENOMEM;
}

const char *io_why(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "unknown error";
}

int io_sync_dir(const struct journal_io *io, int dir_fd)
{
	return io->fsync(dir_fd);
}

static int write_new(const struct journal_io *io, int dir_fd, const char *name,
		     const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);
	struct iovec iov = {(void *)(uintptr_t)data, len};
	int result, saved;

	if (fd < 0)
		return -1;
	result = io_write(io, fd, &iov, 1, 0);
	if (result == 0)
		result = io->fsync(fd);
	saved = errno;
	if (close(fd) < 0 && result == 0)
		return -1;
	errno = saved;
	return result;
}

int io_replace_file(const struct journal_io *io, int dir_fd, const char *name,
		    const void *data, size_t len)
{
	struct buf temp;
	int result = -1, saved;

	buf_init(&temp, 256);
	buf_printf(&temp, "%s.tmp", name);
	if (write_new(io, dir_fd, buf_str(&temp), data, len) < 0 ||
	    renameat(dir_fd, buf_str(&temp), dir_fd, name) < 0) {
		saved = errno;
		unlinkat(dir_fd, buf_str(&temp), 0);
		errno = saved;
		goto out;
	}
	result = io_sync_dir(io, dir_fd);
out:
	buf_release(&temp);
	return result;
}
