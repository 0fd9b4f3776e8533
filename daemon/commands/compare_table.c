/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_table - for a person: what drifted first, within 100 columns.
 *
 * One chunk is told in full.  Of several, each gets a line, and then those in
 * which something drifted their columns that did.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/commands/compare_quality.h"
#include "daemon/ingest/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TABLE_WIDTH = 100,
	NAME_WIDTH = 28,
	NAME_WIDTH_FROZEN = 18, /* two numbers are where there was one */
	METRIC_WIDTH = 19,
	LABEL_WIDTH = 26,
	TOPS = 3
};

enum style { STYLE_NONE, STYLE_BOLD, STYLE_DRIFTED, STYLE_WARNING, STYLE_DIM };

struct table {
	struct compare *compare;
	bool has_colour;
	struct judge_ranked *ranked; /* owned; of the chunk at hand */
	size_t n_ranked;
};

static bool wants_colour(FILE *out)
{
	/* NOLINTBEGIN(concurrency-mt-unsafe): the threads are gone */
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	/* NOLINTEND(concurrency-mt-unsafe) */

	return isatty(fileno(out)) &&
	       (no_colour == NULL || no_colour[0] == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static void style(struct table *t, enum style s)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[1;31m",
					    "\033[33m", "\033[2m"};

	if (t->has_colour)
		buf_add_str(&t->compare->text, codes[s]);
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* ${text} in ${width} places, cut with "…" or filled with spaces.  A control
 * character, which could do anything to a terminal, is a "?". */
static void put_text(struct buf *out, const char *text, size_t width, bool pad)
{
	size_t length = 0, at = 0;

	for (const char *p = text; *p != '\0'; p++)
		length += !is_continuation(*p);
	for (; *text != '\0'; text++) {
		if (!is_continuation(*text) && ++at == width &&
		    length > width) {
			buf_add_str(out, "…");
			break;
		}
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			buf_add_char(out, '?');
		else
			buf_add_char(out, *text);
	}
	for (; pad && at < width; at++)
		buf_add_char(out, ' ');
}

static size_t text_width(const char *text, size_t max)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += !is_continuation(*text);
	return n < max ? n : max;
}

static void put_number(struct buf *out, double v, int width)
{
	if (isnan(v))
		buf_printf(out, "%*s", width, "-");
	else
		buf_printf(out, "%*.4g", width, v);
}

/* 1234567 as "1,234,567". */
static void put_count(struct buf *out, uint64_t n, size_t width)
{
	char digits[32];
	size_t at = sizeof(digits), used = 0;

	do {
		if (used > 0 && used % 3 == 0)
			digits[--at] = ',';
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
		used++;
	} while (n > 0);
	for (size_t i = sizeof(digits) - at; i < width; i++)
		buf_add_char(out, ' ');
	buf_add(out, digits + at, sizeof(digits) - at);
}

/* "2018-11", "2018" or "2018-11-05"; for chunks of rows their range. */
static void put_chunk(struct buf *out, const struct compare_chunk *chunk)
{
	char start[TIMESTAMP_TEXT_MAX];

	if (chunk->start_us != INT64_MIN) {
		timestamp_format(chunk->start_us, start);
		buf_printf(out, "%.10s  ", start);
	}
	buf_printf(out, "%zu:%zu", chunk->start, chunk->end);
}

static size_t count_drifted(const struct verdicts *v)
{
	size_t n = 0;

	for (size_t s = 0; s < N_SIGNALS; s++)
		n += v->n_drifted[s];
	return n;
}

static void rank(struct table *t, size_t chunk)
{
	t->n_ranked =
		judge_rank(&t->compare->spec, &t->compare->verdicts[chunk],
			   t->ranked, t->compare->n_columns);
}

static void put_status(struct table *t, const struct judge_ranked *r)
{
	struct buf *out = &t->compare->text;
	const struct verdict *v = r->worst;

	if (r->drifted)
		buf_printf(out, "drifted%s%s%s",
			   v->severity != SEVERITY_NONE ? " (" : "",
			   severity_name(v->severity),
			   v->severity != SEVERITY_NONE ? ")" : "");
	else if (v->severity != SEVERITY_NONE)
		buf_add_str(out, severity_name(v->severity));
	else
		buf_add_str(out, verdict_status_name(v->status));
}

/* "      (0, 12.5] 10.0% -> 23.1%   …": the bins that moved most. */
static void put_tops(struct table *t, size_t chunk, const struct verdict *v)
{
	const struct compare *c = t->compare;
	struct buf *out = &t->compare->text;
	const struct compare_top *top = compare_top_find(c, chunk, v);
	struct verdict psi = *v;
	size_t used = 6;

	/* a measure that does not add up over bins: then by psi */
	psi.metric = "psi";
	if (top == NULL)
		top = compare_top_find(c, chunk, &psi);
	if (top == NULL)
		return;
	style(t, STYLE_DIM);
	buf_add_str(out, "    ");
	for (size_t i = 0; i < top->n && i < TOPS; i++) {
		const struct top_bin *b = &top->bins[i];
		/* "  " label " 12.3% -> 100.0%" */
		size_t width = text_width(b->label, LABEL_WIDTH) + 2 + 17;

		if (used + width > TABLE_WIDTH)
			break;
		used += width;
		buf_add_str(out, "  ");
		put_text(out, b->label, LABEL_WIDTH, false);
		buf_printf(out, " %.1f%% -> %.1f%%", 100 * b->share_ref,
			   100 * b->share_cur);
	}
	style(t, STYLE_NONE);
	buf_add_char(out, '\n');
}

static size_t name_width(const struct compare *c)
{
	return c->baseline != NULL ? NAME_WIDTH_FROZEN : NAME_WIDTH;
}

/* The cells of a baseline leave what the value is within. */
static void put_value(struct buf *out, const struct compare *c,
		      const struct verdict *v)
{
	if (c->baseline == NULL) {
		put_number(out, v->value, 10);
		return;
	}
	put_number(out, v->lower, 10);
	put_number(out, v->upper, 10);
}

static void put_column(struct table *t, size_t chunk,
		       const struct judge_ranked *r)
{
	struct buf *out = &t->compare->text;
	const struct verdict *v = r->worst;

	if (r->drifted)
		style(t, STYLE_DRIFTED);
	else if (v->severity != SEVERITY_NONE)
		style(t, STYLE_WARNING);
	buf_add_str(out, r->drifted ? "! " : "  ");
	put_text(out, r->column, name_width(t->compare), true);
	buf_add_char(out, ' ');
	put_text(out, v->metric, METRIC_WIDTH, true);
	put_value(out, t->compare, v);
	put_number(out, v->bound, 10);
	put_number(out, v->threshold, 10);
	buf_add_str(out, "  ");
	put_status(t, r);
	style(t, STYLE_NONE);
	buf_add_char(out, '\n');
	if (r->drifted)
		put_tops(t, chunk, v);
}

static void put_chunk_columns(struct table *t, size_t chunk, bool all)
{
	struct buf *out = &t->compare->text;

	rank(t, chunk);
	style(t, STYLE_BOLD);
	buf_printf(out, "  %-*s %-*s%s%10s%10s  %s",
		   (int)name_width(t->compare), "COLUMN", METRIC_WIDTH,
		   "METRIC",
		   t->compare->baseline != NULL ? "     LOWER     UPPER"
						: "     VALUE",
		   "BOUND", "THRESHOLD", "STATUS");
	style(t, STYLE_NONE);
	buf_add_char(out, '\n');
	for (size_t i = 0; i < t->n_ranked; i++)
		if (all || t->ranked[i].drifted)
			put_column(t, chunk, &t->ranked[i]);
}

/* One line of a chunk among several. */
static void put_chunk_line(struct table *t, size_t chunk)
{
	const struct compare_chunk *at = &t->compare->chunks[chunk];
	const struct verdicts *v = &t->compare->verdicts[chunk];
	struct buf *out = &t->compare->text;
	size_t n = count_drifted(v);
	struct buf name;

	buf_init(&name, 128);
	put_chunk(&name, at);
	rank(t, chunk);
	if (n > 0)
		style(t, STYLE_DRIFTED);
	buf_add_str(out, n > 0 ? "! " : "  ");
	put_text(out, buf_str(&name), NAME_WIDTH, true);
	put_count(out, at->end - at->start, 12);
	buf_printf(out, "%9zu", n);
	if (t->n_ranked > 0 && !isnan(t->ranked[0].worst->bound)) {
		const struct verdict *w = t->ranked[0].worst;

		buf_add_str(out, "  ");
		put_text(out, w->column, NAME_WIDTH, false);
		buf_printf(out, " %s %.4g", w->metric, w->value);
	}
	style(t, STYLE_NONE);
	buf_add_char(out, '\n');
	buf_release(&name);
}

static void put_heading(struct table *t)
{
	const struct compare *c = t->compare;
	struct buf *out = &t->compare->text;

	style(t, STYLE_BOLD);
	put_text(out, c->model->name, NAME_WIDTH, false);
	style(t, STYLE_NONE);
	buf_add_str(out, ": ");
	put_count(out, dataset_n_rows(c->current), 0);
	buf_add_str(out, " rows against ");
	put_count(out, c->n_reference, 0);
	buf_printf(out, " of the %s, %zu columns",
		   c->baseline != NULL ? "baseline" : "reference",
		   c->n_columns);
	if (c->n_chunks == 1)
		buf_printf(out, ", %zu drifted",
			   count_drifted(&c->verdicts[0]));
	else
		buf_printf(out, ", %zu chunks", c->n_chunks);
	buf_add_str(out, "\n\n");
}

static int put_chunks(struct table *t, struct err *e)
{
	struct compare *c = t->compare;
	struct buf *out = &c->text;

	style(t, STYLE_BOLD);
	buf_printf(out, "  %-*s%12s%9s  %s", NAME_WIDTH, "CHUNK", "ROWS",
		   "DRIFTED", "MOST");
	style(t, STYLE_NONE);
	buf_add_char(out, '\n');
	for (size_t i = 0; i < c->n_chunks; i++) {
		put_chunk_line(t, i);
		if (compare_write(c, false, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->n_chunks; i++) {
		size_t n = count_drifted(&c->verdicts[i]);

		if (n == 0)
			continue;
		buf_add_char(out, '\n');
		style(t, STYLE_BOLD);
		put_chunk(out, &c->chunks[i]);
		style(t, STYLE_NONE);
		buf_printf(out, ": %zu of %zu columns drifted\n", n,
			   c->n_columns);
		put_chunk_columns(t, i, false);
		if (compare_write(c, false, e) < 0)
			return -1;
	}
	return 0;
}

static int table_end(struct compare *c, struct err *e)
{
	struct table t = {.compare = c, .has_colour = wants_colour(c->out)};
	int result = 0;

	t.ranked = xcalloc(c->n_columns + 1, sizeof(*t.ranked));
	put_heading(&t);
	if (c->n_chunks == 1)
		put_chunk_columns(&t, 0, true);
	else
		result = put_chunks(&t, e);
	free(t.ranked);
	return result == 0 && c->metrics.quality ? compare_quality_table(c, e)
						 : result;
}

const struct compare_format compare_table = {
	.name = "table",
	.wants_verdicts = true,
	.end = table_end,
};
