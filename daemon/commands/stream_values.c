/* SPDX-License-Identifier: GPL-3.0-or-later */

/* stream_values - numbers out of lines, CSV fields and NDJSON members. */

#include "daemon/commands/stream_values.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "daemon/commands/record_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	VALUES_PIECE = 64 * 1024,
	VALUES_LINE_MAX = 4096,
	VALUES_FIELD_MAX = 64 * 1024
};

struct stream_values {
	const char *path, *column; /* borrowed */
	uint64_t row;		   /* of the last value, from 1: its line */

	struct input *input; /* without a column */
	struct buf data;     /* read and not yet used, from `start` on */
	size_t start;
	bool at_end;

	struct record_file *records; /* with one */
	size_t field;		     /* its index in the header */
	struct buf text;	     /* the field */
};

int stream_values_blame(const struct stream_values *v, struct err *e)
{
	const char *path = strcmp(v->path, "-") ? v->path : "standard input";

	if (v->column)
		return err_wrap(e, "%s: row %llu: column \"%s\"", path,
				(unsigned long long)v->row, v->column);
	return err_wrap(e, "%s:%llu", path, (unsigned long long)v->row);
}

static int no_number(const struct stream_values *v, const char *text,
		     size_t len, struct err *e)
{
	if (len == 0)
		err_set(e, ERR_INVALID, "the value is missing");
	else
		err_set(e, ERR_INVALID, "\"%.*s\" is not a number",
			(int)(len < 80 ? len : 80), text);
	return stream_values_blame(v, e);
}

static void trim(const char **text, size_t *len)
{
	while (*len && strchr(" \t\r\n", (*text)[*len - 1]))
		(*len)--;
	while (*len && strchr(" \t", **text)) {
		(*text)++;
		(*len)--;
	}
}

/* Field ${wanted} of a CSV row, unquoted; false when the row is shorter. */
static bool csv_field(const char *text, size_t len, size_t wanted,
		      struct buf *out)
{
	size_t field = 0;
	bool quoted = false;

	buf_clear(out);
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"') {
			if (quoted && i + 1 < len && text[i + 1] == '"') {
				i++;
				if (field == wanted)
					buf_add_char(out, '"');
			} else {
				quoted = !quoted;
			}
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

static int find_column(struct stream_values *v, struct err *e)
{
	size_t len;
	const char *header = record_file_header(v->records, &len);

	for (v->field = 0; csv_field(header, len, v->field, &v->text);
	     v->field++)
		if (strcmp(buf_str(&v->text), v->column) == 0)
			return 0;
	return err_set(e, ERR_INVALID, "%s: there is no column \"%s\"", v->path,
		       v->column);
}

struct stream_values *stream_values_open(const char *path, const char *column,
					 struct err *e)
{
	struct stream_values *v = xcalloc(1, sizeof(*v));

	v->path = path;
	v->column = column;
	buf_init(&v->data, VALUES_PIECE + VALUES_LINE_MAX);
	buf_init(&v->text, VALUES_FIELD_MAX);
	if (column) {
		v->records = record_file_open(path, e);
		if (!v->records)
			goto fail;
		if (record_file_is_csv(v->records) && find_column(v, e))
			goto fail;
		return v;
	}
	v->input = input_open(path, e);
	if (!v->input) {
		err_wrap(e, "file \"%s\"", path);
		goto fail;
	}
	return v;
fail:
	stream_values_close(v);
	return NULL;
}

void stream_values_close(struct stream_values *v)
{
	if (!v)
		return;
	if (v->input)
		input_close(v->input);
	record_file_close(v->records);
	buf_release(&v->data);
	buf_release(&v->text);
	free(v);
}

/* More of the file behind what is not used yet. */
static int fill(struct stream_values *v, struct err *e)
{
	long n;

	if (v->start) {
		memmove(v->data.data, v->data.data + v->start,
			v->data.len - v->start);
		v->data.len -= v->start;
		v->start = 0;
	}
	if (v->data.len > VALUES_LINE_MAX) {
		v->row++;
		err_set(e, ERR_INVALID, "the line is longer than %d bytes",
			VALUES_LINE_MAX);
		return stream_values_blame(v, e);
	}
	if (buf_reserve(&v->data, VALUES_PIECE))
		return err_set(e, ERR_LIMIT, "out of memory");
	n = input_read(v->input, v->data.data + v->data.len, VALUES_PIECE - 1,
		       e);
	if (n < 0)
		return err_wrap(e, "file \"%s\"", v->path);
	v->data.len += (size_t)n;
	v->at_end = n == 0;
	return 0;
}

/* A line without what ends it: 1; 0 at the end; -1. */
static int next_line(struct stream_values *v, const char **text, size_t *len,
		     struct err *e)
{
	const char *from, *end;
	size_t rest;

