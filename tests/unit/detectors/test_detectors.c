/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Detectors: every one in the registry over empty, huge, one-bin and random
 * pairs; the KS interval against the exact distance; special functions
 * against tables.  The numbers themselves are test_golden's.
 */
#include "base/err.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
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
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3000 };

static struct rng rng;

static void near_(double a, double b, double relative, int line)
{
	if (fabs(a - b) <= relative * fabs(b))
		return;
	print_error("line %d: %.17g is not %.17g\n", line, a, b);
	fail();
}
#define NEAR(a, b, relative) near_(a, b, relative, __LINE__)

static struct baseline *numeric_baseline(const double *v, size_t n,
					 unsigned resolution)
{
	struct baseline_spec_column spec = {"x", COLUMN_NUMERIC, ROLE_FEATURE};
	struct baseline_builder *b =
		baseline_builder_new(&spec, 1, resolution, 100, 0);
	struct baseline *out;
	struct err e;

	assert_int_equal(baseline_builder_numbers(b, 0, v, n, &e), 0);
	assert_int_equal(baseline_builder_rows(b, NULL, n, &e), 0);
	out = baseline_builder_finish(b, &e);
	baseline_builder_free(b);
	return out;
}

static struct baseline *text_baseline(const char *const *values, size_t n,
				      uint32_t max)
{
	struct baseline_spec_column spec = {"x", COLUMN_CATEGORICAL,
					    ROLE_FEATURE};
	struct baseline_builder *b = baseline_builder_new(&spec, 1, 64, max, 0);
	struct baseline *out;
	struct err e;
	size_t i;

	for (i = 0; i < n; i++) {
		struct category_text t = {values[i],
					  (uint32_t)strlen(values[i]), false};
		uint32_t code = 0;

		assert_int_equal(
			baseline_builder_codes(b, 0, &code, 1, &t, 1, &e), 0);
		assert_int_equal(baseline_builder_rows(b, NULL, 1, &e), 0);
	}
	out = baseline_builder_finish(b, &e);
	baseline_builder_free(b);
	return out;
}

/* Differences and statistics that are not distances. */
static bool has_sign(const struct detector *d)
{
	return d == &detector_mean_shift || d == &detector_std_shift ||
	       d == &detector_welch || d == &detector_ad ||
	       d == &detector_cvm || d == &detector_kl;
}

/* A finding must be whole: no NaN where it is ok, bounds around the value. */
static void run_all(const struct pair *p)
{
	size_t n, i;
	uint32_t j;
	const struct detector *const *all = detector_list(&n);

	for (i = 0; i < n; i++) {
		const struct detector *d = all[i];
		struct finding f;

		if ((d->kinds & 1U << p->kind) == 0)
			continue;
		d->run(p, &f);
		if (f.status != FINDING_OK) {
			assert_true(isnan(f.value) && isnan(f.p_value));
			assert_int_equal(f.n_extras, 0);
			continue;
		}
		assert_true(p->is_exact || !d->offline);
		assert_true(isfinite(f.value) || d == &detector_welch);
		assert_true(f.value >= 0.0 || has_sign(d));
		assert_true(f.lower <= f.value && f.value <= f.upper);
		assert_true(!p->is_exact || f.lower == f.upper);
		assert_true(d->pvalue_metric != NULL || isnan(f.p_value));
		for (j = 0; j < f.n_extras; j++)
			assert_true(isfinite(f.extras[j].value));
		if (!isnan(f.p_value))
			assert_true(f.p_value >= 0.0 && f.p_value <= 1.0);
		if (d->bound != NULL) {
			double bound = d->bound(p, &f, 1e-4);

			assert_true(bound >= 0.0);
			assert_true(bound <= f.value * (1 + 1e-12));
		}
		for (j = 0; d->contribution != NULL && p->cur.n > 0 &&
			    p->ref.n > 0 && j < p->n_bins;
		     j++)
			assert_true(d->contribution(p, j) >= 0.0);
	}
}

