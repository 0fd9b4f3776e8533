/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * csv - RFC 4180 with a header row, lines ended by LF or CRLF.
 *
 * Fields are plain text: `missing` spellings of the model are missing, others
 * go by the type rules.  A row that breaks the grammar, has another number of
 * fields than the header, is no UTF-8 or holds a NUL is rejected, and reading
 * goes on at the next line after what is wrong.  Blank lines are skipped.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "config/config.h"
#include "daemon/ingest/bytes.h"
#include "daemon/ingest/carry.h"
#include "daemon/ingest/decoder.h"
#include "daemon/ingest/record.h"

#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Fields that a header may have: a bound on the map below. */
enum { CSV_FIELDS_MAX = 65536 };

enum csv_step { CSV_ON, CSV_MORE, CSV_BAD, CSV_FAILED };

struct csv {
	struct record *record;
	struct ingest_report *report;
	size_t max_record;
	uint32_t *slots;   /* owned; of the header's fields */
	uint32_t n_fields; /* of the header; 0: it has not come */
	uint32_t cap_fields;
	bool is_skipping;   /* to the end of this line */
	bool plain_numbers; /* a number is never a spelling of missing */
	struct carry carry;
	struct buf text;    /* of a field with doubled quotes */
	struct place place; /* of mark */
	const char *mark;
	/* The row at hand. */
	const char *p, *end;
	bool final;
	const char *at, *why; /* what breaks it */
};

struct csv_field {
	const char *text;
	size_t len;
	bool is_last; /* the line ends behind it */
};

static enum csv_step csv_bad(struct csv *c, const char *at, const char *why)
{
	c->at = at;
	c->why = why;
	return CSV_BAD;
}

/* Behind a field: a comma, the end of the line, or of the body. */
static enum csv_step csv_field_end(struct csv *c, struct csv_field *f)
{
	const char *p = c->p;

	f->is_last = true;
	if (p == c->end)
		return c->final ? CSV_ON : CSV_MORE;
	if (*p == ',') {
		f->is_last = false;
		c->p = p + 1;
		return CSV_ON;
	}
	if (*p == '\r') {
		p++;
		if (p == c->end && !c->final)
			return CSV_MORE;
		if (p == c->end || *p == '\n') {
			c->p = p + (p < c->end);
			return CSV_ON;
		}
		return csv_bad(c, p - 1, "a carriage return within a line");
	}
	if (*p == '\n') {
		c->p = p + 1;
		return CSV_ON;
	}
	return csv_bad(c, p,
		       *p == '"' ? "a quote within a field without quotes"
				 : "text behind the closing quote");
}

/* p is at the opening quote. */
static enum csv_step csv_quoted(struct csv *c, struct csv_field *f)
{
	const char *p = c->p + 1;
	const char *run = p;
	bool doubled = false;

	buf_clear(&c->text);
	for (;;) {
		const char *quote = memchr(p, '"', (size_t)(c->end - p));

		if (quote == NULL)
			return CSV_MORE;
		if (quote + 1 == c->end && !c->final)
			return CSV_MORE;
		p = quote + 1;
		if (p == c->end || *p != '"') {
			f->text = run;
			f->len = (size_t)(quote - run);
			break;
		}
		doubled = true;
		buf_add(&c->text, run, (size_t)(p - run));
		run = ++p;
	}
	if (doubled) {
		buf_add(&c->text, f->text, f->len);
		if (c->text.failed)
			return csv_bad(c, p, "out of memory for a text");
		f->text = buf_str(&c->text);
		f->len = c->text.len;
	}
	c->p = p;
	return csv_field_end(c, f);
}

