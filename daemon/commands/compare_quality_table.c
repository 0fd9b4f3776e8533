/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_quality_table - for a person: of one chunk the measures that are
 * asked for most, beside the reference's and what is estimated without labels;
 * of several a line each.
 */

#include "daemon/commands/compare_quality.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"

#include <math.h>
#include <string.h>

enum { NAME_WIDTH = 28, FIGURES = 16 };

/* By task, in the order in which they are told; the first two in one line. */
static const char *const of_two[] = {
	"accuracy",	     "roc_auc",	 "precision", "recall", "f1",
	"average_precision", "log_loss", "brier",     "ece10",	NULL};
static const char *const of_classes[] = {
	"accuracy", "roc_auc_ovr_macro", "precision_macro",  "recall_macro",
	"f1_macro", "f1_weighted",	 "log_loss_eps1e15", NULL};
static const char *const of_numbers[] = {"mae",	  "r2",	  "rmse",      "bias",
					 "medae", "mape", "max_error", NULL};

static const char *const *figures(const struct compare *c)
{
	switch ((enum config_task)c->model->task) {
	case TASK_BINARY:
		return of_two;
	case TASK_MULTICLASS:
		return of_classes;
	case TASK_REGRESSION:
	case TASK_NONE:
		break;
	}
	return of_numbers;
}

static void put_figure(struct buf *out, const struct quality_rows *rows,
		       const char *prefix, const char *metric)
{
	const struct quality_row *r;
	struct buf name;

	buf_init(&name, 256);
	buf_printf(&name, "%s%s", prefix, metric);
	r = quality_rows_find(rows, buf_str(&name));
	buf_release(&name);
	if (r == NULL || isnan(r->value.lower))
		buf_printf(out, "%*s", FIGURES, "-");
	else if (prefix[0] != '\0' && !isnan(r->standard_error))
		buf_printf(out, "%*.4f +-%6.4f", FIGURES - 9, r->value.lower,
			   3.0 * r->standard_error);
	else
		buf_printf(out, "%*.4g", FIGURES, r->value.lower);
}

static const char *prefix_of(const struct quality_rows *rows)
{
	const struct quality_row *r =
		quality_rows_find(rows, "cbpe_calibrates");

	return r != NULL && r->value.lower == 0.0 ? "cbpe_raw_" : "cbpe_iso_";
}

static bool is_suspected(const struct quality_rows *rows)
{
	const struct quality_row *r =
		quality_rows_find(rows, "concept_drift_suspected");

	return r != NULL && r->value.lower != 0.0;
}

static void put_full(struct compare *c, const struct quality_rows *reference,
		     const struct quality_rows *rows)
{
	const char *prefix = prefix_of(reference);
	struct buf *out = &c->text;

	buf_printf(out, "\n  %-*s%*s%*s%*s\n", NAME_WIDTH, "QUALITY", FIGURES,
		   "REFERENCE", FIGURES, "CURRENT", FIGURES + 2, "ESTIMATED");
	for (const char *const *m = figures(c); *m != NULL; m++) {
		if (quality_rows_find(rows, *m) == NULL &&
		    quality_rows_find(reference, *m) == NULL)
			continue;
		buf_printf(out, "  %-*s", NAME_WIDTH, *m);
		put_figure(out, reference, "", *m);
		put_figure(out, rows, "", *m);
		buf_add_str(out, "  ");
		put_figure(out, rows, prefix, *m);
		buf_add_char(out, '\n');
	}
	if (is_suspected(rows))
		buf_add_str(out, "! concept drift suspected: labels do not "
				 "bear out what the scores promise\n");
}

static void put_line(struct compare *c, const struct compare_chunk *chunk,
		     const struct quality_rows *reference,
		     const struct quality_rows *rows)
{
	const char *const *m = figures(c);
	struct buf *out = &c->text, name;
	char start[TIMESTAMP_TEXT_MAX];

	buf_init(&name, 128);
	if (chunk == NULL) {
		buf_add_str(&name, "reference");
	} else if (chunk->start_us != INT64_MIN) {
		timestamp_format(chunk->start_us, start);
		buf_printf(&name, "%.10s  %zu:%zu", start, chunk->start,
			   chunk->end);
	} else {
		buf_printf(&name, "%zu:%zu", chunk->start, chunk->end);
	}
	buf_printf(out, "%c %-*s", is_suspected(rows) ? '!' : ' ', NAME_WIDTH,
		   buf_str(&name));
	put_figure(out, rows, "", m[0]);
	put_figure(out, rows, "", m[1]);
	buf_add_str(out, "  ");
	put_figure(out, rows, prefix_of(reference), m[0]);
	buf_add_str(out, is_suspected(rows) ? "  suspected\n" : "\n");
	buf_release(&name);
}

/* What is said of the reference, kept until a chunk's is known. */
struct kept {
	struct quality_rows rows;
	bool has_begun;
};

static bool is_wanted(const struct compare *c, const char *metric)
{
	for (const char *const *m = figures(c); *m != NULL; m++)
		if (strcmp(*m, metric) == 0)
			return true;
	return strncmp(metric, "cbpe_", 5) == 0;
}

static int tell(struct compare *c, const struct compare_chunk *chunk,
		const struct quality_rows *rows, void *arg, struct err *e)
{
	struct kept *k = arg;

	if (chunk == NULL) {
		for (size_t i = 0; i < rows->n; i++) {
			const struct quality_row *r = &rows->items[i];

			if (is_wanted(c, r->metric))
				quality_rows_add(&k->rows, r->metric, r->value,
						 r->standard_error);
		}
		return 0;
	}
	if (c->n_chunks == 1) {
		if (rows->n > 0 || k->rows.n > 0)
			put_full(c, &k->rows, rows);
		return compare_write(c, false, e);
	}
	if (!k->has_begun && (rows->n > 0 || k->rows.n > 0)) {
		const char *const *m = figures(c);

		buf_printf(&c->text, "\n  %-*s%*s%*s%*s\n", NAME_WIDTH,
			   "QUALITY", FIGURES, m[0], FIGURES, m[1], FIGURES + 2,
			   "estimated");
		put_line(c, NULL, &k->rows, &k->rows);
		k->has_begun = true;
	}
	if (k->has_begun)
		put_line(c, chunk, &k->rows, rows);
	return compare_write(c, false, e);
}

int compare_quality_table(struct compare *c, struct err *e)
{
	struct kept k = {.has_begun = false};
	int result = compare_quality(c, tell, &k, e);

	quality_rows_release(&k.rows);
	return result;
}
