/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inflater - streaming decompression with a bound on what comes out.  After
 * an error or a refusal by the sink it stays broken.
 */

#include "base/compress_inflate.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	RUN_BYTES = 65536,
	GZIP_ONLY = 15 + 16, /* inflateInit2: 32 KiB window, gzip header */
	ZSTD_WINDOW_LOG = 23 /* 8 MiB */
};

struct inflater {
	enum encoding encoding;
	uint64_t max_output;
	uint64_t left;	/* of max_output */
	bool in_member; /* begun and not ended */
	bool has_member;
	bool broken;
	z_stream gzip;
	ZSTD_DCtx *zstd; /* owned */
	char *run;	 /* owned, RUN_BYTES; made at the first feed */
};

struct inflater *inflater_new(enum encoding encoding, uint64_t max_output)
{
	struct inflater *z = xcalloc(1, sizeof(*z));
	bool made = true;

	z->encoding = encoding;
	z->max_output = max_output;
	z->left = max_output;
	if (encoding == ENCODING_GZIP) {
		made = inflateInit2(&z->gzip, GZIP_ONLY) == Z_OK;
	} else if (encoding == ENCODING_ZSTD) {
		z->zstd = ZSTD_createDCtx();
		made = z->zstd &&
		       !ZSTD_isError(ZSTD_DCtx_setParameter(
			       z->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
	}
	if (!made) {
		log_error("memory", "cannot allocate a decompressor");
		abort();
	}
	return z;
}

void inflater_free(struct inflater *z)
{
	if (!z)
		return;
	if (z->encoding == ENCODING_GZIP)
		(void)inflateEnd(&z->gzip);
	(void)ZSTD_freeDCtx(z->zstd);
	free(z->run);
	free(z);
}

static int pull_identity(struct inflate_step *s)
{
	size_t n = s->in_len < s->out_size ? s->in_len : s->out_size;

	memcpy(s->out, s->in, n);
	s->in += n;
	s->in_len -= n;
	s->out_len = n;
	return 0;
}

static uInt clip(size_t n)
{
	return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

static int gzip_error(const struct inflater *z, int status, struct err *e)
{
	if (status == Z_MEM_ERROR)
		return err_set(e, ERR_TEMP, "no memory to decompress gzip");
	return err_set(e, ERR_INVALID, "bad gzip data: %s",
		       z->gzip.msg ? z->gzip.msg : "corrupt");
}

static int pull_gzip(struct inflater *z, struct inflate_step *s, struct err *e)
{
	z_stream *g = &z->gzip;

	g->next_out = (Bytef *)s->out;
	g->avail_out = clip(s->out_size);
	do {
		int status;

		/* zlib does not write there; its type predates const. */
		g->next_in = (z_const Bytef *)(uintptr_t)s->in;
		g->avail_in = clip(s->in_len);
		z->in_member |= s->in_len > 0;
		status = inflate(g, Z_NO_FLUSH);
		s->in_len -= (size_t)((const char *)g->next_in - s->in);
		s->in = (const char *)g->next_in;
		if (status == Z_STREAM_END) {
			z->in_member = false;
			z->has_member = true;
			status = inflateReset(g);
		}
		/* Z_BUF_ERROR: nothing to do with what it was given. */
		if (status != Z_OK && status != Z_BUF_ERROR)
			return gzip_error(z, status, e);
	} while (s->in_len > 0 && g->avail_out > 0);
	s->out_len = clip(s->out_size) - g->avail_out;
	return 0;
}

static int zstd_error(size_t status, struct err *e)
{
	switch ((int)ZSTD_getErrorCode(status)) {
	case ZSTD_error_memory_allocation:
		return err_set(e, ERR_TEMP, "no memory to decompress zstd");
	case ZSTD_error_frameParameter_windowTooLarge:
		return err_set(e, ERR_LIMIT,
			       "the window of the zstd frame exceeds 8 MiB");
	default:
		return err_set(e, ERR_INVALID, "bad zstd data: %s",
			       ZSTD_getErrorName(status));
	}
}

static int pull_zstd(struct inflater *z, struct inflate_step *s, struct err *e)
{
	ZSTD_outBuffer out = {s->out, s->out_size, 0};
	ZSTD_inBuffer in = {s->in, s->in_len, 0};

	/* Between frames and without input it would ask for a header. */
	while (in.pos < in.size || z->in_member) {
		size_t before = in.pos + out.pos, status;

		status = ZSTD_decompressStream(z->zstd, &out, &in);
		if (ZSTD_isError(status))
			return zstd_error(status, e);
		z->in_member = status != 0;
		z->has_member |= status == 0;
		if (out.pos == out.size || in.pos + out.pos == before)
			break;
	}
	s->in += in.pos;
	s->in_len -= in.pos;
	s->out_len = out.pos;
	return 0;
}

int inflater_pull(struct inflater *z, struct inflate_step *s, struct err *e)
{
	int status = -1;

	if (z->broken)
		return err_set(e, ERR_INVALID, "decompression had failed");
	s->out_len = 0;
	switch (z->encoding) {
	case ENCODING_IDENTITY:
		status = pull_identity(s);
		break;
	case ENCODING_GZIP:
		status = pull_gzip(z, s, e);
		break;
	case ENCODING_ZSTD:
		status = pull_zstd(z, s, e);
		break;
	}
	if (status == 0 && s->out_len > z->left)
		status = err_set(e, ERR_LIMIT,
				 "more than %llu bytes after decompression",
				 (unsigned long long)z->max_output);
	if (status == 0)
		z->left -= s->out_len;
	else
		z->broken = true;
	return status;
}

int inflater_feed(struct inflater *z, const char *data, size_t len,
		  inflater_sink *sink, void *arg, struct err *e)
{
	struct inflate_step s = {
		.in = data, .in_len = len, .out_size = RUN_BYTES};

	if (len == 0)
		return 0;
	if (!z->run)
		z->run = xmalloc(RUN_BYTES);
	s.out = z->run;
	do {
		if (inflater_pull(z, &s, e) < 0)
			return -1;
		if (s.out_len > 0 && sink(arg, s.out, s.out_len, e) < 0) {
			z->broken = true;
			return -1;
		}
	} while (s.in_len > 0 || s.out_len == s.out_size);
	return 0;
}

int inflater_end(struct inflater *z, struct err *e)
{
	if (z->broken)
		return err_set(e, ERR_INVALID, "decompression had failed");
	if (z->encoding == ENCODING_IDENTITY)
		return 0;
	if (z->in_member || !z->has_member)
		return err_set(e, ERR_INVALID, "%s data ends too early",
			       z->encoding == ENCODING_GZIP ? "gzip" : "zstd");
	return 0;
}
