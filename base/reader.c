/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reader - reads back what buf wrote, from bytes nobody vouches for: every
 * length is checked against what is left, and a varint that would not fit
 * into 64 bits is a failure.  Declared in buf.h beside its other half.
 */

#include "base/buf.h"

#include <string.h>

void reader_init(struct reader *r, const void *data, size_t len)
{
	*r = (struct reader){.data = data, .len = len};
}

static void fail(struct reader *r)
{
	r->failed = true;
	r->pos = r->len;
}

const char *reader_bytes(struct reader *r, size_t n)
{
	const char *p;

	if (r->failed || n > r->len - r->pos) {
		fail(r);
		return NULL;
	}
	/* Also for no bytes from no memory: NULL means failure alone. */
	p = r->data ? r->data + r->pos : "";
	r->pos += n;
	return p;
}

static uint64_t fixed(struct reader *r, unsigned width)
{
	const char *p = reader_bytes(r, width);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)(uint8_t)p[i] << (8 * i);
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)fixed(r, 1);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)fixed(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return fixed(r, 8);
}

double reader_f64(struct reader *r)
{
	uint64_t bits = fixed(r, 8);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

uint64_t reader_varint(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->pos < r->len; shift += 7) {
		uint8_t byte = (uint8_t)r->data[r->pos++];

		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7F) << shift;
		if (!(byte & 0x80))
			return v;
	}
	fail(r);
	return 0;
}

int64_t reader_zigzag(struct reader *r)
{
	uint64_t v = reader_varint(r);

	return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

const char *reader_string(struct reader *r, size_t *len)
{
	uint64_t n = reader_varint(r);
	const char *p;

	if (r->failed || n > r->len - r->pos) {
		fail(r);
		return NULL;
	}
	p = reader_bytes(r, (size_t)n);
	if (p)
		*len = (size_t)n;
	return p;
}

void reader_align(struct reader *r, size_t align)
{
	size_t n = (align - (r->pos & (align - 1))) & (align - 1);

	if (!r->failed)
		reader_bytes(r, n);
}

bool reader_is_done(const struct reader *r)
{
	return !r->failed && r->pos == r->len;
}
