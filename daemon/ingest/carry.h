/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_CARRY_H
#define DRIFTD_DAEMON_INGEST_CARRY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct err;

/*
 * carry - whole records out of a body that comes in pieces.
 *
 * The consumer is shown bytes that begin at a record and answers how many of
 * them it used up; a record that is whole within a piece is read where it
 * stands, only the rest of a piece is copied and shown again with what
 * follows.  A record is shown again only when at least as many bytes were
 * added as there were before, so that a body in single bytes costs no more
 * than twice its length.
 *
 * The consumer must use up something whenever it is shown ${max} bytes, and
 * its result must not depend on where the pieces end.
 */
typedef int carry_consume(void *arg, const char *data, size_t len, bool final,
			  size_t *used, struct err *e);

struct carry {
	struct buf buf; /* the beginning of a record */
	size_t max;	/* bytes it holds at most */
	size_t need;	/* length at which it is worth looking again */
};

void carry_init(struct carry *c);
void carry_release(struct carry *c);

/* Empty it for a body whose records have at most ${max_record} bytes. */
void carry_begin(struct carry *c, size_t max_record);

int carry_feed(struct carry *c, const char *data, size_t len,
	       carry_consume *consume, void *arg, struct err *e);

/* Show what is left, with nothing to follow. */
int carry_end(struct carry *c, carry_consume *consume, void *arg,
	      struct err *e);

size_t carry_memory(const struct carry *c);

#endif
