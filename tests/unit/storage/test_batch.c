/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The batch: built row by row, encoded, read back equal to a plain model of
 * it; rows abandoned; the budget; and bytes that nobody wrote.
 */
#include "storage/batch.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "storage/batch_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ROWS = 300, MAX_COLUMNS = 8 };

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return (z ^ z >> 31) % n;
}

static int start_random(void **state)
{
	const char *text = getenv("SEED");

	(void)state;
	seed = (uint64_t)getpid() * 7919;
	if (text)
		seed = (uint64_t)strtoull(text, NULL, 0);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	return 0;
}

static struct batch_meta plain_meta(void)
{
	return (struct batch_meta){
		.model_id = 42,
		.model = "churn",
		.version = "v1",
		.received_at_us = 1700000000 * CLOCK_SECOND_US,
		.window = {WINDOW_FIXED, CLOCK_HOUR_US},
		.revise_horizon_us = CLOCK_DAY_US,
		.max_categories = 1000,
		.n_rejected = 3,
	};
}

static const struct batch_schema_column two_columns[] = {
	{"amount", COLUMN_NUMERIC, ROLE_FEATURE},
	{"country", COLUMN_CATEGORICAL, ROLE_PREDICTION},
};

/* Encode and open; the payload is copied to memory of exactly its size. */
static void *encode(const struct batch *b, const struct batch_meta *meta,
		    size_t *len)
{
	struct buf out;
	void *copy;

	buf_init(&out, (size_t)1 << 30);
	batch_encode(b, meta, &out);
	assert_false(out.failed);
	assert_int_equal(out.len % BATCH_ALIGN, 0);
	*len = out.len;
	copy = malloc(out.len);
	memcpy(copy, out.data, out.len);
	buf_release(&out);
	return copy;
}

static void must_view(struct batch_view *v, const void *payload, size_t len)
{
	struct err e = {0};

	if (batch_view_open(v, payload, len, &e) < 0)
		fail_msg("%s", e.message);
}

static void test_small(void **state)
{
	struct batch_meta meta = plain_meta();
	struct batch_view v;
	struct budget budget;
	struct batch b;
	struct reader ids;
	void *payload;
	size_t len;

	(void)state;
	budget_init(&budget, 1 << 20);
	batch_init(&b, &budget);
	assert_int_equal(batch_reset(&b, two_columns, 2, 1 << 20), 0);
	assert_int_equal(batch_row_begin(&b), 0);
	batch_set_number(&b, 0, 12.5);
	assert_int_equal(batch_set_text(&b, 1, "de", 2, false), 0);
	assert_int_equal(batch_row_commit(&b, 1000, "a", 1), 0);
	assert_int_equal(batch_row_begin(&b), 0); /* all missing */
	assert_int_equal(batch_row_commit(&b, TIMESTAMP_MIN, "", 0), 0);
	assert_int_equal(batch_row_begin(&b), 0);
	batch_set_invalid(&b, 0);
	batch_set_invalid(&b, 1);
	assert_int_equal(batch_row_commit(&b, TIMESTAMP_MAX, "ccc", 3), 0);
	meta.key = "retry-1";
	meta.key_len = 7;
	memset(meta.body_hash, 0xAB, sizeof(meta.body_hash));
	payload = encode(&b, &meta, &len);
	batch_view_init(&v);
	must_view(&v, payload, len);
	assert_int_equal(v.n_rows, 3);
	assert_int_equal(v.n_columns, 2);
	assert_string_equal(v.columns[0].name, "amount");
	assert_int_equal(v.columns[1].role, ROLE_PREDICTION);
	assert_true(v.columns[0].numbers[0] == 12.5);
	assert_true(value_is_missing(v.columns[0].numbers[1]));
	assert_true(isnan(v.columns[0].numbers[2]));
	assert_false(value_is_missing(v.columns[0].numbers[2]));
	assert_int_equal(v.columns[1].n_texts, 1);
	assert_int_equal(v.columns[1].texts[0].len, 2);
	assert_memory_equal(v.columns[1].texts[0].text, "de", 2);
	assert_int_equal(v.columns[1].codes[0], 0);
	assert_int_equal(v.columns[1].codes[1], CODE_MISSING);
	assert_int_equal(v.columns[1].codes[2], CODE_INVALID);
	assert_int_equal(v.event_time_us[1], TIMESTAMP_MIN);
	assert_int_equal(v.event_time_us[2], TIMESTAMP_MAX);
	reader_init(&ids, v.ids, v.ids_len);
	assert_memory_equal(reader_string(&ids, &len), "a", 1);
	assert_non_null(reader_string(&ids, &len));
	assert_int_equal(len, 0);
	assert_memory_equal(reader_string(&ids, &len), "ccc", 3);
	assert_string_equal(v.meta.model, "churn");
	assert_string_equal(v.meta.version, "v1");
	assert_int_equal(v.meta.key_len, 7);
	assert_memory_equal(v.meta.key, "retry-1", 7);
	assert_memory_equal(v.meta.body_hash, meta.body_hash, HASH128_SIZE);
	assert_int_equal(v.meta.model_id, 42);
	assert_int_equal(v.meta.received_at_us, meta.received_at_us);
	assert_true(window_equal(v.meta.window, meta.window));
	assert_int_equal(v.meta.revise_horizon_us, CLOCK_DAY_US);
	assert_int_equal(v.meta.max_categories, 1000);
	assert_int_equal(v.meta.n_rejected, 3);
	free(payload);
	batch_view_release(&v);
	batch_release(&b);
	assert_int_equal(budget.used, 0);
}

