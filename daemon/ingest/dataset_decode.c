/* SPDX-License-Identifier: GPL-3.0-or-later */

/* dataset_decode - pieces of a file to blocks, and what is wrong with them. */

#include "daemon/ingest/dataset_parts.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"
#include "storage/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Blocks of a piece are told apart by the lower bits of their key. */
enum { KEY_SHIFT = 24 };

enum {
	RECORD_BYTES_MIN = 2, /* a byte and a newline: none is shorter */
	FEED_MAX = 65536
};

/* One thread's decoder. */
struct dataset_decoder {
	struct dataset *d;
	struct ingest *ingest;
	struct batch batch;
	struct batch_schema_column *schema; /* owned */
	uint64_t key;			    /* of the next block */
	uint64_t line;			    /* of the piece's first record */
	uint64_t n_rows;		    /* handed on of this body */
	int64_t last_us;		    /* of the row before */
	bool has_begun;			    /* JSON: the one body */
	uint64_t unordered;		    /* row of the body, from 0 */
	bool is_unordered, is_timeless;
};

size_t dataset_piece(size_t n_columns)
{
	size_t piece = (size_t)RECORD_BYTES_MIN * DATASET_BATCH_VALUES /
		       (n_columns > 0 ? n_columns : 1);

	return piece < FEED_MAX ? piece : FEED_MAX;
}

void dataset_name_file(const char *path, struct err *e)
{
	if (e == NULL)
		return;
	if (e->line > 0 && e->column > 0)
		(void)err_wrap(e, "%s:%u:%u", path, e->line, e->column);
	else if (e->line > 0)
		(void)err_wrap(e, "%s:%u", path, e->line);
	else if (e->code != ERR_IO)
		(void)err_wrap(e, "%s", path);
}

int dataset_check_report(const struct ingest_report *r, unsigned line,
			 struct err *e)
{
	const struct ingest_reason *first = &r->reasons[0];

	if (r->n_rejected == 0)
		return 0;
	return err_set_at(e, ERR_INVALID, first->line + line, first->column,
			  "the record cannot be read: %s", first->message);
}

static int decoder_reset_batch(struct dataset_decoder *t, struct err *e)
{
	if (batch_reset(&t->batch, t->schema,
			(uint32_t)t->d->options.model->n_columns,
			DATASET_BATCH_BYTES) < 0)
		return err_set(e, ERR_TEMP, "no memory for the data");
	return 0;
}

struct dataset_decoder *dataset_decoder_new(struct dataset *d)
{
	const struct config_model *m = d->options.model;
	struct dataset_decoder *t = xcalloc(1, sizeof(*t));

	t->d = d;
	t->last_us = INT64_MIN;
	t->schema = xcalloc(m->n_columns + 1, sizeof(*t->schema));
	for (size_t i = 0; i < m->n_columns; i++)
		t->schema[i] = (struct batch_schema_column){
			.name = m->columns[i].name,
			.kind = m->columns[i].kind,
			.role = m->columns[i].role,
		};
	batch_init(&t->batch, NULL);
	t->ingest = ingest_new();
	return t;
}

void dataset_decoder_free(struct dataset_decoder *t)
{
	ingest_free(t->ingest);
	batch_release(&t->batch);
	free(t->schema);
	free(t);
}

static int decoder_begin(struct dataset_decoder *t, struct err *e)
{
	const struct ingest_limits limits = {.max_body = UINT64_MAX,
					     .max_record = DATASET_RECORD,
					     .max_depth = DATASET_DEPTH};

	t->n_rows = 0;
	t->has_begun = true;
	if (decoder_reset_batch(t, e) < 0)
		return -1;
	return ingest_begin(t->ingest, t->d->options.model, &t->batch, &limits,
			    t->d->is_csv ? "text/csv" : "application/json",
			    ENCODING_IDENTITY, false, TIMESTAMP_MIN, e);
}

