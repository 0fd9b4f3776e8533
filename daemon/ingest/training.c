/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * training - the events' decoders into a batch, batch after batch into the
 * builder of a baseline.
 *
 * The builder wants to know its columns before the first row, so they are
 * chosen when the first batch is full: every feature, and of the other columns
 * those that have been named by then.
 */

#include "daemon/ingest/training.h"

#include "base/compress.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"
#include "detectors/baseline.h"
#include "storage/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	TRAINING_RECORD = 4 * 1024 * 1024, /* bytes of a record */
	TRAINING_DEPTH = 32,
	TRAINING_PIECE = 64 * 1024,
	/* A batch is handed on at so many rows, values or bytes. */
	BATCH_ROWS = 65536,
	BATCH_VALUES = 1024 * 1024,
	BATCH_BYTES = 32 * 1024 * 1024
};

/* "{}" and a newline: no record is shorter. */
enum { RECORD_BYTES_MIN = 3 };

struct training {
	const struct config_model *model; /* borrowed */
	struct ingest *ingest;		  /* owned */
	struct batch batch;
	struct batch_schema_column *schema; /* owned; the model's columns */
	struct baseline_builder *builder;   /* owned; NULL before a batch */
	uint32_t *columns; /* owned; the builder's, as columns of the model */
	size_t n_columns;
	int64_t *times; /* owned */
	size_t cap_times;
	size_t max_bytes;
	size_t piece; /* bytes fed at once: bounds the rows of a batch */
};

static int training_reset_batch(struct training *t, struct err *e)
{
	if (batch_reset(&t->batch, t->schema, (uint32_t)t->model->n_columns,
			BATCH_BYTES) < 0)
		return err_set(e, ERR_TEMP, "no memory for training data");
	return 0;
}

/* So much that an unlucky piece (empty objects) makes no giant batch. */
static size_t training_piece(size_t n_columns)
{
	size_t piece = (size_t)RECORD_BYTES_MIN * BATCH_VALUES /
		       (n_columns > 0 ? n_columns : 1);

	return piece < TRAINING_PIECE ? piece : TRAINING_PIECE;
}

struct training *training_begin(const struct config_model *m, size_t max_bytes,
				struct err *e)
{
	const struct ingest_limits limits = {
		.max_body = UINT64_MAX, /* max_bytes bounds what is kept */
		.max_record = TRAINING_RECORD,
		.max_depth = TRAINING_DEPTH,
	};
	struct training *t = xcalloc(1, sizeof(*t));

	t->model = m;
	t->max_bytes = max_bytes;
	t->piece = training_piece(m->n_columns);
	t->schema = xcalloc(m->n_columns + 1, sizeof(*t->schema));
	t->columns = xcalloc(m->n_columns + 1, sizeof(*t->columns));
	for (size_t i = 0; i < m->n_columns; i++)
		t->schema[i] = (struct batch_schema_column){
			.name = m->columns[i].name,
			.kind = m->columns[i].kind,
			.role = m->columns[i].role,
		};
	batch_init(&t->batch, NULL);
	t->ingest = ingest_new();
	if (training_reset_batch(t, e) < 0 ||
	    ingest_begin(t->ingest, m, &t->batch, &limits, NULL,
			 ENCODING_IDENTITY, false, TIMESTAMP_MIN, e) < 0) {
		training_free(t);
		return NULL;
	}
	return t;
}

void training_free(struct training *t)
{
	if (t == NULL)
		return;
	ingest_free(t->ingest);
	batch_release(&t->batch);
	baseline_builder_free(t->builder);
	free(t->schema);
	free(t->columns);
	free(t->times);
	free(t);
}

/* Choose the columns by what has been named so far. */
static void training_choose_columns(struct training *t)
{
	const struct config_model *m = t->model;
	struct baseline_spec_column *spec =
		xcalloc(m->n_columns + 1, sizeof(*spec));

	t->n_columns = 0;
	for (uint32_t i = 0; i < m->n_columns; i++) {
		if (m->columns[i].role != ROLE_FEATURE &&
		    !ingest_has_seen(t->ingest, i))
			continue;
		spec[t->n_columns] = (struct baseline_spec_column){
			.name = m->columns[i].name,
			.kind = m->columns[i].kind,
			.role = m->columns[i].role,
		};
		t->columns[t->n_columns++] = i;
	}
	t->builder = baseline_builder_new(
		spec, t->n_columns, (unsigned)m->resolution,
		(uint32_t)m->max_categories, t->max_bytes);
	free(spec);
}

/* Event times, without those that are none. */
static const int64_t *training_times(struct training *t)
{
	const struct batch *b = &t->batch;

	if (t->cap_times < b->n_rows) {
		t->cap_times = b->n_rows;
		t->times = xrealloc_array(t->times, t->cap_times,
					  sizeof(*t->times));
	}
	for (uint32_t i = 0; i < b->n_rows; i++)
		t->times[i] = b->event_time_us[i] == TIMESTAMP_MIN
				      ? INT64_MIN
				      : b->event_time_us[i];
	return t->times;
}

