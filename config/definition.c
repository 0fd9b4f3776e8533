/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config - a model's definition as canonical JSON: everything that decides a
 * verdict and nothing else, keys in a fixed order, columns by name.  Equal
 * definitions give equal bytes; what is stored names the version of the form.
 */
#include "config/config.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFINITION_FORM = 1 };

static int compare_columns(const void *left, const void *right)
{
	const struct config_column *const *a = left;
	const struct config_column *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

static bool has_level(const struct thresholds *t)
{
	return !isnan(t->warning) || !isnan(t->error) || !isnan(t->critical);
}

static void put_thresholds(struct json_out *w, const struct config_model *m,
			   const struct thresholds *all)
{
	const struct detector *const *list;
	size_t n;

	list = detector_list(&n);
	json_key(w, "thresholds");
	json_object_begin(w);
	for (size_t i = 0; i < n; i++) {
		if (!(m->detectors >> i & 1) || !list[i]->decides ||
		    !has_level(&all[i]))
			continue;
		json_key(w, list[i]->metric);
		json_array_begin(w);
		json_number(w, all[i].warning);
		json_number(w, all[i].error);
		json_number(w, all[i].critical);
		json_array_end(w);
	}
	json_object_end(w);
}

static void put_columns(struct json_out *w, const struct config_model *m)
{
	const struct config_column **sorted;

	sorted = xcalloc(m->n_columns + 1, sizeof(struct config_column *));
	for (size_t i = 0; i < m->n_columns; i++)
		sorted[i] = &m->columns[i];
	qsort(sorted, m->n_columns, sizeof(struct config_column *),
	      compare_columns);
	json_key(w, "columns");
	json_array_begin(w);
	for (size_t i = 0; i < m->n_columns; i++) {
		json_object_begin(w);
		json_put_string(w, "name", sorted[i]->name);
		json_put_string(w, "kind", column_kind_name(sorted[i]->kind));
		json_put_string(w, "role", column_role_name(sorted[i]->role));
		json_put_string(w, "class", sorted[i]->class_name);
		json_put_number(w, "importance", sorted[i]->importance);
		put_thresholds(w, m, sorted[i]->thresholds);
		json_object_end(w);
	}
	json_array_end(w);
	free(sorted);
}

static void put_detectors(struct json_out *w, const struct config_model *m)
{
	const struct detector *const *list;
	size_t n;

	list = detector_list(&n);
	json_key(w, "detectors");
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		if (m->detectors >> i & 1)
			json_string(w, list[i]->metric);
	json_array_end(w);
}

void config_model_definition(const struct config_model *m, struct buf *out)
{
	struct json_out w;
	char window[32];

	window_format(m->window, window);
	json_out_init(&w, out);
	json_object_begin(&w);
	json_put_int(&w, "form", DEFINITION_FORM);
	json_put_string(&w, "name", m->name);
	json_put_string(&w, "version", m->version);
	json_put_string(&w, "task", config_task_names[m->task]);
	json_put_string(&w, "positive", m->positive);
	json_put_string(&w, "window", window);
	json_put_int(&w, "lateness_us", m->lateness_us);
	json_put_int(&w, "idle_timeout_us", m->idle_timeout_us);
	json_put_int(&w, "source_timeout_us", m->source_timeout_us);
	json_put_int(&w, "revise_horizon_us", m->revise_horizon_us);
	json_put_int(&w, "min_rows", m->min_rows);
	json_put_number(&w, "alpha", m->alpha);
	json_put_int(&w, "resolution", m->resolution);
	json_put_int(&w, "max_categories", m->max_categories);
	json_put_string(&w, "baseline", m->baseline);
	put_detectors(&w, m);
	put_columns(&w, m);
	json_object_end(&w);
}
