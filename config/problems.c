/* SPDX-License-Identifier: GPL-3.0-or-later */
/* problems - collect what is wrong, keep the first by position. */
#include "config/problems.h"

#include "base/buf.h"
#include "config/node.h"

#include <stdarg.h>
#include <string.h>

void problems_init(struct problems *p)
{
	memset(p, 0, sizeof(*p));
}

static bool is_before(const struct problems *p, unsigned document,
		      unsigned line, unsigned column)
{
	if (!p->any)
		return true;
	if (document != p->document)
		return document < p->document;
	if (line != p->line)
		return line < p->line;
	return column < p->column;
}

static void add(struct problems *p, const struct document *d, unsigned line,
		unsigned column, const char *fmt, va_list ap) ATTR_PRINTF(5, 0);

static void add(struct problems *p, const struct document *d, unsigned line,
		unsigned column, const char *fmt, va_list ap)
{
	struct buf text;

	p->n++;
	if (!is_before(p, d->index, line, column))
		return;
	p->any = true;
	p->document = d->index;
	p->line = line;
	p->column = column;
	buf_init(&text, NODE_MESSAGE_MAX);
	buf_vprintf(&text, fmt, ap);
	if (line)
		err_set_at(&p->err, ERR_INVALID, line, column, "%s:%u:%u: %s",
			   d->path, line, column, buf_str(&text));
	else
		err_set(&p->err, ERR_INVALID, "%s", buf_str(&text));
	buf_release(&text);
}

void problems_add(struct problems *p, const struct node *at, const char *fmt,
		  ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, at->document, at->line, at->column, fmt, ap);
	va_end(ap);
}

void problems_add_key(struct problems *p, const struct node *at,
		      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (at->key)
		add(p, at->document, at->key_line, at->key_column, fmt, ap);
	else
		add(p, at->document, at->line, at->column, fmt, ap);
	va_end(ap);
}

void problems_add_place(struct problems *p, const struct document *d,
			unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, d, line, column, fmt, ap);
	va_end(ap);
}
