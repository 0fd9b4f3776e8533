/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Profiles: the fold against counting one value at a time, and the property
 * that everything rests on: however events are split, ordered and merged,
 * the bytes are the same.
 */
#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "detectors/profile_parts.h"
#include "detectors/sort.h"
#include "tests/unit/detectors/rng.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_TRAINED = 5000, N_SEEN = 4000, N_TEXTS = 400, BYTES_MAX = 1 << 22 };

static struct rng rng;
static struct cells *gauss_cells;

static double draw(void)
{
	switch (rng_below(&rng, 40)) {
	case 0:
		return value_missing();
	case 1:
		return value_invalid();
	case 2:
		return HUGE_VAL;
	case 3:
		return -0.0;
	case 4:
		return 1e6 * rng_gauss(&rng); /* a tail */
	case 5:
		return gauss_cells
			->edges[rng_below(&rng, gauss_cells->n_edges)];
	case 6:
		return -DBL_MAX;
	default:
		return rng_gauss(&rng) + 0.25;
	}
}

static int set_up(void **state)
{
	double *v = calloc(2 * (size_t)N_TRAINED, sizeof(*v));
	size_t i;

	(void)state;
	for (i = 0; i < N_TRAINED; i++)
		v[i] = i % 50 == 0 ? 0.0 : rng_gauss(&rng);
	sort_numbers(v, v + N_TRAINED, N_TRAINED);
	gauss_cells = cells_new_numeric(v, N_TRAINED, 256);
	free(v);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cells_free(gauss_cells);
	return 0;
}

static uint64_t tail_count(const struct profile *p, double v)
{
	size_t i;

	for (i = 0; i < p->n_tails; i++) {
		if (p->tails[i].key == profile_tail_key(v))
			return p->tails[i].count;
	}
	return 0;
}

/* Count by the header's words, one value at a time. */
static void slow_add(struct profile *p, double v)
{
	const struct cells *c = p->cells;
	uint32_t j;

	if (value_is_missing(v)) {
		p->n_missing++;
		return;
	}
	if (!isfinite(v)) {
		p->n_invalid++;
		return;
	}
	v += 0.0;
	p->n_valid++;
	for (j = 0; j < c->n_edges && c->edges[j] < v; j++)
		;
	p->count[j]++;
	if (j < c->n_edges)
		p->equal[j] += c->edges[j] == v;
	if (j > 0 && j < c->n_edges) {
		double width = c->edges[j] - c->edges[j - 1];

		p->sum[j] += llrint((v - c->edges[j - 1]) * (4096.0 / width));
	}
}

static void fold_equals_counting(void **state)
{
	static double v[N_SEEN];
	uint32_t rows[N_SEEN], n_rows = 0, i, j;
	struct profile *fast = profile_new(COLUMN_NUMERIC, gauss_cells, 10);
	struct profile *slow = profile_new(COLUMN_NUMERIC, gauss_cells, 10);
	uint64_t n_outside = 0, n_tails = 0;
	double lo = gauss_cells->edges[0];
	double hi = gauss_cells->edges[gauss_cells->n_edges - 1];

	(void)state;
	for (i = 0; i < N_SEEN; i++) {
		v[i] = draw();
		if (rng_below(&rng, 3) == 0)
			continue;
		rows[n_rows++] = i;
		slow_add(slow, v[i]);
		n_outside += isfinite(v[i]) && !(v[i] >= lo && v[i] <= hi);
	}
	profile_add_numbers(fast, v, rows, n_rows);
	assert_int_equal(fast->n_valid, slow->n_valid);
	assert_int_equal(fast->n_missing, slow->n_missing);
	assert_int_equal(fast->n_invalid, slow->n_invalid);
	for (j = 0; j < gauss_cells->n_cells; j++) {
		assert_int_equal(fast->count[j], slow->count[j]);
		assert_int_equal(fast->equal[j], slow->equal[j]);
		assert_int_equal(fast->sum[j], slow->sum[j]);
	}
	for (i = 0; i < fast->n_tails; i++) {
		assert_true(i == 0 ||
			    fast->tails[i - 1].key < fast->tails[i].key);
		n_tails += fast->tails[i].count;
	}
	assert_int_equal(n_tails, n_outside);
	assert_true(fast->min == -DBL_MAX);
	profile_free(fast);
	profile_free(slow);
}

