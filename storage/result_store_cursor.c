/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * result_store_cursor - where a page of results ended, as opaque text.
 *
 * Base64 with the two URL-safe letters and without padding, over: a version
 * byte, the window's start, four NUL-terminated texts, the revision.  It comes
 * back from outside and is checked like any input.
 */
#include "storage/result_store_private.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <string.h>

enum {
	CURSOR_VERSION = 1,
	CURSOR_MAX = 8192,
	CURSOR_TEXT_MAX = 16384,
	CURSOR_TEXTS = 4
};

static void add_text(struct buf *b, const char *s)
{
	buf_add_string(b, s, strlen(s) + 1);
}

static void translate(char *s, size_t len, const char from[2], const char to[2])
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == from[0])
			s[i] = to[0];
		else if (s[i] == from[1])
			s[i] = to[1];
	}
}

void result_cursor_write(const struct result_key *key, struct buf *out)
{
	struct buf plain;
	size_t from = out->len;

	buf_init(&plain, CURSOR_MAX);
	buf_add_u8(&plain, CURSOR_VERSION);
	buf_add_u64(&plain, (uint64_t)key->window_start_us);
	add_text(&plain, key->column);
	add_text(&plain, key->metric);
	add_text(&plain, key->slice);
	add_text(&plain, key->signal);
	buf_add_varint(&plain, (uint64_t)key->revision);
	base64_encode(buf_str(&plain), plain.len, out);
	if (plain.failed)
		out->failed = true;
	buf_release(&plain);
	if (out->failed)
		return;
	while (out->len > from && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
	translate(out->data + from, out->len - from, "+/", "-_");
}

static int decode(const char *text, struct buf *plain)
{
	size_t len = strlen(text);
	struct buf padded;
	int rc = -1;

	if (len > CURSOR_TEXT_MAX || strpbrk(text, "+/="))
		return -1;
	buf_init(&padded, CURSOR_TEXT_MAX + 4);
	buf_add(&padded, text, len);
	while (padded.len % 4 && !padded.failed)
		buf_add_char(&padded, '=');
	if (padded.len && !padded.failed) {
		translate(padded.data, padded.len, "-_", "+/");
		rc = base64_decode(padded.data, padded.len, plain, NULL);
	}
	buf_release(&padded);
	return rc;
}

/* A text with its NUL, and no other. */
static const char *read_text(struct reader *r)
{
	size_t len = 0;
	const char *s = reader_string(r, &len);

	if (!s || !len || strnlen(s, len) != len - 1 ||
	    !utf8_is_valid(s, len - 1, NULL))
		return NULL;
	return s;
}

int result_cursor_read(const char *text, struct result_key *key,
		       struct buf *memory, struct err *e)
{
	const char *texts[CURSOR_TEXTS];
	struct result_key k;
	struct reader r;
	bool is_good;

	if (decode(text, memory))
		return err_set(e, ERR_INVALID, "cursor is not one of ours");
	reader_init(&r, buf_str(memory), memory->len);
	is_good = reader_u8(&r) == CURSOR_VERSION;
	k.window_start_us = (int64_t)reader_u64(&r);
	for (size_t i = 0; i < CURSOR_TEXTS; i++) {
		texts[i] = read_text(&r);
		is_good = is_good && texts[i];
	}
	k.revision = (int64_t)reader_varint(&r);
	if (!is_good || !reader_is_done(&r) || k.revision < 0 ||
	    k.revision > INT32_MAX || k.window_start_us > TIMESTAMP_MAX ||
	    k.window_start_us < 2 * TIMESTAMP_MIN)
		return err_set(e, ERR_INVALID, "cursor is not one of ours");
	k.column = texts[0];
	k.metric = texts[1];
	k.slice = texts[2];
	k.signal = texts[3];
	*key = k;
	return 0;
}
