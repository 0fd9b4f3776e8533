/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_frozen - a file against an exported baseline: the counts over its
 * cells that the daemon would have made, with the bounds that they give.
 */

#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/baseline.h"
#include "detectors/learn.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "storage/baseline_files.h"

#include <stdlib.h>
#include <string.h>

static const struct baseline_column *find(const struct compare *c,
					  size_t column)
{
	const char *name = c->model->columns[column].name;

	return baseline_find(c->baseline, name, strlen(name));
}

int compare_frozen_read(struct compare *c, const char *path, struct err *e)
{
	const struct config_model *m = c->model;

	c->baseline = baseline_files_read(path, e);
	if (c->baseline == NULL && e->code == ERR_NOT_FOUND)
		e->code = ERR_IO; /* as of any other file that is not there */
	if (c->baseline == NULL)
		return err_wrap(e, "cannot use \"%s\" as a baseline", path);
	for (size_t i = 0; i < m->n_columns; i++) {
		const struct baseline_column *b = find(c, i);

		if (b != NULL && b->kind != m->columns[i].kind)
			return err_set(e, ERR_INVALID,
				       "column \"%s\" is %s in baseline \"%s\" "
				       "and %s in the model",
				       b->name, column_kind_name(b->kind), path,
				       column_kind_name(m->columns[i].kind));
	}
	return 0;
}

void compare_frozen_learn(struct compare *c)
{
	if (!c->judges)
		return;
	c->learned = learned_new(c->baseline, c->spec.detectors);
	c->spec.learned = c->learned;
}

bool compare_frozen_has(const struct compare *c, size_t column)
{
	return find(c, column) != NULL;
}

/* The values of one chunk into ${p}. */
static void fold(const struct compare *c, const struct compare_column *column,
		 const struct compare_chunk *chunk, const void *values,
		 struct profile *p)
{
	size_t n = chunk->end - chunk->start, n_texts;
	const struct category_text *texts;

	profile_clear(p);
	if (p->kind == COLUMN_NUMERIC) {
		profile_add_numbers(p, (const double *)values + chunk->start,
				    NULL, n);
		return;
	}
	texts = dataset_texts(c->current, column->index, &n_texts);
	profile_add_categories(p, (const uint32_t *)values + chunk->start, NULL,
			       n, texts, n_texts);
}

int compare_frozen_column(const struct compare *c,
			  struct compare_column *column, void *values,
			  struct err *e)
{
	const struct baseline_column *b = find(c, column->index);
	struct profile *p;
	int result;

	if (b->kind == COLUMN_NUMERIC)
		result = dataset_numbers(c->current, column->index, values, e);
	else
		result = dataset_codes(c->current, column->index, values, e);
	if (result < 0)
		return -1;
	p = profile_new(b->kind, b->cells, (uint32_t)c->model->max_categories);
	for (size_t i = 0; i < c->n_chunks; i++) {
		struct pair pair;

		fold(c, column, &c->chunks[i], values, p);
		pair_init(&pair, b, p);
		compare_look_at(c, column, i, &pair);
		pair_release(&pair);
	}
	profile_free(p);
	return 0;
}