static void test_no_rows(void **state)
{
	struct batch_meta meta = plain_meta();
	struct batch_view v;
	struct batch b;
	void *payload;
	size_t len;

	(void)state;
	batch_init(&b, NULL);
	batch_view_init(&v);
	for (uint32_t n = 0; n <= 2; n += 2) {
		assert_int_equal(batch_reset(&b, two_columns, n, 0), 0);
		payload = encode(&b, &meta, &len);
		must_view(&v, payload, len);
		assert_int_equal(v.n_rows, 0);
		assert_int_equal(v.n_columns, n);
		assert_null(v.meta.key);
		free(payload);
	}
	batch_view_release(&v);
	batch_release(&b);
}

/* An abandoned row leaves no value behind, whatever it had set. */
static void test_abandon(void **state)
{
	struct batch b;

	(void)state;
	batch_init(&b, NULL);
	assert_int_equal(batch_reset(&b, two_columns, 2, 0), 0);
	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(batch_row_begin(&b), 0);
		batch_set_number(&b, 0, 1);
		batch_set_text(&b, 1, "x", 1, false);
		assert_int_equal(batch_row_begin(&b), 0);
		if (i % 2)
			batch_set_number(&b, 0, i);
		assert_int_equal(batch_row_commit(&b, i, "", 0), 0);
	}
	/* A row that was begun and left at the very end does not count. */
	assert_int_equal(batch_row_begin(&b), 0);
	batch_set_number(&b, 0, 5);
	assert_int_equal(b.n_rows, 200);
	for (uint32_t i = 0; i < 200; i++) {
		double v = b.columns[0].numbers[i];

		assert_true(i % 2 ? v == i : value_is_missing(v));
		assert_int_equal(b.columns[1].codes[i], CODE_MISSING);
	}
	/* Nor does what was set before a reset. */
	assert_int_equal(batch_reset(&b, two_columns, 2, SIZE_MAX), 0);
	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(batch_row_begin(&b), 0);
		assert_int_equal(batch_row_commit(&b, i, "", 0), 0);
		assert_true(value_is_missing(b.columns[0].numbers[i]));
		assert_int_equal(b.columns[1].codes[i], CODE_MISSING);
	}
	batch_release(&b);
}

