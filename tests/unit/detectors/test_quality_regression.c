/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Quality of numbers: against sums in long double, far from zero too; the
 * median within its cell; parts that add up and can be taken away.
 */
#include "base/buf.h"
#include "base/err.h"
#include "detectors/quality.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 600, N_MAX = 200 };

static struct rng rng;

struct sample {
	size_t n;
	double label[N_MAX], predicted[N_MAX];
};

static void draw_sample(struct sample *s, uint64_t shape)
{
	static const double offsets[] = {0.0, 5.0, 1e9, -3.0, 1e4, 7.0};
	static const double scales[] = {1.0, 1.0, 1.0, 2.0, 300.0, 0.0};

	s->n = 1 + rng_below(&rng, N_MAX);
	for (size_t i = 0; i < s->n; i++) {
		s->label[i] = offsets[shape] + scales[shape] * rng_gauss(&rng);
		s->predicted[i] =
			s->label[i] + (scales[shape] + 0.1) * rng_gauss(&rng);
		if (rng_below(&rng, 10) == 0)
			s->predicted[i] = s->label[i];
		if (shape == 4) { /* whole numbers, as prices are */
			s->label[i] = floor(s->label[i]);
			s->predicted[i] = floor(s->predicted[i]);
		}
	}
}

static void count(struct quality_regression *q, const struct sample *s,
		  size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		quality_regression_add(q, s->label[i], s->predicted[i]);
}

static struct interval value(const struct quality_rows *rows,
			     const char *metric)
{
	const struct quality_row *r = quality_rows_find(rows, metric);

	if (r == NULL)
		fail_msg("there is no %s", metric);
	return r->value;
}

static void near(const char *metric, struct interval have, long double want,
		 double tolerance)
{
	double w = (double)want;

	if (isnan(w) ? isnan(have.lower)
		     : fabs(have.lower - w) <= tolerance * fabs(w) + 1e-300 &&
			       have.lower == have.upper)
		return;
	fail_msg("%s is [%.17g, %.17g], not %.17g", metric, have.lower,
		 have.upper, w);
}

struct slow {
	long double mae, mse, bias, mape, msle, r2, explained, max;
	long double lost; /* of r2, when squares are off by 2^-96 */
	bool has_negative;
};

static struct slow slowly(const struct sample *s)
{
	struct slow out = {.mae = 0.0L};
	long double n = (long double)s->n, mean = 0.0L, labels = 0.0L;
	long double errors = 0.0L;
	bool constant = true;

	for (size_t i = 0; i < s->n; i++)
		mean += (long double)s->label[i] / n;
	for (size_t i = 0; i < s->n; i++) {
		double e = s->predicted[i] - s->label[i];

		out.bias += (long double)e / n;
	}
	for (size_t i = 0; i < s->n; i++) {
		double y = s->label[i], e = s->predicted[i] - y;
		long double d =
			(long double)(log1p(s->predicted[i]) - log1p(y));

		out.mae += fabsl((long double)e) / n;
		out.mse += (long double)e * (long double)e / n;
		out.mape += fabsl((long double)e) /
			    fmaxl(fabsl((long double)y), 0x1p-52L) / n;
		out.msle += d * d / n;
		out.max = fmaxl(out.max, fabsl((long double)e));
		labels += ((long double)y - mean) * ((long double)y - mean);
		errors += ((long double)e - out.bias) *
			  ((long double)e - out.bias);
		constant = constant && y == s->label[0];
		out.has_negative =
			out.has_negative || y < 0.0 || s->predicted[i] < 0.0;
	}
	out.r2 = constant ? (long double)(double)NAN
			  : 1.0L - out.mse * n / labels;
	out.explained =
		constant ? (long double)(double)NAN : 1.0L - errors / labels;
	out.lost = (1.0L + fabsl(out.r2)) *
		   (1e-11L + n * mean * mean / labels * 0x1p-96L);
	return out;
}

static double slow_median(const struct sample *s)
{
	double errors[N_MAX];

	for (size_t i = 0; i < s->n; i++)
		errors[i] = s->predicted[i] - s->label[i];
	return quality_median(errors, s->n);
}

/* Of 1 - x, where what is lost is absolute. */
static void near_share(const char *metric, struct interval have,
		       long double want, const struct slow *s)
{
	if (isnan((double)want)
		    ? isnan(have.lower)
		    : fabsl((long double)have.lower - want) <= s->lost)
		return;
	fail_msg("%s is %.17g, not %.17g", metric, have.lower, (double)want);
}

