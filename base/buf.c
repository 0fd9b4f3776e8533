/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf - growing bytes with a ceiling.  Capacity doubles; one byte more than
 * the ceiling may be allocated, for the NUL.
 */

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2};
}

void buf_release(struct buf *b)
{
	size_t max = b->max;

	free(b->data);
	buf_init(b, max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;
	char *data;

	if (b->failed)
		return -1;
	if (n > b->max - b->len) {
		b->failed = true;
		return -1;
	}
	need = b->len + n + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : FIRST_CAPACITY;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -1;
	}
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (buf_reserve(b, len) < 0)
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_char(struct buf *b, char c)
{
	if (buf_reserve(b, 1) < 0)
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	if (buf_reserve(b, 0) < 0)
		return;
	va_copy(again, ap);
	room = b->cap - b->len;
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	if (n >= 0 && (size_t)n >= room) {
		b->data[b->len] = '\0';
		if (buf_reserve(b, (size_t)n) == 0)
			n = vsnprintf(b->data + b->len, (size_t)n + 1, fmt,
				      again);
	} else if (n < 0) {
		b->failed = true;
	}
	va_end(again);
	if (b->failed)
		b->data[b->len] = '\0';
	else
		b->len += (size_t)n;
}

void buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add_char(b, (char)v);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	buf_add(b, bytes, sizeof(bytes));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	buf_add(b, bytes, sizeof(bytes));
}

void buf_add_f64(struct buf *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	buf_add_u64(b, bits);
}

void buf_add_varint(struct buf *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	while (v >= 0x80) {
		bytes[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (uint8_t)v;
	buf_add(b, bytes, n);
}

void buf_add_zigzag(struct buf *b, int64_t v)
{
	uint64_t sign = v < 0 ? UINT64_MAX : 0;

	buf_add_varint(b, ((uint64_t)v << 1) ^ sign);
}

void buf_add_string(struct buf *b, const char *s, size_t len)
{
	size_t before = b->len;

	buf_add_varint(b, len);
	buf_add(b, s, len);
	/* Refused means all of it: no length without its text. */
	if (b->failed && b->len > before) {
		b->len = before;
		b->data[before] = '\0';
	}
}

void buf_pad(struct buf *b, size_t align)
{
	size_t n = (align - (b->len & (align - 1))) & (align - 1);

	if (n == 0 || buf_reserve(b, n) < 0)
		return;
	memset(b->data + b->len, 0, n + 1);
	b->len += n;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}
