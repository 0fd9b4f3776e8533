/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_PROBLEMS_H
#define DRIFTD_CONFIG_PROBLEMS_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>

struct document;
struct node;

/*
 * problems - what is wrong with a configuration.  Loading goes on after a
 * problem, so that the one reported is the first by position, not the first
 * that the code happened to look at.  Files count in the order in which they
 * were opened.
 */
struct problems {
	bool any;
	unsigned n;			 /* how many there were */
	unsigned document, line, column; /* of the one in `err` */
	struct err err;			 /* `file:line:column: message` */
};

void problems_init(struct problems *p);

/* At the node's value. */
void problems_add(struct problems *p, const struct node *at, const char *fmt,
		  ...) ATTR_PRINTF(3, 4);

/* At the node's key, or at the node when it has none. */
void problems_add_key(struct problems *p, const struct node *at,
		      const char *fmt, ...) ATTR_PRINTF(3, 4);

/* At a place; line 0: of the whole file, which the message then names. */
void problems_add_place(struct problems *p, const struct document *d,
			unsigned line, unsigned column, const char *fmt, ...)
	ATTR_PRINTF(5, 6);

#endif