static void registry_is_sound(void **state)
{
	size_t n, i, j;
	const struct detector *const *all = detector_list(&n);

	(void)state;
	assert_in_range(n, 1, DETECTORS_MAX);
	for (i = 0; i < n; i++) {
		assert_non_null(all[i]->summary);
		assert_non_null(all[i]->run);
		assert_true((all[i]->bound != NULL) == all[i]->decides);
		/* what decides by default has a threshold; others may */
		assert_true(all[i]->decides || isnan(all[i]->thresholds.error));
		assert_true(!all[i]->by_default || !all[i]->offline);
		assert_true(!all[i]->always || all[i]->by_default);
		assert_int_equal(detector_index(all[i]), i);
		assert_ptr_equal(detector_find(all[i]->name), all[i]);
		assert_ptr_equal(detector_find(all[i]->metric), all[i]);
		for (j = 0; j < i; j++)
			assert_string_not_equal(all[i]->metric, all[j]->metric);
	}
	assert_null(detector_find("nonsense"));
}

static void special_values(void **state)
{
	(void)state;
	/* closed forms for 3 and 4 degrees of freedom; tables of quantiles */
	NEAR(special_chisq_q(2.385, 3),
	     erfc(sqrt(2.385 / 2)) + sqrt(2 * 2.385 / M_PI) * exp(-2.385 / 2),
	     1e-13);
	NEAR(special_chisq_q(95.4, 4), exp(-47.7) * (1 + 47.7), 1e-12);
	NEAR(special_chisq_q(special_chisq_q_inv(0.0025, 9), 9), 0.0025, 1e-9);
	NEAR(special_chisq_q_inv(0.05, 1), 3.841458820694124, 1e-9);
	NEAR(special_normal_q_inv(0.025), 1.959963984540054, 1e-12);
	assert_true(isfinite(special_chisq_q_inv(1e-300, 1e6)));
	assert_true(special_chisq_q_inv(1.0, 3) == 0.0);
	assert_true(special_chisq_q(-1.0, 3) == 1.0);
	assert_true(special_chisq_q(HUGE_VAL, 3) == 0.0);
	assert_true(isnan(special_chisq_q((double)NAN, 3)));
	/* Kolmogorov's law: Smirnov's table (1948), and both series at 1 */
	NEAR(special_kolmogorov_q(1.36), 0.0494858767553, 1e-6);
	NEAR(special_kolmogorov_q(0.5), 0.963945243664875, 1e-12);
	NEAR(special_kolmogorov_q(nextafter(1.0, 0.0)),
	     special_kolmogorov_q(1.0), 1e-13);
	assert_true(special_kolmogorov_q(0.0) == 1.0);
	assert_true(special_kolmogorov_q(1e-3) == 1.0);
	assert_true(special_kolmogorov_q(40.0) == 0.0);
}

static void equal_sides_are_no_drift(void **state)
{
	double v[N];
	struct baseline *b;
	struct pair p;
	struct finding f;
	size_t i, n;
	const struct detector *const *all = detector_list(&n);

	(void)state;
	for (i = 0; i < N; i++)
		v[i] = rng_gauss(&rng);
	b = numeric_baseline(v, N, 256);
	pair_init(&p, &b->columns[0], b->columns[0].profile);
	run_all(&p);
	for (i = 0; i < n; i++) {
		if ((all[i]->kinds & DETECTOR_KINDS_NUMERIC) == 0)
			continue;
		all[i]->run(&p, &f);
		if (all[i]->offline || all[i] == &detector_psi_missbin)
			assert_int_equal(f.status, FINDING_NOT_APPLICABLE);
		else if (f.lower == f.upper)
			assert_true(f.value == 0.0);
		else
			assert_true(fabs(f.value) < 1e-12 && f.lower <= 0.0);
	}
	pair_release(&p);
	baseline_free(b);
}

/* max |F - G| over the pooled values, in integers. */
static double exact_ks(double *a, size_t n, double *b, size_t m)
{
	double *spare = malloc((n > m ? n : m) * sizeof(*spare));
	size_t i = 0, j = 0;
	int64_t most = 0;

	sort_numbers(a, spare, n);
	sort_numbers(b, spare, m);
	while (i < n || j < m) {
		double x = j == m || (i < n && a[i] <= b[j]) ? a[i] : b[j];
		int64_t d;

		while (i < n && a[i] == x)
			i++;
		while (j < m && b[j] == x)
			j++;
		d = (int64_t)(i * m) - (int64_t)(j * n);
		d = d < 0 ? -d : d;
		most = d > most ? d : most;
	}
	free(spare);
	return (double)most / ((double)n * (double)m);
}

static double draw(uint64_t kind, double shift)
{
	switch (kind) {
	case 0:
		return rng_gauss(&rng) + shift + 0.0;
	case 1:
		return floor(10.0 * rng_gauss(&rng) + shift) + 0.0;
	case 2:
		return exp(rng_gauss(&rng)) * (1.0 + shift);
	case 3:
		return rng_below(&rng, 4) == 0 ? rng_unit(&rng) + shift : 0.0;
	default:
		return shift; /* constant */
	}
}

