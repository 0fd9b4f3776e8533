/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cells: edges and bins by the golden rule, both searches against a linear
 * scan, categories that are numbers, and bytes that are hostile.
 */
#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "detectors/cells.h"
#include "detectors/cells_search.h"
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

static struct rng rng;

static uint32_t slow_find(const struct cells *c, double v)
{
	uint32_t j = 0;

	while (j < c->n_edges && c->edges[j] < v)
		j++;
	return j;
}

static double any_double(void)
{
	double v;

	do
		v = value_from_bits(rng_next(&rng));
	while (!isfinite(v));
	return v + 0.0;
}

static double draw(int kind)
{
	switch (kind) {
	case 0:
		return rng_unit(&rng);
	case 1:
		return rng_gauss(&rng);
	case 2:
		return exp(3.0 * rng_gauss(&rng));
	case 3:
		return (double)rng_below(&rng, 40);
	case 4:
		return -floor(rng_unit(&rng) * 1e4);
	case 5:
		return any_double();
	case 6: /* subnormals */
		return value_from_bits(rng_below(&rng, 5000));
	case 7: /* atoms beside a wide tail */
		return rng_below(&rng, 3) > 0 ? 0.0 : exp(9 * rng_gauss(&rng));
	case 8: /* neighbours in the last place */
		return value_from_bits(UINT64_C(0x4002851eb851eb85) +
				       rng_below(&rng, 700));
	default:
		return 7.25;
	}
}
enum { N_DRAWS = 10 };

static struct cells *random_cells(int kind, size_t n, unsigned resolution,
				  double **sorted)
{
	double *v = calloc(2 * n + 1, sizeof(*v));
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = draw(kind) + 0.0;
	sort_numbers(v, v + n, n);
	for (i = 1; i < n; i++)
		assert_true(v[i - 1] <= v[i]);
	*sorted = v;
	return cells_new_numeric(v, n, resolution);
}

static void check_edges(const struct cells *c, const double *sorted, size_t n)
{
	uint32_t j;

	assert_int_equal(c->n_cells, c->n_edges + 1);
	assert_true(c->edges[0] == sorted[0]);
	assert_true(c->edges[c->n_edges - 1] == sorted[n - 1]);
	for (j = 1; j < c->n_edges; j++)
		assert_true(c->edges[j - 1] < c->edges[j]);
	for (j = 1; j < c->n_cells; j++) {
		assert_true(c->bin[j] == c->bin[j - 1] ||
			    c->bin[j] == c->bin[j - 1] + 1);
	}
	assert_int_equal(c->bin[0], 0);
	assert_int_equal(c->bin[c->n_cells - 1], c->n_bins - 1);
	assert_in_range(c->n_bins, 1, 10);
}

static void check_value(const struct cells *c, double v)
{
	assert_int_equal(cells_find_number(c, v), slow_find(c, v));
}

static void search_equals_scan(void **state)
{
	static const size_t sizes[] = {1, 2, 9, 100, 257, 3000};
	static const unsigned resolutions[] = {16, 256, 4096};
	size_t s, r, i;
	int kind;

	(void)state;
	for (kind = 0; kind < N_DRAWS; kind++) {
		for (s = 0; s < 6; s++) {
			double *sorted;
			struct cells *c;

			r = rng_below(&rng, 3);
			c = random_cells(kind, sizes[s], resolutions[r],
					 &sorted);
			check_edges(c, sorted, sizes[s]);
			for (i = 0; i < c->n_edges; i++) {
				double e = c->edges[i];

				check_value(c, e);
				check_value(c, nextafter(e, -DBL_MAX));
				check_value(c, nextafter(e, DBL_MAX));
			}
			for (i = 0; i < 500; i++) {
				check_value(c, draw(kind));
				check_value(c, any_double());
			}
			check_value(c, DBL_MAX);
			check_value(c, -DBL_MAX);
			check_value(c, -0.0);
			cells_free(c);
			free(sorted);
		}
	}
}