static void tail_keys_keep_order(void **state)
{
	static const double v[] = {-DBL_MAX, -1e300, -2.0,  -1.5,   -1.0,
				   -1e-310,  0.0,    1e-3,  1.0,    1.5,
				   2.0,	     1e17,   1e300, DBL_MAX};
	size_t i;

	(void)state;
	for (i = 1; i < sizeof(v) / sizeof(v[0]); i++)
		assert_true(profile_tail_key(v[i - 1]) <
			    profile_tail_key(v[i]));
	/* within a cell the values differ by less than 1 % */
	for (i = 0; i < 1000; i++) {
		double a = exp(20.0 * rng_gauss(&rng));

		assert_int_not_equal(profile_tail_key(a),
				     profile_tail_key(a * 1.01));
	}
}

static void no_baseline_counts_in_tails(void **state)
{
	struct profile *p = profile_new(COLUMN_NUMERIC, NULL, 10);
	static double v[20000];
	size_t i;
	uint64_t n = 0;

	(void)state;
	for (i = 0; i < 20000; i++)
		v[i] = i % 4 == 0 ? 2.385 : value_from_bits(rng_next(&rng));
	profile_add_numbers(p, v, NULL, 20000);
	for (i = 0; i < p->n_tails; i++)
		n += p->tails[i].count;
	assert_int_equal(n, p->n_valid);
	assert_true(tail_count(p, 2.385) >= 5000);
	profile_free(p);
}

/* An offset stays in [0, 4096] whatever the width. */
static void widths_at_the_ends(void **state)
{
	static const double wide[] = {-DBL_MAX, DBL_MAX};
	double tiny[2] = {0.0, value_from_bits(1)}, v[3];
	struct cells *c = cells_new_numeric(wide, 2, 16);
	struct profile *p = profile_new(COLUMN_NUMERIC, c, 10);
	uint32_t j;

	(void)state;
	v[0] = 1.0;
	v[1] = DBL_MAX;
	v[2] = -DBL_MAX;
	profile_add_numbers(p, v, NULL, 3);
	for (j = 0; j < c->n_cells; j++)
		assert_true(p->sum[j] >= 0 &&
			    (uint64_t)p->sum[j] <= 4096 * p->count[j]);
	profile_free(p);
	cells_free(c);
	c = cells_new_numeric(tiny, 2, 16);
	p = profile_new(COLUMN_NUMERIC, c, 10);
	profile_add_numbers(p, tiny, NULL, 2);
	assert_int_equal(p->sum[c->n_edges - 1], 4096);
	profile_free(p);
	cells_free(c);
}

/* ---- any partition, any order ---- */

struct events {
	double *v;
	uint32_t *codes;
	struct category_text texts[N_TEXTS];
	char names[N_TEXTS][16];
};

static struct events *make_events(void)
{
	struct events *ev = calloc(1, sizeof(*ev));
	size_t i;

	ev->v = calloc(N_SEEN, sizeof(*ev->v));
	ev->codes = calloc(N_SEEN, sizeof(*ev->codes));
	for (i = 0; i < N_TEXTS; i++) {
		int len = snprintf(ev->names[i], sizeof(ev->names[i]), "%zu",
				   i * 37);

		ev->texts[i] = (struct category_text){
			ev->names[i], (uint32_t)len, i % 2 == 0};
	}
	for (i = 0; i < N_SEEN; i++) {
		ev->v[i] = draw();
		ev->codes[i] = (uint32_t)rng_below(&rng, N_TEXTS);
		if (rng_below(&rng, 50) == 0)
			ev->codes[i] = CODE_MISSING;
		if (rng_below(&rng, 90) == 0)
			ev->codes[i] = CODE_INVALID;
	}
	return ev;
}

static void free_events(struct events *ev)
{
	free(ev->v);
	free(ev->codes);
	free(ev);
}

static void fold(struct profile *p, const struct events *ev,
		 const uint32_t *rows, size_t n)
{
	if (p->kind == COLUMN_NUMERIC)
		profile_add_numbers(p, ev->v, rows, n);
	else
		profile_add_categories(p, ev->codes, rows, n, ev->texts,
				       N_TEXTS);
}

static void shuffle(uint32_t *v, size_t n)
{
	size_t i, j;

	for (i = n; i > 1; i--) {
		uint32_t swap;

		j = rng_below(&rng, i);
		swap = v[i - 1];
		v[i - 1] = v[j];
		v[j] = swap;
	}
}

