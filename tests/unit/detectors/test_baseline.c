/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Baselines and profile sets: building, blocks, identity and bytes. */
#include "base/buf.h"
#include "base/err.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "tests/unit/detectors/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 1003, BYTES_MAX = 1 << 24 };

static struct rng rng;

static const struct baseline_spec_column spec[] = {
	{"price", COLUMN_NUMERIC, ROLE_FEATURE},
	{"colour", COLUMN_CATEGORICAL, ROLE_FEATURE},
	{"empty", COLUMN_NUMERIC, ROLE_SCORE},
};
static const struct category_text colours[] = {{"red", 3, false},
					       {"green", 5, false},
					       {"blue", 4, false},
					       {"unused", 6, false}};

struct rows {
	double price[ROWS], empty[ROWS];
	uint32_t colour[ROWS];
	int64_t times[ROWS];
};

static struct rows *make_rows(void)
{
	struct rows *r = calloc(1, sizeof(*r));
	size_t i;

	for (i = 0; i < ROWS; i++) {
		r->price[i] = i % 100 == 7   ? value_missing()
			      : i % 100 == 8 ? value_invalid()
					     : rng_gauss(&rng);
		r->empty[i] = value_missing();
		r->colour[i] = i % 90 == 5 ? CODE_MISSING
					   : (uint32_t)rng_below(&rng, 3);
		r->times[i] = (int64_t)i * 1000;
	}
	return r;
}

static struct baseline *build(const struct rows *r, size_t n, size_t piece,
			      size_t max_bytes, struct err *e)
{
	struct baseline_builder *b =
		baseline_builder_new(spec, 3, 64, 100, max_bytes);
	struct baseline *out = NULL;
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = n - i < piece ? n - i : piece;
		if (baseline_builder_numbers(b, 0, r->price + i, len, e) ||
		    baseline_builder_codes(b, 1, r->colour + i, len, colours, 4,
					   e) ||
		    baseline_builder_numbers(b, 2, r->empty + i, len, e) ||
		    baseline_builder_rows(b, r->times + i, len, e))
			goto out;
	}
	out = baseline_builder_finish(b, e);
out:
	baseline_builder_free(b);
	return out;
}

static void rows_become_profiles(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *b = build(r, ROWS, 100, 0, &e);
	const struct baseline_column *price, *colour, *empty;
	uint64_t n = 0, least = ROWS, most = 0;
	uint32_t j;

	(void)state;
	assert_non_null(b);
	price = baseline_find(b, "price", 5);
	colour = baseline_find(b, "colour+", 6);
	empty = baseline_find(b, "empty", 5);
	assert_non_null(price);
	assert_non_null(colour);
	assert_null(baseline_find(b, "pric", 4));
	assert_null(baseline_find(b, "prices", 6));
	assert_string_equal(b->columns[0].name, "colour");
	assert_int_equal(price->profile->n_invalid, 10);
	assert_int_equal(price->profile->n_missing, 10);
	assert_int_equal(price->profile->n_valid, ROWS - 20);
	assert_int_equal(price->profile->n_tails, 0);
	assert_int_equal(colour->cells->n_categories, 3);
	assert_int_equal(empty->cells->n_cells, 1);
	assert_int_equal(empty->role, ROLE_SCORE);
	assert_int_equal(b->n_blocks, BASELINE_BLOCKS);
	for (j = 0; j < b->n_blocks; j++) {
		const struct profile *p = price->blocks[j];
		uint64_t rows = p->n_valid + p->n_missing + p->n_invalid;

		n += rows;
		least = rows < least ? rows : least;
		most = rows > most ? rows : most;
	}
	assert_int_equal(n, ROWS);
	assert_true(most - least <= 1);
	assert_int_equal(b->first_us, 0);
	assert_int_equal(b->last_us, (ROWS - 1) * 1000);
	assert_true(b->memory > 10000);
	baseline_free(b);
	free(r);
}

