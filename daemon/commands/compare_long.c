/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_long - CSV of every number: row range, column, metric, value with
 * all its digits.
 */

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "detectors/describe.h"
#include "detectors/detector.h"
#include "detectors/pair.h"

#include <math.h>
#include <string.h>

/* Where a row belongs, with the commas. */
struct place {
	struct buf text;
};

static void place_init(struct place *at, const struct compare_chunk *chunk,
		       const char *column)
{
	buf_init(&at->text, SIZE_MAX / 4);
	if (chunk != NULL)
		buf_printf(&at->text, "%zu,%zu,", chunk->start, chunk->end);
	else
		buf_add_str(&at->text, "-1,-1,");
	if (strpbrk(column, ",\"\r\n") == NULL) {
		buf_add_str(&at->text, column);
	} else {
		buf_add_char(&at->text, '"');
		for (; *column != '\0'; column++) {
			if (*column == '"')
				buf_add_char(&at->text, '"');
			buf_add_char(&at->text, *column);
		}
		buf_add_char(&at->text, '"');
	}
	buf_add_char(&at->text, ',');
}

static void put(const struct compare *c, const struct place *at,
		const char *metric, double value, struct buf *out)
{
	if (!compare_metrics_has(&c->metrics, metric))
		return;
	buf_add(out, at->text.data, at->text.len);
	buf_add_str(out, metric);
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
	put(c, at, d->metric, f.value, out);
	if (d->pvalue_metric != NULL && f.status == FINDING_OK)
		put(c, at, d->pvalue_metric, f.p_value, out);
	for (uint32_t i = 0; i < f.n_extras; i++)
		put(c, at, f.extras[i].metric, f.extras[i].value, out);
}

void compare_long_rows(const struct compare *c, struct compare_column *column,
		       const struct compare_chunk *chunk, const struct pair *p)
{
	struct description rows[DESCRIBE_MAX];
	const struct detector *const *list;
	struct buf *out = &column->rows;
	struct place at;
	size_t n = 0;

	place_init(&at, chunk, c->model->columns[column->index].name);
	if (c->metrics.describe)
		n = chunk != NULL ? describe_current(p, rows)
				  : describe_reference(p, rows);
	for (size_t i = 0; i < n; i++)
		put(c, &at, rows[i].metric, rows[i].value, out);
	list = detector_list(&n);
	for (size_t i = 0; chunk != NULL && i < n; i++) {
		if ((list[i]->kinds & 1U << p->kind) == 0 ||
		    (c->metrics.detectors >> i & 1) == 0)
			continue;
		/* the description has it already */
		if (list[i]->described && c->metrics.describe)
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

const struct compare_format compare_long = {
	.name = "long",
	.wants_rows = true,
	.begin = long_begin,
	.column = long_column,
};
