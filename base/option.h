/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_OPTION_H
#define DRIFTD_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * option - one table row per setting: its parser, range, default, reload rule
 * and documentation at once.  The target is a struct whose members the
 * offsets name; strings are owned by it (malloc).
 */

enum option_type {
	OPTION_BOOL,	 /* bool */
	OPTION_INT,	 /* int64_t, [min, max] */
	OPTION_DOUBLE,	 /* double, [min, max] */
	OPTION_DURATION, /* int64_t microseconds, [min, max] */
	OPTION_SIZE,	 /* uint64_t bytes, [min, max] */
	OPTION_STRING,	 /* char *, owned, may be NULL */
	OPTION_ENUM,	 /* int, one of `names` by its index */
	OPTION_WINDOW	 /* struct window_width */
};

struct option {
	const char *name;
	enum option_type type;
	size_t offset;		  /* offsetof(struct target, member) */
	const char *fallback;	  /* the default as text; NULL = stay unset */
	double min, max;	  /* both 0: no bound */
	const char *const *names; /* OPTION_ENUM: NULL-terminated */
	bool needs_restart;	  /* a reload cannot change it */
	const char *doc;	  /* one line */
};

/* The row called ${name}, NULL when there is none. */
const struct option *option_find(const struct option *table, size_t n,
				 const char *name);

/* Parse ${text} into the target; names the option in the error. */
int option_set(const struct option *o, void *target, const char *text,
	       struct err *e);

/* Every row's default into a zeroed target; aborts on a bad table. */
void option_set_defaults(const struct option *table, size_t n, void *target);

/* The value as text that option_set reads back; false when unset. */
bool option_print(const struct option *o, const void *target, struct buf *out);

/* Free the strings. */
void option_release(const struct option *table, size_t n, void *target);

/* The name in ${names} nearest to ${wrong} (edit distance <= 3), or NULL. */
const char *option_suggest(const char *const *names, size_t n,
			   const char *wrong);

#endif