/* Each row has a time, none before that of the row before. */
static void decoder_check_times(struct dataset_decoder *t)
{
	const struct batch *b = &t->batch;

	for (uint32_t i = 0; i < b->n_rows && !t->is_unordered; i++) {
		int64_t us = b->event_time_us[i];

		t->is_timeless = us == TIMESTAMP_MIN;
		t->is_unordered = us < t->last_us || t->is_timeless;
		t->unordered = t->n_rows + i;
		t->last_us = us;
	}
}

static bool decoder_is_full(const struct dataset_decoder *t)
{
	const struct batch *b = &t->batch;

	return b->n_rows >= DATASET_BATCH_ROWS ||
	       b->taken >= DATASET_BATCH_BYTES ||
	       (uint64_t)b->n_rows * b->n_columns >= DATASET_BATCH_VALUES;
}

static int decoder_hand_on(struct dataset_decoder *t, struct err *e)
{
	struct dataset *d = t->d;

	if (d->options.with_times)
		decoder_check_times(t);
	if (dataset_blocks_add(&d->blocks, t->key++, t->line, &t->batch, e) < 0)
		return -1;
	t->n_rows += t->batch.n_rows;
	return decoder_reset_batch(t, e);
}

static int decoder_feed(struct dataset_decoder *t, const char *data, size_t len,
			struct err *e)
{
	size_t piece = dataset_piece(t->d->options.model->n_columns);

	while (len > 0) {
		size_t n = len < piece ? len : piece;

		if (ingest_feed(t->ingest, data, n, e) < 0)
			return -1;
		if (decoder_is_full(t) && decoder_hand_on(t, e) < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

/* Lines before those of the piece, as its body counts them. */
static unsigned line_offset(const struct dataset_decoder *t,
			    const struct dataset_piece *p)
{
	if (!t->d->is_csv)
		return 0;
	return (unsigned)(p->first_line - 1) - t->d->n_header_lines;
}

/* The line of record ${row} of a piece of CSV. */
static uint64_t line_of(const struct dataset_piece *p, uint64_t row)
{
	size_t before = dataset_cut_skip(p->text.data, p->text.len, row);

	return p->first_line + dataset_cut_lines(p->text.data, before);
}

/* A row is out of order: say where. */
static int decoder_unordered(const struct dataset_decoder *t,
			     const struct dataset_piece *p, uint64_t row,
			     struct err *e)
{
	const char *why =
		t->is_timeless ? "has no event time" : DATASET_UNORDERED;

	if (!t->d->is_csv)
		return err_set(e, ERR_INVALID, "record %" PRIu64 " %s", row + 1,
			       why);
	return err_set_at(e, ERR_INVALID, (unsigned)line_of(p, row), 0,
			  "the record %s", why);
}

static void dataset_note_columns(struct dataset *d, const struct ingest *in)
{
	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < d->options.model->n_columns; i++)
		d->has[i] = d->has[i] || ingest_has_seen(in, i);
	pthread_mutex_unlock(&d->lock);
}

/* One piece; for JSON ${last} ends the body. */
int dataset_decode(struct dataset_decoder *t, const struct dataset_piece *p,
		   bool last, struct err *e)
{
	struct dataset *d = t->d;
	int result = 0;

	t->key = p->index << KEY_SHIFT;
	t->line = line_of(p, 0);
	if (d->is_csv)
		t->last_us = INT64_MIN;
	if ((d->is_csv || !t->has_begun) && decoder_begin(t, e) < 0)
		return -1;
	if (d->is_csv)
		result = decoder_feed(t, d->header.data, d->header.len, e);
	if (result == 0)
		result = decoder_feed(t, p->text.data, p->text.len, e);
	if (result == 0 && (d->is_csv || last))
		result = ingest_end(t->ingest, e);
	if (result == 0)
		result = decoder_hand_on(t, e);
	if (result == 0)
		result = dataset_check_report(ingest_get_report(t->ingest), 0,
					      e);
	if (result < 0) {
		if (e->line > t->d->n_header_lines || !d->is_csv)
			e->line += e->line > 0 ? line_offset(t, p) : 0;
		return -1;
	}
	if (d->is_csv ? p->index == 0 : last)
		dataset_note_columns(d, t->ingest);
	if (t->is_unordered)
		return decoder_unordered(t, p, t->unordered, e);
	return 0;
}