/* The first byte at or after ${p} that ends a field without quotes. */
static const char *csv_plain_end(const char *p, const char *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i found = _mm_or_si128(
			_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(',')),
				     _mm_cmpeq_epi8(v, _mm_set1_epi8('"'))),
			_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
				     _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))));
		unsigned mask = (unsigned)_mm_movemask_epi8(found);

		if (mask != 0)
			return p + __builtin_ctz(mask);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t w = bytes_load(p);
		uint64_t found =
			bytes_equal_to(w, ',') | bytes_equal_to(w, '"') |
			bytes_equal_to(w, '\n') | bytes_equal_to(w, '\r');

		if (found != 0)
			return p + bytes_first(found);
		p += 8;
	}
	while (p < end && *p != ',' && *p != '"' && *p != '\n' && *p != '\r')
		p++;
	return p;
}

static enum csv_step csv_field(struct csv *c, struct csv_field *f)
{
	const char *start = c->p;

	if (start < c->end && *start == '"')
		return csv_quoted(c, f);
	c->p = csv_plain_end(start, c->end);
	f->text = start;
	f->len = (size_t)(c->p - start);
	return csv_field_end(c, f);
}

static bool csv_is_missing(const struct csv *c, const char *text, size_t len)
{
	const struct config_model *m = c->record->model;

	if (len == 0)
		return true;
	for (size_t i = 0; i < m->n_missing; i++)
		if (m->missing[i][0] == text[0] &&
		    strlen(m->missing[i]) == len &&
		    memcmp(m->missing[i], text, len) == 0)
			return true;
	return false;
}

/* One name of the header. */
static int csv_header_field(struct csv *c, const char *at,
			    const struct csv_field *f, struct err *e)
{
	struct record *r = c->record;
	uint32_t slot = record_slot(r, f->text, f->len, true);

	if (c->n_fields == CSV_FIELDS_MAX) {
		place_move(&c->place, c->mark, at);
		return err_set_at(e, ERR_LIMIT, c->place.line, c->place.column,
				  "the header has more than %d columns",
				  CSV_FIELDS_MAX);
	}
	if (c->n_fields == c->cap_fields) {
		c->cap_fields = c->cap_fields > 0 ? 2 * c->cap_fields : 64;
		c->slots = xrealloc_array(c->slots, c->cap_fields,
					  sizeof(*c->slots));
	}
	if (!record_mark(r, slot)) {
		place_move(&c->place, c->mark, at);
		return err_set_at(e, ERR_INVALID, c->place.line,
				  c->place.column,
				  "column \"%.*s\" comes twice in the header",
				  (int)(f->len < 80 ? f->len : 80), f->text);
	}
	c->slots[c->n_fields++] = slot;
	return 0;
}

static void csv_value(struct csv *c, uint32_t i, const char *at,
		      const struct csv_field *f)
{
	struct record *r = c->record;

	if (i >= c->n_fields)
		return; /* counted by the caller */
	r->at = at;
	(void)record_mark(r, c->slots[i]);
	if (csv_is_missing(c, f->text, f->len))
		return;
	if (!record_is_numeric(r, c->slots[i])) {
		if (memchr(f->text, '\0', f->len) != NULL ||
		    !utf8_is_valid(f->text, f->len, NULL))
			return; /* csv_check_row will say so */
	}
	record_text(r, c->slots[i], f->text, f->len, false);
}

/*
 * What the grammar does not say of a row; it is [start, p).  Categories were
 * checked one by one: none may get into the batch before the row is known to
 * be good.
 */
static void csv_check_row(struct csv *c, const char *start)
{
	size_t len = (size_t)(c->p - start);
	const char *nul = memchr(start, '\0', len);
	size_t bad;

	if (!utf8_is_valid(start, len, &bad))
		record_reject(c->record, start + bad, "text that is not UTF-8");
	if (nul != NULL)
		record_reject(c->record, nul, "a text holds a NUL character");
}

/* Any spelling of missing that could be a number. */
static bool csv_has_number_missing(const struct config_model *m)
{
	for (size_t i = 0; i < m->n_missing; i++)
		if (m->missing[i][0] != '\0' &&
		    strchr("+-.0123456789", m->missing[i][0]) != NULL)
			return true;
	return false;
}

/*
 * What most fields are: a number without quotes, in a numeric column, with a
 * field behind it.  False, and nothing done, when this one is not.
 */