static void check_slowly(const struct sample *s,
			 const struct quality_regression *q)
{
	struct slow want = slowly(s);
	struct quality_rows rows = {.n = 0};
	double medae = slow_median(s);
	struct interval bounds;

	quality_regression_rows(q, NULL, &rows);
	near("mae", value(&rows, "mae"), want.mae, 1e-13);
	near("mse", value(&rows, "mse"), want.mse, 1e-13);
	near("rmse", value(&rows, "rmse"), sqrtl(want.mse), 1e-13);
	if (fabsl(want.bias) > 1e-6L * want.mae)
		near("bias", value(&rows, "bias"), want.bias, 1e-11);
	near("mape", value(&rows, "mape"), want.mape, 1e-13);
	near("max_error", value(&rows, "max_error"), want.max, 0.0);
	near_share("r2", value(&rows, "r2"), want.r2, &want);
	near_share("explained_variance", value(&rows, "explained_variance"),
		   want.explained, &want);
	assert_true(want.has_negative ==
		    (quality_rows_find(&rows, "msle") == NULL));
	if (!want.has_negative)
		near("msle", value(&rows, "msle"), want.msle, 1e-12);
	bounds = value(&rows, "medae");
	assert_true(bounds.lower <= medae && medae <= bounds.upper);
	assert_true(bounds.upper <= medae * 1.012 + 1e-300 || s->n % 2 == 0);
	quality_rows_release(&rows);
	quality_regression_rows(q, &medae, &rows);
	near("medae", value(&rows, "medae"), (long double)medae, 0.0);
	quality_rows_release(&rows);
}

static void sums_are_those_of_long_double(void **state)
{
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_regression q = {.n = 0};

		draw_sample(&s, round % 6);
		count(&q, &s, 0, s.n);
		check_slowly(&s, &q);
		quality_regression_release(&q);
	}
}

/* What is left after taking away is what the rest alone would have given. */
static void parts_add_up_and_can_be_taken_away(void **state)
{
	static struct sample s, rest;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_regression a = {.n = 0}, b = {.n = 0};
		struct quality_rows rows = {.n = 0};
		struct slow want;
		struct err e;
		size_t cut;

		draw_sample(&s, round % 5);
		cut = rng_below(&rng, s.n);
		count(&a, &s, 0, cut);
		count(&b, &s, cut, s.n);
		assert_int_equal(quality_regression_merge(&a, &b, &e), 0);
		check_slowly(&s, &a);
		quality_regression_release(&b);
		count(&b, &s, 0, cut);
		assert_int_equal(quality_regression_subtract(&a, &b, &e), 0);
		rest.n = s.n - cut;
		memcpy(rest.label, s.label + cut, rest.n * sizeof(double));
		memcpy(rest.predicted, s.predicted + cut,
		       rest.n * sizeof(double));
		want = slowly(&rest);
		quality_regression_rows(&a, NULL, &rows);
		near("mae", value(&rows, "mae"), want.mae, 1e-12);
		near("mse", value(&rows, "mse"), want.mse, 1e-12);
		assert_true(value(&rows, "max_error").lower <=
				    (double)want.max * (1.0 + 1e-12) &&
			    (double)want.max <=
				    value(&rows, "max_error").upper);
		if (rest.n > 1)
			near_share("r2", value(&rows, "r2"), want.r2, &want);
		quality_rows_release(&rows);
		/* what is not there cannot be taken away */
		if (a.n < s.n) {
			quality_regression_release(&b);
			count(&b, &s, 0, s.n);
			assert_int_equal(
				quality_regression_subtract(&a, &b, &e), -1);
		}
		quality_regression_release(&a);
		quality_regression_release(&b);
	}
}

static void all_taken_away_is_nothing(void **state)
{
	struct quality_regression a = {.n = 0}, b = {.n = 0};
	struct quality_rows rows = {.n = 0};
	struct err e;

	(void)state;
	quality_regression_add(&a, 1.0, 0.1);
	quality_regression_add(&b, 1.0, 0.1);
	assert_int_equal(quality_regression_subtract(&a, &b, &e), 0);
	quality_regression_rows(&a, NULL, &rows);
	assert_int_equal(rows.n, 1);
	quality_rows_release(&rows);
	quality_regression_release(&a);
	quality_regression_release(&b);
}

