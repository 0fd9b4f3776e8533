/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json - the writer.  It keeps one bit per open container, which says whether
 * the next item needs a comma; deeper than 63 it fails its buf.
 */

#include "base/json.h"

#include "base/buf.h"
#include "base/number.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 63 };

void json_out_init(struct json_out *w, struct buf *buf)
{
	*w = (struct json_out){.buf = buf};
}

/* What has to stand before an item. */
static void separate(struct json_out *w)
{
	uint64_t bit = UINT64_C(1) << w->depth;

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	/* At depth 0 items are lines of their own, if the caller says so. */
	if (w->depth > 0 && (w->has_item & bit))
		buf_add_char(w->buf, ',');
	w->has_item |= bit;
}

static void open_container(struct json_out *w, char c)
{
	separate(w);
	buf_add_char(w->buf, c);
	if (w->depth == MAX_DEPTH) {
		w->buf->failed = true;
		return;
	}
	w->depth++;
	w->has_item &= ~(UINT64_C(1) << w->depth);
}

static void close_container(struct json_out *w, char c)
{
	if (w->depth > 0)
		w->depth--;
	w->after_key = false;
	buf_add_char(w->buf, c);
}

void json_object_begin(struct json_out *w)
{
	open_container(w, '{');
}

void json_object_end(struct json_out *w)
{
	close_container(w, '}');
}

void json_array_begin(struct json_out *w)
{
	open_container(w, '[');
}

void json_array_end(struct json_out *w)
{
	close_container(w, ']');
}

static void escape(struct buf *buf, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	switch (c) {
	case '"':
		buf_add(buf, "\\\"", 2);
		break;
	case '\\':
		buf_add(buf, "\\\\", 2);
		break;
	case '\n':
		buf_add(buf, "\\n", 2);
		break;
	case '\r':
		buf_add(buf, "\\r", 2);
		break;
	case '\t':
		buf_add(buf, "\\t", 2);
		break;
	default:
		buf_add(buf, text, sizeof(text));
	}
}

/* Valid UTF-8: only ASCII needs escapes. */
static void add_valid(struct buf *buf, const char *s, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(buf, s + start, i - start);
		escape(buf, c);
		start = i + 1;
	}
	buf_add(buf, s + start, len - start);
}

static void quote(struct buf *buf, const char *s, size_t len)
{
	size_t bad;

	buf_add_char(buf, '"');
	while (!utf8_is_valid(s, len, &bad)) {
		add_valid(buf, s, bad);
		buf_add(buf, "\xEF\xBF\xBD", 3);
		s += bad + 1;
		len -= bad + 1;
	}
	add_valid(buf, s, len);
	buf_add_char(buf, '"');
}

void json_key(struct json_out *w, const char *key)
{
	json_key_n(w, key, strlen(key));
}

void json_key_n(struct json_out *w, const char *key, size_t len)
{
	separate(w);
	quote(w->buf, key, len);
	buf_add_char(w->buf, ':');
	w->after_key = true;
}

void json_string(struct json_out *w, const char *s)
{
	if (s)
		json_string_n(w, s, strlen(s));
	else
		json_null(w);
}

void json_string_n(struct json_out *w, const char *s, size_t len)
{
	separate(w);
	quote(w->buf, s, len);
}

void json_number(struct json_out *w, double v)
{
	char text[NUMBER_TEXT_MAX];

	if (isfinite(v))
		json_raw(w, text, number_format(v, text));
	else
		json_null(w);
}

void json_int(struct json_out *w, int64_t v)
{
	separate(w);
	buf_printf(w->buf, "%" PRId64, v);
}

void json_bool(struct json_out *w, bool v)
{
	if (v)
		json_raw(w, "true", 4);
	else
		json_raw(w, "false", 5);
}

void json_null(struct json_out *w)
{
	json_raw(w, "null", 4);
}

void json_time(struct json_out *w, int64_t us)
{
	char text[TIMESTAMP_TEXT_MAX];
	size_t len = timestamp_format(us, text);

	if (len > 0)
		json_string_n(w, text, len);
	else
		json_null(w);
}

void json_raw(struct json_out *w, const char *json, size_t len)
{
	separate(w);
	buf_add(w->buf, json, len);
}

void json_put_string(struct json_out *w, const char *key, const char *s)
{
	json_key(w, key);
	json_string(w, s);
}

void json_put_number(struct json_out *w, const char *key, double v)
{
	json_key(w, key);
	json_number(w, v);
}

void json_put_int(struct json_out *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_int(w, v);
}

void json_put_bool(struct json_out *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

void json_put_time(struct json_out *w, const char *key, int64_t us)
{
	json_key(w, key);
	json_time(w, us);
}