static bool csv_number(struct csv *c, uint32_t slot)
{
	struct record *r = c->record;
	const char *end;
	double v;

	if (slot >= r->n_columns ||
	    r->batch->columns[slot].kind != COLUMN_NUMERIC)
		return false;
	end = number_parse_prefix(c->p, c->end, &v);
	if (end == NULL || end == c->end || *end != ',')
		return false;
	r->seen[slot] = r->stamp;
	batch_set_number(r->batch, slot, v);
	c->p = end + 1;
	return true;
}

/* The fields of the row at p. */
static enum csv_step csv_fields(struct csv *c, bool is_header, struct err *e)
{
	const char *start = c->p;
	uint32_t n = 0;
	struct csv_field f = {.is_last = false};

	do {
		const char *at = c->p;
		enum csv_step step;

		if (!is_header && c->plain_numbers && n < c->n_fields &&
		    csv_number(c, c->slots[n])) {
			n++;
			continue;
		}
		step = csv_field(c, &f);
		if (step != CSV_ON)
			return step;
		if (!is_header)
			csv_value(c, n, at, &f);
		else if (csv_header_field(c, at, &f, e) < 0)
			return CSV_FAILED;
		n++;
	} while (!f.is_last);
	if (!is_header && n != c->n_fields)
		record_reject(c->record, start,
			      "the row has %u fields, the header %u",
			      (unsigned)n, (unsigned)c->n_fields);
	csv_check_row(c, start);
	return CSV_ON;
}

/* The row at p, within the bytes that a record may have. */
static enum csv_step csv_row(struct csv *c, bool is_header, struct err *e)
{
	const char *start = c->p;
	const char *end = c->end;
	bool final = c->final;
	enum csv_step step;

	/* One byte more than a record may have tells that it has ended. */
	if ((size_t)(end - start) > c->max_record) {
		c->end = start + c->max_record + 1;
		c->final = false;
	}
	record_begin(c->record);
	step = csv_fields(c, is_header, e);
	if (step == CSV_MORE && (size_t)(c->end - start) > c->max_record)
		step = csv_bad(c, start, "the record is too large");
	else if (step == CSV_MORE && final)
		step = csv_bad(c, c->p, "the quote is never closed");
	c->end = end;
	c->final = final;
	return step;
}

static void csv_reject(struct csv *c, const char *start, const char *at,
		       const char *why)
{
	struct place place;

	if (record_is_skipped(c->record))
		return;
	if (c->report->n_reasons == INGEST_REASONS) {
		report_reject(c->report, 0, 0, why);
		return;
	}
	place_move(&c->place, c->mark, start);
	c->mark = start;
	place = c->place;
	place_move(&place, start, at);
	report_reject(c->report, place.line, place.column, why);
}

/* The header has been read: is it one? */
static int csv_check_header(struct csv *c, const char *start, struct err *e)
{
	struct record *r = c->record;

	place_move(&c->place, c->mark, start);
	c->mark = start;
	if (r->is_rejected) {
		place_move(&c->place, start, r->rejected_at);
		return err_set_at(e, ERR_INVALID, c->place.line,
				  c->place.column, "the header: %s", r->reason);
	}
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (c->slots[i] < r->n_columns)
			return 0;
	return err_set_at(e, ERR_INVALID, c->place.line, c->place.column,
			  "the first row names no column of model \"%s\": "
			  "it must be the header",
			  r->model->name);
}

static enum csv_step csv_take_header(struct csv *c, struct err *e)
{
	const char *start = c->p;
	enum csv_step step;

	c->n_fields = 0;
	step = csv_row(c, true, e);
	if (step == CSV_ON)
		return csv_check_header(c, start, e) < 0 ? CSV_FAILED : CSV_ON;
	if (step == CSV_BAD) {
		place_move(&c->place, c->mark, c->at);
		(void)err_set_at(e, ERR_INVALID, c->place.line, c->place.column,
				 "the header: %s", c->why);
		return CSV_FAILED;
	}
	c->n_fields = 0;
	c->p = start;
	return step;
}

