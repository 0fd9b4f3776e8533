/* SPDX-License-Identifier: GPL-3.0-or-later */
/* baseline_files - baselines by hash, in files that appear whole. */
#include "storage/baseline_files.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "detectors/baseline.h"
#include "storage/baseline_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_PATH_MAX = 4096, FILES_READ_BYTES = 65536 };

static void make_path(const char *dir, const uint8_t hash[SHA256_SIZE],
		      const char *suffix, struct buf *out)
{
	char hex[SHA256_HEX];

	hex_encode(hash, SHA256_SIZE, hex);
	buf_init(out, FILES_PATH_MAX);
	buf_printf(out, "%s/%s%s", dir, hex, suffix);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Under another name first: a file that is there is whole. */
static int write_file(const char *dir, const struct baseline *b,
		      const struct buf *packed, const char *path, struct err *e)
{
	struct buf temp;
	int rc = -1, fd;

	make_path(dir, b->hash, ".tmp", &temp);
	fd = open(buf_str(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		  0600);
	if (fd < 0) {
		err_errno(e, "could not write \"%s\"", buf_str(&temp));
		goto out;
	}
	rc = write_all(fd, packed->data, packed->len);
	if (rc == 0)
		rc = fsync(fd);
	if (close(fd) < 0)
		rc = -1;
	if (rc == 0)
		rc = rename(buf_str(&temp), path);
	if (rc) {
		err_errno(e, "could not write \"%s\"", path);
		(void)unlink(buf_str(&temp));
	}
out:
	buf_release(&temp);
	return rc ? -1 : 0;
}

int baseline_files_pack(const struct baseline *b, struct buf *out,
			struct err *e)
{
	struct buf raw;
	int rc = 0;

	buf_init(&raw, BASELINE_BYTES_MAX);
	baseline_encode(b, &raw);
	if (!raw.failed)
		zstd_pack(buf_str(&raw), raw.len, out);
	if (raw.failed || out->failed)
		rc = err_set(e, ERR_LIMIT, "the baseline is too large");
	buf_release(&raw);
	return rc;
}

int baseline_files_save(const char *dir, const struct baseline *b,
			struct err *e)
{
	struct buf path, packed;
	int rc = 0;

	make_path(dir, b->hash, ".baseline", &path);
	buf_init(&packed, BASELINE_BYTES_MAX);
	if (access(buf_str(&path), F_OK) == 0)
		goto out;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		rc = err_errno(e, "could not make \"%s\"", dir);
		goto out;
	}
	rc = baseline_files_pack(b, &packed, e);
	if (rc == 0)
		rc = write_file(dir, b, &packed, buf_str(&path), e);
out:
	buf_release(&packed);
	buf_release(&path);
	return rc;
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0) {
		err_errno(e, "could not open \"%s\"", path);
		if (e && errno == ENOENT)
			e->code = ERR_NOT_FOUND;
		return -1;
	}
	while (n > 0 && buf_reserve(out, FILES_READ_BYTES) == 0) {
		n = read(fd, out->data + out->len, FILES_READ_BYTES);
		if (n > 0)
			out->len += (size_t)n;
	}
	(void)close(fd);
	if (n < 0)
		return err_errno(e, "could not read \"%s\"", path);
	if (out->failed)
		return err_set(e, ERR_LIMIT, "\"%s\" is too large", path);
	return 0;
}

struct baseline *baseline_files_read(const char *path, struct err *e)
{
	struct baseline *b = NULL;
	struct buf packed, raw;

	buf_init(&packed, BASELINE_BYTES_MAX);
	buf_init(&raw, BASELINE_BYTES_MAX);
	if (read_file(path, &packed, e) == 0 &&
	    zstd_unpack(packed.data, packed.len, &raw, e) == 0)
		b = baseline_decode(raw.data, raw.len, e);
	buf_release(&raw);
	buf_release(&packed);
	return b;
}

struct baseline *baseline_files_load(const char *dir,
				     const uint8_t hash[SHA256_SIZE],
				     struct err *e)
{
	struct baseline *b;
	struct buf path;

	make_path(dir, hash, ".baseline", &path);
	b = baseline_files_read(buf_str(&path), e);
	if (b && memcmp(b->hash, hash, SHA256_SIZE) != 0) {
		baseline_free(b);
		b = NULL;
		err_set(e, ERR_INVALID,
			"\"%s\" has other content than its name",
			buf_str(&path));
	}
	buf_release(&path);
	return b;
}
