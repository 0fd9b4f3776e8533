/* SPDX-License-Identifier: GPL-3.0-or-later */

/* record_file - records of a file as runs of bytes. */

#include "daemon/commands/record_file.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

enum {
	RECORD_PIECE = 256 * 1024,
	RECORD_MAX = 16 * 1024 * 1024,
	RECORD_FIELD_MAX = 4096
};

struct record_file {
	struct input *input;
	struct buf data; /* read and not yet given out, from `start` on */
	size_t start;
	bool at_end;
	bool is_csv;
	struct buf header;
};

static int fill(struct record_file *f, struct err *e)
{
	long n;

	if (f->start) {
		memmove(f->data.data, f->data.data + f->start,
			f->data.len - f->start);
		f->data.len -= f->start;
		f->start = 0;
	}
	if (buf_reserve(&f->data, RECORD_PIECE))
		return err_set(e, ERR_LIMIT, "a record is longer than %d bytes",
			       RECORD_MAX);
	n = input_read(f->input, f->data.data + f->data.len, RECORD_PIECE, e);
	if (n < 0)
		return -1;
	f->data.len += (size_t)n;
	f->at_end = n == 0;
	return 0;
}

/* The end of the record that begins at ${start}, 0 when it is not there yet. */
static size_t record_end(const struct record_file *f, size_t from)
{
	const char *p = f->data.data;
	bool quoted = false;

	if (!f->is_csv) {
		const char *end = memchr(p + from, '\n', f->data.len - from);

		return end ? (size_t)(end - p) + 1 : 0;
	}
	for (size_t i = from; i < f->data.len; i++) {
		if (p[i] == '"')
			quoted = !quoted;
		else if (p[i] == '\n' && !quoted)
			return i + 1;
	}
	return 0;
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]))
			return false;
	return true;
}

int record_file_next(struct record_file *f, const char **text, size_t *len,
		     struct err *e)
{
	for (;;) {
		size_t end =
			f->data.len > f->start ? record_end(f, f->start) : 0;

		if (!end && f->at_end)
			end = f->data.len;
		if (end > f->start) {
			*text = f->data.data + f->start;
			*len = end - f->start;
			f->start = end;
			if (is_blank(*text, *len))
				continue;
			return 1;
		}
		if (f->at_end)
			return 0;
		if (fill(f, e))
			return -1;
	}
}

struct record_file *record_file_open(const char *path, struct err *e)
{
	struct record_file *f = xcalloc(1, sizeof(*f));
	const char *text;
	size_t len, i = 0;
	int found;

	buf_init(&f->data, RECORD_MAX);
	buf_init(&f->header, RECORD_MAX);
	f->input = input_open(path, e);
	if (!f->input || fill(f, e))
		goto fail;
	if (f->data.len >= 3 && !memcmp(f->data.data, "\xef\xbb\xbf", 3))
		f->start = 3;
	while (f->start + i < f->data.len &&
	       strchr(" \t\r\n", f->data.data[f->start + i]))
		i++;
	f->is_csv =
		f->start + i < f->data.len && f->data.data[f->start + i] != '{';
	if (f->is_csv) {
		found = record_file_next(f, &text, &len, e);
		if (found < 0)
			goto fail;
		if (found)
			buf_add(&f->header, text, len);
		if (found && f->header.data[f->header.len - 1] != '\n')
			buf_add_char(&f->header, '\n');
	}
	return f;
fail:
	record_file_close(f);
	err_wrap(e, "file \"%s\"", path);
	return NULL;
}

void record_file_close(struct record_file *f)
{
	if (!f)
		return;
	input_close(f->input);
	buf_release(&f->data);
	buf_release(&f->header);
	free(f);
}

const char *record_file_type(const struct record_file *f)
{
	return f->is_csv ? "text/csv" : "application/x-ndjson";
}

bool record_file_is_csv(const struct record_file *f)
{
	return f->is_csv;
}

const char *record_file_header(const struct record_file *f, size_t *len)
{
	*len = f->header.len;
	return buf_str(&f->header);
}

void record_file_progress(const struct record_file *f, uint64_t *done,
			  uint64_t *total)
{
	input_progress(f->input, done, total);
}

/* Field ${wanted} (or, by name, its index) of a CSV row, unquoted. */
static bool csv_field(const char *text, size_t len, size_t wanted,
		      struct buf *out)
{
	size_t field = 0;
	bool quoted = false;

	buf_clear(out);
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"') {
			if (quoted && i + 1 < len && text[i + 1] == '"' &&
			    field == wanted)
				buf_add_char(out, '"');
			quoted = !quoted;
		} else if (!quoted && c == ',') {
			if (field++ == wanted)
				return true;
		} else if (!quoted && (c == '\n' || c == '\r')) {
			break;
		} else if (field == wanted) {
			buf_add_char(out, c);
		}
	}
	return field == wanted;
}

static bool csv_time(const struct record_file *f, const char *text, size_t len,
		     const char *name, int64_t *us)
{
	struct buf field;
	bool found = false;

	buf_init(&field, RECORD_FIELD_MAX);
	for (size_t i = 0; csv_field(f->header.data, f->header.len, i, &field);
	     i++) {
		if (strcmp(buf_str(&field), name) != 0)
			continue;
		found = csv_field(text, len, i, &field) &&
			timestamp_parse(buf_str(&field), field.len, us);
		break;
	}
	buf_release(&field);
	return found;
}

bool record_file_time(const struct record_file *f, const char *text, size_t len,
		      const char *name, int64_t *us)
{
	const struct json_value *v;
	struct json_value *root;
	struct err e;
	bool found = false;

	if (f->is_csv)
		return csv_time(f, text, len, name, us);
	root = json_parse(text, len, &e);
	v = json_get(root, name);
	if (json_text(v))
		found = timestamp_parse(json_text(v), strlen(json_text(v)), us);
	else if (json_is_number(v))
		found = timestamp_from_number(json_value_number(v, 0), us);
	json_free(root);
	return found;
}
