/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * dataset - one thread reads and cuts the file into pieces, others decode
 * them.
 *
 * A piece of CSV is whole records; its decoder is shown the header before it.
 * JSON is cut anywhere and decoded by one thread, in order: where a record
 * ends cannot be told without reading it.  Of several errors the first in the
 * file is reported, whichever thread met one first.
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
#include "daemon/ingest/decoder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 1024 * 1024,
	PIECES_PER_THREAD = 2,
	THREADS_MAX = 8,
	/* A piece grows until a record is whole, but not beyond. */
	PIECE_MAX = DATASET_RECORD + 2 * PIECE_BYTES
};

/* Note a failure unless an earlier piece has failed. */
static void dataset_fail(struct dataset *d, uint64_t index, const struct err *e)
{
	pthread_mutex_lock(&d->lock);
	if (!d->has_failed || index < d->failed_index) {
		d->has_failed = true;
		d->failed_index = index;
		d->err = *e;
	}
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* The next piece in order that waits, NULL at the end.  Locked. */
static struct dataset_piece *dataset_next(struct dataset *d)
{
	for (;;) {
		struct dataset_piece *first = NULL;

		for (size_t i = 0; i < d->n_pieces; i++) {
			struct dataset_piece *p = &d->pieces[i];

			if (p->is_ready &&
			    (first == NULL || p->index < first->index))
				first = p;
		}
		if (first != NULL || d->at_end)
			return first;
		pthread_cond_wait(&d->changed, &d->lock);
	}
}

static void *decoder_main(void *arg)
{
	struct dataset *d = arg;
	struct dataset_decoder *t = dataset_decoder_new(d);
	struct dataset_piece *p;

	pthread_mutex_lock(&d->lock);
	while ((p = dataset_next(d)) != NULL) {
		bool skip = d->has_failed && p->index > d->failed_index;
		bool last = p->text.len == 0; /* as the reader ends JSON */
		struct err e = {0};

		p->is_ready = false;
		pthread_mutex_unlock(&d->lock);
		if (!skip && dataset_decode(t, p, last, &e) < 0)
			dataset_fail(d, p->index, &e);
		pthread_mutex_lock(&d->lock);
		p->is_busy = false;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	dataset_decoder_free(t);
	return NULL;
}

/* A piece to fill; NULL once one has failed. */
static struct dataset_piece *dataset_take_piece(struct dataset *d)
{
	struct dataset_piece *found = NULL;

	pthread_mutex_lock(&d->lock);
	while (found == NULL && !d->has_failed) {
		for (size_t i = 0; i < d->n_pieces && found == NULL; i++)
			if (!d->pieces[i].is_busy)
				found = &d->pieces[i];
		if (found == NULL)
			pthread_cond_wait(&d->changed, &d->lock);
	}
	if (found != NULL)
		found->is_busy = true;
	pthread_mutex_unlock(&d->lock);
	return found;
}

/* Hand a filled piece to the decoders. */
static void dataset_give_piece(struct dataset *d, struct dataset_piece *p)
{
	pthread_mutex_lock(&d->lock);
	p->is_ready = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* What the reading thread knows. */
struct source {
	struct dataset *d;
	struct input *in;
	struct buf rest; /* read, and not yet in a piece */
	bool at_end;
	uint64_t index, line;
};

/* Append to ${b} until it has ${size} bytes or the file ends. */
static int source_fill(struct source *s, struct buf *b, size_t size,
		       struct err *e)
{
	uint64_t done, total;

	while (!s->at_end && b->len < size) {
		long n;

		if (buf_reserve(b, size - b->len) < 0)
			return err_set(e, ERR_TEMP, "no memory for the data");
		n = input_read(s->in, b->data + b->len, size - b->len, e);
		if (n < 0)
			return -1;
		b->len += (size_t)n;
		s->at_end = n == 0;
	}
	if (s->d->options.progress != NULL) {
		input_progress(s->in, &done, &total);
		s->d->options.progress(s->d->options.arg, done, total);
	}
	return 0;
}

/* The format, and the header of CSV. */
static int source_begin(struct source *s, struct err *e)
{
	struct dataset *d = s->d;
	struct buf *b = &s->rest;
	size_t at = 0, size = PIECE_BYTES, n = 0;

	if (source_fill(s, b, size, e) < 0)
		return -1;
	if (b->len >= 3 && memcmp(b->data, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < b->len && strchr(" \t\r\n", b->data[at]) != NULL &&
	       b->data[at] != '\0')
		at++;
	s->line = 1;
	if (at == b->len)
		return err_set(e, ERR_INVALID, "there is no record");
	d->is_csv = ingest_format_sniff(b->data[at]) == INGEST_CSV;
	if (!d->is_csv)
		return 0;
	while ((n = dataset_cut_first(b->data + at, b->len - at)) == 0 &&
	       !s->at_end && size < PIECE_MAX) {
		size += PIECE_BYTES;
		if (source_fill(s, b, size, e) < 0)
			return -1;
	}
	n = n > 0 ? at + n : b->len;
	buf_add(&d->header, b->data, n);
	d->n_header_lines = (unsigned)dataset_cut_lines(b->data, n);
	s->line += d->n_header_lines;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	return 0;
}

/* Fill a piece with whole records; 0 bytes: the end. */
static int source_piece(struct source *s, struct dataset_piece *p,
			struct err *e)
{
	size_t size = PIECE_BYTES, cut;

	buf_clear(&p->text);
	buf_add(&p->text, s->rest.data, s->rest.len);
	buf_clear(&s->rest);
	for (;;) {
		if (source_fill(s, &p->text, size, e) < 0)
			return -1;
		cut = p->text.len;
		if (!s->d->is_csv || s->at_end)
			break;
		cut = dataset_cut_last(p->text.data, p->text.len);
		if (cut > 0)
			break;
		cut = p->text.len; /* too long: the decoder says so */
		if (size >= PIECE_MAX)
			break;
		size += PIECE_BYTES;
	}
	buf_add(&s->rest, p->text.data + cut, p->text.len - cut);
	p->text.len = cut;
	p->index = s->index++;
	p->first_line = s->line;
	if (s->d->is_csv)
		s->line += dataset_cut_lines(p->text.data, cut);
	return p->text.failed || s->rest.failed
		       ? err_set(e, ERR_TEMP, "no memory for the data")
		       : 0;
}

/* Read the file into pieces. */
static int source_run(struct source *s, struct err *e)
{
	struct dataset *d = s->d;
	struct dataset_piece *p;

	while ((p = dataset_take_piece(d)) != NULL) {
		bool is_last;

		if (source_piece(s, p, e) < 0)
			return -1;
		is_last = p->text.len == 0;
		/* CSV ends with its last piece, unless that is the first */
		if (!is_last || !d->is_csv || p->index == 0)
			dataset_give_piece(d, p);
		if (is_last)
			break;
	}
	return 0;
}

static void dataset_end(struct dataset *d)
{
	pthread_mutex_lock(&d->lock);
	d->at_end = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static size_t threads_for(const struct dataset *d)
{
	long n = d->is_csv ? sysconf(_SC_NPROCESSORS_ONLN) : 1;

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (size_t)n;
}

static int dataset_run_threads(struct dataset *d, struct source *s,
			       struct err *e)
{
	pthread_t threads[THREADS_MAX];
	size_t n_started = 0, wanted = threads_for(d);
	int result = 0;

	d->n_pieces = wanted * PIECES_PER_THREAD;
	d->pieces = xcalloc(d->n_pieces, sizeof(*d->pieces));
	for (size_t i = 0; i < d->n_pieces; i++)
		buf_init(&d->pieces[i].text, PIECE_MAX + PIECE_BYTES);
	while (n_started < wanted &&
	       pthread_create(&threads[n_started], NULL, decoder_main, d) == 0)
		n_started++;
	if (n_started == 0)
		result = err_set(e, ERR_TEMP, "no thread can be started");
	if (result == 0)
		result = source_run(s, e);
	if (result < 0)
		dataset_fail(d, s->index, e);
	dataset_end(d);
	for (size_t i = 0; i < n_started; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < d->n_pieces; i++)
		buf_release(&d->pieces[i].text);
	free(d->pieces);
	d->pieces = NULL;
	if (!d->has_failed)
		return 0;
	*e = d->err;
	return -1;
}

/* The pieces follow each other in time; within them it is so already. */
static int dataset_check_order(const struct dataset *d, struct err *e)
{
	for (size_t i = 1; i < d->blocks.n; i++) {
		const struct dataset_block *b = &d->blocks.blocks[i];

		if (d->is_csv && b->first_us < b[-1].last_us)
			return err_set_at(e, ERR_INVALID, (unsigned)b->line, 0,
					  "the record " DATASET_UNORDERED);
	}
	return 0;
}

static int dataset_read_all(struct dataset *d, struct source *s, struct err *e)
{
	if (source_begin(s, e) < 0 || dataset_run_threads(d, s, e) < 0)
		return -1;
	if (d->blocks.n_rows == 0)
		return err_set(e, ERR_INVALID, "there is no record");
	dataset_blocks_finish(&d->blocks);
	return d->options.with_times ? dataset_check_order(d, e) : 0;
}

static struct dataset *dataset_new(const struct dataset_options *o)
{
	struct dataset *d = xcalloc(1, sizeof(*d));
	const struct config_model *m = o->model;

	d->options = *o;
	d->has = xcalloc(m->n_columns + 1, sizeof(*d->has));
	dataset_blocks_init(&d->blocks, m, o->with_times || o->any_times,
			    o->memory > 0 ? o->memory : DATASET_MEMORY);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	buf_init(&d->header, PIECE_MAX + PIECE_BYTES);
	if (o->labels != NULL) {
		uint32_t i = dict_find(m->names, m->label, strlen(m->label));

		d->blocks.labels = o->labels;
		d->blocks.label_column = i;
		d->has[i] = true;
		if (d->blocks.texts[i].dict != NULL)
			dataset_labels_texts(o->labels, &d->blocks.texts[i]);
	}
	return d;
}

struct dataset *dataset_read(const char *path, const struct dataset_options *o,
			     struct err *e)
{
	struct dataset *d = NULL;
	struct source s = {.in = input_open(path, e)};
	struct err why = {0};

	if (s.in == NULL)
		return NULL;
	d = dataset_new(o);
	s.d = d;
	buf_init(&s.rest, PIECE_MAX + PIECE_BYTES);
	if (dataset_read_all(d, &s, &why) < 0) {
		dataset_name_file(path, &why);
		if (e != NULL)
			*e = why;
		dataset_free(d);
		d = NULL;
	}
	buf_release(&s.rest);
	input_close(s.in);
	return d;
}

void dataset_free(struct dataset *d)
{
	if (d == NULL)
		return;
	dataset_blocks_release(&d->blocks);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	buf_release(&d->header);
	free(d->has);
	free(d);
}

size_t dataset_n_rows(const struct dataset *d)
{
	return d->blocks.n_rows;
}

bool dataset_has(const struct dataset *d, size_t column)
{
	return d->has[column];
}

int dataset_numbers(const struct dataset *d, size_t column, double *out,
		    struct err *e)
{
	return dataset_blocks_read(&d->blocks, column, sizeof(*out), out, e);
}

int dataset_codes(const struct dataset *d, size_t column, uint32_t *out,
		  struct err *e)
{
	return dataset_blocks_read(&d->blocks, column, sizeof(*out), out, e);
}

int dataset_times(const struct dataset *d, int64_t *out, struct err *e)
{
	if (dataset_blocks_read(&d->blocks, d->blocks.n_columns, sizeof(*out),
				out, e) < 0)
		return -1;
	for (size_t i = 0; i < d->blocks.n_rows; i++)
		if (out[i] == TIMESTAMP_MIN)
			out[i] = INT64_MIN;
	return 0;
}

const struct category_text *dataset_texts(const struct dataset *d,
					  size_t column, size_t *n)
{
	const struct dataset_texts *t = &d->blocks.texts[column];

	*n = t->dict != NULL ? dict_count(t->dict) : 0;
	return t->texts;
}
