/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_BUF_H
#define DRIFTD_BASE_BUF_H

#include "base/attr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * buf - a growing run of bytes with a ceiling given at birth.
 *
 * Appending beyond the ceiling (or out of memory) sets `failed`, drops what
 * was to be appended and every later append: writers append freely and check
 * once at the end.  data[len] is always a NUL after an append, so text can be
 * read as a C string; the NUL is not counted in len.
 */

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max;  /* len never exceeds it */
	bool failed; /* an append was refused */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);

/* Empty it and forget a failure; the memory is kept. */
void buf_clear(struct buf *b);

/* Make room for ${n} more bytes.  -1 (and failed) beyond the ceiling. */
int buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_char(struct buf *b, char c);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) ATTR_PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) ATTR_PRINTF(2, 0);

/* Little-endian fixed width and LEB128 varints (zig-zag for signed). */
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_f64(struct buf *b, double v);
void buf_add_varint(struct buf *b, uint64_t v);
void buf_add_zigzag(struct buf *b, int64_t v);

/* Varint length, then the bytes. */
void buf_add_string(struct buf *b, const char *s, size_t len);

/* Zero bytes until len is a multiple of ${align}, a power of two. */
void buf_pad(struct buf *b, size_t align);

/* The bytes as a C string: "" while empty. */
const char *buf_str(const struct buf *b);

/*
 * reader - the other direction over borrowed bytes.  A read beyond the end
 * sets `failed`, returns 0 and stays at the end: check once at the end.
 */
struct reader {
	const char *data; /* borrowed */
	size_t len;
	size_t pos;
	bool failed;
};

void reader_init(struct reader *r, const void *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
double reader_f64(struct reader *r);
uint64_t reader_varint(struct reader *r);
int64_t reader_zigzag(struct reader *r);

/* ${n} raw bytes inside the reader's memory, NULL beyond the end. */
const char *reader_bytes(struct reader *r, size_t n);

/* What buf_add_string wrote: the text in the reader's memory, or NULL. */
const char *reader_string(struct reader *r, size_t *len);

/* Skip the padding of buf_pad. */
void reader_align(struct reader *r, size_t align);

/* True when nothing failed and all bytes were read. */
bool reader_is_done(const struct reader *r);

#endif
