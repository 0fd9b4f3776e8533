/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input - files of any size, decompressed into the reader's own buffer.
 */

#include "base/compress_inflate.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RAW_BYTES = 65536, MAGIC_BYTES = 4 };

struct input {
	int fd;
	char *name;		   /* owned, for errors */
	struct inflater *inflater; /* owned */
	struct inflate_step step;
	bool is_plain; /* read into the caller's buffer, without a copy */
	bool is_full;  /* the last pull filled its output */
	bool is_ended; /* the file is read to its end */
	uint64_t done, total;
	char raw[RAW_BYTES];
};

/* Read up to ${size} bytes; the count or -1. */
static long fill(struct input *in, char *out, size_t size, struct err *e)
{
	ssize_t n;

	do
		n = read(in->fd, out, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, "cannot read \"%s\"", in->name);
	in->is_ended = n == 0;
	in->done += (uint64_t)n;
	return n;
}

static int open_file(struct input *in, const char *path, struct err *e)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		in->fd = STDIN_FILENO;
	else
		in->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) < 0)
		return err_errno(e, "cannot open \"%s\"", in->name);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return err_errno(e, "cannot open \"%s\"", in->name);
	}
	if (S_ISREG(st.st_mode)) {
		in->total = (uint64_t)st.st_size;
		(void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return 0;
}

struct input *input_open(const char *path, struct err *e)
{
	struct input *in = xcalloc(1, sizeof(*in));
	size_t have = 0;

	in->fd = -1;
	in->name = xstrdup(strcmp(path, "-") == 0 ? "standard input" : path);
	if (open_file(in, path, e) < 0)
		goto fail;
	while (have < MAGIC_BYTES && !in->is_ended) {
		long n = fill(in, in->raw + have, RAW_BYTES - have, e);

		if (n < 0)
			goto fail;
		have += (size_t)n;
	}
	in->is_plain = encoding_sniff(in->raw, have) == ENCODING_IDENTITY;
	in->inflater = inflater_new(encoding_sniff(in->raw, have), UINT64_MAX);
	in->step.in = in->raw;
	in->step.in_len = have;
	/* An empty file is plain: there is nothing to end. */
	return in;
fail:
	input_close(in);
	return NULL;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	if (in->fd > STDIN_FILENO)
		(void)close(in->fd);
	inflater_free(in->inflater);
	free(in->name);
	free(in);
}

long input_read(struct input *in, char *out, size_t size, struct err *e)
{
	in->step.out = out;
	in->step.out_size = size < LONG_MAX ? size : LONG_MAX;
	if (size == 0)
		return 0;
	if (in->is_plain && in->step.in_len == 0)
		return in->is_ended ? 0 : fill(in, out, in->step.out_size, e);
	for (;;) {
		if (in->step.in_len > 0 || in->is_full) {
			if (inflater_pull(in->inflater, &in->step, e) < 0)
				goto fail;
			in->is_full = in->step.out_len == in->step.out_size;
			if (in->step.out_len > 0)
				return (long)in->step.out_len;
			continue;
		}
		if (!in->is_ended) {
			long n = fill(in, in->raw, RAW_BYTES, e);

			if (n < 0)
				return -1;
			in->step.in = in->raw;
			in->step.in_len = (size_t)n;
			continue;
		}
		if (inflater_end(in->inflater, e) < 0)
			goto fail;
		return 0;
	}
fail:
	return err_wrap(e, "\"%s\"", in->name);
}

void input_progress(const struct input *in, uint64_t *done, uint64_t *total)
{
	*done = in->done;
	*total = in->total;
}
