/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * json_scan - strings, words and values to be skipped.
 *
 * Strings are looked through eight bytes at a time for the three things that
 * matter: a quote, a backslash, a control character.  Only a string with a
 * backslash is copied (its escapes decoded), only one with a byte beyond
 * ASCII is checked for UTF-8.
 */

#include "daemon/ingest/json_scan.h"

#include "base/utf8.h"
#include "daemon/ingest/bytes.h"

#include <string.h>

void json_scan_init(struct json_scan *s)
{
	*s = (struct json_scan){0};
	/* Its input is a record, which has a limit of its own. */
	buf_init(&s->decoded, SIZE_MAX / 4);
}

void json_scan_release(struct json_scan *s)
{
	buf_release(&s->decoded);
}

enum scan json_scan_bad(struct json_scan *s, const char *at, const char *why)
{
	s->at = at;
	s->why = why;
	return SCAN_BAD;
}

static void json_bad_text(struct json_scan *s, const char *at, const char *why)
{
	if (s->text_at != NULL)
		return;
	s->text_at = at;
	s->text_why = why;
}

/* Quotes, backslashes, control characters. */
static inline uint64_t json_special_bytes(uint64_t w)
{
	return bytes_equal_to(w, '"') | bytes_equal_to(w, '\\') |
	       bytes_below(w, ' ');
}

/* The first such byte at or after ${p}; bits beyond ASCII before it are
 * collected in ${*high}. */
static inline const char *json_find_special(const char *p, const char *end,
					    uint64_t *high)
{
	while (end - p >= 8) {
		uint64_t w = bytes_load(p);
		uint64_t found = json_special_bytes(w);

		if (found != 0) {
			/* The bits below the lowest mark are those before. */
			*high |= w & BYTES_HIGH & ((found & -found) - 1);
			return p + bytes_first(found);
		}
		*high |= w & BYTES_HIGH;
		p += 8;
	}
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\' || c < ' ')
			break;
		*high |= c & 0x80;
	}
	return p;
}

static int json_hex4(const char *p, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		uint32_t digit;

		if (json_is_digit(c))
			digit = (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (uint32_t)((c | 0x20) - 'a') + 10;
		else
			return -1;
		v = v << 4 | digit;
	}
	*out = v;
	return 0;
}

/* p is at a backslash: check the escape and step over it. */
static enum scan json_check_escape(struct json_scan *s, const char **pp)
{
	const char *p = *pp + 1;
	uint32_t unit;

	if (p == s->end)
		return SCAN_MORE;
	if (*p == 'u') {
		/* Not beyond the end, but a bad digit is bad at once. */
		for (int i = 1; i <= 4; i++) {
			char four[4] = {'0', '0', '0', '0'};

			if (p + i == s->end)
				return SCAN_MORE;
			four[0] = p[i];
			if (json_hex4(four, &unit) < 0)
				return json_scan_bad(
					s, p + i,
					"\\u needs four hexadecimal digits");
		}
		*pp = p + 5;
		return SCAN_OK;
	}
	if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
		return json_scan_bad(s, p - 1, "no such escape in a string");
	*pp = p + 1;
	return SCAN_OK;
}

/* The escape \uXXXX at ${p}, or a pair of them; returns where it ends. */
static const char *json_decode_unit(struct json_scan *s, const char *p,
				    const char *end, struct json_text *out)
{
	const char *next = p + 6;
	uint32_t code = 0;
	uint32_t low = 0;
	char utf8[4];

	(void)json_hex4(p + 2, &code);
	if (code >= 0xdc00 && code <= 0xdfff) {
		json_bad_text(s, p, "half a surrogate pair");
		return next;
	}
	if (code >= 0xd800 && code <= 0xdbff) {
		if (end - next < 6 || next[0] != '\\' || next[1] != 'u' ||
		    json_hex4(next + 2, &low) < 0 || low < 0xdc00 ||
		    low > 0xdfff) {
			json_bad_text(s, p, "half a surrogate pair");
			return next;
		}
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		next += 6;
	}
	if (code == 0)
		out->has_nul = true;
	buf_add(&s->decoded, utf8, utf8_put(code, utf8));
	return next;
}

/* The checked escapes of [p, end) into `decoded`. */
static void json_decode(struct json_scan *s, const char *p, const char *end,
			struct json_text *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";

	buf_clear(&s->decoded);
	while (p < end) {
		const char *run = memchr(p, '\\', (size_t)(end - p));

		if (run == NULL)
			run = end;
		buf_add(&s->decoded, p, (size_t)(run - p));
		p = run;
		if (p == end)
			break;
		if (p[1] == 'u') {
			p = json_decode_unit(s, p, end, out);
			continue;
		}
		buf_add_char(&s->decoded, to[strchr(from, p[1]) - from]);
		p += 2;
	}
	if (s->decoded.failed)
		json_bad_text(s, p, "out of memory for a text");
	out->text = buf_str(&s->decoded);
	out->len = s->decoded.len;
}

enum scan json_scan_text(struct json_scan *s, struct json_text *out)
{
	const char *start = s->p;
	const char *p = start;
	bool escaped = false;
	uint64_t high = 0;
	size_t bad;

