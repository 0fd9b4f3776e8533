/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_GOLDEN_SET_H
#define DRIFTD_TESTS_GOLDEN_SET_H

/*
 * golden_set - the data sets of the oracle, from CSV to columns, and how near
 * to its numbers is near enough.  Include after cmocka.h.
 */
#include "base/buf.h"
#include "base/compress.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "detectors/baseline.h"
#include "detectors/column.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX = 256 << 20,
	RESOLUTION = 256,
	MAX_CATEGORIES = 1000,
	COLUMNS_MAX = 64
};

/* ---- a CSV file in memory: RFC 4180, cells unquoted in place ---- */

struct table {
	struct buf text;
	char **cells;		  /* row-major, header first */
	size_t n_columns, n_rows; /* rows without the header */
};

static inline char *table_cell(const struct table *t, size_t row, size_t column)
{
	return t->cells[(row + 1) * t->n_columns + column];
}

static inline long table_column(const struct table *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->n_columns; i++) {
		if (strcmp(t->cells[i], name) == 0)
			return (long)i;
	}
	return -1;
}

static inline bool slurp(const char *path, struct buf *out)
{
	struct err e;
	struct input *in = input_open(path, &e);
	static char piece[65536];
	long n;

	buf_init(out, FILE_MAX);
	if (in == NULL)
		return false;
	while ((n = input_read(in, piece, sizeof(piece), &e)) > 0)
		buf_add(out, piece, (size_t)n);
	input_close(in);
	assert_int_equal(n, 0);
	assert_false(out->failed);
	return true;
}

/* One cell from ${s}; ${end} gets what stood after it. */
static inline char *parse_cell(char *s, char **next, char *end)
{
	char *out = s, *start = s;

	if (*s != '"') {
		s += strcspn(s, ",\n");
		*end = *s;
		*s = '\0';
		*next = s + (*end != '\0');
		return start;
	}
	for (s++; *s != '\0'; s++) {
		if (*s == '"' && s[1] != '"')
			break;
		s += *s == '"';
		*out++ = *s;
	}
	s += *s == '"';
	*end = *s;
	*out = '\0';
	*next = s + (*end != '\0');
	return start;
}

static inline bool table_load(struct table *t, const char *path)
{
	size_t n = 0, cap = 1 << 16;
	char *at, end;

	memset(t, 0, sizeof(*t));
	if (!slurp(path, &t->text))
		return false;
	t->cells = malloc(cap * sizeof(char *));
	for (at = t->text.data; *at != '\0';) {
		if (n == cap) {
			cap *= 2;
			t->cells = realloc(t->cells, cap * sizeof(char *));
		}
		t->cells[n++] = parse_cell(at, &at, &end);
		if (end == '\n' && t->n_columns == 0)
			t->n_columns = n;
	}
	assert_int_equal(n % t->n_columns, 0);
	t->n_rows = n / t->n_columns - 1;
	return true;
}

static inline void table_release(struct table *t)
{
	free(t->cells);
	buf_release(&t->text);
}

/* ---- a data set: its columns as the fold wants them ---- */

struct series {
	enum column_kind kind;
	double *numbers;
	uint32_t *codes;
	struct dict *texts;
	struct category_text *list;
	size_t n;
};

struct set {
	char name[32];
	size_t n_columns;
	const char *names[COLUMNS_MAX];
	struct series reference[COLUMNS_MAX];
	struct series current[COLUMNS_MAX];
	struct baseline *baseline;
	struct json_value *schema;
	struct buf schema_text;
	struct table tables[3]; /* reference, analysis, labels */
};

static inline const char *shared(void)
{
	const char *path = getenv("SHARED");

	return path != NULL ? path : "../shared";
}

static inline char *path_of(const char *folder, const char *set,
			    const char *file)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b, "%s/%s/%s%s", shared(), folder, set, file);
	return b.data;
}

static inline void series_add(struct series *s, const char *text)
{
	double v;

	if (s->kind == COLUMN_NUMERIC) {
		if (text[0] == '\0')
			v = value_missing();
		else if (!number_parse(text, strlen(text), &v))
			v = value_invalid();
		s->numbers[s->n++] = v;
		return;
	}
	s->codes[s->n++] = text[0] == '\0'
				   ? CODE_MISSING
				   : dict_add(s->texts, text, strlen(text));
}

static inline void series_init(struct series *s, enum column_kind kind,
			       size_t rows)
{
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	if (kind == COLUMN_NUMERIC) {
		s->numbers = calloc(rows, sizeof(double));
	} else {
		s->codes = calloc(rows, sizeof(uint32_t));
		s->texts = dict_new(0, 0);
	}
}

static inline void series_seal(struct series *s)
{
	uint32_t i;
	size_t len;

	if (s->kind == COLUMN_NUMERIC)
		return;
	s->list = calloc(dict_count(s->texts) + 1, sizeof(*s->list));
	for (i = 0; i < dict_count(s->texts); i++) {
		s->list[i].text = dict_text(s->texts, i, &len);
		s->list[i].len = (uint32_t)len;
	}
}

