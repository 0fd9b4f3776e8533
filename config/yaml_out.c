/* SPDX-License-Identifier: GPL-3.0-or-later */
/* yaml_out - a small writer of the YAML that this program reads. */
#include "config/yaml_out.h"

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

void yaml_out_init(struct yaml_out *y, struct buf *buf)
{
	memset(y, 0, sizeof(*y));
	y->buf = buf;
}

static void end_line(struct yaml_out *y)
{
	if (y->open)
		buf_add_char(y->buf, '\n');
	y->open = false;
}

void yaml_finish(struct yaml_out *y)
{
	end_line(y);
}

static void indent(struct yaml_out *y)
{
	end_line(y);
	for (unsigned i = 0; i < y->depth; i++)
		buf_add_str(y->buf, i + 1 == y->depth && y->dash ? "- " : "  ");
	y->dash = false;
}

void yaml_key_n(struct yaml_out *y, const char *key, size_t len)
{
	indent(y);
	buf_add(y->buf, key, len);
	buf_add_char(y->buf, ':');
	y->open = true;
}

void yaml_key(struct yaml_out *y, const char *key)
{
	yaml_key_n(y, key, strlen(key));
}

/* The code point at ${s}, valid UTF-8, and its length. */
static uint32_t code_point(const char *s, size_t *len)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t code;

	if (*u < 0x80) {
		*len = 1;
		return *u;
	}
	*len = *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4;
	code = *u & (0x7fU >> *len);
	for (size_t i = 1; i < *len; i++)
		code = code << 6 | (u[i] & 0x3fU);
	return code;
}

/* What libyaml does not take as it stands, or takes for a line's end. */
static bool must_escape(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
	       code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

static void add_quoted(struct buf *out, const char *text, bool is_value)
{
	uint32_t code;
	size_t len;

	buf_add_char(out, '"');
	for (; *text; text += len) {
		code = code_point(text, &len);
		if (code == '"' || code == '\\')
			buf_printf(out, "\\%c", (char)code);
		else if (code == '$' && is_value)
			buf_add_str(out, "$$");
		else if (code == '\n')
			buf_add_str(out, "\\n");
		else if (code == '\t')
			buf_add_str(out, "\\t");
		else if (!must_escape(code))
			buf_add(out, text, len);
		else if (code < 0x100)
			buf_printf(out, "\\x%02x", (unsigned)code);
		else if (code < 0x10000)
			buf_printf(out, "\\u%04x", (unsigned)code);
		else
			buf_printf(out, "\\U%08x", (unsigned)code);
	}
	buf_add_char(out, '"');
}

void yaml_quoted_key(struct yaml_out *y, const char *key)
{
	indent(y);
	add_quoted(y->buf, key, false);
	buf_add_char(y->buf, ':');
	y->open = true;
}

void yaml_plain(struct yaml_out *y, const char *text)
{
	buf_add_char(y->buf, ' ');
	buf_add_str(y->buf, text);
}

void yaml_text(struct yaml_out *y, const char *text)
{
	buf_add_char(y->buf, ' ');
	add_quoted(y->buf, text, true);
}

void yaml_begin(struct yaml_out *y)
{
	y->depth++;
}

void yaml_end(struct yaml_out *y)
{
	y->depth--;
	y->dash = false;
}

void yaml_item(struct yaml_out *y)
{
	y->depth++;
	y->dash = true;
}

void yaml_flow_begin(struct yaml_out *y)
{
	buf_add_str(y->buf, " [");
	y->flow_more = false;
}

static void flow_next(struct yaml_out *y)
{
	if (y->flow_more)
		buf_add_str(y->buf, ", ");
	y->flow_more = true;
}

void yaml_flow_text(struct yaml_out *y, const char *text)
{
	flow_next(y);
	add_quoted(y->buf, text, true);
}

void yaml_flow_plain(struct yaml_out *y, const char *text)
{
	flow_next(y);
	buf_add_str(y->buf, text);
}

void yaml_flow_end(struct yaml_out *y)
{
	buf_add_char(y->buf, ']');
}
