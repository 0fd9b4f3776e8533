/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Online against offline: random columns of many shapes as frozen cells and as
 * exact values.  What the cells say as an interval must hold the exact value;
 * what they say as a number must be it.
 */
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/exact.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/registry.h"
#include "detectors/sort.h"
#include "detectors/special.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 10000, N = 600, N_SHAPES = 12, N_WORDS = 40 };

static struct rng rng;

static double draw(uint64_t shape)
{
	double g = rng_gauss(&rng);

	switch (shape) {
	case 0:
		return g;
	case 1:
		return floor(5.0 * g);
	case 2:
		return exp(2.0 * g);
	case 3:
		return rng_below(&rng, 4) == 0 ? rng_unit(&rng) : 0.0;
	case 4:
		return 2.385;
	case 5:
		return g / rng_gauss(&rng); /* Cauchy */
	case 6:
		return 1.0 + 0x1p-52 * (double)rng_below(&rng, 9);
	case 7:
		return g * 1e300;
	case 8:
		return (double)rng_below(&rng, 99) * 5e-324;
	case 9:
		return rng_below(&rng, 2) == 0 ? -0.0 : g;
	case 10:
		return 1e15 + floor(g * 20.0) / 8.0;
	default:
		return exp(40.0 * g) * (g > 0.5 ? -1.0 : 1.0);
	}
}

static void draw_all(double *v, size_t n, uint64_t shape, double factor,
		     double shift)
{
	size_t i;

	for (i = 0; i < n; i++) {
		v[i] = draw(shape) * factor + shift;
		if (!isfinite(v[i]))
			v[i] = 0.0;
		if (rng_below(&rng, 50) == 0)
			v[i] = value_missing();
	}
}

/* The column as a daemon has it. */
struct online {
	struct baseline_column column;
	struct profile *cur;
	struct pair pair;
};

static void online_numbers(struct online *o, const double *ref, size_t n,
			   const double *cur, size_t m, unsigned resolution)
{
	static double sorted[N], spare[N];
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		sorted[k] = ref[i] + 0.0;
		k += isnan(ref[i]) ? 0 : 1;
	}
	sort_numbers(sorted, spare, k);
	o->column.kind = COLUMN_NUMERIC;
	o->column.cells = cells_new_numeric(sorted, k, resolution);
	o->column.profile = profile_new(COLUMN_NUMERIC, o->column.cells, 1000);
	o->cur = profile_new(COLUMN_NUMERIC, o->column.cells, 1000);
	profile_add_numbers(o->column.profile, ref, NULL, n);
	profile_add_numbers(o->cur, cur, NULL, m);
	pair_init(&o->pair, &o->column, o->cur);
}

static void online_release(struct online *o)
{
	pair_release(&o->pair);
	profile_free(o->cur);
	profile_free(o->column.profile);
	cells_free(o->column.cells);
}

struct counts {
	size_t n_bounded, n_undefined;
};

static void compare(const struct pair *online, const struct pair *exact,
		    const char *what, struct counts *w)
{
	const struct detector *const *all;
	size_t n, i;

	all = detector_list(&n);
	for (i = 0; i < n; i++) {
		const struct detector *d = all[i];
		struct finding a, b;

		if (d->offline || (d->kinds & 1U << exact->kind) == 0)
			continue;
		d->run(online, &a);
		d->run(exact, &b);
		if (a.status != FINDING_OK) {
			w->n_undefined += b.status == FINDING_OK;
			assert_true(b.status == a.status ||
				    a.status == FINDING_UNDEFINED);
			continue;
		}
		w->n_bounded++;
		assert_true(isfinite(a.lower) && isfinite(a.upper));
		assert_true(a.lower <= a.value && a.value <= a.upper);
		if (b.status == FINDING_OK && a.lower < a.upper &&
		    a.lower <= b.value && b.value <= a.upper)
			continue;
		if (b.status == FINDING_OK && a.lower == a.upper &&
		    fabs(a.value - b.value) <= 1e-12 * fabs(b.value))
			continue;
		print_error("%s %s: exact %.17g is not in [%.17g, %.17g]\n",
			    what, d->metric, b.value, a.lower, a.upper);
		fail();
	}
}

static void numbers(int round, struct exact_space *space,
		    struct exact_column *sides, struct counts *w)
{
	static double ref[N], cur[N];
	uint64_t shape = rng_below(&rng, N_SHAPES), other = shape;
	size_t n = 1 + rng_below(&rng, N), m = 1 + rng_below(&rng, N);
	double factor = 1.0, shift = 0.0;
	struct online o = {.cur = NULL};
	struct exact_bins bins;
	struct pair exact;
	char what[64];

	switch (rng_below(&rng, 5)) {
	case 0:
		factor = 1.5;
		break;
	case 1:
		shift = rng_gauss(&rng);
		break;
	case 2:
		other = rng_below(&rng, N_SHAPES);
		break;
	default:
		break;
	}
	draw_all(ref, n, shape, 1.0, 0.0);
	draw_all(cur, m, other, factor, shift);
	(void)snprintf(what, sizeof(what), "round %d, shapes %d, %d", round,
		       (int)shape, (int)other);
	online_numbers(&o, ref, n, cur, m, 16 + (unsigned)rng_below(&rng, 300));
	exact_column_numbers(&sides[0], ref, n, space);
	exact_column_numbers(&sides[1], cur, m, space);
	exact_bins_init(&bins, &sides[0]);
	exact_pair_init(&exact, &sides[0], &sides[1], &bins, space);
	compare(&o.pair, &exact, what, w);
	online_release(&o);
}

