/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the measures promise of any exact pair: nothing between equal sides,
 * symmetry where it holds, no change by scale or order, numbers on empty bins;
 * and the laws of the Kolmogorov-Smirnov statistic against other ways to them.
 */
#include "detectors/describe.h"
#include "detectors/exact.h"
#include "detectors/ks_distance.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
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

enum { N = 400, WORDS = 12 };

static struct rng rng;

static void near_(double a, double b, double relative, int line)
{
	if (fabs(a - b) <= relative * fabs(b))
		return;
	print_error("line %d: %.17g is not %.17g\n", line, a, b);
	fail();
}
#define NEAR(a, b, relative) near_(a, b, relative, __LINE__)

/* Two columns and their pair. */
struct both {
	struct exact_column ref, cur;
	struct exact_bins bins;
	struct exact_space space;
	struct pair pair;
};

static void both_numbers(struct both *b, const double *ref, size_t n,
			 const double *cur, size_t m)
{
	exact_column_numbers(&b->ref, ref, n, &b->space);
	exact_column_numbers(&b->cur, cur, m, &b->space);
	exact_bins_init(&b->bins, &b->ref);
	exact_pair_init(&b->pair, &b->ref, &b->cur, &b->bins, &b->space);
}

static void both_codes(struct both *b, const uint32_t *ref, size_t n,
		       const uint32_t *cur, size_t m,
		       const struct category_text *list, size_t n_list)
{
	exact_column_codes(&b->ref, ref, n, list, n_list, &b->space);
	exact_column_codes(&b->cur, cur, m, list, n_list, &b->space);
	exact_bins_init(&b->bins, &b->ref);
	exact_pair_init(&b->pair, &b->ref, &b->cur, &b->bins, &b->space);
}

static void both_release(struct both *b)
{
	pair_release(&b->pair);
	exact_column_release(&b->ref);
	exact_column_release(&b->cur);
	exact_space_release(&b->space);
}

static double value_of(const struct detector *d, const struct pair *p)
{
	struct finding f;

	d->run(p, &f);
	assert_int_equal(f.status, FINDING_OK);
	return f.value;
}

static double p_of(const struct detector *d, const struct pair *p)
{
	struct finding f;

	d->run(p, &f);
	assert_int_equal(f.status, FINDING_OK);
	return f.p_value;
}

static void draw(double *v, size_t n, double shift)
{
	size_t i;

	for (i = 0; i < n; i++) {
		v[i] = floor(rng_gauss(&rng) * 64.0 + shift) / 8.0;
		if (rng_below(&rng, 3) == 0)
			v[i] = 0.0;
	}
}

static const struct category_text *words(void)
{
	static char text[WORDS][8];
	static struct category_text list[WORDS];
	size_t i;

	for (i = 0; i < WORDS; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "w%02zu", i);
		list[i] = (struct category_text){text[i], 3, false};
	}
	return list;
}

/* Not 0 between equal sides: what is no distance. */
static bool is_statistic(const struct detector *d)
{
	return d == &detector_cvm || d == &detector_ad || d == &detector_mwu ||
	       d == &detector_n_categories || d->over_rows;
}

static void check_equal_sides(const struct pair *p)
{
	const struct detector *const *all;
	struct finding f;
	size_t n, i;

	all = detector_list(&n);
	for (i = 0; i < n; i++) {
		if ((all[i]->kinds & 1U << p->kind) == 0)
			continue;
		all[i]->run(p, &f);
		if (f.status != FINDING_OK || is_statistic(all[i]))
			continue;
		assert_true(fabs(f.value) <= 1e-12);
		if (all[i]->pvalue_metric != NULL)
			assert_true(f.p_value > 1.0 - 1e-6);
		if (all[i]->bound != NULL)
			assert_true(all[i]->bound(p, &f, 0.05) == 0.0);
	}
}

static void equal_sides_are_no_drift(void **state)
{
	struct both b = {.pair = {.memory = NULL}};
	double v[N];
	uint32_t codes[N];
	size_t i;

	(void)state;
	draw(v, N, 0.0);
	both_numbers(&b, v, N, v, N);
	check_equal_sides(&b.pair);
	assert_true(p_of(&detector_mwu, &b.pair) > 0.99);
	assert_true(value_of(&detector_mwu, &b.pair) == N * N / 2.0);
	assert_true(value_of(&detector_cvm, &b.pair) <= 0.0 ||
		    p_of(&detector_cvm, &b.pair) > 0.9);
	for (i = 0; i < N; i++)
		codes[i] = (uint32_t)rng_below(&rng, WORDS);
	both_codes(&b, codes, N, codes, N, words(), WORDS);
	check_equal_sides(&b.pair);
	both_release(&b);
}