static void test_bad_time(void **state)
{
	struct batch b;

	(void)state;
	batch_init(&b, NULL);
	assert_int_equal(batch_reset(&b, two_columns, 2, 0), 0);
	assert_int_equal(batch_row_begin(&b), 0);
	assert_int_equal(batch_row_commit(&b, INT64_MIN, "", 0), -1);
	assert_int_equal(batch_row_commit(&b, TIMESTAMP_MAX + 1, "", 0), -1);
	assert_int_equal(b.n_rows, 0);
	assert_false(b.out_of_memory);
	assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
	batch_release(&b);
}

static void test_texts_are_told_apart(void **state)
{
	static const char nul[] = {'1', '\0'};
	struct batch b;

	(void)state;
	batch_init(&b, NULL);
	assert_int_equal(batch_reset(&b, two_columns, 2, 0), 0);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(batch_row_begin(&b), 0);
		batch_set_text(&b, 1, "1", 1, true);
		assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
		assert_int_equal(batch_row_begin(&b), 0);
		batch_set_text(&b, 1, "1", 1, false);
		assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
		assert_int_equal(batch_row_begin(&b), 0);
		batch_set_text(&b, 1, nul, 2, false);
		assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
		assert_int_equal(batch_row_begin(&b), 0);
		batch_set_text(&b, 1, "1n", 2, false);
		assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
	}
	assert_int_equal(b.columns[1].n_texts, 4);
	assert_true(b.columns[1].texts[0].is_number);
	assert_false(b.columns[1].texts[1].is_number);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(b.columns[1].codes[i], i % 4);
	batch_release(&b);
}

/* What a random batch should be. */
struct model {
	uint32_t n_rows, n_columns;
	struct batch_schema_column schema[MAX_COLUMNS];
	char names[MAX_COLUMNS][32];
	uint64_t numbers[MAX_COLUMNS][MAX_ROWS]; /* as bits */
	int codes[MAX_COLUMNS][MAX_ROWS];	 /* >= 0: text number; -1, -2 */
	int64_t times[MAX_ROWS];
	char ids[MAX_ROWS][24];
};

static size_t category(int code, char *text, bool *is_number)
{
	size_t n = (size_t)snprintf(text, 64, "%d", code / 3 * 1237);

	/* Some long, some with a NUL, some the same as text and as number. */
	*is_number = code % 3 == 1;
	if (code % 3 == 2) {
		text[n++] = '\0';
		memset(text + n, 'x', 40);
		n += 40;
	}
	return n;
}