static void texts(int round, struct exact_space *space,
		  struct exact_column *sides, struct counts *w)
{
	static char words[N_WORDS][8];
	static struct category_text list[N_WORDS];
	static uint32_t ref[N], cur[N];
	size_t n = 1 + rng_below(&rng, N), m = 1 + rng_below(&rng, N), i;
	uint64_t of_ref = 1 + rng_below(&rng, N_WORDS);
	uint64_t from = rng_below(&rng, 10), of_cur = 1 + rng_below(&rng, 30);
	struct online o = {.cur = NULL};
	struct exact_bins bins;
	struct pair exact;
	char what[64];

	for (i = 0; i < N_WORDS; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "w%zu", i);
		list[i] = (struct category_text){
			words[i], (uint32_t)strlen(words[i]), false};
	}
	for (i = 0; i < n; i++)
		ref[i] = (uint32_t)rng_below(&rng, of_ref);
	for (i = 0; i < m; i++)
		cur[i] = rng_below(&rng, 50) == 0
				 ? CODE_MISSING
				 : (uint32_t)(from + rng_below(&rng, of_cur));
	(void)snprintf(what, sizeof(what), "round %d, texts", round);
	exact_column_codes(&sides[2], ref, n, list, N_WORDS, space);
	exact_column_codes(&sides[3], cur, m, list, N_WORDS, space);
	o.column.kind = COLUMN_CATEGORICAL;
	o.column.cells = cells_new_categorical(list, of_ref, 1000);
	o.column.profile =
		profile_new(COLUMN_CATEGORICAL, o.column.cells, 1000);
	o.cur = profile_new(COLUMN_CATEGORICAL, o.column.cells, 1000);
	/* each of the reference's categories once, at least */
	if (sides[2].n_distinct == of_ref) {
		profile_add_categories(o.column.profile, ref, NULL, n, list,
				       N_WORDS);
		profile_add_categories(o.cur, cur, NULL, m, list, N_WORDS);
		pair_init(&o.pair, &o.column, o.cur);
		exact_bins_init(&bins, &sides[2]);
		exact_pair_init(&exact, &sides[2], &sides[3], &bins, space);
		compare(&o.pair, &exact, what, w);
	}
	online_release(&o);
}

static void cells_hold_what_values_say(void **state)
{
	struct exact_space space = {.spare = NULL};
	struct exact_column sides[4];
	struct counts w = {0, 0};
	int round;

	(void)state;
	memset(sides, 0, sizeof(sides));
	for (round = 0; round < ROUNDS; round++) {
		if (round % 8 == 0)
			texts(round, &space, sides, &w);
		else
			numbers(round, &space, sides, &w);
	}
	for (round = 0; round < 4; round++)
		exact_column_release(&sides[round]);
	exact_space_release(&space);
	print_message("%d cases, %zu findings, %zu more that are undefined "
		      "online\n",
		      ROUNDS, w.n_bounded, w.n_undefined);
	assert_true(w.n_bounded > 100000);
	/* a deviation of a few ulp cannot be told from none by cells */
	assert_true(w.n_undefined < w.n_bounded / 10);
}

/* At the resolution of a daemon the intervals are worth something. */
static void intervals_are_narrow(void **state)
{
	static const struct {
		const struct detector *d;
		double width;
	} most[] = {
		{&detector_ks, 0.005},
		{&detector_wasserstein_norm, 0.02},
		{&detector_energy_distance, 0.01},
		{&detector_mean_shift, 0.001},
		{&detector_std_shift, 0.004},
		{&detector_quantile_shift, 0.2},
	};
	enum { MANY = 20000 };
	double *ref = calloc(MANY, sizeof(*ref));
	double *cur = calloc(MANY, sizeof(*cur));
	double *spare = calloc(MANY, sizeof(*spare));
	struct online o = {.cur = NULL};
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		ref[i] = rng_gauss(&rng);
		cur[i] = rng_gauss(&rng) * 1.1 + 0.2;
		/* what lies beyond the reference is known by its extremes */
		cur[i] = fmax(-3.5, fmin(3.5, cur[i]));
	}
	ref[0] = -3.5;
	ref[1] = 3.5;
	for (i = 0; i < MANY; i++)
		ref[i] = fmax(-3.5, fmin(3.5, ref[i]));
	sort_numbers(ref, spare, MANY);
	o.column.kind = COLUMN_NUMERIC;
	o.column.cells = cells_new_numeric(ref, MANY, 256);
	o.column.profile = profile_new(COLUMN_NUMERIC, o.column.cells, 1000);
	o.cur = profile_new(COLUMN_NUMERIC, o.column.cells, 1000);
	profile_add_numbers(o.column.profile, ref, NULL, MANY);
	profile_add_numbers(o.cur, cur, NULL, MANY);
	pair_init(&o.pair, &o.column, o.cur);
	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct finding f;

		most[i].d->run(&o.pair, &f);
		assert_int_equal(f.status, FINDING_OK);
		print_message("%s: %.6f, %.6f wide\n", most[i].d->metric,
			      f.value, f.upper - f.lower);
		assert_true(f.upper - f.lower <= most[i].width);
	}
	online_release(&o);
	free(ref);
	free(cur);
	free(spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_hold_what_values_say),
		cmocka_unit_test(intervals_are_narrow),
	};

	special_init();
	rng = rng_start("test_online");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
