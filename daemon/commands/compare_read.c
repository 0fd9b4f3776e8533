/* SPDX-License-Identifier: GPL-3.0-or-later */

/* compare_read - the files, and which of their columns are compared. */

#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/commands/command.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/baseline.h"

#include <stdlib.h>

static int read_reference(struct compare *c, const struct compare_files *f,
			  const struct dataset_options *like, struct err *e)
{
	static char reference[] = "reference";
	struct dataset_options o = *like;

	if (f->baseline != NULL) {
		if (compare_frozen_read(c, f->baseline, e) < 0)
			return -1;
		c->n_reference = c->baseline->n_rows;
		return 0;
	}
	o.arg = reference;
	o.any_times = c->judges && c->model->timestamp != NULL;
	c->reference = dataset_read(f->reference, &o, e);
	if (c->reference == NULL)
		return -1;
	c->n_reference = dataset_n_rows(c->reference);
	return compare_learn_times(c, e);
}

static bool reference_has(const struct compare *c, size_t column)
{
	return c->baseline != NULL ? compare_frozen_has(c, column)
				   : dataset_has(c->reference, column);
}

static int read_files(struct compare *c, const struct compare_files *f,
		      struct err *e)
{
	static char current[] = "current  ";
	struct dataset_options o = {.model = c->model,
				    .progress = command_progress};

	if (compare_chunking_is_time(&f->chunking) &&
	    c->model->timestamp == NULL)
		return err_set(e, ERR_INVALID,
			       "model \"%s\" has no `timestamp` to make chunks "
			       "of",
			       c->model->name);
	if (read_reference(c, f, &o, e) < 0)
		return -1;
	if (f->labels != NULL) {
		c->labels = dataset_labels_read(f->labels, c->model, e);
		if (c->labels == NULL)
			return -1;
	}
	o.labels = c->labels;
	o.with_times = compare_chunking_is_time(&f->chunking);
	o.arg = current;
	c->current = dataset_read(f->current, &o, e);
	return c->current != NULL ? 0 : -1;
}

/*
 * A column is compared when one of the files has it; a label, which may come
 * late, when the current one does.  Features are to be in the reference: a
 * name that is nowhere is more often wrong than meant.
 */
static int choose_columns(struct compare *c, const char *reference,
			  struct err *e)
{
	const struct config_model *m = c->model;

	c->columns = xcalloc(m->n_columns + 1, sizeof(*c->columns));
	c->judge_columns = xcalloc(m->n_columns + 1, sizeof(*c->judge_columns));
	for (size_t i = 0; i < m->n_columns; i++) {
		const struct config_column *from = &m->columns[i];
		struct compare_column column = {
			.index = i,
			.in_reference = reference_has(c, i),
			.in_current = dataset_has(c->current, i),
		};

		if (from->role == ROLE_FEATURE && !column.in_reference)
			return err_set(e, ERR_INVALID,
				       "%s: there is no feature \"%s\"",
				       reference, from->name);
		if (!column.in_current &&
		    (!column.in_reference || from->role == ROLE_LABEL))
			continue;
		buf_init(&column.rows, SIZE_MAX / 4);
		c->judge_columns[c->n_columns] = (struct judge_column){
			.name = from->name,
			.kind = from->kind,
			.role = from->role,
			.importance = from->importance,
			.thresholds = from->thresholds,
		};
		c->columns[c->n_columns++] = column;
	}
	return 0;
}

static void fill_spec(struct compare *c)
{
	const struct config_model *m = c->model;
	size_t k = 0;

	c->spec = (struct judge_spec){
		.columns = c->judge_columns,
		.n_columns = c->n_columns,
		.detectors = c->metrics.names != NULL ? c->metrics.detectors
						      : m->detectors,
		.alpha = m->alpha,
		.min_rows = m->min_rows > 0 ? (uint64_t)m->min_rows : 0,
	};
	for (size_t i = 0; i < c->n_columns; i++)
		k += c->judge_columns[i].role != ROLE_LABEL &&
		     c->columns[i].in_reference;
	c->alpha = judge_alpha(&c->spec, k);
}

int compare_read(struct compare *c, const struct compare_files *f,
		 struct err *e)
{
	const char *reference =
		f->baseline != NULL ? f->baseline : f->reference;

	if (read_files(c, f, e) < 0 || choose_columns(c, reference, e) < 0)
		return -1;
	c->chunks =
		compare_chunks_new(&f->chunking, c->current, &c->n_chunks, e);
	if (c->chunks == NULL)
		return -1;
	fill_spec(c);
	if (c->baseline != NULL)
		compare_frozen_learn(c);
	return 0;
}