static enum csv_step csv_take_row(struct csv *c, struct err *e)
{
	const char *start = c->p;
	struct record *r = c->record;
	enum csv_step step = csv_row(c, false, e);

	if (step == CSV_MORE) {
		c->p = start;
		return step;
	}
	if (step == CSV_BAD) {
		csv_reject(c, start, c->at, c->why);
		c->is_skipping = true;
		/*
		 * A quote that is never closed has swallowed lines: p is at
		 * it, and they are read again.  All their quotes are doubled,
		 * so none of them swallows the others once more.
		 */
		return CSV_ON;
	}
	record_settle(r, start);
	if (r->is_rejected)
		csv_reject(c, start, r->rejected_at, r->reason);
	return record_end(r, e) < 0 ? CSV_FAILED : CSV_ON;
}

/* Step over the ends of blank lines; CSV_MORE when a CR may begin one. */
static enum csv_step csv_blank(struct csv *c)
{
	while (c->p < c->end) {
		if (*c->p == '\n') {
			c->p++;
			continue;
		}
		if (*c->p != '\r')
			return CSV_ON;
		if (c->p + 1 == c->end && !c->final)
			return CSV_MORE;
		if (c->p + 1 < c->end && c->p[1] != '\n')
			return CSV_ON;
		c->p++;
	}
	return CSV_ON;
}

static int csv_consume(void *arg, const char *data, size_t len, bool final,
		       size_t *used, struct err *e)
{
	struct csv *c = arg;
	enum csv_step step = CSV_ON;

	c->mark = data;
	c->p = data;
	c->end = data + len;
	c->final = final;
	while (step == CSV_ON) {
		if (c->is_skipping) {
			const char *newline =
				memchr(c->p, '\n', (size_t)(c->end - c->p));

			if (newline == NULL) {
				c->p = c->end;
				break;
			}
			c->p = newline + 1;
			c->is_skipping = false;
		}
		step = csv_blank(c);
		if (step != CSV_ON || c->p == c->end)
			break;
		step = c->n_fields == 0 ? csv_take_header(c, e)
					: csv_take_row(c, e);
	}
	if (step == CSV_FAILED)
		return -1;
	place_move(&c->place, c->mark, c->p);
	*used = (size_t)(c->p - data);
	return 0;
}

static void csv_begin(void *state, struct ingest *in)
{
	struct csv *c = state;
	const struct ingest_limits *limits = ingest_limits_of(in);

	if (c->record == NULL) {
		carry_init(&c->carry);
		buf_init(&c->text, SIZE_MAX / 4);
	}
	c->record = ingest_record(in);
	c->report = ingest_report_of(in);
	c->max_record = limits->max_record;
	c->n_fields = 0;
	c->is_skipping = false;
	c->plain_numbers = !csv_has_number_missing(c->record->model);
	c->place = (struct place){1, 1};
	carry_begin(&c->carry, limits->max_record);
}

static int csv_feed(void *state, struct ingest *in, const char *data,
		    size_t len, struct err *e)
{
	struct csv *c = state;

	(void)in;
	return carry_feed(&c->carry, data, len, csv_consume, c, e);
}

static int csv_end(void *state, struct ingest *in, struct err *e)
{
	struct csv *c = state;

	(void)in;
	return carry_end(&c->carry, csv_consume, c, e);
}

static void csv_release(void *state)
{
	struct csv *c = state;

	if (c->record == NULL)
		return;
	free(c->slots);
	buf_release(&c->text);
	carry_release(&c->carry);
}

static size_t csv_memory(const void *state)
{
	const struct csv *c = state;

	return sizeof(*c) + carry_memory(&c->carry) + c->text.cap +
	       c->cap_fields * sizeof(*c->slots);
}

const struct ingest_decoder ingest_csv = {
	.name = "csv",
	.state_size = sizeof(struct csv),
	.begin = csv_begin,
	.feed = csv_feed,
	.end = csv_end,
	.release = csv_release,
	.memory = csv_memory,
};