static double random_number(void)
{
	uint64_t bits = rnd(UINT64_MAX);
	double v;

	if (rnd(4) == 0)
		return (double)rnd(10);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void random_row(struct batch *b, struct model *m, bool keep)
{
	uint32_t row = m->n_rows;

	for (uint32_t i = 0; i < m->n_columns; i++) {
		uint64_t what = rnd(8);
		double v = random_number();
		int code = (int)(rnd(3) ? rnd(12) : rnd(1000));
		char text[128];
		bool is_number;
		size_t len = category(code, text, &is_number);

		if (what == 0) {
			v = value_missing();
			code = -1;
		} else if (what == 1) {
			v = value_invalid();
			code = -2;
			batch_set_invalid(b, i);
		} else if (m->schema[i].kind == COLUMN_NUMERIC) {
			batch_set_number(b, i, v);
		} else {
			assert_int_equal(
				batch_set_text(b, i, text, len, is_number), 0);
		}
		if (!keep)
			continue;
		memcpy(&m->numbers[i][row], &v, sizeof(v));
		m->codes[i][row] = code;
	}
}

static void random_batch(struct batch *b, struct model *m)
{
	uint32_t want = (uint32_t)rnd(MAX_ROWS);

	m->n_rows = 0;
	m->n_columns = (uint32_t)rnd(MAX_COLUMNS + 1);
	for (uint32_t i = 0; i < m->n_columns; i++) {
		snprintf(m->names[i], sizeof(m->names[i]), "c%u%.*s", i,
			 (int)rnd(9), "xxxxxxxxx");
		m->schema[i].name = m->names[i];
		m->schema[i].kind = (enum column_kind)rnd(2);
		m->schema[i].role = (enum column_role)rnd(6);
	}
	assert_int_equal(
		batch_reset(b, m->schema, m->n_columns, rnd(3) ? SIZE_MAX : 0),
		0);
	while (m->n_rows < want) {
		bool keep = rnd(5) != 0;

		assert_int_equal(batch_row_begin(b), 0);
		random_row(b, m, keep);
		if (!keep)
			continue;
		m->times[m->n_rows] = (int64_t)rnd(UINT64_C(1) << 50);
		snprintf(m->ids[m->n_rows], sizeof(m->ids[0]), "%.*s%u",
			 (int)rnd(12), "abcdefghijkl", m->n_rows);
		assert_int_equal(batch_row_commit(b, m->times[m->n_rows],
						  m->ids[m->n_rows],
						  strlen(m->ids[m->n_rows])),
				 0);
		m->n_rows++;
	}
}

static void check_category(const struct batch_column *c, uint32_t row, int code)
{
	char text[128];
	bool is_number;
	size_t len;

	if (code < 0) {
		assert_int_equal(c->codes[row],
				 code == -1 ? CODE_MISSING : CODE_INVALID);
		return;
	}
	len = category(code, text, &is_number);
	assert_true(c->codes[row] < c->n_texts);
	assert_int_equal(c->texts[c->codes[row]].len, len);
	assert_int_equal(c->texts[c->codes[row]].is_number, is_number);
	assert_memory_equal(c->texts[c->codes[row]].text, text, len);
}

static void check_columns(const struct batch_column *columns,
			  const struct model *m)
{
	for (uint32_t i = 0; i < m->n_columns; i++) {
		const struct batch_column *c = &columns[i];

		assert_string_equal(c->name, m->names[i]);
		assert_int_equal(c->name_len, strlen(m->names[i]));
		assert_int_equal(c->kind, m->schema[i].kind);
		assert_int_equal(c->role, m->schema[i].role);
		for (uint32_t row = 0; row < m->n_rows; row++) {
			if (c->kind == COLUMN_NUMERIC)
				assert_memory_equal(&c->numbers[row],
						    &m->numbers[i][row], 8);
			else
				check_category(c, row, m->codes[i][row]);
		}
	}
}

static void test_round_trip(void **state)
{
	static struct model m;
	struct batch_meta meta = plain_meta();
	struct budget budget;
	struct batch_view v;
	struct batch b;

	(void)state;
	budget_init(&budget, 64 << 20);
	batch_init(&b, &budget);
	batch_view_init(&v);
	for (unsigned round = 0; round < 300; round++) {
		struct reader ids;
		void *payload;
		size_t len;

		random_batch(&b, &m);
		check_columns(b.columns, &m); /* readable while building */
		payload = encode(&b, &meta, &len);
		must_view(&v, payload, len);
		assert_int_equal(v.n_rows, m.n_rows);
		assert_int_equal(v.n_columns, m.n_columns);
		check_columns(v.columns, &m);
		reader_init(&ids, v.ids, v.ids_len);
		for (uint32_t row = 0; row < m.n_rows; row++) {
			const char *id = reader_string(&ids, &len);

			assert_int_equal(v.event_time_us[row], m.times[row]);
			assert_int_equal(len, strlen(m.ids[row]));
			assert_memory_equal(id, m.ids[row], len);
		}
		assert_int_equal(budget.used, b.taken);
		free(payload);
	}
	batch_view_release(&v);
	batch_release(&b);
	assert_int_equal(budget.used, 0);
}

/* Fill until refused; what the budget says is what is held, and comes back. */
static void test_budget(void **state)
{
	struct budget budget;
	struct batch b;

	(void)state;
	for (size_t max = 100; max < 200000; max = max * 3 / 2) {
		uint32_t n = 0;

		budget_init(&budget, max);
		batch_init(&b, &budget);
		if (batch_reset(&b, two_columns, 2, max) == 0) {
			for (;; n++) {
				char text[16];

				snprintf(text, sizeof(text), "t%u", n);
				if (batch_row_begin(&b) < 0 ||
				    batch_set_text(&b, 1, text, strlen(text),
						   false) < 0 ||
				    batch_row_commit(&b, n, text,
						     strlen(text)) < 0)
					break;
			}
		}
		assert_true(b.out_of_memory);
		assert_int_equal(b.n_rows, n);
		assert_true(budget.used <= max);
		assert_int_equal(budget.used, b.taken);
		assert_int_equal(batch_row_begin(&b), -1);
		/* It is of use again after a reset. */
		if (max > 10000) {
			assert_int_equal(batch_reset(&b, two_columns, 2, max),
					 0);
			assert_false(b.out_of_memory);
			assert_int_equal(batch_row_begin(&b), 0);
			assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
		}
		batch_release(&b);
		assert_int_equal(budget.used, 0);
	}
}

static void test_keep(void **state)
{
	struct budget budget;
	struct batch b;
	size_t taken;

	(void)state;
	budget_init(&budget, 16 << 20);
	batch_init(&b, &budget);
	for (unsigned body = 0; body < 3; body++) {
		assert_int_equal(batch_reset(&b, two_columns, 2, 1 << 20), 0);
		for (uint32_t i = 0; i < 1000; i++) {
			assert_int_equal(batch_row_begin(&b), 0);
			assert_int_equal(batch_row_commit(&b, 0, "", 0), 0);
		}
		if (body == 0)
			taken = b.taken;
		assert_int_equal(b.taken, taken);
	}
	assert_int_equal(batch_reset(&b, two_columns, 2, 100), 0);
	assert_true(b.taken < 1000);
	batch_release(&b);
}

static void test_encode_overflow(void **state)
{
	struct batch_meta meta = plain_meta();
	struct batch b;
	struct buf out;

	(void)state;
	batch_init(&b, NULL);
	assert_int_equal(batch_reset(&b, two_columns, 2, 0), 0);
	buf_init(&out, 64);
	batch_encode(&b, &meta, &out);
	assert_true(out.failed);
	buf_release(&out);
	batch_release(&b);
}

/* A fold may use every value it finds, or there is an error. */
static void use_view(const struct batch_view *v)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->n_columns; i++) {
		const struct batch_column *c = &v->columns[i];

		sum += strlen(c->name);
		for (uint32_t row = 0; row < v->n_rows; row++) {
			if (c->kind == COLUMN_NUMERIC) {
				sum += value_is_missing(c->numbers[row]);
			} else if (c->codes[row] < CODE_INVALID) {
				const struct category_text *t =
					&c->texts[c->codes[row]];

				for (uint32_t k = 0; k < t->len; k++)
					sum += (uint8_t)t->text[k];
			}
		}
	}
	for (uint32_t row = 0; row < v->n_rows; row++)
		sum += (uint64_t)window_start(v->meta.window,
					      v->event_time_us[row]);
	sum += strlen(v->meta.model) + strlen(v->meta.version);
	assert_true(sum != UINT64_MAX);
}