static inline void series_release(struct series *s)
{
	free(s->numbers);
	free(s->codes);
	free(s->list);
	dict_free(s->texts);
}

/* A column of the analysis; the label comes from labels.csv by id. */
static inline void load_current(struct set *set, size_t c,
				enum column_kind kind)
{
	const struct table *t = &set->tables[1], *labels = &set->tables[2];
	long column = table_column(t, set->names[c]);
	long label = table_column(labels, set->names[c]);
	long id = table_column(t, "id"), label_id = table_column(labels, "id");
	struct dict *ids = NULL;
	size_t i;

	series_init(&set->current[c], kind, t->n_rows);
	if (column < 0) {
		assert_true(label >= 0 && id >= 0 && label_id >= 0);
		ids = dict_new(0, 0);
		for (i = 0; i < labels->n_rows; i++) {
			const char *text =
				table_cell(labels, i, (size_t)label_id);

			assert_int_equal(dict_add(ids, text, strlen(text)), i);
		}
	}
	for (i = 0; i < t->n_rows; i++) {
		const char *text = "";

		if (ids != NULL) {
			const char *key = table_cell(t, i, (size_t)id);
			uint32_t at = dict_find(ids, key, strlen(key));

			assert_int_not_equal(at, DICT_NONE);
			text = table_cell(labels, at, (size_t)label);
		} else {
			text = table_cell(t, i, (size_t)column);
		}
		series_add(&set->current[c], text);
	}
	series_seal(&set->current[c]);
	dict_free(ids);
}

static inline void load_reference(struct set *set, size_t c,
				  enum column_kind kind)
{
	const struct table *t = &set->tables[0];
	long column = table_column(t, set->names[c]);
	size_t i;

	assert_true(column >= 0);
	series_init(&set->reference[c], kind, t->n_rows);
	for (i = 0; i < t->n_rows; i++)
		series_add(&set->reference[c],
			   table_cell(t, i, (size_t)column));
	series_seal(&set->reference[c]);
}

static inline void build_baseline(struct set *set)
{
	struct baseline_spec_column spec[COLUMNS_MAX];
	struct baseline_builder *b;
	struct err e;
	size_t i;

	for (i = 0; i < set->n_columns; i++)
		spec[i] = (struct baseline_spec_column){
			set->names[i], set->reference[i].kind, ROLE_FEATURE};
	b = baseline_builder_new(spec, set->n_columns, RESOLUTION,
				 MAX_CATEGORIES, 0);
	for (i = 0; i < set->n_columns; i++) {
		struct series *s = &set->reference[i];
		int rc;

		if (s->kind == COLUMN_NUMERIC)
			rc = baseline_builder_numbers(b, i, s->numbers, s->n,
						      &e);
		else
			rc = baseline_builder_codes(b, i, s->codes, s->n,
						    s->list,
						    dict_count(s->texts), &e);
		assert_int_equal(rc, 0);
	}
	assert_int_equal(
		baseline_builder_rows(b, NULL, set->tables[0].n_rows, &e), 0);
	set->baseline = baseline_builder_finish(b, &e);
	assert_non_null(set->baseline);
	baseline_builder_free(b);
}

static inline void load_columns(struct set *set, const char *key,
				enum column_kind kind)
{
	const struct json_value *list = json_get(set->schema, key);
	size_t i;

	for (i = 0; i < json_count(list); i++) {
		size_t c = set->n_columns++;

		assert_true(c < COLUMNS_MAX);
		set->names[c] = json_text(json_at(list, i));
		load_reference(set, c, kind);
		load_current(set, c, kind);
	}
}

static inline bool set_load(struct set *set, const char *name)
{
	static const char *const files[] = {
		"/reference.csv.gz", "/analysis.csv.gz", "/labels.csv.gz"};
	char *path = path_of("data", name, "/schema.json");
	struct err e;
	size_t i;
	bool ok;

	memset(set, 0, sizeof(*set));
	memcpy(set->name, name, strlen(name));
	ok = slurp(path, &set->schema_text);
	free(path);
	for (i = 0; ok && i < 3; i++) {
		path = path_of("data", name, files[i]);
		ok = table_load(&set->tables[i], path);
		free(path);
	}
	if (!ok)
		return false;
	set->schema =
		json_parse(set->schema_text.data, set->schema_text.len, &e);
	assert_non_null(set->schema);
	load_columns(set, "numeric", COLUMN_NUMERIC);
	load_columns(set, "categorical", COLUMN_CATEGORICAL);
	build_baseline(set);
	return true;
}

static inline void set_release(struct set *set)
{
	size_t i;

	for (i = 0; i < set->n_columns; i++) {
		series_release(&set->reference[i]);
		series_release(&set->current[i]);
	}
	for (i = 0; i < 3; i++)
		table_release(&set->tables[i]);
	baseline_free(set->baseline);
	json_free(set->schema);
	buf_release(&set->schema_text);
}

#endif
