/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch_view - an encoded batch read in place.
 *
 * The bytes passed a checksum, yet nothing here trusts them: every length is
 * checked against what is left before it is used, every allocation is bounded
 * by the bytes that are there, and what a fold indexes or computes with
 * (codes, times, window width) is in range when opening succeeds.
 */
#include "storage/batch.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "storage/batch_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Widths beyond which window arithmetic could overflow; nobody has them. */
enum { MAX_WEEKS = 100000, MAX_MONTHS = 24000 };

void batch_view_init(struct batch_view *v)
{
	memset(v, 0, sizeof(*v));
}

void batch_view_release(struct batch_view *v)
{
	free(v->columns);
	free(v->texts);
	batch_view_init(v);
}

static int malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "batch is malformed: %s", what);
}

/* Arrays of a view are written by nobody; only the builder's are. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

/* A text with the NUL that was written behind it, and none inside. */
static const char *read_text(struct reader *r, uint32_t len)
{
	const char *text = reader_bytes(r, (size_t)len + 1);

	if (!text || memchr(text, '\0', (size_t)len + 1) != text + len)
		return NULL;
	return text;
}

/* The array of a section, and the padding behind it. */
static const void *read_array(struct reader *r, uint64_t n, size_t size)
{
	const void *p;

	if (n > (r->len - r->pos) / size)
		return NULL;
	p = reader_bytes(r, (size_t)n * size);
	reader_align(r, BATCH_ALIGN);
	return r->failed ? NULL : p;
}

static bool is_window(uint32_t unit, int64_t n)
{
	if (n < 1)
		return false;
	if (unit == WINDOW_FIXED)
		return n <= TIMESTAMP_MAX &&
		       (n % CLOCK_DAY_US == 0 || CLOCK_DAY_US % n == 0);
	if (unit == WINDOW_WEEK)
		return n <= MAX_WEEKS;
	return unit == WINDOW_MONTH && n <= MAX_MONTHS;
}

static int read_outcome_head(struct reader *r, const struct batch_head *head,
			     struct batch_meta *meta, struct err *e)
{
	struct batch_outcome_head outcomes = {0};

	if (head->version != BATCH_VERSION_PLAIN) {
		const char *raw = reader_bytes(r, sizeof(outcomes));

		if (!raw)
			return malformed(e, "too short");
		memcpy(&outcomes, raw, sizeof(outcomes));
		if (outcomes.kind > BATCH_LABELS)
			return malformed(e, "kind");
	}
	meta->kind = (enum batch_kind)outcomes.kind;
	meta->outcome_sample = outcomes.sample;
	return 0;
}

static int read_head(struct reader *r, struct batch_head *head,
		     struct batch_meta *meta, struct err *e)
{
	const char *raw = reader_bytes(r, sizeof(*head));

	if (!raw)
		return malformed(e, "too short");
	memcpy(head, raw, sizeof(*head));
	if (head->magic != BATCH_MAGIC)
		return malformed(e, "no batch");
	if (head->version != BATCH_VERSION_PLAIN &&
	    head->version != BATCH_VERSION)
		return err_set(e, ERR_INVALID,
			       "batch is of version %" PRIu32
			       ", this program reads %d",
			       head->version, BATCH_VERSION);
	if (!is_window(head->window_unit, head->window_n))
		return malformed(e, "window width");
	if (head->revise_horizon_us < 0)
		return malformed(e, "revise horizon");
	if (read_outcome_head(r, head, meta, e) < 0)
		return -1;
	meta->model_id = head->model_id;
	meta->received_at_us = head->received_at_us;
	meta->window.unit = (enum window_unit)head->window_unit;
	meta->window.n = head->window_n;
	meta->revise_horizon_us = head->revise_horizon_us;
	meta->max_categories = head->max_categories;
	meta->n_rejected = head->n_rejected;
	memcpy(meta->body_hash, head->body_hash, HASH128_SIZE);
	meta->model = read_text(r, head->model_len);
	meta->version = read_text(r, head->version_len);
	meta->key = reader_bytes(r, (size_t)head->key_len + 1);
	meta->key_len = head->key_len;
	if (!meta->model || !meta->version || !meta->key)
		return malformed(e, "names");
	if (!(head->flags & BATCH_HAS_KEY)) {
		meta->key = NULL;
		meta->key_len = 0;
	}
	reader_align(r, BATCH_ALIGN);
	return 0;
}

static int grow_texts(struct batch_view *v, size_t n, struct err *e)
{
	size_t cap = v->cap_texts ? v->cap_texts : 64;
	void *p;

	if (n <= v->cap_texts)
		return 0;
	while (cap < n)
		cap *= 2;
	p = realloc(v->texts, cap * sizeof(*v->texts));
	if (!p)
		return err_set(e, ERR_TEMP, "no memory for %zu texts", n);
	v->texts = p;
	v->cap_texts = cap;
	return 0;
}

/* Texts go to v->texts from ${at} on. */
static int read_texts(struct batch_view *v, struct reader *r,
		      const struct batch_column_head *head, size_t at,
		      struct err *e)
{
	const uint32_t *lens = read_array(r, head->n_texts, sizeof(*lens));
	const char *bytes;
	uint64_t sum = 0;