static void test_cut_short(void **state)
{
	static struct model m;
	struct batch_meta meta = plain_meta();
	struct batch_view v;
	struct batch b;
	void *payload;
	size_t len;

	(void)state;
	batch_init(&b, NULL);
	batch_view_init(&v);
	do
		random_batch(&b, &m);
	while (m.n_rows < 3 || m.n_columns < 3);
	payload = encode(&b, &meta, &len);
	for (size_t n = 0; n < len; n++) {
		void *part = malloc(n + 1);
		struct err e = {0};

		memcpy(part, payload, n);
		assert_int_equal(batch_view_open(&v, part, n, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(v.n_rows, 0);
		free(part);
		n += n > 2000 ? 37 : 0;
	}
	free(payload);
	batch_view_release(&v);
	batch_release(&b);
}

static void test_mutations(void **state)
{
	static const uint64_t extremes[] = {
		0,	    1,		0x7F,	    0xFF,      0x7FFFFFFF,
		0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, INT64_MAX, UINT64_MAX};
	static struct model m;
	struct batch_meta meta = plain_meta();
	struct batch_view v;
	struct batch b;
	unsigned n_refused = 0;

	(void)state;
	batch_init(&b, NULL);
	batch_view_init(&v);
	for (unsigned round = 0; round < 60; round++) {
		uint8_t *payload;
		size_t len;

		random_batch(&b, &m);
		payload = encode(&b, &meta, &len);
		for (unsigned i = 0; i < 400; i++) {
			/* The heads are what is worth hitting. */
			size_t at = rnd(2) ? rnd(len) : rnd(200) % len;
			size_t n = (size_t)1 << rnd(4);
			uint64_t value = extremes[rnd(10)], old = 0;
			struct err e = {0};

			if (n > len - at)
				n = len - at;
			if (rnd(2))
				value = rnd(UINT64_MAX);
			memcpy(&old, payload + at, n);
			memcpy(payload + at, &value, n);
			if (batch_view_open(&v, payload, len, &e) == 0)
				use_view(&v);
			else
				n_refused++;
			memcpy(payload + at, &old, n);
		}
		free(payload);
	}
	print_message("%u of 24000 refused\n", n_refused);
	assert_true(n_refused > 1000);
	batch_view_release(&v);
	batch_release(&b);
}

/* Fields that a fold would trust, each out of range. */
static void test_hostile_fields(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
	} cases[] = {
		{offsetof(struct batch_head, magic), 4, 1},
		{offsetof(struct batch_head, version), 4, BATCH_VERSION + 1},
		{offsetof(struct batch_head, n_rows), 4, UINT32_MAX},
		{offsetof(struct batch_head, n_rows), 4, 2},
		{offsetof(struct batch_head, n_columns), 4, UINT32_MAX},
		{offsetof(struct batch_head, n_columns), 4, 1},
		{offsetof(struct batch_head, window_n), 8, 0},
		{offsetof(struct batch_head, window_n), 8, UINT64_MAX},
		{offsetof(struct batch_head, window_n), 8, INT64_MAX},
		{offsetof(struct batch_head, window_n), 8, 7000001},
		{offsetof(struct batch_head, window_unit), 4, 3},
		{offsetof(struct batch_head, revise_horizon_us), 8, UINT64_MAX},
		{offsetof(struct batch_head, model_len), 4, UINT32_MAX},
		{offsetof(struct batch_head, model_len), 4, 3},
		{offsetof(struct batch_head, key_len), 4, UINT32_MAX},
		{offsetof(struct batch_head, ids_len), 4, UINT32_MAX},
		{offsetof(struct batch_head, ids_len), 4, 0},
	};
	struct batch_meta meta = plain_meta();
	struct batch_view v;
	struct batch b;
	uint8_t *payload;
	struct err e;
	size_t len;

	(void)state;
	batch_init(&b, NULL);
	batch_view_init(&v);
	assert_int_equal(batch_reset(&b, two_columns, 2, 0), 0);
	assert_int_equal(batch_row_begin(&b), 0);
	batch_set_text(&b, 1, "de", 2, false);
	assert_int_equal(batch_row_commit(&b, 5, "a", 1), 0);
	payload = encode(&b, &meta, &len);
	must_view(&v, payload, len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t old = 0;

		memcpy(&old, payload + cases[i].at, cases[i].size);
		memcpy(payload + cases[i].at, &cases[i].value, cases[i].size);
		if (batch_view_open(&v, payload, len, &e) == 0)
			fail_msg("case %zu was accepted", i);
		memcpy(payload + cases[i].at, &old, cases[i].size);
	}
	/* A code beyond the texts. */
	must_view(&v, payload, len);
	v.columns[1].codes[0] = 1;
	assert_int_equal(batch_view_open(&v, payload, len, &e), -1);
	assert_non_null(strstr(e.message, "codes"));
	free(payload);
	batch_view_release(&v);
	batch_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_bad_time),
		cmocka_unit_test(test_texts_are_told_apart),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_encode_overflow),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_hostile_fields),
	};

	return cmocka_run_group_tests(tests, start_random, NULL);
}
