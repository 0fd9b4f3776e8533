/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes as text: hexadecimal, base64 (RFC 4648 section 4, strict: padding is
 * required, nothing else is skipped, so that equal bytes have one spelling).
 * And bytes from the kernel.
 */

#include "base/hash.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *hex, size_t len, uint8_t *out)
{
	if (len % 2 != 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (hex_value(hex[i]) < 0)
			return -1;
	for (size_t i = 0; i < len; i += 2)
		out[i / 2] = (uint8_t)(hex_value(hex[i]) << 4 |
				       hex_value(hex[i + 1]));
	return 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/=";

void base64_encode(const void *data, size_t len, struct buf *out)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;
		char text[4];

		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		text[0] = alphabet[v >> 18];
		text[1] = alphabet[v >> 12 & 63];
		text[2] = alphabet[n > 1 ? v >> 6 & 63 : 64];
		text[3] = alphabet[n > 2 ? v & 63 : 64];
		buf_add(out, text, sizeof(text));
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/*
 * Four characters, the last ${pad} of them padding.  Bits that belong to no
 * byte must be zero.
 */
static int decode_group(const char *text, unsigned pad, struct buf *out)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		int digit = i < 4 - pad ? base64_value(text[i]) : 0;

		if (digit < 0)
			return -1;
		v = v << 6 | (uint32_t)digit;
	}
	if (v & ((UINT32_C(1) << 8 * pad) - 1))
		return -1;
	for (unsigned i = 0; i < 3 - pad; i++)
		buf_add_u8(out, (uint8_t)(v >> (16 - 8 * i)));
	return 0;
}

int base64_decode(const char *text, size_t len, struct buf *out, struct err *e)
{
	size_t before = out->len;

	if (len % 4 != 0)
		return err_set(e, ERR_INVALID,
			       "base64 text is not a multiple of four long");
	for (size_t i = 0; i < len; i += 4) {
		unsigned pad = 0;

		if (i + 4 == len && text[i + 3] == '=')
			pad = text[i + 2] == '=' ? 2 : 1;
		if (decode_group(text + i, pad, out) < 0) {
			err_set(e, ERR_INVALID, "bad base64 at byte %zu",
				i + 1);
			goto fail;
		}
	}
	if (!out->failed)
		return 0;
	err_set(e, ERR_LIMIT, "base64 text is too long");
fail:
	out->len = before;
	if (out->data)
		out->data[before] = '\0';
	return -1;
}

void random_bytes(void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("random", "no random bytes: %s",
				  strerrorname_np(errno));
			abort();
		}
		p += n;
		len -= (size_t)n;
	}
}
