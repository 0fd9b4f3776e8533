/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * baseline_builder - training rows to a baseline.
 *
 * Columns are kept as they come, numbers as doubles and categories as codes
 * into a dictionary of the builder, until finish sorts each one, fixes its
 * cells and counts it block by block.
 */
#include "detectors/baseline.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline_parts.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "detectors/sort.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_MAX = INT32_MAX };

struct builder_column {
	struct baseline_spec_column spec;
	void *values; /* owned; double or uint32_t */
	size_t n, cap;
	struct dict *texts; /* owned; categorical only */
	uint8_t *is_number; /* owned; by code: it came as a JSON number */
	size_t cap_is_number;
	uint32_t *remap; /* owned; codes of a batch to ours */
	size_t cap_remap;
};

struct baseline_builder {
	struct builder_column *columns; /* owned */
	size_t n_columns;
	unsigned resolution;
	uint32_t max_categories;
	size_t max_bytes;
	int64_t *times; /* owned */
	size_t n_rows, cap_rows;
	size_t used; /* bytes of rows */
};

struct baseline_builder *
baseline_builder_new(const struct baseline_spec_column *columns,
		     size_t n_columns, unsigned resolution,
		     uint32_t max_categories, size_t max_bytes)
{
	struct baseline_builder *b = xcalloc(1, sizeof(*b));
	size_t i;

	b->columns =
		xcalloc(n_columns > 0 ? n_columns : 1, sizeof(*b->columns));
	b->n_columns = n_columns;
	b->resolution = resolution;
	b->max_categories = max_categories;
	b->max_bytes = max_bytes;
	for (i = 0; i < n_columns; i++) {
		b->columns[i].spec = columns[i];
		if (columns[i].kind == COLUMN_CATEGORICAL)
			b->columns[i].texts = dict_new(UINT32_MAX - 8, 0);
	}
	return b;
}

void baseline_builder_free(struct baseline_builder *b)
{
	size_t i;

	if (b == NULL)
		return;
	for (i = 0; i < b->n_columns; i++) {
		free(b->columns[i].values);
		dict_free(b->columns[i].texts);
		free(b->columns[i].is_number);
		free(b->columns[i].remap);
	}
	free(b->columns);
	free(b->times);
	free(b);
}

/*
 * ${array} with room for ${need} elements of ${size}, within max_bytes; NULL
 * and ${e}, and the array as it was, when there is none.
 */
static void *grow(struct baseline_builder *b, void *array, size_t *cap,
		  size_t need, size_t size, struct err *e)
{
	size_t wanted = *cap > 0 ? *cap : 256, left;
	void *larger;

	if (array != NULL && need <= *cap)
		return array;
	while (wanted < need)
		wanted += wanted / 2;
	left = b->max_bytes > b->used ? b->max_bytes - b->used : 0;
	if (b->max_bytes == 0)
		left = SIZE_MAX;
	if ((wanted - *cap) * size > left)
		wanted = need;
	if ((wanted - *cap) * size > left) {
		err_set(e, ERR_LIMIT,
			"the training data take more than %zu bytes",
			b->max_bytes);
		return NULL;
	}
	larger = reallocarray(array, wanted > 0 ? wanted : 1, size);
	if (larger == NULL) {
		err_set(e, ERR_LIMIT, "no memory for the training data");
		return NULL;
	}
	b->used += (wanted - *cap) * size;
	*cap = wanted;
	return larger;
}

int baseline_builder_numbers(struct baseline_builder *b, size_t c,
			     const double *values, size_t n, struct err *e)
{
	struct builder_column *column = &b->columns[c];
	void *grown;

	if (column->spec.kind != COLUMN_NUMERIC)
		return err_set(e, ERR_BUG, "column \"%s\" is not numeric",
			       column->spec.name);
	grown = grow(b, column->values, &column->cap, column->n + n,
		     sizeof(double), e);
	if (grown == NULL)
		return -1;
	column->values = grown;
	if (n > 0)
		memcpy((double *)column->values + column->n, values,
		       n * sizeof(double));
	column->n += n;
	return 0;
}

/* Our code of a text, charged to the builder's memory. */
static int add_text(struct baseline_builder *b, struct builder_column *column,
		    const struct category_text *t, uint32_t *code,
		    struct err *e)
{
	size_t before = dict_memory(column->texts);
	uint32_t n_before = dict_count(column->texts);
	void *grown;

