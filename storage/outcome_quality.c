/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outcome_quality - counts in tables to the counts of detectors/quality.h,
 * which knows what follows from them.
 */
#include "storage/outcome_quality.h"

#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "storage/pg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREDICTED, LABEL, CELL, N, N_EDGE, N_OFFSET, N_OUTSIDE };

const struct cells *outcome_score_cells(const struct config_model *m,
					const struct baseline *b)
{
	const struct baseline_column *c = NULL;

	if (b && m->score)
		c = baseline_find(b, m->score, strlen(m->score));
	return c && c->kind == COLUMN_NUMERIC ? c->cells : NULL;
}

void outcome_quality_release(struct outcome_quality *q)
{
	quality_rows_release(&q->rows);
}

static void add_key(struct pg_params *p, int64_t model_id, int64_t start_us)
{
	pg_params_init(p);
	pg_add_int8(p, model_id);
	pg_add_time(p, start_us);
}

static int read_cells(struct pg *pg, int64_t model_id, int64_t start_us,
		      struct pg_result **r, struct err *e)
{
	struct pg_params p;
	int rc;

	add_key(&p, model_id, start_us);
	rc = pg_exec(pg,
		     "SELECT predicted, label, cell, n, n_edge, n_offset,"
		     " n_outside FROM driftd.quality_cell"
		     " WHERE model_id = $1 AND window_start = $2"
		     " ORDER BY predicted, label, cell",
		     &p, r, e);
	pg_params_release(&p);
	return rc;
}

static uint64_t get_count(const struct pg_result *r, size_t row, int col)
{
	int64_t n = pg_get_int(r, row, col);

	return n > 0 ? (uint64_t)n : 0;
}

static bool is_text(const struct pg_result *r, size_t row, int col,
		    const char *text)
{
	return strcmp(pg_get_text(r, row, col), text) == 0;
}

static void add_score(struct quality_scores *s, const struct pg_result *r,
		      size_t row, unsigned class)
{
	int64_t k = pg_get_int(r, row, CELL);

	if (k < 0 || k > (int64_t)s->n_edges || !s->cells)
		return;
	s->n_outside += get_count(r, row, N_OUTSIDE);
	s->cells[k].n[class] += get_count(r, row, N);
	s->cells[k].equal[class] += get_count(r, row, N_EDGE);
	s->cells[k].offset[class] += get_count(r, row, N_OFFSET);
}

