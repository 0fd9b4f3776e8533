/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * err - errors as values.  Messages are formatted straight into the struct:
 * what does not fit is cut at a character, never at half of one.
 */

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Cut a UTF-8 text at ${len} or before it, not inside a sequence. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t start = len;

	while (start > 0 && len - start < 4 &&
	       ((unsigned char)s[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)s[start - 1] >= 0xC0) {
		unsigned char lead = (unsigned char)s[start - 1];
		size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

		return len - (start - 1) < want ? start - 1 : len;
	}
	return len;
}

ATTR_PRINTF(2, 0)
static void format(struct err *e, const char *fmt, va_list ap)
{
	int n = vsnprintf(e->message, sizeof(e->message), fmt, ap);

	if (n >= (int)sizeof(e->message))
		e->message[whole_characters(e->message,
					    sizeof(e->message) - 1)] = '\0';
	else if (n < 0)
		e->message[0] = '\0';
}

static void append(char *message, size_t at, const char *text)
{
	size_t len = strlen(text);

	if (at >= ERR_MESSAGE_MAX - 1)
		return;
	if (len > ERR_MESSAGE_MAX - 1 - at)
		len = whole_characters(text, ERR_MESSAGE_MAX - 1 - at);
	memcpy(message + at, text, len);
	message[at + len] = '\0';
}

static void start(struct err *e, enum err_code code, unsigned line,
		  unsigned column)
{
	e->code = code;
	e->line = line;
	e->column = column;
	e->sqlstate[0] = '\0';
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	start(e, code, 0, 0);
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	return -1;
}

int err_set_at(struct err *e, enum err_code code, unsigned line,
	       unsigned column, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	start(e, code, line, column);
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	return -1;
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	char reason[128];
	va_list ap;

	if (!e)
		return -1;
	start(e, ERR_IO, 0, 0);
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	append(e->message, strlen(e->message), ": ");
	append(e->message, strlen(e->message),
	       strerror_r(saved, reason, sizeof(reason)));
	errno = saved;
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_MESSAGE_MAX];
	va_list ap;

	if (!e)
		return -1;
	memcpy(old, e->message, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_start(ap, fmt);
	format(e, fmt, ap);
	va_end(ap);
	append(e->message, strlen(e->message), ": ");
	append(e->message, strlen(e->message), old);
	return -1;
}

int err_exit_code(const struct err *e)
{
	switch (e->code) {
	case ERR_NONE:
		return EX_OK;
	case ERR_INVALID:
	case ERR_LIMIT:
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_UNSUPPORTED:
		return EX_DATAERR;
	case ERR_TEMP:
	case ERR_UNAVAILABLE:
		return EX_UNAVAILABLE;
	case ERR_IO:
		return EX_IOERR;
	case ERR_FENCED:
		return EX_CONFIG;
	case ERR_BUG:
		break;
	}
	return EX_SOFTWARE;
}
