/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_ERR_H
#define DRIFTD_BASE_ERR_H

#include "base/attr.h"

/*
 * err - an error as a value: a code that decides what the caller does (retry,
 * HTTP status, exit code), a message for a human, and a place in the input.
 *
 * A struct err owns nothing and is never freed.  Messages are lower case, name
 * the object in quotes, give the reason and end without a period.  Functions
 * that may fail return 0 or -1 and take `struct err *` last; on -1 it is
 * filled, on 0 it is untouched.  Outputs are written only on success.
 */

enum err_code {
	ERR_NONE,
	ERR_INVALID,	 /* the input is wrong: HTTP 400, exit 65 or 78 */
	ERR_LIMIT,	 /* a named bound was reached: HTTP 413, 429 or 503 */
	ERR_NOT_FOUND,	 /* the named object does not exist: HTTP 404 */
	ERR_CONFLICT,	 /* it exists with other content: HTTP 409 */
	ERR_UNSUPPORTED, /* a format or encoding we do not read: HTTP 415 */
	ERR_TEMP,	 /* the same call may succeed later */
	ERR_UNAVAILABLE, /* a server is out of reach: exit 69 */
	ERR_IO,		 /* the operating system said no: exit 74 */
	ERR_FENCED,	 /* somebody else owns this journal: exit 78 */
	ERR_BUG		 /* cannot happen: exit 70 */
};

enum { ERR_MESSAGE_MAX = 512 };

struct err {
	enum err_code code;
	unsigned line;	  /* 1-based place in the input, 0 = none */
	unsigned column;  /* 1-based, 0 = none */
	char sqlstate[6]; /* set by storage/pg, else empty */
	char message[ERR_MESSAGE_MAX];
};

/* Fill ${e} (which may be NULL) and return -1. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	ATTR_PRINTF(3, 4);

/* The same with a place in the input. */
int err_set_at(struct err *e, enum err_code code, unsigned line,
	       unsigned column, const char *fmt, ...) ATTR_PRINTF(5, 6);

/* The same with ": strerror(errno)" appended; the code is ERR_IO. */
int err_errno(struct err *e, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* Put "prefix: " before the message and return -1; the code is kept. */
int err_wrap(struct err *e, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* The sysexits.h code for ${e}: ERR_INVALID gives EX_DATAERR (65). */
int err_exit_code(const struct err *e);

#endif