/* Blocks are by time: rows in another order, with their times, change none. */
static void identity_ignores_order_of_rows(void **state)
{
	struct rows *r = make_rows(), *mixed = calloc(1, sizeof(*mixed));
	uint32_t order[ROWS], i, j;
	struct err e;
	struct baseline *a, *b;

	(void)state;
	for (i = 0; i < ROWS; i++)
		order[i] = i;
	for (i = ROWS - 1; i > 0; i--) {
		uint32_t swap = order[i];

		j = (uint32_t)rng_below(&rng, i + 1);
		order[i] = order[j];
		order[j] = swap;
	}
	for (i = 0; i < ROWS; i++) {
		mixed->price[i] = r->price[order[i]];
		mixed->empty[i] = r->empty[order[i]];
		mixed->colour[i] = r->colour[order[i]];
		mixed->times[i] = r->times[order[i]];
	}
	a = build(r, ROWS, 100, 0, &e);
	b = build(mixed, ROWS, 17, 0, &e);
	assert_memory_equal(a->hash, b->hash, SHA256_SIZE);
	baseline_free(b);
	mixed->price[5] += 0.25;
	b = build(mixed, ROWS, 17, 0, &e);
	assert_memory_not_equal(a->hash, b->hash, SHA256_SIZE);
	baseline_free(a);
	baseline_free(b);
	free(mixed);
	free(r);
}

static void rows_without_times_keep_order(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *a, *b;
	size_t i;

	(void)state;
	a = build(r, ROWS, 100, 0, &e);
	for (i = 0; i < ROWS; i++)
		r->times[i] = INT64_MIN;
	b = build(r, ROWS, 100, 0, &e);
	assert_int_equal(b->first_us, INT64_MIN);
	for (i = 0; i < b->n_blocks; i++)
		assert_true(baseline_find(a, "price", 5)->blocks[i]->min ==
			    baseline_find(b, "price", 5)->blocks[i]->min);
	baseline_free(a);
	baseline_free(b);
	free(r);
}

static void few_rows_and_none(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *b = build(r, 5, 5, 0, &e);

	(void)state;
	assert_int_equal(b->n_blocks, 5);
	baseline_free(b);
	b = build(r, 0, 1, 0, &e);
	assert_null(b);
	assert_int_equal(e.code, ERR_INVALID);
	b = build(r, ROWS, 100, 9000, &e);
	assert_null(b);
	assert_int_equal(e.code, ERR_LIMIT);
	free(r);
}

static void baseline_bytes(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *b = build(r, ROWS, 100, 0, &e), *back;
	struct buf bytes, again;
	size_t i;

	(void)state;
	buf_init(&bytes, BYTES_MAX);
	buf_init(&again, BYTES_MAX);
	baseline_encode(b, &bytes);
	back = baseline_decode(bytes.data, bytes.len, &e);
	assert_non_null(back);
	assert_memory_equal(back->hash, b->hash, SHA256_SIZE);
	baseline_encode(back, &again);
	assert_int_equal(bytes.len, again.len);
	assert_memory_equal(bytes.data, again.data, bytes.len);
	assert_int_equal(back->memory, b->memory);
	baseline_free(back);
	for (i = 0; i < 3000; i++) {
		size_t at = rng_below(&rng, bytes.len);
		char old = bytes.data[at];

		bytes.data[at] = (char)rng_next(&rng);
		back = baseline_decode(bytes.data, bytes.len, &e);
		baseline_free(back);
		bytes.data[at] = old;
	}
	for (i = 0; i < bytes.len; i += 1 + rng_below(&rng, 50)) {
		back = baseline_decode(bytes.data, i, &e);
		assert_null(back);
	}
	buf_release(&bytes);
	buf_release(&again);
	baseline_free(b);
	free(r);
}

/* ---- profile sets ---- */

static void add_event(struct profile_set *s, double price, const char *colour)
{
	struct err e;
	struct profile_entry *x = profile_set_get(s, "price", 5, COLUMN_NUMERIC,
						  ROLE_FEATURE, &e);
	struct category_text t = {colour, (uint32_t)strlen(colour), false};
	uint32_t code = 0;

	profile_add_numbers(x->profile, &price, NULL, 1);
	x = profile_set_get(s, "colour?", 6, COLUMN_CATEGORICAL, ROLE_FEATURE,
			    &e);
	profile_add_categories(x->profile, &code, NULL, 1, &t, 1);
	s->n_events++;
	if (s->min_event_time_us > 5)
		s->min_event_time_us = 5;
	if (s->max_event_time_us < 5)
		s->max_event_time_us = 5;
}

