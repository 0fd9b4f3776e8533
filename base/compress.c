/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compress - names and magic bytes of encodings, and whole buffers.
 */

#include "base/compress.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <string.h>
#include <strings.h>

#include <zstd.h>

enum { PACK_LEVEL = 3 };

int encoding_parse(const char *text, enum encoding *out)
{
	static const struct {
		const char *name;
		enum encoding encoding;
	} names[] = {
		{"", ENCODING_IDENTITY}, {"identity", ENCODING_IDENTITY},
		{"gzip", ENCODING_GZIP}, {"x-gzip", ENCODING_GZIP},
		{"zstd", ENCODING_ZSTD},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(text, names[i].name) == 0) {
			*out = names[i].encoding;
			return 0;
		}
	}
	return -1;
}

enum encoding encoding_sniff(const void *data, size_t len)
{
	static const unsigned char skippable[] = {0x2A, 0x4D, 0x18};
	static const unsigned char frame[] = {0x28, 0xB5, 0x2F, 0xFD};
	const unsigned char *p = data;

	if (len >= 2 && p[0] == 0x1F && p[1] == 0x8B)
		return ENCODING_GZIP;
	if (len >= 4 && (memcmp(p, frame, sizeof(frame)) == 0 ||
			 (p[0] >> 4 == 5 &&
			  memcmp(p + 1, skippable, sizeof(skippable)) == 0)))
		return ENCODING_ZSTD;
	return ENCODING_IDENTITY;
}

void zstd_pack(const void *data, size_t len, struct buf *out)
{
	size_t bound = ZSTD_compressBound(len);
	size_t n;

	if (ZSTD_isError(bound)) {
		out->failed = true;
		return;
	}
	if (buf_reserve(out, bound) < 0)
		return;
	n = ZSTD_compress(out->data + out->len, bound, data, len, PACK_LEVEL);
	if (ZSTD_isError(n))
		out->failed = true; /* out of memory */
	else
		out->len += n;
	out->data[out->len] = '\0';
}

int zstd_unpack(const void *data, size_t len, struct buf *out, struct err *e)
{
	unsigned long long size = ZSTD_getFrameContentSize(data, len);
	size_t n;

	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
		return err_set(e, ERR_INVALID, "not a zstd frame with a size");
	if (out->failed || size > out->max - out->len)
		return err_set(e, ERR_LIMIT,
			       "zstd frame of %llu bytes is too large", size);
	if (buf_reserve(out, (size_t)size) < 0)
		return err_set(e, ERR_TEMP, "no memory for %llu bytes", size);
	n = ZSTD_decompress(out->data + out->len, (size_t)size, data, len);
	if (!ZSTD_isError(n) && n == size) {
		out->len += n;
		out->data[out->len] = '\0';
		return 0;
	}
	out->data[out->len] = '\0';
	return err_set(e, ERR_INVALID, "bad zstd frame: %s",
		       ZSTD_isError(n) ? ZSTD_getErrorName(n) : "short");
}
