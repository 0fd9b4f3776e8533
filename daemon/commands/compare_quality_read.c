/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_quality_read - labels, predictions and scores of a file, classes as
 * numbers.  A class is its text; a JSON number that is no class by its text
 * goes by its value, as everywhere.
 */

#include "daemon/commands/compare_quality.h"

#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POSITIVE_DEFAULT "1"

/* The first column with that role; n_columns: there is none. */
static size_t column_of(const struct config_model *m, enum column_role role)
{
	size_t i = 0;

	while (i < m->n_columns && m->columns[i].role != role)
		i++;
	return i;
}

static uint32_t add_name(struct compare_classes *k, const char *text,
			 size_t len)
{
	uint32_t n = dict_count(k->exact);
	uint32_t i = dict_add(k->exact, text, len), at;
	double v;

	if (i != n || !number_parse(text, len, &v))
		return i;
	v += 0.0; /* -0.0 is 0 */
	n = dict_count(k->numbers);
	at = dict_add(k->numbers, (const char *)&v, sizeof(v));
	if (at == n) {
		k->of_number = xrealloc_array(k->of_number, n + 1,
					      sizeof(*k->of_number));
		k->of_number[at] = i;
	}
	return i;
}

/* The index of a text in the names, or DICT_NONE. */
static uint32_t find_name(const struct compare_classes *k,
			  const struct category_text *t)
{
	uint32_t i = dict_find(k->exact, t->text, t->len);
	double v;

	if (i != DICT_NONE || !t->is_number ||
	    !number_parse(t->text, t->len, &v))
		return i;
	v += 0.0;
	i = dict_find(k->numbers, (const char *)&v, sizeof(v));
	return i != DICT_NONE ? k->of_number[i] : DICT_NONE;
}

/* Texts of one column; ${numbers}: those that stood as JSON numbers. */
static void add_texts(struct compare_classes *k, const struct dataset *d,
		      size_t column, bool numbers)
{
	const struct category_text *texts;
	size_t n;

	texts = dataset_texts(d, column, &n);
	for (size_t i = 0; i < n; i++)
		if (texts[i].is_number == numbers &&
		    find_name(k, &texts[i]) == DICT_NONE)
			(void)add_name(k, texts[i].text, texts[i].len);
}

static void add_all(struct compare_classes *k, const struct compare *c)
{
	const struct config_model *m = c->model;
	const struct dataset *const files[] = {c->reference, c->current};
	static const enum column_role roles[] = {ROLE_LABEL, ROLE_PREDICTION};

	for (size_t i = 0; i < m->n_columns; i++)
		if (m->columns[i].class_name != NULL)
			(void)add_name(k, m->columns[i].class_name,
				       strlen(m->columns[i].class_name));
	/* what is written as text names the class of an equal number */
	for (unsigned numbers = 0; numbers < 2; numbers++) {
		for (size_t r = 0; r < 2; r++) {
			size_t column = column_of(m, roles[r]);

			for (size_t f = 0; f < 2 && column < m->n_columns; f++)
				add_texts(k, files[f], column, numbers == 1);
		}
	}
}

struct entry {
	const char *name;
	uint32_t index;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order
			  : (x->index > y->index) - (x->index < y->index);
}

static void sort_names(struct compare_classes *k)
{
	uint32_t n = dict_count(k->exact);
	struct entry *entries = xcalloc((size_t)n + 1, sizeof(*entries));

	k->n = n;
	k->names = xcalloc((size_t)n + 1, sizeof(*k->names));
	k->rank = xcalloc((size_t)n + 1, sizeof(*k->rank));
	for (uint32_t i = 0; i < n; i++) {
		size_t len;

		entries[i] = (struct entry){dict_text(k->exact, i, &len), i};
	}
	qsort(entries, n, sizeof(*entries), compare_entries);
	for (uint32_t r = 0; r < n; r++) {
		k->names[r] = entries[r].name;
		k->rank[entries[r].index] = r;
	}
	free(entries);
}

int compare_classes_init(struct compare_classes *k, const struct compare *c,
			 struct err *e)
{
	const struct config_model *m = c->model;

	*k = (struct compare_classes){.exact = dict_new(0, 0),
				      .numbers = dict_new(0, 0)};
	if (m->task == TASK_BINARY) {
		const char *positive =
			m->positive != NULL ? m->positive : POSITIVE_DEFAULT;

		(void)add_name(k, positive, strlen(positive));
		return 0;
	}
	if (m->task != TASK_MULTICLASS)
		return 0;
	add_all(k, c);
	if (dict_count(k->exact) > QUALITY_CLASSES_MAX)
		return err_set(e, ERR_LIMIT,
			       "model \"%s\" has more than %d classes", m->name,
			       QUALITY_CLASSES_MAX);
	sort_names(k);
	return 0;
}

