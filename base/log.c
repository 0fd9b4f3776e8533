/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log - one line, one write(2).  The line is built on the stack, so that
 * logging works when memory has run out, and escaped byte by byte, so that
 * nobody's input can end it early or reach a terminal as a control sequence.
 */

#include "base/log.h"

#include "base/clock.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048, MESSAGE_MAX_BYTES = 2048 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static atomic_int least = LOG_INFO; /* shared */

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	size_t max; /* room is kept behind it for the closing quote */
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&least, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *out)
{
	for (unsigned i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcasecmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

/* All of it or nothing: an escape or a character is never cut. */
static bool add(struct line *l, const char *s, size_t len)
{
	if (len > l->max - l->len)
		return false;
	memcpy(l->text + l->len, s, len);
	l->len += len;
	return true;
}

static bool add_escaped_byte(struct line *l, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char hex[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

	switch (c) {
	case '\n':
		return add(l, "\\n", 2);
	case '\r':
		return add(l, "\\r", 2);
	case '\t':
		return add(l, "\\t", 2);
	case '"':
		return add(l, "\\\"", 2);
	case '\\':
		return add(l, "\\\\", 2);
	default:
		return add(l, hex, 4);
	}
}

/* Length of the valid multi-byte character at ${s}, 0 when there is none. */
static size_t character(const unsigned char *s, size_t left)
{
	size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;

	if (s[0] < 0xC2 || n > left || !utf8_is_valid((const char *)s, n, NULL))
		return 0;
	/* U+0080 to U+009F are control characters to a terminal too. */
	if (s[0] == 0xC2 && s[1] < 0xA0)
		return 0;
	return n;
}

static void add_escaped(struct line *l, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;

	while (i < len) {
		size_t n = 1;
		bool fits;

		if (p[i] >= 0x80)
			n = character(p + i, len - i);
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7F || p[i] == '"' ||
		    p[i] == '\\') {
			fits = add_escaped_byte(l, p[i]);
			n = 1;
		} else {
			fits = add(l, s + i, n);
		}
		if (!fits)
			return;
		i += n;
	}
}

static void add_str(struct line *l, const char *s)
{
	(void)add(l, s, strlen(s));
}

static void add_time(struct line *l)
{
	int64_t us = clock_wall_us();
	int64_t s = us / CLOCK_SECOND_US - (us % CLOCK_SECOND_US < 0);
	int64_t ms = (us - s * CLOCK_SECOND_US) / 1000;
	char text[TIMESTAMP_TEXT_MAX];
	char tail[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
		       (char)('0' + ms % 10), 'Z'};
	size_t n = timestamp_format(s * CLOCK_SECOND_US, text);

	add_str(l, "ts=");
	if (n > 0)
		(void)add(l, text, n - 1); /* without its Z */
	(void)add(l, tail, sizeof(tail));
}

void log_write(enum log_level level, const char *component, const char *fmt,
	       ...)
{
	struct line l = {.len = 0, .max = LINE_MAX_BYTES - 2};
	char message[MESSAGE_MAX_BYTES];
	int saved = errno;
	ssize_t written;
	va_list ap;
	int n;

	if ((int)level < atomic_load_explicit(&least, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	n = vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(message))
		n = (int)sizeof(message) - 1;

	add_time(&l);
	add_str(&l, " level=");
	add_str(&l, level_names[level]);
	add_str(&l, " component=");
	add_str(&l, component);
	add_str(&l, " msg=\"");
	add_escaped(&l, message, (size_t)n);
	l.text[l.len++] = '"';
	l.text[l.len++] = '\n';
	/* Standard error is all we have: there is nobody to tell. */
	do
		written = write(STDERR_FILENO, l.text, l.len);
	while (written < 0 && errno == EINTR);
	errno = saved;
}