static void symmetric(const struct detector *const *list, size_t n,
		      const struct pair *p, const struct pair *q)
{
	size_t i;

	for (i = 0; i < n; i++) {
		NEAR(value_of(list[i], p), value_of(list[i], q), 1e-9);
		if (list[i]->pvalue_metric != NULL)
			NEAR(p_of(list[i], p), p_of(list[i], q), 1e-9);
	}
}

static void symmetry_holds(void **state)
{
	static const struct detector *const of_numbers[] = {
		&detector_ks, &detector_wasserstein, &detector_energy_distance,
		&detector_cvm, &detector_ad};
	static const struct detector *const of_texts[] = {
		&detector_psi,	    &detector_psi_eps1e6, &detector_psi_laplace,
		&detector_js,	    &detector_hellinger,  &detector_tv,
		&detector_linf,	    &detector_chi2,	  &detector_g,
		&detector_cramers_v};
	struct both b = {.pair = {.memory = NULL}};
	struct both c = {.pair = {.memory = NULL}};
	double v[N], w[N];
	uint32_t x[N], y[N];
	size_t n, m, i;
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		n = 2 + rng_below(&rng, N - 2);
		m = 2 + rng_below(&rng, N - 2);
		draw(v, n, 0.0);
		draw(w, m, 10.0 * rng_gauss(&rng));
		v[0] = -77.0; /* not all equal */
		both_numbers(&b, v, n, w, m);
		both_numbers(&c, w, m, v, n);
		symmetric(of_numbers,
			  sizeof(of_numbers) / sizeof(of_numbers[0]), &b.pair,
			  &c.pair);
		assert_true(value_of(&detector_mwu, &b.pair) +
				    value_of(&detector_mwu, &c.pair) ==
			    (double)(n * m));
		NEAR(value_of(&detector_welch, &b.pair),
		     -value_of(&detector_welch, &c.pair), 1e-9);
		for (i = 0; i < n; i++)
			x[i] = (uint32_t)rng_below(&rng, WORDS - 2);
		for (i = 0; i < m; i++)
			y[i] = 1 + (uint32_t)rng_below(&rng, WORDS - 1);
		x[0] = 0;
		y[0] = WORDS - 1;
		both_codes(&b, x, n, y, m, words(), WORDS);
		both_codes(&c, y, m, x, n, words(), WORDS);
		symmetric(of_texts, sizeof(of_texts) / sizeof(of_texts[0]),
			  &b.pair, &c.pair);
		assert_true(value_of(&detector_n_new_categories, &b.pair) ==
			    value_of(&detector_n_lost_categories, &c.pair));
	}
	both_release(&b);
	both_release(&c);
}

/* Times 4 and turned round the order of rows: bit for bit the same. */
static void scale_and_order_do_not_matter(void **state)
{
	static const struct detector *const same[] = {
		&detector_psi,
		&detector_psi_laplace,
		&detector_psi_left,
		&detector_js,
		&detector_hellinger,
		&detector_tv,
		&detector_kl,
		&detector_ks,
		&detector_ks_robust,
		&detector_cvm,
		&detector_ad,
		&detector_mwu,
		&detector_mean_shift,
		&detector_std_shift,
		&detector_welch,
		&detector_wasserstein_norm,
		&detector_quantile_shift};
	struct both b = {.pair = {.memory = NULL}};
	struct both c = {.pair = {.memory = NULL}};
	double v[N], w[N], v4[N], w4[N];
	size_t i;
	int round;

	(void)state;
	for (round = 0; round < 50; round++) {
		draw(v, N, 0.0);
		draw(w, N, 5.0);
		for (i = 0; i < N; i++) {
			v4[N - 1 - i] = v[i] * 4.0;
			w4[N - 1 - i] = w[i] * 4.0;
		}
		both_numbers(&b, v, N, w, N);
		both_numbers(&c, v4, N, w4, N);
		for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
			assert_true(value_of(same[i], &b.pair) ==
				    value_of(same[i], &c.pair));
		assert_true(value_of(&detector_wasserstein, &c.pair) ==
			    4.0 * value_of(&detector_wasserstein, &b.pair));
		NEAR(value_of(&detector_energy_distance, &c.pair),
		     2.0 * value_of(&detector_energy_distance, &b.pair), 1e-15);
	}
	both_release(&b);
	both_release(&c);
}