/* A label that was changed away leaves equal ones: r2 is undefined again. */
static void constant_labels_after_taking_away(void **state)
{
	struct quality_regression a = {.n = 0}, b = {.n = 0};
	struct quality_rows rows = {.n = 0};
	struct err e;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		quality_regression_add(&a, 0.1, 0.2 + rng_unit(&rng));
	quality_regression_add(&a, 0.7, 0.2);
	quality_regression_add(&b, 0.7, 0.2);
	assert_int_equal(quality_regression_subtract(&a, &b, &e), 0);
	quality_regression_rows(&a, NULL, &rows);
	near("r2", value(&rows, "r2"), (long double)(double)NAN, 0.0);
	quality_rows_release(&rows);
	quality_regression_release(&a);
	quality_regression_release(&b);
}

static void bytes_come_back_and_damage_is_no_crash(void **state)
{
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < 200; round++) {
		struct quality_regression q = {.n = 0}, back = {.n = 0};
		struct reader in;
		struct buf bytes, again;
		struct err e;

		draw_sample(&s, round % 6);
		count(&q, &s, 0, s.n);
		buf_init(&bytes, 1 << 20);
		buf_init(&again, 1 << 20);
		quality_regression_encode(&q, &bytes);
		reader_init(&in, bytes.data, bytes.len);
		assert_int_equal(quality_regression_decode(&back, &in, &e), 0);
		assert_true(reader_is_done(&in));
		quality_regression_encode(&back, &again);
		assert_int_equal(bytes.len, again.len);
		assert_memory_equal(bytes.data, again.data, bytes.len);
		quality_regression_release(&back);
		for (size_t len = 0; len < bytes.len; len++) {
			reader_init(&in, bytes.data, len);
			assert_int_equal(
				quality_regression_decode(&back, &in, &e), -1);
		}
		bytes.data[rng_below(&rng, bytes.len)] ^=
			(char)(1 << rng_below(&rng, 8));
		reader_init(&in, bytes.data, bytes.len);
		if (quality_regression_decode(&back, &in, &e) == 0) {
			struct quality_rows rows = {.n = 0};

			quality_regression_rows(&back, NULL, &rows);
			quality_rows_release(&rows);
			quality_regression_release(&back);
		}
		buf_release(&bytes);
		buf_release(&again);
		quality_regression_release(&q);
	}
}

static void extremes_of_doubles_are_no_crash(void **state)
{
	static const double values[] = {0.0,   -0.0,   1e308,	-1e308,
					1e300, 5e-324, -5e-324, 1.0};
	struct quality_regression q = {.n = 0};
	struct quality_rows rows = {.n = 0};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < 8; k++)
			quality_regression_add(&q, values[i], values[k]);
	quality_regression_rows(&q, NULL, &rows);
	assert_true(rows.n > 8);
	quality_rows_release(&rows);
	quality_regression_release(&q);
	assert_int_equal(quality_error_key(0.0), INT32_MIN);
	assert_int_equal(quality_error_key(HUGE_VAL), INT32_MAX);
	assert_true(quality_error_key(5e-324) > -70000);
}

static void standard_errors_are_the_spread(void **state)
{
	static const char *const metrics[] = {"mae", "mse", "rmse", "bias"};
	enum { REPEATS = 400, N = 300 };
	double sum[4] = {0.0}, squares[4] = {0.0}, said[4] = {0.0};

	(void)state;
	for (size_t r = 0; r < REPEATS; r++) {
		struct quality_regression q = {.n = 0};
		struct quality_rows rows = {.n = 0};

		for (size_t i = 0; i < N; i++)
			quality_regression_add(&q, 10.0,
					       10.5 + rng_gauss(&rng));
		quality_regression_rows(&q, NULL, &rows);
		for (size_t k = 0; k < 4; k++) {
			const struct quality_row *row =
				quality_rows_find(&rows, metrics[k]);

			sum[k] += row->value.lower;
			squares[k] += row->value.lower * row->value.lower;
			said[k] += row->standard_error;
		}
		quality_rows_release(&rows);
		quality_regression_release(&q);
	}
	for (size_t k = 0; k < 4; k++) {
		double mean = sum[k] / REPEATS;
		double spread = sqrt(squares[k] / REPEATS - mean * mean);
		double ratio = said[k] / REPEATS / spread;

		if (ratio < 0.82 || ratio > 1.2)
			fail_msg("%s: standard error %.3g, spread %.3g",
				 metrics[k], said[k] / REPEATS, spread);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_long_double),
		cmocka_unit_test(parts_add_up_and_can_be_taken_away),
		cmocka_unit_test(all_taken_away_is_nothing),
		cmocka_unit_test(constant_labels_after_taking_away),
		cmocka_unit_test(bytes_come_back_and_damage_is_no_crash),
		cmocka_unit_test(extremes_of_doubles_are_no_crash),
		cmocka_unit_test(standard_errors_are_the_spread),
	};

	rng = rng_start("quality_regression");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