	if (!lens)
		return malformed(e, "texts");
	bytes = read_array(r, head->text_bytes, 1);
	if (!bytes)
		return malformed(e, "texts");
	if (grow_texts(v, at + head->n_texts, e) < 0)
		return -1;
	for (uint32_t i = 0; i < head->n_texts; i++) {
		struct category_text *t = &v->texts[at + i];
		uint32_t len = lens[i] & ~BATCH_TEXT_NUMBER;

		if (len > head->text_bytes - sum)
			return malformed(e, "length of a text");
		t->text = bytes + sum;
		t->len = len;
		t->is_number = (lens[i] & BATCH_TEXT_NUMBER) != 0;
		sum += len;
	}
	if (sum != head->text_bytes)
		return malformed(e, "length of texts");
	return 0;
}

static bool codes_fit(const uint32_t *codes, uint32_t n, uint32_t n_texts)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < n; i++)
		bad |= (uint32_t)(codes[i] >= n_texts) &
		       (uint32_t)(codes[i] < CODE_INVALID);
	return bad == 0;
}

static int read_column(struct batch_view *v, struct reader *r,
		       struct batch_column *c, size_t *n_texts, struct err *e)
{
	struct batch_column_head head;
	const char *raw = reader_bytes(r, sizeof(head));
	const void *values;

	if (!raw)
		return malformed(e, "too few columns");
	memcpy(&head, raw, sizeof(head));
	memset(c, 0, sizeof(*c));
	if (head.kind > COLUMN_CATEGORICAL || head.role > ROLE_STATUS)
		return malformed(e, "type of a column");
	c->kind = (enum column_kind)head.kind;
	c->role = (enum column_role)head.role;
	c->name = read_text(r, head.name_len);
	c->name_len = head.name_len;
	reader_align(r, BATCH_ALIGN);
	if (!c->name || r->failed)
		return malformed(e, "name of a column");
	if (c->kind == COLUMN_NUMERIC) {
		values = read_array(r, v->n_rows, sizeof(*c->numbers));
		if (!values || head.n_texts || head.text_bytes)
			return malformed(e, "numbers");
		c->numbers = unconst(values);
		return 0;
	}
	if (head.n_texts > CODE_INVALID)
		return malformed(e, "number of texts");
	if (read_texts(v, r, &head, *n_texts, e) < 0)
		return -1;
	values = read_array(r, v->n_rows, sizeof(*c->codes));
	if (!values || !codes_fit(values, v->n_rows, head.n_texts))
		return malformed(e, "codes");
	c->codes = unconst(values);
	c->n_texts = head.n_texts;
	*n_texts += head.n_texts;
	return 0;
}

static int read_columns(struct batch_view *v, struct reader *r,
			uint32_t n_columns, struct err *e)
{
	size_t n_texts = 0;

	if (n_columns > (r->len - r->pos) / sizeof(struct batch_column_head))
		return malformed(e, "number of columns");
	if (n_columns > v->cap_columns) {
		void *p = realloc(v->columns, n_columns * sizeof(*v->columns));

		if (!p)
			return err_set(e, ERR_TEMP,
				       "no memory for %" PRIu32 " columns",
				       n_columns);
		v->columns = p;
		v->cap_columns = n_columns;
	}
	for (uint32_t i = 0; i < n_columns; i++) {
		if (read_column(v, r, &v->columns[i], &n_texts, e) < 0)
			return -1;
	}
	/* v->texts moves while it grows: point into it when it is whole. */
	n_texts = 0;
	for (uint32_t i = 0; i < n_columns; i++) {
		if (v->columns[i].n_texts > 0)
			v->columns[i].texts = v->texts + n_texts;
		n_texts += v->columns[i].n_texts;
	}
	v->n_columns = n_columns;
	return 0;
}

static int read_rows(struct batch_view *v, struct reader *r, uint32_t ids_len,
		     struct err *e)
{
	struct reader ids;
	size_t len;

	v->event_time_us = read_array(r, v->n_rows, sizeof(*v->event_time_us));
	if (!v->event_time_us)
		return malformed(e, "event times");
	for (uint32_t i = 0; i < v->n_rows; i++) {
		if (v->event_time_us[i] < TIMESTAMP_MIN ||
		    v->event_time_us[i] > TIMESTAMP_MAX)
			return malformed(e, "an event time");
	}
	v->ids = reader_bytes(r, ids_len);
	v->ids_len = ids_len;
	reader_align(r, BATCH_ALIGN);
	if (!v->ids || !reader_is_done(r))
		return malformed(e, "length");
	reader_init(&ids, v->ids, ids_len);
	for (uint32_t i = 0; i < v->n_rows; i++) {
		if (!reader_string(&ids, &len))
			return malformed(e, "ids");
	}
	if (!reader_is_done(&ids))
		return malformed(e, "ids");
	return 0;
}

int batch_view_open(struct batch_view *v, const void *payload, size_t len,
		    struct err *e)
{
	struct batch_head head = {0};
	struct reader r;

	v->n_rows = v->n_columns = 0;
	if ((uintptr_t)payload % BATCH_ALIGN != 0)
		return err_set(e, ERR_BUG, "batch is not aligned");
	reader_init(&r, payload, len);
	if (read_head(&r, &head, &v->meta, e) < 0)
		return -1;
	v->n_rows = head.n_rows;
	if (read_columns(v, &r, head.n_columns, e) < 0 ||
	    read_rows(v, &r, head.ids_len, e) < 0) {
		v->n_rows = v->n_columns = 0;
		return -1;
	}
	return 0;
}