static void binary_rows(const struct config_model *m, const struct cells *cells,
			const struct pg_result *r, struct quality_rows *out)
{
	struct quality_binary q;

	quality_binary_init(&q, cells ? cells->edges : NULL,
			    cells ? cells->n_edges : 0);
	for (size_t i = 0; i < pg_rows(r); i++) {
		bool predicted = is_text(r, i, PREDICTED, m->positive);
		bool label = is_text(r, i, LABEL, m->positive);
		uint64_t n = get_count(r, i, N);

		*(predicted ? label ? &q.tp : &q.fp
		  : label   ? &q.fn
			    : &q.tn) += n;
		add_score(&q.scores, r, i, label);
	}
	quality_binary_rows(&q, out);
	quality_binary_release(&q);
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The distinct classes of both columns, sorted; owned array. */
static const char **list_classes(const struct pg_result *r, size_t *n)
{
	size_t rows = pg_rows(r), distinct = 0;
	const char **names = xcalloc(2 * rows + 1, sizeof(*names));

	for (size_t i = 0; i < rows; i++) {
		names[2 * i] = pg_get_text(r, i, PREDICTED);
		names[2 * i + 1] = pg_get_text(r, i, LABEL);
	}
	qsort(names, 2 * rows, sizeof(*names), compare_names);
	for (size_t i = 0; i < 2 * rows; i++)
		if (distinct == 0 || strcmp(names[distinct - 1], names[i]) != 0)
			names[distinct++] = names[i];
	*n = distinct;
	return names;
}

static uint32_t class_of(const char **names, size_t n, const char *name)
{
	const char **found =
		bsearch(&name, names, n, sizeof(*names), compare_names);

	return found ? (uint32_t)(found - names) : 0;
}

/* Scores by class are not kept: what rests on them is left out. */
static void multiclass_rows(const struct pg_result *r, struct quality_rows *out)
{
	struct quality_multiclass q;
	size_t n;
	const char **names = list_classes(r, &n);

	if (n > QUALITY_CLASSES_MAX)
		goto out;
	quality_multiclass_init(&q, (uint32_t)n, NULL);
	for (size_t i = 0; i < pg_rows(r); i++) {
		uint32_t label = class_of(names, n, pg_get_text(r, i, LABEL));
		uint32_t predicted =
			class_of(names, n, pg_get_text(r, i, PREDICTED));

		q.confusion[label * n + predicted] += get_count(r, i, N);
	}
	quality_multiclass_rows(&q, names, out);
	quality_multiclass_release(&q);
out:
	free(names);
}

static struct twofold sum(const struct pg_result *r, int col)
{
	return (struct twofold){pg_get_float8(r, 0, col), 0};
}

static void regression_rows(const struct pg_result *sums,
			    const struct pg_result *cells,
			    struct quality_rows *out)
{
	struct quality_regression q = {
		.n = get_count(sums, 0, 1),
		.error = sum(sums, 2),
		.absolute = sum(sums, 3),
		.square = sum(sums, 4),
		.fourth = sum(sums, 5),
		.relative = sum(sums, 6),
		.log_square = sum(sums, 7),
		.n_negative = get_count(sums, 0, 8),
		.label = sum(sums, 9),
		.label_square = sum(sums, 10),
		.max_error = pg_get_float8(sums, 0, 11),
		/* Not kept: that all labels are equal shows in the sums. */
		.label_min = -HUGE_VAL,
		.label_max = HUGE_VAL,
	};

	q.cap_cells = pg_rows(cells);
	q.cells = xcalloc(q.cap_cells + 1, sizeof(*q.cells));
	for (size_t i = 0; i < q.cap_cells; i++)
		if (get_count(cells, i, N) > 0)
			q.cells[q.n_cells++] = (struct quality_error_cell){
				.key = (int32_t)pg_get_int(cells, i, CELL),
				.n = get_count(cells, i, N),
			};
	quality_regression_rows(&q, NULL, out);
	quality_regression_release(&q);
}

static int read_sums(struct pg *pg, int64_t model_id, int64_t start_us,
		     struct pg_result **r, struct err *e)
{
	struct pg_params p;
	int rc;

	add_key(&p, model_id, start_us);
	rc = pg_exec(pg,
		     "SELECT n_predicted, n_labeled, sum_e, sum_abs, sum_e2,"
		     " sum_e4, sum_rel, sum_log2, n_negative, sum_y, sum_y2,"
		     " max_abs FROM driftd.window_quality"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, r, e);
	pg_params_release(&p);
	return rc;
}

static void put_rows(const struct config_model *m, const struct cells *cells,
		     const struct pg_result *sums, const struct pg_result *r,
		     struct outcome_quality *out)
{
	double coverage = (double)out->n_labeled / (double)out->n_predicted;

	if (m->task == TASK_REGRESSION)
		regression_rows(sums, r, &out->rows);
	else if (m->task == TASK_BINARY && m->positive)
		binary_rows(m, cells, r, &out->rows);
	else
		multiclass_rows(r, &out->rows);
	quality_rows_number(&out->rows, "label_coverage", coverage,
			    (double)NAN);
}

int outcome_quality_read(struct pg *pg, const struct config_model *m,
			 const struct baseline *baseline, int64_t start_us,
			 struct outcome_quality *out, struct err *e)
{
	struct pg_result *sums = NULL, *r = NULL;
	int rc;

	*out = (struct outcome_quality){0};
	rc = read_sums(pg, m->model_id, start_us, &sums, e);
	if (rc || pg_rows(sums) == 0)
		goto out;
	out->n_predicted = pg_get_int(sums, 0, 0);
	out->n_labeled = pg_get_int(sums, 0, 1);
	if (out->n_predicted <= 0)
		goto out;
	rc = read_cells(pg, m->model_id, start_us, &r, e);
	if (!rc)
		put_rows(m, outcome_score_cells(m, baseline), sums, r, out);
out:
	if (r)
		pg_result_free(r);
	if (sums)
		pg_result_free(sums);
	return rc;
}