/* Both searches are in use, or one of them is not tested. */
static void search_is_chosen(void **state)
{
	double *sorted;
	struct cells *c = random_cells(0, 3000, 256, &sorted);

	(void)state;
	assert_non_null(c->search->table);
	cells_free(c);
	free(sorted);
	c = random_cells(2, 30000, 256, &sorted);
	assert_null(c->search->table);
	cells_free(c);
	free(sorted);
}

static void edges_follow_the_rule(void **state)
{
	/* 12 values: t = 11 i, k = t div 10, r = t mod 10 */
	static const double x[] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233};
	double tied[1000];
	struct cells *c = cells_new_numeric(x, 12, 16);
	size_t i;
	int d;

	(void)state;
	for (d = 1; d <= 9; d++) {
		int t = 11 * d, k = t / 10;
		double edge = x[k] + (x[k + 1] - x[k]) * ((t % 10) / 10.0);
		uint32_t cell = cells_find_number(c, edge);

		assert_true(c->edges[cell] == edge);
		assert_int_equal(c->bin[cell], d - 1);
		assert_int_equal(c->bin[cell + 1], d);
	}
	assert_int_equal(c->n_bins, 10);
	cells_free(c);

	/* heavy ties: a decile that is the maximum leaves an empty last bin */
	for (i = 0; i < 1000; i++)
		tied[i] = i < 750 ? 0.0 : 1.0;
	c = cells_new_numeric(tied, 1000, 256);
	assert_int_equal(c->n_edges, 2);
	assert_int_equal(c->n_bins, 3);
	assert_int_equal(c->bin[cells_find_number(c, 0.0)], 0);
	assert_int_equal(c->bin[cells_find_number(c, 1.0)], 1);
	assert_int_equal(c->bin[cells_find_number(c, 1.5)], 2);
	cells_free(c);

	c = cells_new_numeric(NULL, 0, 256);
	assert_int_equal(c->n_cells, 1);
	assert_int_equal(c->n_edges, 0);
	assert_int_equal(cells_find_number(c, -3.0), 0);
	cells_free(c);
}

static void overflow_keeps_edges_finite(void **state)
{
	static const double x[] = {-DBL_MAX, -1.0, 1.0, DBL_MAX};
	double many[1000];
	struct cells *c = cells_new_numeric(x, 4, 16);
	uint32_t j;
	size_t i;

	(void)state;
	for (j = 0; j < c->n_edges; j++)
		assert_true(isfinite(c->edges[j]));
	cells_free(c);
	for (i = 0; i < 1000; i++)
		many[i] = i < 500 ? -DBL_MAX : DBL_MAX;
	c = cells_new_numeric(many, 1000, 16);
	for (j = 0; j < c->n_edges; j++)
		assert_true(isfinite(c->edges[j]));
	cells_free(c);
}

static struct category_text text(const char *s)
{
	return (struct category_text){s, (uint32_t)strlen(s), false};
}

static void categories_are_found(void **state)
{
	struct category_text t[] = {text("b"), text("1"),    text("-0"),
				    text("a"), text("2.50"), text("2.5"),
				    text("a")};
	struct cells *c = cells_new_categorical(t, 7, 100);
	uint32_t one;

	(void)state;
	assert_int_equal(c->n_categories, 6);
	assert_int_equal(c->n_cells, 7);
	assert_false(c->truncated);
	one = cells_find_category(c, "1", 1, false);
	assert_int_not_equal(one, DICT_NONE);
	assert_int_equal(cells_find_category(c, "1.0", 3, true), one);
	assert_int_equal(cells_find_category(c, "1e0", 3, true), one);
	assert_int_equal(cells_find_category(c, "1.0", 3, false), DICT_NONE);
	assert_int_equal(cells_find_category(c, "0.0", 3, true),
			 cells_find_category(c, "-0", 2, false));
	/* two spellings of 2.5: themselves, and the first for a third */
	assert_int_not_equal(cells_find_category(c, "2.50", 4, true),
			     cells_find_category(c, "2.5", 3, true));
	assert_int_equal(cells_find_category(c, "25e-1", 5, true),
			 cells_find_category(c, "2.5", 3, true));
	assert_int_equal(cells_find_category(c, "9", 1, true), DICT_NONE);
	cells_free(c);
	c = cells_new_categorical(NULL, 0, 100);
	assert_int_equal(c->n_cells, 1);
	assert_int_equal(cells_find_category(c, "1", 1, true), DICT_NONE);
	cells_free(c);
}

