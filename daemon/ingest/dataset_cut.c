/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * dataset_cut - where records of CSV end, by quotes alone: a newline ends one
 * where an even number of quotes came before it in the record.  In files that
 * break the grammar a cut may be wrong, but then the piece that is cut holds
 * what is wrong, and its decoder says so.
 */

#include "daemon/ingest/dataset_parts.h"

#include <string.h>

/* The quote after ${p}, or ${end}. */
static const char *next_quote(const char *p, const char *end)
{
	const char *q = memchr(p, '"', (size_t)(end - p));

	return q != NULL ? q : end;
}

size_t dataset_cut_first(const char *data, size_t len)
{
	const char *p = data, *end = data + len;

	while (p < end) {
		const char *quote = next_quote(p, end);
		const char *newline = memchr(p, '\n', (size_t)(quote - p));

		if (newline != NULL)
			return (size_t)(newline + 1 - data);
		if (quote == end)
			return 0;
		quote = next_quote(quote + 1, end);
		if (quote == end)
			return 0;
		p = quote + 1;
	}
	return 0;
}

size_t dataset_cut_last(const char *data, size_t len)
{
	const char *p = data, *end = data + len;
	const char *last = NULL;

	while (p < end) {
		const char *quote = next_quote(p, end);
		const char *newline = memrchr(p, '\n', (size_t)(quote - p));

		if (newline != NULL)
			last = newline;
		if (quote == end)
			break;
		quote = next_quote(quote + 1, end);
		if (quote == end)
			break;
		p = quote + 1;
	}
	return last != NULL ? (size_t)(last + 1 - data) : 0;
}

static bool is_blank(const char *data, size_t len)
{
	return (len == 1 && data[0] == '\n') ||
	       (len == 2 && data[0] == '\r' && data[1] == '\n');
}

size_t dataset_cut_skip(const char *data, size_t len, uint64_t n)
{
	size_t at = 0;

	for (;;) {
		size_t record = dataset_cut_first(data + at, len - at);

		if (record == 0)
			return at;
		if (!is_blank(data + at, record) && n-- == 0)
			return at;
		at += record;
	}
}

uint64_t dataset_cut_lines(const char *data, size_t len)
{
	const char *p = data, *end = data + len;
	uint64_t n = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		n++;
		p++;
	}
	return n;
}
