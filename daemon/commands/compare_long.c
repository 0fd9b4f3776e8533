/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_long - CSV of every number: row range, column, metric, value with
 * all its digits.
 */

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/commands/compare_quality.h"
#include "detectors/describe.h"
#include "detectors/detector.h"
#include "detectors/pair.h"

#include <math.h>
#include <string.h>

/* Where a row belongs, with the commas. */
struct place {
	struct buf text;
};

/* A field of CSV, quoted where it has to be. */
static void put_field(struct buf *out, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		buf_add_str(out, text);
		return;
	}
	buf_add_char(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_add_char(out, '"');
		buf_add_char(out, *text);
	}
	buf_add_char(out, '"');
}

static void place_init(struct place *at, const struct compare_chunk *chunk,
		       const char *column)
{
	buf_init(&at->text, SIZE_MAX / 4);
	if (chunk != NULL)
		buf_printf(&at->text, "%zu,%zu,", chunk->start, chunk->end);
	else
		buf_add_str(&at->text, "-1,-1,");
	put_field(&at->text, column);
	buf_add_char(&at->text, ',');
}

static void put_number(const struct compare *c, const struct place *at,
		       const char *metric, double value, struct buf *out)
{
	if (!compare_metrics_has(&c->metrics, metric))
		return;
	buf_add(out, at->text.data, at->text.len);
	put_field(out, metric);
	if (isnan(value)) /* "nan", whatever its sign */
		buf_add_str(out, ",nan\n");
	else
		buf_printf(out, ",%.17g\n", value);
}

static void put_finding(const struct compare *c, const struct place *at,
			const struct detector *d, const struct pair *p,
			struct buf *out)
{
	struct finding f;

	d->run(p, &f);
	if (f.status != FINDING_OK && f.status != FINDING_UNDEFINED)
		return;
	put_number(c, at, d->metric, f.value, out);
	if (d->pvalue_metric != NULL && f.status == FINDING_OK)
		put_number(c, at, d->pvalue_metric, f.p_value, out);
	for (uint32_t i = 0; i < f.n_extras; i++)
		put_number(c, at, f.extras[i].metric, f.extras[i].value, out);
}

void compare_long_rows(const struct compare *c, struct compare_column *column,
		       const struct compare_chunk *chunk, const struct pair *p)
{
	struct description rows[DESCRIBE_MAX];
	const struct detector *const *list;
	struct buf *out = &column->rows;
	/* a baseline has none to describe */
	bool has_values = c->metrics.describe && p->is_exact;
	struct place at;
	size_t n = 0;

	place_init(&at, chunk, c->model->columns[column->index].name);
	if (has_values)
		n = chunk != NULL ? describe_current(p, rows)
				  : describe_reference(p, rows);
	for (size_t i = 0; i < n; i++)
		put_number(c, &at, rows[i].metric, rows[i].value, out);
	list = detector_list(&n);
	for (size_t i = 0; chunk != NULL && i < n; i++) {
		if ((list[i]->kinds & 1U << p->kind) == 0 ||
		    (c->metrics.detectors >> i & 1) == 0)
			continue;
		/* the description has it already */
		if (list[i]->described && has_values)
			continue;
		put_finding(c, &at, list[i], p, out);
	}
	buf_release(&at.text);
}

static int long_begin(struct compare *c, struct err *e)
{
	buf_add_str(&c->text, "chunk_start,chunk_end,column,metric,value\n");
	return compare_write(c, false, e);
}

static int long_column(struct compare *c, const struct compare_column *column,
		       struct err *e)
{
	if (column->rows.failed)
		return err_set(e, ERR_TEMP, "no memory for the output");
	buf_add(&c->text, column->rows.data, column->rows.len);
	return compare_write(c, false, e);
}

/* The quality of one chunk, or of the reference. */
static int put_quality(struct compare *c, const struct compare_chunk *chunk,
		       const struct quality_rows *rows, void *arg,
		       struct err *e)
{
	struct place at;
	struct buf name;

	(void)arg;
	buf_init(&name, SIZE_MAX / 4);
	place_init(&at, chunk, "__model__");
	for (size_t i = 0; i < rows->n; i++) {
		const struct quality_row *r = &rows->items[i];

		put_number(c, &at, r->metric, r->value.lower, &c->text);
		if (isnan(r->standard_error))
			continue;
		buf_clear(&name);
		buf_printf(&name, "%s" COMPARE_QUALITY_ERROR, r->metric);
		put_number(c, &at, buf_str(&name), r->standard_error, &c->text);
	}
	buf_release(&at.text);
	buf_release(&name);
	return compare_write(c, false, e);
}

static int long_end(struct compare *c, struct err *e)
{
	return c->metrics.quality ? compare_quality(c, put_quality, NULL, e)
				  : 0;
}

const struct compare_format compare_long = {
	.name = "long",
	.wants_rows = true,
	.begin = long_begin,
	.column = long_column,
	.end = long_end,
};