	*code = dict_add(column->texts, t->text, t->len);
	if (*code == DICT_NONE)
		return err_set(e, ERR_LIMIT,
			       "column \"%s\" has too many categories",
			       column->spec.name);
	b->used += dict_memory(column->texts) - before;
	if (b->max_bytes > 0 && b->used > b->max_bytes)
		return err_set(e, ERR_LIMIT,
			       "the training data take more than %zu bytes",
			       b->max_bytes);
	grown = grow(b, column->is_number, &column->cap_is_number,
		     (size_t)*code + 1, 1, e);
	if (grown == NULL)
		return -1;
	column->is_number = grown;
	if (*code >= n_before)
		column->is_number[*code] = false;
	column->is_number[*code] |= t->is_number;
	return 0;
}

int baseline_builder_codes(struct baseline_builder *b, size_t c,
			   const uint32_t *codes, size_t n,
			   const struct category_text *texts, size_t n_texts,
			   struct err *e)
{
	struct builder_column *column = &b->columns[c];
	uint32_t *out;
	void *grown;
	size_t i;

	if (column->spec.kind != COLUMN_CATEGORICAL)
		return err_set(e, ERR_BUG, "column \"%s\" is not categorical",
			       column->spec.name);
	if (column->cap_remap < n_texts) {
		column->remap = xrealloc_array(column->remap, n_texts,
					       sizeof(*column->remap));
		column->cap_remap = n_texts;
	}
	for (i = 0; i < n_texts; i++)
		column->remap[i] = DICT_NONE;
	grown = grow(b, column->values, &column->cap, column->n + n,
		     sizeof(uint32_t), e);
	if (grown == NULL)
		return -1;
	column->values = grown;
	out = (uint32_t *)column->values + column->n;
	for (i = 0; i < n; i++) {
		uint32_t code = codes[i];

		if (code >= n_texts) {
			out[i] = code == CODE_MISSING ? code : CODE_INVALID;
			continue;
		}
		/* only texts that rows use become categories */
		if (column->remap[code] == DICT_NONE &&
		    add_text(b, column, &texts[code], &column->remap[code],
			     e) != 0)
			return -1;
		out[i] = column->remap[code];
	}
	column->n += n;
	return 0;
}

int baseline_builder_rows(struct baseline_builder *b, const int64_t *times,
			  size_t n, struct err *e)
{
	void *grown = grow(b, b->times, &b->cap_rows, b->n_rows + n,
			   sizeof(int64_t), e);
	size_t i;

	if (grown == NULL)
		return -1;
	b->times = grown;
	for (i = 0; i < n; i++)
		b->times[b->n_rows + i] = times != NULL ? times[i] : INT64_MIN;
	b->n_rows += n;
	for (i = 0; i < b->n_columns; i++) {
		if (b->columns[i].n != b->n_rows)
			return err_set(e, ERR_BUG,
				       "column \"%s\" has %zu rows, not %zu",
				       b->columns[i].spec.name, b->columns[i].n,
				       b->n_rows);
	}
	return 0;
}

/* Merge two ascending runs of rows; equal times keep their order. */
static void merge_runs(const int64_t *times, const uint32_t *a, size_t n_a,
		       const uint32_t *b, size_t n_b, uint32_t *out)
{
	size_t i = 0, j = 0;

	while (i < n_a || j < n_b) {
		if (j == n_b || (i < n_a && times[a[i]] <= times[b[j]]))
			*out++ = a[i++];
		else
			*out++ = b[j++];
	}
}

/* Rows by time; ties, and rows without a time, in order of arrival. */
static uint32_t *order_rows(const int64_t *times, size_t n)
{
	uint32_t *rows = xcalloc(n, sizeof(*rows));
	uint32_t *spare = NULL, *swap;
	size_t i, width;
	bool is_sorted = true;

	for (i = 0; i < n; i++) {
		rows[i] = (uint32_t)i;
		is_sorted = is_sorted && (i == 0 || times[i - 1] <= times[i]);
	}
	if (is_sorted)
		return rows;
	spare = xcalloc(n, sizeof(*spare));
	for (width = 1; width < n; width *= 2) {
		for (i = 0; i < n; i += 2 * width) {
			size_t n_a = n - i < width ? n - i : width;
			size_t rest = n - i - n_a;

			merge_runs(times, rows + i, n_a, rows + i + n_a,
				   rest < width ? rest : width, spare + i);
		}
		swap = rows;
		rows = spare;
		spare = swap;
	}
	free(spare);
	return rows;
}

static struct cells *numeric_cells(const struct baseline_builder *b,
				   const struct builder_column *from)
{
	const double *v = from->values;
	double *sorted = xcalloc(from->n, 2 * sizeof(*sorted));
	struct cells *cells;
	size_t i, n = 0;

	for (i = 0; i < from->n; i++) {
		if (isfinite(v[i]))
			sorted[n++] = v[i] + 0.0;
	}
	sort_numbers(sorted, sorted + n, n);
	cells = cells_new_numeric(sorted, n, b->resolution);
	free(sorted);
	return cells;
}