static void exact_pairs_of_nothing(void **state)
{
	struct both b = {.pair = {.memory = NULL}};
	double v[] = {1.0, 2.0, value_missing(), -0.0, value_invalid(), 0.0};
	double none[] = {value_missing(), value_invalid()};
	uint32_t missing = CODE_MISSING;
	struct description d[DESCRIBE_MAX];
	const struct detector *const *all;
	struct finding f;
	size_t n, i;

	(void)state;
	both_numbers(&b, v, 6, none, 2);
	assert_int_equal(b.ref.n, 4);
	assert_int_equal(b.ref.n_distinct, 3);
	assert_int_equal(b.ref.n_missing, 1);
	assert_int_equal(b.ref.n_invalid, 1);
	assert_int_equal(b.pair.n_cells, 4);
	assert_int_equal(describe_current(&b.pair, d), 3);
	all = detector_list(&n);
	for (i = 0; i < n; i++) {
		if ((all[i]->kinds & DETECTOR_KINDS_NUMERIC) == 0 ||
		    all[i]->over_rows)
			continue;
		all[i]->run(&b.pair, &f);
		assert_true(f.status == FINDING_EMPTY ||
			    f.status == FINDING_NOT_APPLICABLE);
	}
	both_numbers(&b, none, 2, v, 6);
	assert_int_equal(b.bins.n_edges, 0);
	assert_int_equal(describe_reference(&b.pair, d), 3);
	detector_psi.run(&b.pair, &f);
	assert_int_equal(f.status, FINDING_EMPTY);
	both_numbers(&b, none, 0, none, 0);
	assert_int_equal(b.pair.n_cells, 1);
	both_codes(&b, &missing, 1, &missing, 0, words(), WORDS);
	assert_int_equal(b.pair.n_cells, 0);
	n = describe_reference(&b.pair, d);
	assert_int_equal(n, 4);
	assert_string_equal(d[3].metric, "n_categories");
	assert_true(d[3].value == 0.0);
	exact_pair_init(&b.pair, &b.ref, NULL, &b.bins, &b.space);
	assert_int_equal(b.pair.cur.n, 0);
	both_release(&b);
}

static void constants_have_no_scale(void **state)
{
	static const struct detector *const undefined[] = {
		&detector_wasserstein_norm, &detector_mean_shift,
		&detector_std_shift, &detector_quantile_shift};
	struct both b = {.pair = {.memory = NULL}};
	double v[] = {0.1, 0.1, 0.1}, w[] = {0.3, 0.3};
	struct finding f;
	size_t i;

	(void)state;
	both_numbers(&b, v, 3, w, 2);
	assert_true(b.pair.ref.std0 == 0.0 && b.pair.ref.mean == 0.1);
	for (i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		undefined[i]->run(&b.pair, &f);
		assert_int_equal(f.status, FINDING_UNDEFINED);
		assert_true(isnan(f.value));
	}
	detector_welch.run(&b.pair, &f);
	assert_true(isinf(f.value) && f.value > 0.0 && f.p_value == 0.0);
	NEAR(value_of(&detector_wasserstein, &b.pair), 0.2, 1e-15);
	both_numbers(&b, v, 3, v, 2);
	detector_welch.run(&b.pair, &f);
	assert_int_equal(f.status, FINDING_NOT_APPLICABLE);
	both_release(&b);
}

