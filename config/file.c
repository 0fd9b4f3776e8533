/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file - a small file as one text. */
#include "config/file.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* read(2) until the end or ${max} + 1 bytes. */
static ssize_t read_up_to(int fd, char *data, size_t max)
{
	size_t len = 0;
	ssize_t n;

	while (len <= max) {
		n = read(fd, data + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

char *file_read(const char *path, size_t max, size_t *len)
{
	/* A FIFO without a writer must not hold up a reload. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *data = NULL;
	struct stat st;
	ssize_t n;
	int saved;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		goto fail;
	}
	data = xmalloc(max + 2);
	n = read_up_to(fd, data, max);
	if (n < 0)
		goto fail;
	if ((size_t)n > max) {
		errno = EFBIG;
		goto fail;
	}
	data[n] = '\0';
	if (memchr(data, '\0', (size_t)n)) {
		errno = EILSEQ;
		goto fail;
	}
	*len = (size_t)n;
	close(fd);
	return data;
fail:
	saved = errno;
	free(data);
	close(fd);
	errno = saved;
	return NULL;
}

int file_read_failure(const char *path, size_t max, struct err *e)
{
	if (errno == EFBIG)
		return err_set(e, ERR_INVALID,
			       "\"%s\" is larger than %zu bytes", path, max);
	if (errno == EILSEQ)
		return err_set(e, ERR_INVALID, "\"%s\" holds a NUL", path);
	return err_errno(e, "cannot read \"%s\"", path);
}