/* The builder's categories as texts, for cells and for the fold. */
static struct category_text *category_texts(const struct builder_column *from)
{
	uint32_t i, n = dict_count(from->texts);
	struct category_text *texts = xcalloc(n > 0 ? n : 1, sizeof(*texts));
	size_t len;

	for (i = 0; i < n; i++) {
		texts[i].text = dict_text(from->texts, i, &len);
		texts[i].len = (uint32_t)len;
		texts[i].is_number = from->is_number[i];
	}
	return texts;
}

static int build_column(const struct baseline_builder *b,
			const struct builder_column *from, const uint32_t *rows,
			struct baseline *out, struct baseline_column *c,
			struct err *e)
{
	struct category_text *texts = NULL;
	size_t n_texts = 0, j;
	int rc;

	c->name = xstrdup(from->spec.name);
	c->kind = from->spec.kind;
	c->role = from->spec.role;
	if (c->kind == COLUMN_NUMERIC) {
		c->cells = numeric_cells(b, from);
	} else {
		texts = category_texts(from);
		n_texts = dict_count(from->texts);
		c->cells = cells_new_categorical(texts, n_texts,
						 b->max_categories);
	}
	c->blocks = xcalloc(out->n_blocks, sizeof(struct profile *));
	for (j = 0; j < out->n_blocks; j++) {
		size_t start = b->n_rows * j / out->n_blocks;
		size_t end = b->n_rows * (j + 1) / out->n_blocks;

		c->blocks[j] = profile_new(c->kind, c->cells, 0);
		if (c->kind == COLUMN_NUMERIC)
			profile_add_numbers(c->blocks[j], from->values,
					    rows + start, end - start);
		else
			profile_add_categories(c->blocks[j], from->values,
					       rows + start, end - start, texts,
					       n_texts);
	}
	rc = baseline_sum_blocks(out, c, e);
	free(texts);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	const struct builder_column *const *x = a, *const *y = b;

	return strcmp((*x)->spec.name, (*y)->spec.name);
}

static int build_columns(const struct baseline_builder *b, struct baseline *out,
			 struct err *e)
{
	const struct builder_column **sorted;
	uint32_t *rows;
	size_t i;
	int rc = 0;

	sorted = xcalloc(b->n_columns > 0 ? b->n_columns : 1, sizeof(void *));
	for (i = 0; i < b->n_columns; i++)
		sorted[i] = &b->columns[i];
	qsort(sorted, b->n_columns, sizeof(void *), compare_names);
	rows = order_rows(b->times, b->n_rows);
	for (i = 0; i + 1 < b->n_rows && b->times[rows[i]] == INT64_MIN; i++)
		;
	out->first_us = b->times[rows[i]];
	out->last_us = b->times[rows[b->n_rows - 1]];
	for (i = 0; rc == 0 && i < b->n_columns; i++) {
		if (i > 0 && compare_names(&sorted[i - 1], &sorted[i]) == 0)
			rc = err_set(e, ERR_INVALID,
				     "column \"%s\" is there twice",
				     sorted[i]->spec.name);
		else
			rc = build_column(b, sorted[i], rows, out,
					  &out->columns[i], e);
	}
	free(rows);
	free(sorted);
	return rc;
}

static int seal(struct baseline *b, struct err *e)
{
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, ENCODING_MAX);
	baseline_encode(b, &bytes);
	if (bytes.failed)
		rc = err_set(e, ERR_LIMIT,
			     "the baseline takes more than %d "
			     "bytes",
			     ENCODING_MAX);
	else
		sha256(bytes.data, bytes.len, b->hash);
	buf_release(&bytes);
	b->memory = baseline_memory(b);
	return rc;
}

struct baseline *baseline_builder_finish(struct baseline_builder *b,
					 struct err *e)
{
	struct baseline *out;

	if (b->n_rows == 0) {
		err_set(e, ERR_INVALID, "the training data have no rows");
		return NULL;
	}
	if (b->n_rows > UINT32_MAX) {
		err_set(e, ERR_LIMIT,
			"the training data have more than %" PRIu32 " rows",
			UINT32_MAX);
		return NULL;
	}
	out = xcalloc(1, sizeof(*out));
	out->n_rows = b->n_rows;
	out->n_blocks = b->n_rows < BASELINE_BLOCKS ? (uint32_t)b->n_rows
						    : BASELINE_BLOCKS;
	out->n_columns = (uint32_t)b->n_columns;
	out->columns = xcalloc(b->n_columns > 0 ? b->n_columns : 1,
			       sizeof(*out->columns));
	if (build_columns(b, out, e) != 0 || seal(out, e) != 0) {
		baseline_free(out);
		return NULL;
	}
	return out;
}
