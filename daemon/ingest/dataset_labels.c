/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * dataset_labels - a file of labels, by id.
 *
 * It is read with the events' decoders for a model that has the label for its
 * only column (label_model.h).
 */

#include "daemon/ingest/dataset.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/ingest/dataset_parts.h"
#include "daemon/ingest/ingest.h"
#include "daemon/ingest/label_model.h"
#include "storage/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_PIECE = 64 * 1024 };

struct dataset_labels {
	enum column_kind kind;
	struct dict *ids; /* owned */
	size_t cap;	  /* of the arrays, which go by index of the id */
	int64_t *times;	  /* owned */
	double *numbers;  /* owned; numeric */
	uint32_t *codes;  /* owned; categorical */
	struct dataset_texts texts;
	uint64_t n_rows; /* read */
};

static void labels_grow(struct dataset_labels *l)
{
	size_t n = dict_count(l->ids);

	if (n <= l->cap)
		return;
	l->cap = n < 1024 ? 1024 : 2 * n;
	l->times = xrealloc_array(l->times, l->cap, sizeof(*l->times));
	if (l->kind == COLUMN_NUMERIC)
		l->numbers =
			xrealloc_array(l->numbers, l->cap, sizeof(*l->numbers));
	else
		l->codes = xrealloc_array(l->codes, l->cap, sizeof(*l->codes));
}

/* Of the label's two names, the column that has a value in this row. */
static const struct batch_column *labels_column(const struct batch *b,
						uint32_t row)
{
	const struct batch_column *c = &b->columns[0];
	bool missing = c->kind == COLUMN_NUMERIC
			       ? value_is_missing(c->numbers[row])
			       : c->codes[row] == CODE_MISSING;

	return missing && b->n_columns > 1 ? &b->columns[1] : c;
}

static void labels_set(struct dataset_labels *l, uint32_t i,
		       const struct batch *b, uint32_t row)
{
	const struct batch_column *c = labels_column(b, row);
	uint32_t code;

	l->times[i] = b->event_time_us[row];
	if (l->kind == COLUMN_NUMERIC) {
		l->numbers[i] = c->numbers[row];
		return;
	}
	code = c->codes[row];
	if (code < c->n_texts)
		code = dataset_text_code(&l->texts, c->texts[code].text,
					 c->texts[code].len,
					 c->texts[code].is_number);
	l->codes[i] = code;
}

static int labels_take(struct dataset_labels *l, const struct batch *b,
		       struct err *e)
{
	struct reader ids;

	reader_init(&ids, b->ids.data, b->ids.len);
	for (uint32_t row = 0; row < b->n_rows; row++) {
		uint32_t n_before = dict_count(l->ids), i;
		size_t len;
		const char *id = reader_string(&ids, &len);

		l->n_rows++;
		if (id == NULL || len == 0)
			return err_set(e, ERR_INVALID,
				       "label %" PRIu64 " has no id",
				       l->n_rows);
		i = dict_add(l->ids, id, len);
		if (i == DICT_NONE)
			return err_set(e, ERR_LIMIT, "too many labels");
		labels_grow(l);
		if (i == n_before || b->event_time_us[row] >= l->times[i])
			labels_set(l, i, b, row);
	}
	return 0;
}

/* What has been decoded, once it is enough. */
static int labels_hand_on(struct dataset_labels *l, struct batch *b,
			  const struct label_model *m, size_t at_least,
			  struct err *e)
{
	if (b->n_rows < at_least)
		return 0;
	if (labels_take(l, b, e) < 0)
		return -1;
	if (batch_reset(b, m->schema, (uint32_t)m->model.n_columns,
			DATASET_BATCH_BYTES) < 0)
		return err_set(e, ERR_TEMP, "no memory for labels");
	return 0;
}

static int labels_decode(struct dataset_labels *l, struct input *file,
			 const struct label_model *m, struct ingest *in,
			 struct batch *b, struct err *e)
{
	const struct ingest_limits limits = {.max_body = UINT64_MAX,
					     .max_record = DATASET_RECORD,
					     .max_depth = DATASET_DEPTH};
	char *piece = xmalloc(LABELS_PIECE);
	int result = -1;
	long n;

	if (labels_hand_on(l, b, m, 0, e) < 0 ||
	    ingest_begin(in, &m->model, b, &limits, NULL, ENCODING_IDENTITY,
			 false, TIMESTAMP_MIN, e) < 0)
		goto out;
	ingest_expect_labels(in, false);
	while ((n = input_read(file, piece, LABELS_PIECE, e)) > 0)
		if (ingest_feed(in, piece, (size_t)n, e) < 0 ||
		    labels_hand_on(l, b, m, DATASET_BATCH_ROWS, e) < 0)
			goto out;
	if (n < 0 || ingest_end(in, e) < 0 ||
	    dataset_check_report(ingest_get_report(in), 0, e) < 0 ||
	    labels_hand_on(l, b, m, 1, e) < 0)
		goto out;
	if (!ingest_has_seen(in, 0) &&
	    (m->model.n_columns == 1 || !ingest_has_seen(in, 1))) {
		(void)err_set(e, ERR_INVALID, "there is no label \"%s\"",
			      m->columns[0].name);
		goto out;
	}
	result = 0;
out:
	free(piece);
	return result;
}

struct dataset_labels *dataset_labels_read(const char *path,
					   const struct config_model *model,
					   struct err *e)
{
	struct dataset_labels *l = NULL;
	struct label_model m = {0};
	struct input *file = NULL;
	struct ingest *in = NULL;
	struct batch b;

	batch_init(&b, NULL);
	if (label_model_init(&m, model, e) < 0)
		goto out;
	file = input_open(path, e);
	if (file == NULL)
		goto out;
	l = xcalloc(1, sizeof(*l));
	l->kind = m.columns[0].kind;
	l->ids = dict_new(0, 0);
	l->texts.dict = dict_new(0, 0);
	in = ingest_new();
	if (labels_decode(l, file, &m, in, &b, e) < 0) {
		dataset_name_file(path, e);
		dataset_labels_free(l);
		l = NULL;
	}
out:
	ingest_free(in);
	input_close(file);
	batch_release(&b);
	label_model_release(&m);
	return l;
}

void dataset_labels_free(struct dataset_labels *l)
{
	if (l == NULL)
		return;
	dict_free(l->ids);
	dict_free(l->texts.dict);
	free(l->texts.texts);
	free(l->times);
	free(l->numbers);
	free(l->codes);
	free(l);
}

void dataset_labels_join(const struct dataset_labels *l, const struct batch *b,
			 char *out)
{
	struct reader ids;

	reader_init(&ids, b->ids.data, b->ids.len);
	for (uint32_t row = 0; row < b->n_rows; row++) {
		size_t len;
		const char *id = reader_string(&ids, &len);
		uint32_t i =
			id != NULL ? dict_find(l->ids, id, len) : DICT_NONE;

		if (i == DICT_NONE)
			continue;
		if (l->kind == COLUMN_NUMERIC)
			memcpy(out + row * sizeof(double), &l->numbers[i],
			       sizeof(double));
		else
			memcpy(out + row * sizeof(uint32_t), &l->codes[i],
			       sizeof(uint32_t));
	}
}

void dataset_labels_texts(const struct dataset_labels *l,
			  struct dataset_texts *t)
{
	for (uint32_t i = 0; i < dict_count(l->texts.dict); i++) {
		size_t len;
		const char *key = dict_text(l->texts.dict, i, &len);

		(void)dict_add(t->dict, key, len);
	}
}