/* The batch into the builder. */
static int training_hand_on(struct training *t, struct err *e)
{
	const struct batch *b = &t->batch;

	if (t->builder == NULL)
		training_choose_columns(t);
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct batch_column *c = &b->columns[t->columns[i]];
		int result;

		if (c->kind == COLUMN_NUMERIC)
			result = baseline_builder_numbers(
				t->builder, i, c->numbers, b->n_rows, e);
		else
			result = baseline_builder_codes(t->builder, i, c->codes,
							b->n_rows, c->texts,
							c->n_texts, e);
		if (result < 0)
			return -1;
	}
	if (baseline_builder_rows(t->builder, training_times(t), b->n_rows, e) <
	    0)
		return -1;
	return training_reset_batch(t, e);
}

static bool training_is_full(const struct training *t)
{
	const struct batch *b = &t->batch;

	return b->n_rows >= BATCH_ROWS || b->taken >= BATCH_BYTES ||
	       (uint64_t)b->n_rows * b->n_columns >= BATCH_VALUES;
}

int training_feed(struct training *t, const char *data, size_t len,
		  struct err *e)
{
	while (len > 0) {
		size_t n = len < t->piece ? len : t->piece;

		if (ingest_feed(t->ingest, data, n, e) < 0)
			return -1;
		if (training_is_full(t) && training_hand_on(t, e) < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

/* Every feature has a name in the data, and no column came too late. */
static int training_check_columns(const struct training *t, struct err *e)
{
	const struct config_model *m = t->model;
	size_t k = 0;

	for (uint32_t i = 0; i < m->n_columns; i++) {
		bool chosen = k < t->n_columns && t->columns[k] == i;
		bool seen = ingest_has_seen(t->ingest, i);

		k += chosen;
		if (chosen && !seen)
			return err_set(e, ERR_INVALID,
				       "feature \"%s\" is not in the training "
				       "data",
				       m->columns[i].name);
		if (seen && !chosen)
			return err_set(e, ERR_INVALID,
				       "column \"%s\" is not in the first "
				       "records of the training data: name it "
				       "there, with null",
				       m->columns[i].name);
	}
	return 0;
}

struct baseline *training_end(struct training *t, struct err *e)
{
	const struct ingest_report *report = ingest_get_report(t->ingest);

	if (ingest_end(t->ingest, e) < 0)
		return NULL;
	if (report->n_rejected > 0) {
		const struct ingest_reason *first = &report->reasons[0];

		(void)err_set_at(e, ERR_INVALID, first->line, first->column,
				 "%" PRIu64 " of %" PRIu64
				 " records cannot be read: %s",
				 report->n_rejected,
				 report->n_rejected + report->n_accepted,
				 first->message);
		return NULL;
	}
	if (report->n_accepted == 0) {
		(void)err_set(e, ERR_INVALID,
			      "there is no record in the training data");
		return NULL;
	}
	if (training_hand_on(t, e) < 0 || training_check_columns(t, e) < 0)
		return NULL;
	return baseline_builder_finish(t->builder, e);
}

static int training_read_all(struct training *t, struct input *in,
			     void (*progress)(void *arg, uint64_t done,
					      uint64_t total),
			     void *arg, struct err *e)
{
	char *piece = xmalloc(TRAINING_PIECE);
	uint64_t done, total;
	int result = -1;
	long n;

	while ((n = input_read(in, piece, TRAINING_PIECE, e)) > 0) {
		if (training_feed(t, piece, (size_t)n, e) < 0)
			goto out;
		if (progress == NULL)
			continue;
		input_progress(in, &done, &total);
		progress(arg, done, total);
	}
	result = n < 0 ? -1 : 0;
out:
	free(piece);
	return result;
}

/* "file:line:column: message", where the message is about a place. */
static void training_name_file(const char *path, struct err *e)
{
	if (e == NULL)
		return;
	if (e->line > 0)
		(void)err_wrap(e, "%s:%u:%u", path, e->line, e->column);
	else if (e->code != ERR_IO)
		(void)err_wrap(e, "%s", path);
}

struct baseline *training_read(const char *path, const struct config_model *m,
			       void (*progress)(void *arg, uint64_t done,
						uint64_t total),
			       void *arg, size_t max_bytes, struct err *e)
{
	struct baseline *b = NULL;
	struct training *t = NULL;
	struct input *in = input_open(path, e);

	if (in == NULL)
		return NULL;
	t = training_begin(m, max_bytes, e);
	if (t != NULL && training_read_all(t, in, progress, arg, e) == 0)
		b = training_end(t, e);
	if (b == NULL)
		training_name_file(path, e);
	training_free(t);
	input_close(in);
	return b;
}
