/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_JSON_SCAN_H
#define DRIFTD_DAEMON_INGEST_JSON_SCAN_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * json_scan - the words of RFC 8259 over borrowed bytes that may end anywhere.
 *
 * SCAN_MORE: the bytes end before the word does (with `final` that is an
 * error too, which the caller knows best how to call).  SCAN_BAD: `at` and
 * `why` say where the grammar is broken.  What is wrong with a text although
 * the grammar holds (no UTF-8, half a surrogate pair) is noted in `text_at`
 * and `text_why`, the first one, and scanning goes on.
 */
enum scan { SCAN_OK, SCAN_MORE, SCAN_BAD };

enum { JSON_DEPTH_MAX = 1024 }; /* whatever the configuration says */

struct json_scan {
	const char *p;	 /* next byte */
	const char *end; /* behind the last one */
	bool final;	 /* nothing follows `end` */
	unsigned max_depth;
	const char *at; /* of what broke the grammar */
	const char *why;
	const char *text_at; /* of the first bad text; NULL: none */
	const char *text_why;
	struct buf decoded; /* of the text with escapes read last */
};

struct json_text {
	const char *text; /* in the input or in `decoded` */
	size_t len;
	bool has_nul;
};

void json_scan_init(struct json_scan *s);
void json_scan_release(struct json_scan *s);

/* Note where the grammar is broken. */
enum scan json_scan_bad(struct json_scan *s, const char *at, const char *why);

/* A string; p is behind its first quote and comes to stand behind the last. */
enum scan json_scan_text(struct json_scan *s, struct json_text *out);

/* The rest of one of the words true, false, null, of which p is the first
 * letter. */
enum scan json_scan_word(struct json_scan *s, const char *word, size_t len);

/*
 * A whole value that nobody wants, ${depth} containers being open around it.
 * Does not recurse.
 */
enum scan json_scan_skip(struct json_scan *s, unsigned depth);

static inline void json_scan_space(struct json_scan *s)
{
	const char *p = s->p;

	if (LIKELY(p < s->end && (unsigned char)*p > ' '))
		return;
	while (p < s->end &&
	       (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	s->p = p;
}

static inline bool json_is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

/* A number; p is its first byte.  Its text is [${*text}, s->p). */
static inline enum scan json_scan_number(struct json_scan *s, const char **text)
{
	const char *p = s->p;
	const char *end = s->end;

	*text = p;
	if (*p == '-' && ++p == end)
		return SCAN_MORE;
	if (*p == '0')
		p++;
	else if (json_is_digit(*p))
		while (p < end && json_is_digit(*p))
			p++;
	else
		return json_scan_bad(s, p, "a number needs a digit here");
	if (p < end && *p == '.') {
		if (++p == end)
			return SCAN_MORE;
		if (!json_is_digit(*p))
			return json_scan_bad(s, p, "a fraction needs a digit");
		while (p < end && json_is_digit(*p))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end)
			return SCAN_MORE;
		if (!json_is_digit(*p))
			return json_scan_bad(s, p, "an exponent needs a digit");
		while (p < end && json_is_digit(*p))
			p++;
	}
	/* More digits may follow in the next piece. */
	if (p == end && !s->final)
		return SCAN_MORE;
	s->p = p;
	return SCAN_OK;
}

#endif