	for (;;) {
		rest = v->data.len - v->start;
		from = rest ? v->data.data + v->start : NULL;
		end = rest ? memchr(from, '\n', rest) : NULL;
		if (end || (v->at_end && rest))
			break;
		if (v->at_end)
			return 0;
		if (fill(v, e))
			return -1;
	}
	*text = from;
	*len = end ? (size_t)(end - from) : rest;
	v->start += *len + (end != NULL);
	if (!v->row && *len >= 3 && !memcmp(*text, "\xef\xbb\xbf", 3)) {
		*text += 3;
		*len -= 3;
	}
	v->row++;
	trim(text, len);
	return 1;
}

/* Blank lines may end the file, but nothing may follow them. */
static int next_of_lines(struct stream_values *v, double *x, struct err *e)
{
	const char *text;
	size_t len;
	uint64_t blank = 0;
	int found;

	while ((found = next_line(v, &text, &len, e)) == 1) {
		if (len == 0) {
			if (!blank)
				blank = v->row;
			continue;
		}
		if (blank) {
			v->row = blank;
			return no_number(v, "", 0, e);
		}
		if (!number_parse(text, len, x))
			return no_number(v, text, len, e);
		return 1;
	}
	return found;
}

static int of_csv(struct stream_values *v, const char *record, size_t len,
		  double *x, struct err *e)
{
	const char *text = "";
	size_t text_len = 0;

	if (csv_field(record, len, v->field, &v->text)) {
		text = buf_str(&v->text);
		text_len = v->text.len;
		trim(&text, &text_len);
	}
	if (v->text.failed || !number_parse(text, text_len, x))
		return no_number(v, text, text_len, e);
	return 1;
}

static int of_json(const struct stream_values *v, const char *record,
		   size_t len, double *x, struct err *e)
{
	struct json_value *root = json_parse(record, len, e);
	const struct json_value *member = json_get(root, v->column);
	const char *text = json_text(member);
	int result = 1;

	if (!root)
		return stream_values_blame(v, e);
	if (json_is_number(member)) {
		*x = json_value_number(member, 0);
	} else if (text) {
		result = no_number(v, text, strlen(text), e);
	} else {
		err_set(e, ERR_INVALID, "the value is missing or no number");
		result = stream_values_blame(v, e);
	}
	json_free(root);
	return result;
}

int stream_values_next(struct stream_values *v, double *x, struct err *e)
{
	const char *text;
	size_t len;
	int found;

	if (!v->records)
		return next_of_lines(v, x, e);
	found = record_file_next(v->records, &text, &len, e);
	if (found < 0)
		return err_wrap(e, "file \"%s\"", v->path);
	if (found == 0)
		return 0;
	v->row++;
	return record_file_is_csv(v->records) ? of_csv(v, text, len, x, e)
					      : of_json(v, text, len, x, e);
}

void stream_values_progress(const struct stream_values *v, uint64_t *done,
			    uint64_t *total)
{
	if (v->records)
		record_file_progress(v->records, done, total);
	else
		input_progress(v->input, done, total);
}