static void ks_interval_holds(void **state)
{
	double a[N], b[N], exact;
	int round;

	(void)state;
	for (round = 0; round < 300; round++) {
		uint64_t kind = rng_below(&rng, 5);
		size_t n = 1 + rng_below(&rng, N), m = 1 + rng_below(&rng, N);
		double shift = rng_below(&rng, 3) == 0 ? 0.0 : rng_gauss(&rng);
		unsigned resolution = 16 + (unsigned)rng_below(&rng, 300);
		struct baseline *base;
		struct profile *cur;
		struct finding f;
		struct pair p;
		size_t i;

		for (i = 0; i < n; i++)
			a[i] = draw(kind, 0.0);
		for (i = 0; i < m; i++)
			b[i] = draw(kind, shift);
		base = numeric_baseline(a, n, resolution);
		cur = profile_new(COLUMN_NUMERIC, base->columns[0].cells, 10);
		profile_add_numbers(cur, b, NULL, m);
		pair_init(&p, &base->columns[0], cur);
		run_all(&p);
		detector_ks.run(&p, &f);
		exact = exact_ks(a, n, b, m);
		assert_true(f.lower <= exact && exact <= f.upper);
		if (kind == 1 && resolution > 150) /* each value is a cell */
			assert_true(f.upper - f.lower <= 0.02);
		assert_true(detector_ks.bound(&p, &f, 0.01) <= exact);
		pair_release(&p);
		profile_free(cur);
		baseline_free(base);
	}
}

static void empty_sides(void **state)
{
	double v[4], none = value_missing();
	struct baseline *b;
	struct profile *cur, *other;
	struct pair p;
	struct finding f;

	(void)state;
	v[0] = v[1] = 2.385;
	v[2] = value_invalid();
	v[3] = value_missing();
	b = numeric_baseline(v, 4, 64);
	pair_init(&p, &b->columns[0], NULL);
	run_all(&p);
	detector_psi.run(&p, &f);
	assert_int_equal(f.status, FINDING_EMPTY);
	detector_missing_share.run(&p, &f);
	assert_int_equal(f.status, FINDING_EMPTY);
	pair_release(&p);

	/* a profile of the other kind: its values are invalid here */
	other = profile_new(COLUMN_CATEGORICAL, NULL, 10);
	other->n_valid = 7;
	other->n_missing = 1;
	pair_init(&p, &b->columns[0], other);
	assert_int_equal(p.n_cells, 0);
	assert_int_equal(p.cur.n_invalid, 7);
	run_all(&p);
	detector_invalid_share.run(&p, &f);
	assert_true(f.value == 0.875);
	pair_release(&p);
	profile_free(other);
	baseline_free(b);

	b = numeric_baseline(&none, 1, 64); /* nothing was ever there */
	cur = profile_new(COLUMN_NUMERIC, b->columns[0].cells, 10);
	profile_add_numbers(cur, v, NULL, 4);
	pair_init(&p, &b->columns[0], cur);
	run_all(&p);
	detector_out_of_range_share.run(&p, &f);
	assert_int_equal(f.status, FINDING_EMPTY);
	detector_missing_share.run(&p, &f);
	assert_true(f.value == 0.25);
	pair_release(&p);
	profile_free(cur);
	baseline_free(b);
}

static void huge_counts(void **state)
{
	double v[N];
	struct baseline *b;
	struct profile *cur;
	struct pair p;
	struct finding f;
	size_t i;

	(void)state;
	for (i = 0; i < N; i++)
		v[i] = rng_unit(&rng);
	b = numeric_baseline(v, N, 256);
	cur = profile_new(COLUMN_NUMERIC, b->columns[0].cells, 10);
	profile_add_numbers(cur, v, NULL, N / 3);
	for (i = 0; i < 36; i++)
		assert_int_equal(profile_merge(cur, cur, NULL), 0);
	pair_init(&p, &b->columns[0], cur);
	run_all(&p);
	detector_ks.run(&p, &f);
	assert_true(f.upper < 0.2);
	pair_release(&p);
	profile_free(cur);
	baseline_free(b);
}