/* kstwo.sf of SciPy 1.10.1 */
static void law_of_one_sample(void **state)
{
	static const struct {
		uint64_t n;
		double d, q;
	} table[] = {
		{1, 0.7, 0.6000000000000001},
		{2, 0.55, 0.4049999999999999},
		{10, 0.08, 0.9999978058034054},
		{10, 0.3, 0.27053557479999946},
		{140, 0.05, 0.8576480297656114},
		{140, 0.12, 0.03252638258561632},
		{141, 0.05, 0.8548456930096628},
		{500, 0.011, 0.9999999584379959},
		{500, 0.03, 0.7473166700457021},
		{9000, 0.0019, 0.9999999999999991},
		{9000, 0.012, 0.14848349831122842},
		{90909, 0.003, 0.3857468564468999},
		{90909, 0.02, 5.099012595803728e-32},
		{200000, 0.0006, 0.9999996461150613},
		{200000, 0.0031, 0.04272661808355549},
		{1000001, 0.002, 0.0006700258874578572},
		{1000000, 0.002, 0.0006700277103670718},
		{30, 0.97, 4.11782264189309e-46},
		{20, 0.6, 2.0483011649719853e-07},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		NEAR(ks_law_q(table[i].n, table[i].d), table[i].q, 1e-6);
	assert_true(ks_law_q(7, 0.0) == 1.0);
	assert_true(ks_law_q(7, 1.0) == 0.0);
	assert_true(isnan(ks_law_q(7, (double)NAN)));
	assert_true(ks_law_q(UINT64_C(1) << 60, 1e-3) == 0.0);
}

/* Of all orders of n and m values, those with a distance of at least d. */
static double count_orders(unsigned n, unsigned m, int64_t d)
{
	unsigned bits, n_all = 0, n_far = 0, i;

	for (bits = 0; bits < 1U << (n + m); bits++) {
		int64_t h = 0, most = 0;

		if ((unsigned)__builtin_popcount(bits) != n)
			continue;
		for (i = 0; i < n + m; i++) {
			h += (bits >> i & 1) != 0 ? (int64_t)m : -(int64_t)n;
			most = llabs(h) > most ? llabs(h) : most;
		}
		n_all++;
		n_far += most >= d;
	}
	return (double)n_far / n_all;
}

static void exact_law_of_two_samples(void **state)
{
	unsigned n, m;
	int64_t d;

	(void)state;
	for (n = 1; n <= 7; n++) {
		for (m = 1; m <= 7; m++) {
			for (d = 0; d <= (int64_t)(n * m); d++)
				NEAR(ks_exact_q(n, m, (uint64_t)d),
				     count_orders(n, m, d), 1e-13);
		}
	}
	/* reflection: P(D >= h/n) = 2 C(2n, n-h)/C(2n, n) for h > n/2 */
	NEAR(ks_exact_q(100, 100, 60 * 100),
	     2.0 * exp(2.0 * lgamma(101.0) - lgamma(41.0) - lgamma(161.0)),
	     1e-11);
	assert_true(ks_exact_q(10000, 10000, 100000000) == 0.0);
	assert_true(ks_exact_q(10000, 9999, 1) == 1.0);
}

static void tails(void **state)
{
	static const struct {
		double t, dof, q;
	} student[] = {
		{2.385, 3.7, 0.04040802351066854},
		{2.385, 60, 0.010127675666964616},
		{0.01, 5, 0.4962040090212909},
		{30, 12.5, 2.5153042708338123e-13},
		{7.5, 1e5, 3.217120077555107e-14},
		{5.1, 1e9, 1.6982677161381036e-07},
		{2.385, 1e7 + 1.0, 0.008539569933612509},
		{40, 2, 0.0003122073360923703},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(student) / sizeof(student[0]); i++)
		NEAR(special_student_q(student[i].t, student[i].dof),
		     student[i].q, 1e-7);
	assert_true(special_student_q(0.0, 3.0) == 0.5);
	NEAR(special_student_q(-2.385, 60), 1.0 - 0.010127675666964616, 1e-9);
	assert_true(isnan(special_student_q((double)NAN, 3.0)));
	NEAR(special_normal_q(10.0), 7.619853024160526e-24, 1e-12);
	/* K_(1/2)(x) = sqrt(pi / 2x) exp(-x) */
	NEAR(special_bessel_k_scaled(0.5, 2.385), sqrt(M_PI / 4.77), 1e-13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_sides_are_no_drift),
		cmocka_unit_test(symmetry_holds),
		cmocka_unit_test(scale_and_order_do_not_matter),
		cmocka_unit_test(exact_pairs_of_nothing),
		cmocka_unit_test(constants_have_no_scale),
		cmocka_unit_test(law_of_one_sample),
		cmocka_unit_test(exact_law_of_two_samples),
		cmocka_unit_test(tails),
	};

	special_init();
	rng = rng_start("test_measures");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
