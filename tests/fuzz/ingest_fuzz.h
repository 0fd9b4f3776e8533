/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_INGEST_FUZZ_H
#define DRIFTD_TESTS_INGEST_FUZZ_H

/*
 * ingest_fuzz - a body through a decoder twice, whole and in pieces: both
 * must come to the same, rows and report must agree, and what was accepted
 * must stand the way through a journal frame.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"
#include "storage/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_NOW      INT64_C(1767323045000000)
#define FUZZ_CHECK(x) ((x) ? (void)0 : fuzz_fail(#x, __LINE__))

static inline void fuzz_fail(const char *what, int line)
{
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}

struct fuzz {
	struct config *config;
	const struct config_model *model;
	struct batch_schema_column *schema;
	struct batch batch;
	struct batch_view view;
	struct ingest *in;
	const char *type;
};

static inline void fuzz_init(struct fuzz *f, const char *type)
{
	static const char yaml[] =
		"name: m\nversion: \"1\"\ntask: none\nid: id\ntimestamp: ts\n"
		"missing: [\"\", NA]\nfeatures:\n  numeric: [a, x]\n"
		"  categorical: [b, c]\nignore: [skip]\n";
	struct err e = {0};
	char path[64];
	int fd = memfd_create("model.yaml", 0);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	f->config = config_load_model(path, &e);
	(void)close(fd);
	if (f->config == NULL)
		fuzz_fail(e.message, __LINE__);
	f->model = &f->config->models[0];
	f->schema = calloc(f->model->n_columns, sizeof(*f->schema));
	FUZZ_CHECK(f->schema != NULL);
	for (size_t i = 0; i < f->model->n_columns; i++)
		f->schema[i] = (struct batch_schema_column){
			f->model->columns[i].name, f->model->columns[i].kind,
			f->model->columns[i].role};
	batch_init(&f->batch, NULL);
	batch_view_init(&f->view);
	f->in = ingest_new();
	f->type = type;
}

/* A piece has memory of its own, so that reading beyond it shows. */
static inline int fuzz_feed(struct fuzz *f, const char *data, size_t n,
			    struct err *e)
{
	char *copy = malloc(n);
	int rc;

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, n);
	rc = ingest_feed(f->in, copy, n, e);
	free(copy);
	return rc;
}

static inline int fuzz_decode(struct fuzz *f, const char *data, size_t len,
			      size_t piece, struct err *e)
{
	const struct ingest_limits limits = {1 << 20, 300, 8};

	FUZZ_CHECK(batch_reset(&f->batch, f->schema,
			       (uint32_t)f->model->n_columns, SIZE_MAX) == 0);
	FUZZ_CHECK(ingest_begin(f->in, f->model, &f->batch, &limits, f->type,
				ENCODING_IDENTITY, true, FUZZ_NOW, e) == 0);
	while (len > 0) {
		size_t n = piece < len ? piece : len;

		if (fuzz_feed(f, data, n, e) < 0)
			return -1;
		data += n;
		len -= n;
	}
	return ingest_end(f->in, e);
}

static inline void fuzz_check_report(const struct fuzz *f)
{
	const struct ingest_report *r = ingest_get_report(f->in);

	FUZZ_CHECK(f->batch.n_rows == r->n_accepted);
	FUZZ_CHECK(r->n_reasons <= INGEST_REASONS);
	FUZZ_CHECK(r->n_reasons == INGEST_REASONS ||
		   r->n_reasons == r->n_rejected);
	for (uint32_t i = 0; i < r->n_reasons; i++) {
		FUZZ_CHECK(r->reasons[i].line > 0);
		FUZZ_CHECK(r->reasons[i].column > 0);
		FUZZ_CHECK(r->reasons[i].message[0] != '\0');
	}
	for (uint32_t i = 0; i < r->n_unknown_names; i++)
		FUZZ_CHECK(utf8_is_valid(r->unknown[i].name,
					 strlen(r->unknown[i].name), NULL));
}

/* All texts are UTF-8 without NUL, and a frame reads back. */
static inline void fuzz_check_batch(struct fuzz *f, struct buf *frame)
{
	const struct batch_meta meta = {
		.model_id = 1,
		.model = "m",
		.version = "1",
		.window = f->model->window,
	};
	struct err e = {0};

	for (uint32_t i = 0; i < f->batch.n_columns; i++) {
		const struct batch_column *c = &f->batch.columns[i];

		for (uint32_t k = 0; k < c->n_texts; k++) {
			FUZZ_CHECK(utf8_is_valid(c->texts[k].text,
						 c->texts[k].len, NULL));
			FUZZ_CHECK(memchr(c->texts[k].text, '\0',
					  c->texts[k].len) == NULL);
		}
	}
	batch_encode(&f->batch, &meta, frame);
	FUZZ_CHECK(!frame->failed);
	if (batch_view_open(&f->view, frame->data, frame->len, &e) < 0)
		fuzz_fail(e.message, __LINE__);
	FUZZ_CHECK(f->view.n_rows == f->batch.n_rows);
}

static inline void fuzz_check_same(const struct ingest_report *a,
				   const struct ingest_report *b)
{
	FUZZ_CHECK(a->n_accepted == b->n_accepted);
	FUZZ_CHECK(a->n_rejected == b->n_rejected);
	FUZZ_CHECK(a->n_invalid == b->n_invalid);
	FUZZ_CHECK(a->n_unknown == b->n_unknown);
	FUZZ_CHECK(a->n_reasons == b->n_reasons);
	FUZZ_CHECK(a->n_unknown_names == b->n_unknown_names);
	for (uint32_t i = 0; i < a->n_reasons; i++) {
		FUZZ_CHECK(a->reasons[i].line == b->reasons[i].line);
		FUZZ_CHECK(a->reasons[i].column == b->reasons[i].column);
		FUZZ_CHECK(strcmp(a->reasons[i].message,
				  b->reasons[i].message) == 0);
	}
	for (uint32_t i = 0; i < a->n_unknown_names; i++) {
		FUZZ_CHECK(a->unknown[i].count == b->unknown[i].count);
		FUZZ_CHECK(strcmp(a->unknown[i].name, b->unknown[i].name) == 0);
	}
}

static inline void fuzz_body(struct fuzz *f, const uint8_t *data, size_t size)
{
	size_t piece;
	struct ingest_report whole;
	struct err e1 = {0};
	struct err e2 = {0};
	struct buf a, b;
	int r1, r2;

	if (size == 0)
		return;
	piece = 1 + data[0] % 64;
	buf_init(&a, 1 << 24);
	buf_init(&b, 1 << 24);
	r1 = fuzz_decode(f, (const char *)data + 1, size - 1, size, &e1);
	fuzz_check_report(f);
	fuzz_check_batch(f, &a);
	whole = *ingest_get_report(f->in);
	r2 = fuzz_decode(f, (const char *)data + 1, size - 1, piece, &e2);
	fuzz_check_report(f);
	fuzz_check_batch(f, &b);
	FUZZ_CHECK(r1 == r2);
	FUZZ_CHECK(e1.code == e2.code && e1.line == e2.line &&
		   e1.column == e2.column);
	FUZZ_CHECK(strcmp(e1.message, e2.message) == 0);
	fuzz_check_same(&whole, ingest_get_report(f->in));
	/* Texts of records read twice may have come in another order. */
	FUZZ_CHECK(a.len == b.len);
	buf_release(&a);
	buf_release(&b);
}

#endif