static void categories_line_up(void **state)
{
	static const char *const ref[] = {"b", "d", "d", "a"};
	struct baseline *b = text_baseline(ref, 4, 10);
	struct category_text t[] = {{"c", 1, false},
				    {"d", 1, false},
				    {"e", 1, false},
				    {"", 0, false}};
	uint32_t codes[] = {0, 1, 1, 2, 3, 0, CODE_MISSING, CODE_INVALID};
	struct profile *cur =
		profile_new(COLUMN_CATEGORICAL, b->columns[0].cells, 2);
	struct pair p;
	struct finding f;
	uint32_t j;

	(void)state;
	profile_add_categories(cur, codes, NULL, 8, t, 4);
	pair_init(&p, &b->columns[0], cur);
	run_all(&p);
	/* a, b, d, two of {"", c, e}, and __other__ for the third */
	assert_int_equal(p.n_cells, 6);
	for (j = 1; j + 1 < p.n_cells; j++)
		assert_true(strcmp(p.names[j - 1], p.names[j]) < 0);
	assert_string_equal(p.names[5], "__other__");
	assert_true(p.is_new[5]);
	assert_true(p.truncated);
	assert_false(p.ref_truncated);
	detector_new_category_share.run(&p, &f);
	assert_true(f.value == 4.0 / 6.0);
	detector_linf.run(&p, &f);
	assert_true(f.value >= 0.25);
	pair_release(&p);
	profile_free(cur);
	baseline_free(b);

	b = text_baseline(ref, 4, 2); /* the reference itself is cut */
	pair_init(&p, &b->columns[0], b->columns[0].profile);
	run_all(&p);
	assert_int_equal(p.n_cells, 3);
	assert_false(p.is_new[2]);
	assert_true(p.ref_truncated);
	detector_new_category_share.run(&p, &f);
	assert_int_equal(f.status, FINDING_NOT_APPLICABLE);
	pair_release(&p);
	baseline_free(b);
}

static void one_category(void **state)
{
	static const char *const ref[] = {"only", "only"};
	struct baseline *b = text_baseline(ref, 2, 10);
	struct pair p;
	struct finding f;

	(void)state;
	pair_init(&p, &b->columns[0], b->columns[0].profile);
	run_all(&p);
	detector_chi2.run(&p, &f);
	assert_true(f.value == 0.0 && f.p_value == 1.0);
	pair_release(&p);
	baseline_free(b);
}

/*
 * Samples of one law: how often a bound is above zero is the false alarm
 * rate, which must not be far above alpha; and shifts must be seen.
 */
static void bounds_hold_their_alpha(void **state)
{
	enum { ROUNDS = 400, M = 1000 };
	static double ref[20000], cur[M];
	const struct detector *const d[] = {&detector_psi, &detector_js,
					    &detector_ks};
	int alarms[3] = {0, 0, 0}, hits[3] = {0, 0, 0}, round, k;
	struct baseline *b;
	size_t i;

	(void)state;
	for (i = 0; i < 20000; i++)
		ref[i] = rng_gauss(&rng);
	b = numeric_baseline(ref, 20000, 256);
	for (round = 0; round < 2 * ROUNDS; round++) {
		struct profile *p =
			profile_new(COLUMN_NUMERIC, b->columns[0].cells, 10);
		double shift = round < ROUNDS ? 0.0 : 0.7;
		struct pair pair;
		struct finding f;

		for (i = 0; i < M; i++)
			cur[i] = rng_gauss(&rng) + shift;
		profile_add_numbers(p, cur, NULL, M);
		pair_init(&pair, &b->columns[0], p);
		for (k = 0; k < 3; k++) {
			d[k]->run(&pair, &f);
			if (d[k]->bound(&pair, &f, 0.01) >
			    (shift > 0.0 ? d[k]->thresholds.error : 0.0))
				(shift > 0.0 ? hits : alarms)[k]++;
		}
		pair_release(&pair);
		profile_free(p);
	}
	for (k = 0; k < 3; k++) {
		/* 4 expected of 400; 16 has a probability of 3e-6 */
		assert_in_range(alarms[k], 0, 16);
		assert_int_equal(hits[k], ROUNDS);
	}
	baseline_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_is_sound),
		cmocka_unit_test(special_values),
		cmocka_unit_test(equal_sides_are_no_drift),
		cmocka_unit_test(ks_interval_holds),
		cmocka_unit_test(empty_sides),
		cmocka_unit_test(huge_counts),
		cmocka_unit_test(categories_line_up),
		cmocka_unit_test(one_category),
		cmocka_unit_test(bounds_hold_their_alpha),
	};

	special_init();
	rng = rng_start("test_detectors");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