static void sets_merge_and_round_trip(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *b = build(r, ROWS, 100, 0, &e);
	struct profile_set whole, part, sum, back;
	struct buf x, y;
	int i;

	(void)state;
	profile_set_init(&whole, b, 10);
	profile_set_init(&part, b, 10);
	profile_set_init(&sum, b, 10);
	profile_set_init(&back, b, 10);
	buf_init(&x, BYTES_MAX);
	buf_init(&y, BYTES_MAX);
	for (i = 0; i < 100; i++) {
		add_event(&whole, i * 0.1 - 5, i % 3 ? "red" : "violet");
		add_event(&part, i * 0.1 - 5, i % 3 ? "red" : "violet");
		if (i % 13 == 0) {
			assert_int_equal(profile_set_merge(&sum, &part, &e), 0);
			profile_set_clear(&part);
			/* a column that counted nothing leaves no bytes */
			profile_set_get(&part, "later", 5, COLUMN_NUMERIC,
					ROLE_FEATURE, &e);
		}
	}
	assert_int_equal(profile_set_merge(&sum, &part, &e), 0);
	profile_set_encode(&whole, &x);
	profile_set_encode(&sum, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_int_equal(profile_set_decode(&back, x.data, x.len, &e), 0);
	buf_clear(&y);
	profile_set_encode(&back, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_int_equal(back.n_events, 100);
	assert_true(profile_set_find(&back, "price")->profile->cells ==
		    baseline_find(b, "price", 5)->cells);
	assert_true(profile_set_memory(&back) > 1000);
	profile_set_release(&whole);
	profile_set_release(&part);
	profile_set_release(&sum);
	profile_set_release(&back);
	buf_release(&x);
	buf_release(&y);
	baseline_free(b);
	free(r);
}

static void sets_refuse(void **state)
{
	struct rows *r = make_rows();
	struct err e;
	struct baseline *b = build(r, ROWS, 100, 0, &e);
	struct profile_set over, none;
	struct buf x;
	size_t i;

	(void)state;
	profile_set_init(&over, b, 10);
	profile_set_init(&none, NULL, 10);
	buf_init(&x, BYTES_MAX);
	add_event(&over, 1.5, "red");
	add_event(&none, 1.5, "red");
	assert_int_equal(profile_set_merge(&over, &none, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(over.n_events, 1);
	assert_null(profile_set_get(&over, "price", 5, COLUMN_CATEGORICAL,
				    ROLE_FEATURE, &e));
	profile_set_encode(&over, &x);
	profile_set_release(&none);
	profile_set_init(&none, NULL, 10);
	assert_int_equal(profile_set_decode(&none, x.data, x.len, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	profile_set_release(&over);
	profile_set_init(&over, b, 10);
	for (i = 0; i < 5000; i++) {
		size_t at = rng_below(&rng, x.len);
		char old = x.data[at];

		x.data[at] = (char)rng_next(&rng);
		if (profile_set_decode(&over, x.data, x.len, &e) != 0)
			assert_int_equal(over.n_entries, 0);
		profile_set_release(&over);
		profile_set_init(&over, b, 10);
		x.data[at] = old;
	}
	profile_set_release(&over);
	profile_set_release(&none);
	buf_release(&x);
	baseline_free(b);
	free(r);
}

static void close_counts_what_lacks(void **state)
{
	struct profile_set s;

	(void)state;
	profile_set_init(&s, NULL, 10);
	add_event(&s, 1.0, "red");
	s.n_events = 10;
	profile_set_close(&s);
	profile_set_close(&s);
	assert_int_equal(profile_set_find(&s, "price")->profile->n_missing, 9);
	assert_int_equal(profile_set_find(&s, "colour")->profile->n_missing, 9);
	profile_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_profiles),
		cmocka_unit_test(identity_ignores_order_of_rows),
		cmocka_unit_test(rows_without_times_keep_order),
		cmocka_unit_test(few_rows_and_none),
		cmocka_unit_test(baseline_bytes),
		cmocka_unit_test(sets_merge_and_round_trip),
		cmocka_unit_test(sets_refuse),
		cmocka_unit_test(close_counts_what_lacks),
	};

	rng = rng_start("test_baseline");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
