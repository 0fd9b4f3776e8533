/* SPDX-License-Identifier: GPL-3.0-or-later */

/* carry - the piece of a record that has not come whole yet. */

#include "daemon/ingest/carry.h"

#include "base/err.h"

#include <string.h>

/* Least growth between two looks, and memory kept between bodies. */
enum { CARRY_STEP = 1024, CARRY_KEEP = 64 * 1024 };

void carry_init(struct carry *c)
{
	*c = (struct carry){0};
	buf_init(&c->buf, CARRY_KEEP);
}

void carry_release(struct carry *c)
{
	buf_release(&c->buf);
}

void carry_begin(struct carry *c, size_t max_record)
{
	c->max = max_record + CARRY_STEP;
	if (c->buf.cap > CARRY_KEEP || c->buf.max != c->max) {
		buf_release(&c->buf);
		buf_init(&c->buf, c->max);
	}
	buf_clear(&c->buf);
	c->need = 0;
}

/* After a look that left buf.len bytes: when to look again. */
static void carry_plan(struct carry *c)
{
	size_t grown = c->buf.len < CARRY_STEP ? CARRY_STEP : c->buf.len;

	c->need = c->buf.len + grown;
	if (c->need > c->max)
		c->need = c->max;
}

static int carry_add(struct carry *c, const char *data, size_t len,
		     struct err *e)
{
	buf_add(&c->buf, data, len);
	if (c->buf.failed)
		return err_set(e, ERR_TEMP, "out of memory for a record");
	return 0;
}

static void carry_drop(struct carry *c, size_t used)
{
	if (used == c->buf.len) {
		buf_clear(&c->buf);
		return;
	}
	memmove(c->buf.data, c->buf.data + used, c->buf.len - used);
	c->buf.len -= used;
}

/*
 * Look at the carried bytes, of which the last came from the piece at hand
 * and ${*old} did not.  *${back} is how many of the piece's bytes are given
 * back to it because the record they belong to begins in it.
 */
static int carry_look(struct carry *c, size_t *old, size_t *back,
		      carry_consume *consume, void *arg, struct err *e)
{
	size_t used = 0;

	*back = 0;
	if (consume(arg, c->buf.data, c->buf.len, false, &used, e) < 0)
		return -1;
	if (used >= *old) {
		*back = c->buf.len - used;
		buf_clear(&c->buf);
		return 0;
	}
	if (used == 0 && c->buf.len >= c->max)
		return err_set(e, ERR_BUG, "a record does not end");
	carry_drop(c, used);
	*old -= used;
	carry_plan(c);
	return 0;
}

int carry_feed(struct carry *c, const char *data, size_t len,
	       carry_consume *consume, void *arg, struct err *e)
{
	size_t old = c->buf.len;
	size_t used = 0;

	while (c->buf.len > 0 && len > 0) {
		size_t n = c->need - c->buf.len;
		size_t back;

		if (n > len)
			n = len;
		if (carry_add(c, data, n, e) < 0)
			return -1;
		data += n;
		len -= n;
		if (c->buf.len < c->need)
			return 0;
		if (carry_look(c, &old, &back, consume, arg, e) < 0)
			return -1;
		data -= back;
		len += back;
	}
	if (len == 0)
		return 0;
	if (consume(arg, data, len, false, &used, e) < 0)
		return -1;
	if (used < len && carry_add(c, data + used, len - used, e) < 0)
		return -1;
	carry_plan(c);
	return 0;
}

int carry_end(struct carry *c, carry_consume *consume, void *arg, struct err *e)
{
	size_t used = 0;

	if (consume(arg, c->buf.len > 0 ? c->buf.data : "", c->buf.len, true,
		    &used, e) < 0)
		return -1;
	if (used != c->buf.len)
		return err_set(e, ERR_BUG, "the end of the body was not read");
	buf_clear(&c->buf);
	return 0;
}

size_t carry_memory(const struct carry *c)
{
	return c->buf.cap;
}