	for (;;) {
		enum scan status;

		p = json_find_special(p, s->end, &high);
		if (UNLIKELY(p == s->end))
			return SCAN_MORE;
		if (LIKELY(*p == '"'))
			break;
		if (*p != '\\')
			return json_scan_bad(s, p,
					     "a control character in a string");
		escaped = true;
		status = json_check_escape(s, &p);
		if (status != SCAN_OK)
			return status;
	}
	s->p = p + 1;
	out->text = start;
	out->len = (size_t)(p - start);
	out->has_nul = false;
	if (UNLIKELY(high != 0) && !utf8_is_valid(start, out->len, &bad))
		json_bad_text(s, start + bad, "text that is not UTF-8");
	if (UNLIKELY(escaped))
		json_decode(s, start, p, out);
	return SCAN_OK;
}

enum scan json_scan_word(struct json_scan *s, const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (s->p + i == s->end)
			return SCAN_MORE;
		if (s->p[i] != word[i])
			return json_scan_bad(s, s->p, "a value was expected");
	}
	s->p += len;
	return SCAN_OK;
}

/* The containers that are open: bit d is set for an object. */
struct json_open {
	unsigned outer; /* containers around the value */
	unsigned depth;
	uint64_t is_object[JSON_DEPTH_MAX / 64];
};

static enum scan json_open_push(struct json_scan *s, struct json_open *o)
{
	bool object = *s->p == '{';
	unsigned d = o->depth;

	if (o->outer + d >= s->max_depth || d >= JSON_DEPTH_MAX)
		return json_scan_bad(s, s->p, "nested too deeply");
	if (object)
		o->is_object[d / 64] |= UINT64_C(1) << d % 64;
	else
		o->is_object[d / 64] &= ~(UINT64_C(1) << d % 64);
	o->depth++;
	s->p++;
	return SCAN_OK;
}

static bool json_open_is_object(const struct json_open *o)
{
	unsigned d = o->depth - 1;

	return o->is_object[d / 64] >> d % 64 & 1;
}

/* A key and its colon. */
static enum scan json_skip_key(struct json_scan *s)
{
	struct json_text key;
	enum scan status;

	if (s->p == s->end)
		return SCAN_MORE;
	if (*s->p != '"')
		return json_scan_bad(s, s->p, "a key in quotes was expected");
	s->p++;
	status = json_scan_text(s, &key);
	if (status != SCAN_OK)
		return status;
	json_scan_space(s);
	if (s->p == s->end)
		return SCAN_MORE;
	if (*s->p != ':')
		return json_scan_bad(s, s->p, "\":\" was expected");
	s->p++;
	json_scan_space(s);
	return SCAN_OK;
}

/*
 * A value that holds no other.  For a container: step in, ${*opened}, unless
 * it is empty.
 */
static enum scan json_skip_scalar(struct json_scan *s, struct json_open *o,
				  bool *opened)
{
	struct json_text text;
	const char *number;
	enum scan status;

	*opened = false;
	if (s->p == s->end)
		return SCAN_MORE;
	switch (*s->p) {
	case '"':
		s->p++;
		return json_scan_text(s, &text);
	case 't':
		return json_scan_word(s, "true", 4);
	case 'f':
		return json_scan_word(s, "false", 5);
	case 'n':
		return json_scan_word(s, "null", 4);
	case '{':
	case '[':
		status = json_open_push(s, o);
		if (status != SCAN_OK)
			return status;
		json_scan_space(s);
		if (s->p == s->end)
			return SCAN_MORE;
		*opened = *s->p != (json_open_is_object(o) ? '}' : ']');
		if (!*opened) {
			o->depth--;
			s->p++;
			return SCAN_OK;
		}
		return json_open_is_object(o) ? json_skip_key(s) : SCAN_OK;
	default:
		if (*s->p == '-' || json_is_digit(*s->p))
			return json_scan_number(s, &number);
		return json_scan_bad(s, s->p, "a value was expected");
	}
}

/* Behind a value: close what closes here, up to the next value if any. */
static enum scan json_skip_closing(struct json_scan *s, struct json_open *o)
{
	while (o->depth > 0) {
		bool object = json_open_is_object(o);

		json_scan_space(s);
		if (s->p == s->end)
			return SCAN_MORE;
		if (*s->p == ',') {
			s->p++;
			json_scan_space(s);
			return object ? json_skip_key(s) : SCAN_OK;
		}
		if (*s->p != (object ? '}' : ']'))
			return json_scan_bad(s, s->p,
					     object ? "\",\" or \"}\" was "
						      "expected"
						    : "\",\" or \"]\" was "
						      "expected");
		s->p++;
		o->depth--;
	}
	return SCAN_OK;
}

enum scan json_scan_skip(struct json_scan *s, unsigned depth)
{
	struct json_open open = {.outer = depth};
	enum scan status;

	do {
		bool opened;

		status = json_skip_scalar(s, &open, &opened);
		if (status == SCAN_OK && !opened)
			status = json_skip_closing(s, &open);
	} while (status == SCAN_OK && open.depth > 0);
	return status;
}