void compare_classes_release(struct compare_classes *k)
{
	dict_free(k->exact);
	dict_free(k->numbers);
	free(k->of_number);
	free(k->rank);
	free(k->names);
}

static uint32_t *read_classes(const struct compare *c, const struct dataset *d,
			      const struct compare_classes *k, size_t column,
			      struct err *e)
{
	size_t n = dataset_n_rows(d), n_texts;
	const struct category_text *texts = dataset_texts(d, column, &n_texts);
	uint32_t *codes = xrealloc_array(NULL, n + 1, sizeof(*codes));
	uint32_t *class = xcalloc(n_texts + 1, sizeof(*class));

	for (size_t i = 0; i < n_texts; i++) {
		uint32_t name = find_name(k, &texts[i]);

		if (c->model->task == TASK_BINARY)
			class[i] = name != DICT_NONE;
		else
			class[i] = name != DICT_NONE ? k->rank[name]
						     : COMPARE_CLASS_NONE;
	}
	if (dataset_codes(d, column, codes, e) < 0) {
		free(codes);
		codes = NULL;
	}
	for (size_t i = 0; codes != NULL && i < n; i++)
		codes[i] = codes[i] < n_texts ? class[codes[i]]
					      : COMPARE_CLASS_NONE;
	free(class);
	return codes;
}

static double *read_numbers(const struct dataset *d, size_t column,
			    struct err *e)
{
	size_t n = dataset_n_rows(d);
	double *values = xrealloc_array(NULL, n + 1, sizeof(*values));

	if (dataset_numbers(d, column, values, e) < 0) {
		free(values);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = isfinite(values[i]) ? values[i] + 0.0 : (double)NAN;
	return values;
}

static int read_scores(struct compare_outcomes *o, const struct compare *c,
		       const struct dataset *d, const struct compare_classes *k,
		       struct err *e)
{
	const struct config_model *m = c->model;

	o->n_scores = m->task == TASK_BINARY ? 1 : k->n;
	o->scores = xcalloc((size_t)o->n_scores + 1, sizeof(*o->scores));
	for (size_t i = 0; i < m->n_columns; i++) {
		const char *class = m->columns[i].class_name;
		uint32_t at = 0;

		if (m->columns[i].role != ROLE_SCORE || !dataset_has(d, i))
			continue;
		if (class != NULL)
			at = k->rank[dict_find(k->exact, class, strlen(class))];
		if (o->scores[at] != NULL)
			continue;
		o->scores[at] = read_numbers(d, i, e);
		if (o->scores[at] == NULL)
			return -1;
		o->has_scores = true;
	}
	return 0;
}

/* One half of an outcome. */
static int read_half(const struct compare *c, const struct dataset *d,
		     const struct compare_classes *k, enum column_role role,
		     double **numbers, uint32_t **classes, struct err *e)
{
	size_t column = column_of(c->model, role);

	if (column == c->model->n_columns || !dataset_has(d, column))
		return 0;
	if (c->model->task == TASK_REGRESSION)
		*numbers = read_numbers(d, column, e);
	else
		*classes = read_classes(c, d, k, column, e);
	return *numbers != NULL || *classes != NULL ? 1 : -1;
}

int compare_outcomes_read(struct compare_outcomes *o, const struct compare *c,
			  const struct dataset *d,
			  const struct compare_classes *k, struct err *e)
{
	int label, predicted;

	*o = (struct compare_outcomes){.n = dataset_n_rows(d),
				       .is_binary =
					       c->model->task == TASK_BINARY};
	label = read_half(c, d, k, ROLE_LABEL, &o->label_number, &o->label, e);
	if (label < 0)
		return -1;
	predicted = read_half(c, d, k, ROLE_PREDICTION, &o->predicted_number,
			      &o->predicted, e);
	if (predicted < 0)
		return -1;
	o->has_label = label > 0;
	o->has_predicted = predicted > 0;
	return c->model->task != TASK_REGRESSION ? read_scores(o, c, d, k, e)
						 : 0;
}

void compare_outcomes_release(struct compare_outcomes *o)
{
	for (uint32_t i = 0; o->scores != NULL && i < o->n_scores; i++)
		free(o->scores[i]);
	free(o->scores);
	free(o->label_number);
	free(o->predicted_number);
	free(o->label);
	free(o->predicted);
}