/* Split at random, merge in random pairs until one is left. */
static struct profile *in_parts(enum column_kind kind,
				const struct cells *cells, uint32_t max,
				const struct events *ev, uint32_t *rows)
{
	struct profile *parts[40];
	size_t n_parts = 1 + rng_below(&rng, 40), i, start = 0;

	shuffle(rows, N_SEEN);
	for (i = 0; i < n_parts; i++) {
		size_t rest = N_SEEN - start;
		size_t n = i + 1 == n_parts ? rest : rng_below(&rng, rest + 1);

		parts[i] = profile_new(kind, cells, max);
		fold(parts[i], ev, rows + start, n);
		start += n;
	}
	while (n_parts > 1) {
		size_t a = rng_below(&rng, n_parts), b;
		struct profile *swap = parts[a];

		parts[a] = parts[--n_parts];
		parts[n_parts] = swap;
		b = rng_below(&rng, n_parts);
		assert_int_equal(profile_merge(parts[b], swap, NULL), 0);
		profile_free(swap);
	}
	return parts[0];
}

static void check_partition(enum column_kind kind, const struct cells *cells,
			    uint32_t max, bool truncated)
{
	struct events *ev = make_events();
	static uint32_t rows[N_SEEN];
	struct profile *whole = profile_new(kind, cells, max);
	struct buf a, b;
	int round;
	uint32_t i;

	for (i = 0; i < N_SEEN; i++)
		rows[i] = i;
	fold(whole, ev, rows, N_SEEN);
	assert_int_equal(profile_total(whole), N_SEEN);
	assert_true(whole->truncated == truncated);
	buf_init(&a, BYTES_MAX);
	buf_init(&b, BYTES_MAX);
	profile_encode(whole, &a);
	for (round = 0; round < 10; round++) {
		struct profile *p = in_parts(kind, cells, max, ev, rows);

		buf_clear(&b);
		profile_encode(p, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		profile_free(p);
	}
	profile_clear(whole);
	fold(whole, ev, rows, N_SEEN);
	buf_clear(&b);
	profile_encode(whole, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf_release(&a);
	buf_release(&b);
	profile_free(whole);
	free_events(ev);
}

static struct cells *some_categories(uint32_t max)
{
	struct events *ev = make_events();
	struct cells *c = cells_new_categorical(ev->texts, 100, max);

	free_events(ev);
	return c;
}

static void any_partition_gives_equal_bytes(void **state)
{
	struct cells *c = some_categories(1000);

	(void)state;
	check_partition(COLUMN_NUMERIC, gauss_cells, 10, false);
	check_partition(COLUMN_NUMERIC, NULL, 10, false);
	check_partition(COLUMN_CATEGORICAL, c, 1000, false);
	check_partition(COLUMN_CATEGORICAL, c, 30, true);
	check_partition(COLUMN_CATEGORICAL, NULL, 7, true);
	check_partition(COLUMN_CATEGORICAL, NULL, 0, true);
	cells_free(c);
	c = some_categories(40);
	check_partition(COLUMN_CATEGORICAL, c, 30, false);
	cells_free(c);
}

static void numbers_find_their_category(void **state)
{
	struct category_text known[] = {{"1", 1, false}, {"x", 1, false}};
	struct category_text seen[] = {
		{"1.0", 3, true}, {"1.0", 3, false}, {"1", 1, true}};
	uint32_t codes[] = {0, 0, 1, 2, CODE_MISSING, CODE_INVALID, 77};
	struct cells *c = cells_new_categorical(known, 2, 10);
	struct profile *p = profile_new(COLUMN_CATEGORICAL, c, 10);

	(void)state;
	profile_add_categories(p, codes, NULL, 7, seen, 3);
	assert_int_equal(p->count[cells_find_category(c, "1", 1, false)], 3);
	assert_int_equal(p->n_extras, 1);
	assert_int_equal(p->extras[0].count, 1);
	assert_int_equal(p->n_missing, 1);
	assert_int_equal(p->n_invalid, 2);
	assert_int_equal(p->n_valid, 4);
	profile_free(p);
	cells_free(c);
}

static void merge_refuses_other_cells(void **state)
{
	static const double x[] = {1.0, 2.0};
	struct cells *c = cells_new_numeric(x, 2, 16);
	struct profile *a = profile_new(COLUMN_NUMERIC, gauss_cells, 10);
	struct profile *b = profile_new(COLUMN_NUMERIC, c, 10);
	struct profile *d = profile_new(COLUMN_CATEGORICAL, NULL, 10);
	struct err e;

	(void)state;
	assert_int_equal(profile_merge(a, b, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(profile_merge(a, d, &e), -1);
	b->n_missing = PROFILE_COUNT_MAX;
	assert_int_equal(profile_merge(b, b, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	profile_free(a);
	profile_free(b);
	profile_free(d);
	cells_free(c);
}

static void check_bytes(enum column_kind kind, const struct cells *cells)
{
	struct events *ev = make_events();
	struct profile *p = profile_new(kind, cells, 100), *back;
	struct buf a, b;
	struct reader in;
	struct err e;
	size_t i, k;

	fold(p, ev, NULL, N_SEEN);
	buf_init(&a, BYTES_MAX);
	buf_init(&b, BYTES_MAX);
	profile_encode(p, &a);
	reader_init(&in, a.data, a.len);
	back = profile_decode(&in, cells, 100, &e);
	assert_non_null(back);
	assert_true(reader_is_done(&in));
	profile_encode(back, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	profile_free(back);
	for (i = 0; i < a.len; i += 1 + rng_below(&rng, 9)) {
		reader_init(&in, a.data, i);
		back = profile_decode(&in, cells, 100, &e);
		assert_null(back);
	}
	for (i = 0; i < 20000; i++) {
		char old[4];
		size_t at = rng_below(&rng, a.len - 4);

		memcpy(old, a.data + at, 4);
		for (k = 0; k <= rng_below(&rng, 4); k++)
			a.data[at + k] = (char)rng_next(&rng);
		reader_init(&in, a.data, a.len);
		back = profile_decode(&in, cells, 100, &e);
		if (back != NULL) { /* what was believed adds up */
			assert_true(profile_total(back) <= PROFILE_COUNT_MAX);
			assert_int_equal(profile_merge(back, p, &e), 0);
		}
		profile_free(back);
		memcpy(a.data + at, old, 4);
	}
	buf_release(&a);
	buf_release(&b);
	profile_free(p);
	free_events(ev);
}

static void bytes_are_not_trusted(void **state)
{
	struct cells *c = some_categories(1000);

	(void)state;
	check_bytes(COLUMN_NUMERIC, gauss_cells);
	check_bytes(COLUMN_NUMERIC, NULL);
	check_bytes(COLUMN_CATEGORICAL, c);
	check_bytes(COLUMN_CATEGORICAL, NULL);
	cells_free(c);
}

static void bytes_are_few(void **state)
{
	struct profile *p = profile_new(COLUMN_NUMERIC, gauss_cells, 10);
	static double v[5000];
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, BYTES_MAX);
	profile_encode(p, &b);
	assert_true(b.len < 24);
	for (i = 0; i < 5000; i++)
		v[i] = 0.9 * rng_gauss(&rng);
	profile_add_numbers(p, v, NULL, 100);
	buf_clear(&b);
	profile_encode(p, &b);
	assert_in_range(b.len, 200, 700);
	profile_add_numbers(p, v, NULL, 5000);
	buf_clear(&b);
	profile_encode(p, &b);
	print_message("%u cells, 5,100 values: %zu bytes\n",
		      gauss_cells->n_cells, b.len);
	assert_in_range(b.len, 700, 1600);
	buf_release(&b);
	profile_free(p);
}

/* Tails that arrive in the worst order stay cheap: no quadratic insertion. */
static void tails_in_falling_order(void **state)
{
	struct profile *p = profile_new(COLUMN_NUMERIC, NULL, 10);
	enum { N_KEYS = 1 << 18 };
	double *v = malloc(N_KEYS * sizeof(*v));
	size_t i;

	(void)state;
	for (i = 0; i < N_KEYS; i++)
		v[i] = value_from_bits((uint64_t)(N_KEYS - 1 - i) << 45);
	profile_add_numbers(p, v, NULL, N_KEYS);
	/* exponents of infinity and NaN are no values */
	assert_int_equal(p->n_tails, N_KEYS - 128);
	assert_int_equal(p->n_invalid, 128);
	free(v);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_equals_counting),
		cmocka_unit_test(tail_keys_keep_order),
		cmocka_unit_test(no_baseline_counts_in_tails),
		cmocka_unit_test(widths_at_the_ends),
		cmocka_unit_test(any_partition_gives_equal_bytes),
		cmocka_unit_test(numbers_find_their_category),
		cmocka_unit_test(merge_refuses_other_cells),
		cmocka_unit_test(bytes_are_not_trusted),
		cmocka_unit_test(bytes_are_few),
		cmocka_unit_test(tails_in_falling_order),
	};

	rng = rng_start("test_profile");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
