/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_INGEST_FIXTURE_H
#define DRIFTD_TESTS_INGEST_FIXTURE_H

/*
 * ingest_fixture - a model from YAML text, a body through the decoder in
 * pieces of any size, and what it came to, as text that can be compared.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"
#include "storage/batch.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 2026-01-02T03:04:05Z: the clock of these tests. */
#define FIXTURE_NOW INT64_C(1767323045000000)

struct fixture {
	struct config *config;
	const struct config_model *model;
	struct batch_schema_column *schema;
	struct batch batch;
	struct ingest *in;
	struct ingest_limits limits;
	const char *type;
	enum encoding encoding;
	struct err err;
	int result;
};

static inline struct config *fixture_config(const char *yaml)
{
	char path[] = "/tmp/driftd-test-XXXXXX";
	int fd = mkstemp(path);
	struct err e = {0};
	struct config *c;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	(void)close(fd);
	c = config_load_model(path, &e);
	(void)unlink(path);
	if (c == NULL)
		fail_msg("%s", e.message);
	return c;
}

static inline void fixture_init(struct fixture *f, const char *yaml)
{
	*f = (struct fixture){0};
	f->config = fixture_config(yaml);
	f->model = &f->config->models[0];
	f->schema = xcalloc(f->model->n_columns, sizeof(*f->schema));
	for (size_t i = 0; i < f->model->n_columns; i++)
		f->schema[i] = (struct batch_schema_column){
			f->model->columns[i].name, f->model->columns[i].kind,
			f->model->columns[i].role};
	batch_init(&f->batch, NULL);
	f->in = ingest_new();
	f->limits = (struct ingest_limits){1 << 25, 1 << 20, 32};
}

static inline void fixture_release(struct fixture *f)
{
	ingest_free(f->in);
	batch_release(&f->batch);
	free(f->schema);
	config_unref(f->config);
}

/* The body in pieces of ${piece} bytes, each in memory of its own, so that a
 * sanitizer sees a byte read beyond it.  0 = whole. */
static inline int fixture_decode(struct fixture *f, const char *body,
				 size_t len, size_t piece)
{
	memset(&f->err, 0, sizeof(f->err));
	f->result = -1;
	assert_int_equal(batch_reset(&f->batch, f->schema,
				     (uint32_t)f->model->n_columns, SIZE_MAX),
			 0);
	if (ingest_begin(f->in, f->model, &f->batch, &f->limits, f->type,
			 f->encoding, true, FIXTURE_NOW, &f->err) < 0)
		return -1;
	while (len > 0) {
		size_t n = piece > 0 && piece < len ? piece : len;
		char *copy = xmalloc(n);
		int rc;

		memcpy(copy, body, n);
		rc = ingest_feed(f->in, copy, n, &f->err);
		free(copy);
		if (rc < 0)
			return -1;
		body += n;
		len -= n;
	}
	f->result = ingest_end(f->in, &f->err);
	return f->result;
}

static inline int fixture_decode_text(struct fixture *f, const char *body)
{
	return fixture_decode(f, body, strlen(body), 0);
}

static inline uint32_t fixture_column(const struct fixture *f, const char *name)
{
	for (uint32_t i = 0; i < f->model->n_columns; i++)
		if (strcmp(f->model->columns[i].name, name) == 0)
			return i;
	fail_msg("no column %s", name);
	return 0;
}

/* A cell as text: a number, "missing", "invalid", or a category, which has
 * "#" before it when it came as a number. */
static inline void fixture_cell(const struct fixture *f, uint32_t row,
				uint32_t column, struct buf *out)
{
	const struct batch_column *c = &f->batch.columns[column];
	char text[NUMBER_TEXT_MAX];

	assert_true(row < f->batch.n_rows);
	if (c->kind == COLUMN_NUMERIC) {
		double v = c->numbers[row];
		uint64_t bits;

		memcpy(&bits, &v, sizeof(bits));
		if (bits == VALUE_MISSING_BITS)
			buf_add_str(out, "missing");
		else if (bits == VALUE_INVALID_BITS)
			buf_add_str(out, "invalid");
		else
			buf_add(out, text, number_format(v, text));
		return;
	}
	if (c->codes[row] == CODE_MISSING) {
		buf_add_str(out, "missing");
	} else if (c->codes[row] == CODE_INVALID) {
		buf_add_str(out, "invalid");
	} else {
		assert_true(c->codes[row] < c->n_texts);
		if (c->texts[c->codes[row]].is_number)
			buf_add_char(out, '#');
		buf_add(out, c->texts[c->codes[row]].text,
			c->texts[c->codes[row]].len);
	}
}

static inline void fixture_expect(const struct fixture *f, uint32_t row,
				  const char *column, const char *expected)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	fixture_cell(f, row, fixture_column(f, column), &b);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static inline const char *fixture_id(const struct fixture *f, uint32_t row,
				     size_t *len)
{
	struct reader r;
	const char *id = NULL;

	reader_init(&r, f->batch.ids.data, f->batch.ids.len);
	for (uint32_t i = 0; i <= row; i++)
		id = reader_string(&r, len);
	assert_false(r.failed);
	return id;
}

static inline void fixture_expect_id(const struct fixture *f, uint32_t row,
				     const char *expected)
{
	size_t len;
	const char *id = fixture_id(f, row, &len);

	assert_int_equal(len, strlen(expected));
	assert_memory_equal(id, expected, len);
}

/* All that a body came to. */
static inline void fixture_describe(const struct fixture *f, struct buf *out)
{
	const struct ingest_report *r = ingest_get_report(f->in);

	buf_printf(out, "result %d code %d %u:%u %s\n", f->result,
		   (int)f->err.code, f->err.line, f->err.column,
		   f->err.message);
	buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		   r->n_accepted, r->n_rejected, r->n_invalid, r->n_unknown);
	for (uint32_t i = 0; i < r->n_reasons; i++)
		buf_printf(out, "%u:%u %s\n", r->reasons[i].line,
			   r->reasons[i].column, r->reasons[i].message);
	for (uint32_t i = 0; i < r->n_unknown_names; i++)
		buf_printf(out, "unknown %s %" PRIu64 "\n", r->unknown[i].name,
			   r->unknown[i].count);
	for (uint32_t row = 0; row < f->batch.n_rows; row++) {
		size_t len;
		const char *id = fixture_id(f, row, &len);

		buf_add_str(out, "row ");
		buf_add(out, id, len);
		buf_printf(out, " %" PRId64, f->batch.event_time_us[row]);
		for (uint32_t c = 0; c < f->batch.n_columns; c++) {
			buf_add_str(out, " | ");
			fixture_cell(f, row, c, out);
		}
		buf_add_char(out, '\n');
	}
	assert_false(out->failed);
}

/* Where the shared data are; skips the test without them. */
static inline const char *fixture_shared(const char *sub)
{
	static char path[512];
	const char *base = getenv("SHARED");
	struct buf b;

	buf_init(&b, sizeof(path) - 1);
	buf_printf(&b, "%s/%s", base != NULL ? base : "../shared", sub);
	assert_false(b.failed);
	memcpy(path, b.data, b.len + 1);
	buf_release(&b);
	if (access(path, R_OK) != 0) {
		print_message("SKIPPED: no %s (set SHARED)\n", path);
		skip();
	}
	return path;
}

static inline void fixture_read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char piece[4096];
	size_t n;

	if (file == NULL)
		fail_msg("cannot open %s", path);
	buf_init(out, 1 << 28);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(out, piece, n);
	(void)fclose(file);
	assert_false(out->failed);
}

#endif
