/* SPDX-License-Identifier: GPL-3.0-or-later */

/* compare_learn - thresholds from the reference, as the daemon learns them. */

#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/baseline.h"
#include "detectors/learn.h"

#include <stdlib.h>

int compare_learn_times(struct compare *c, struct err *e)
{
	size_t n;

	if (!c->judges || c->model->timestamp == NULL)
		return 0;
	n = dataset_n_rows(c->reference);
	c->times = xcalloc(n + 1, sizeof(*c->times));
	return dataset_times(c->reference, c->times, e);
}

static int build(const struct compare *c, const struct compare_column *column,
		 const void *values, struct baseline_builder *b, struct err *e)
{
	size_t n = dataset_n_rows(c->reference), n_texts;
	const struct category_text *texts;
	int result;

	if (c->model->columns[column->index].kind == COLUMN_NUMERIC) {
		result = baseline_builder_numbers(b, 0, values, n, e);
	} else {
		texts = dataset_texts(c->reference, column->index, &n_texts);
		result = baseline_builder_codes(b, 0, values, n, texts, n_texts,
						e);
	}
	return result < 0 ? -1 : baseline_builder_rows(b, c->times, n, e);
}

int compare_learn(const struct compare *c, struct compare_column *column,
		  const void *values, struct err *e)
{
	const struct config_model *m = c->model;
	const struct baseline_spec_column spec = {
		.name = m->columns[column->index].name,
		.kind = m->columns[column->index].kind,
		.role = m->columns[column->index].role,
	};
	struct baseline_builder *b;
	struct baseline *baseline = NULL;

	if (c->times == NULL || !column->in_reference)
		return 0;
	b = baseline_builder_new(&spec, 1, (unsigned)m->resolution,
				 (uint32_t)m->max_categories, 0);
	if (build(c, column, values, b, e) == 0)
		baseline = baseline_builder_finish(b, e);
	baseline_builder_free(b);
	if (baseline == NULL)
		return -1;
	column->learned = learned_new(baseline, c->spec.detectors);
	baseline_free(baseline);
	return 0;
}
