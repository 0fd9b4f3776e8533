/* SPDX-License-Identifier: GPL-3.0-or-later */

/* compare_chunk - the rows of the current file, cut. */

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/window.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum compare_unit unit;
	struct window_width width; /* of time */
} units[] = {
	{"whole", COMPARE_WHOLE, {WINDOW_FIXED, 0}},
	{"day", COMPARE_DAY, {WINDOW_FIXED, INT64_C(86400000000)}},
	{"month", COMPARE_MONTH, {WINDOW_MONTH, 1}},
	{"year", COMPARE_YEAR, {WINDOW_MONTH, 12}},
};

bool compare_chunking_parse(const char *text, struct compare_chunking *out)
{
	static const char rows[] = "rows:";
	const size_t len = sizeof(rows) - 1;
	int64_t n;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text, units[i].name) == 0) {
			*out = (struct compare_chunking){.unit = units[i].unit};
			return true;
		}
	}
	if (strncmp(text, rows, len) != 0 ||
	    !number_parse_int(text + len, strlen(text + len), 1,
			      INT64_C(1) << 40, &n))
		return false;
	*out = (struct compare_chunking){.unit = COMPARE_ROWS,
					 .rows = (size_t)n};
	return true;
}

bool compare_chunking_is_time(const struct compare_chunking *c)
{
	return c->unit != COMPARE_WHOLE && c->unit != COMPARE_ROWS;
}

static int too_many(struct err *e)
{
	return err_set(e, ERR_INVALID, "there are more than %d chunks",
		       COMPARE_CHUNKS_MAX);
}

static struct compare_chunk *chunks_by_rows(size_t rows, size_t n_rows,
					    size_t *n, struct err *e)
{
	size_t count = (n_rows + rows - 1) / rows;
	struct compare_chunk *chunks;

	if (count > COMPARE_CHUNKS_MAX) {
		(void)too_many(e);
		return NULL;
	}
	chunks = xcalloc(count, sizeof(*chunks));
	for (size_t i = 0; i < count; i++)
		chunks[i] = (struct compare_chunk){
			.start = i * rows,
			.end = i + 1 < count ? (i + 1) * rows : n_rows,
			.start_us = INT64_MIN,
			.end_us = INT64_MIN,
		};
	*n = count;
	return chunks;
}

/* The times are in order. */
static struct compare_chunk *chunks_by_time(const int64_t *times, size_t n_rows,
					    struct window_width width,
					    size_t *n, struct err *e)
{
	struct compare_chunk *chunks = NULL;
	size_t count = 0, cap = 0;

	for (size_t i = 0; i < n_rows; i++) {
		if (count > 0 && times[i] < chunks[count - 1].end_us)
			continue;
		if (count == COMPARE_CHUNKS_MAX) {
			free(chunks);
			(void)too_many(e);
			return NULL;
		}
		if (count == cap) {
			cap = cap > 0 ? 2 * cap : 64;
			chunks = xrealloc_array(chunks, cap, sizeof(*chunks));
		}
		if (count > 0)
			chunks[count - 1].end = i;
		chunks[count].start = i;
		chunks[count].start_us = window_start(width, times[i]);
		chunks[count].end_us =
			window_end(width, chunks[count].start_us);
		count++;
	}
	if (count > 0)
		chunks[count - 1].end = n_rows;
	*n = count;
	return chunks;
}

struct compare_chunk *compare_chunks_new(const struct compare_chunking *c,
					 const struct dataset *current,
					 size_t *n, struct err *e)
{
	size_t n_rows = dataset_n_rows(current);
	struct window_width width = {WINDOW_FIXED, 0};
	struct compare_chunk *chunks = NULL;
	int64_t *times;

	if (!compare_chunking_is_time(c))
		return chunks_by_rows(c->unit == COMPARE_ROWS ? c->rows
							      : n_rows,
				      n_rows, n, e);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].unit == c->unit)
			width = units[i].width;
	times = xrealloc_array(NULL, n_rows, sizeof(*times));
	if (dataset_times(current, times, e) == 0)
		chunks = chunks_by_time(times, n_rows, width, n, e);
	free(times);
	return chunks;
}