static void truncation_ignores_order(void **state)
{
	enum { N = 300, KEPT = 50 };
	static char names[N][16];
	struct category_text t[N];
	struct cells *a, *b;
	size_t i, j;

	(void)state;
	for (i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "c%zu", i);
		t[i] = text(names[i]);
	}
	a = cells_new_categorical(t, N, KEPT);
	for (i = N - 1; i > 0; i--) {
		struct category_text swap = t[i];

		j = rng_below(&rng, i + 1);
		t[i] = t[j];
		t[j] = swap;
	}
	b = cells_new_categorical(t, N, KEPT);
	assert_int_equal(a->n_categories, KEPT);
	assert_true(a->truncated);
	assert_int_equal(a->hash, b->hash);
	cells_free(a);
	cells_free(b);
}

static void check_round_trip(const struct cells *c)
{
	struct buf bytes, again;
	struct reader in;
	struct cells *back;
	struct err e;
	size_t i;

	buf_init(&bytes, 1 << 20);
	buf_init(&again, 1 << 20);
	cells_encode(c, &bytes);
	reader_init(&in, bytes.data, bytes.len);
	back = cells_decode(&in, &e);
	assert_non_null(back);
	assert_true(reader_is_done(&in));
	assert_int_equal(back->hash, c->hash);
	cells_encode(back, &again);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	if (c->kind == COLUMN_NUMERIC)
		assert_memory_equal(c->bin, back->bin,
				    c->n_cells * sizeof(*c->bin));
	cells_free(back);
	for (i = 0; i < bytes.len; i++) { /* cut short: refused */
		reader_init(&in, bytes.data, i);
		back = cells_decode(&in, &e);
		assert_null(back);
	}
	for (i = 0; i < 2000; i++) { /* changed: refused, or sound */
		size_t at = rng_below(&rng, bytes.len);
		char old = bytes.data[at];

		bytes.data[at] = (char)rng_next(&rng);
		reader_init(&in, bytes.data, bytes.len);
		back = cells_decode(&in, &e);
		if (back != NULL && back->kind == COLUMN_NUMERIC)
			check_value(back, 2.385);
		cells_free(back);
		bytes.data[at] = old;
	}
	buf_release(&bytes);
	buf_release(&again);
}

static void bytes_round_trip(void **state)
{
	struct category_text t[] = {text("x"), text("y, z"), text("")};
	struct cells *c;
	double *sorted;
	int kind;

	(void)state;
	for (kind = 0; kind < N_DRAWS; kind++) {
		c = random_cells(kind, 500, 16, &sorted);
		check_round_trip(c);
		cells_free(c);
		free(sorted);
	}
	c = cells_new_numeric(NULL, 0, 16);
	check_round_trip(c);
	cells_free(c);
	c = cells_new_categorical(t, 3, 2);
	check_round_trip(c);
	cells_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_equals_scan),
		cmocka_unit_test(search_is_chosen),
		cmocka_unit_test(edges_follow_the_rule),
		cmocka_unit_test(overflow_keeps_edges_finite),
		cmocka_unit_test(categories_are_found),
		cmocka_unit_test(truncation_ignores_order),
		cmocka_unit_test(bytes_round_trip),
	};

	rng = rng_start("test_cells");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
