/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Quality of two classes: against counting pair by pair and score by score;
 * over coarse cells as intervals that hold the exact number; parts that add up
 * and can be taken away; bytes there and back.
 */
#include "base/buf.h"
#include "base/err.h"
#include "detectors/cells.h"
#include "detectors/quality.h"
#include "detectors/sort.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 1500, N_MAX = 300 };

static struct rng rng;

struct sample {
	size_t n;
	double score[N_MAX];
	bool label[N_MAX], called[N_MAX];
};

static double draw_score(uint64_t shape)
{
	double u = rng_unit(&rng);

	switch (shape) {
	case 0:
		return u;
	case 1:
		return floor(u * 100.0) / 100.0; /* as car_loan: with 0 */
	case 2:
		return floor(u * 11.0) / 10.0; /* limits of bins; 0 and 1 */
	case 3:
		return u * u * u * 1e-9;
	case 4:
		return u < 0.5 ? 0.0 : 1.0;
	case 5:
		return 1.0 - u * 1e-15;
	default:
		return 1.0 / (1.0 + exp(-4.0 * rng_gauss(&rng)));
	}
}

static void draw_sample(struct sample *s, uint64_t shape)
{
	s->n = 1 + rng_below(&rng, N_MAX);
	for (size_t i = 0; i < s->n; i++) {
		s->score[i] = draw_score(shape);
		s->label[i] = rng_unit(&rng) < 0.2 + 0.6 * s->score[i];
		s->called[i] = s->score[i] > 0.4;
	}
}

static size_t edges_of(const struct sample *s, double *edges)
{
	static double spare[N_MAX];
	size_t n = 0;

	memcpy(edges, s->score, s->n * sizeof(*edges));
	sort_numbers(edges, spare, s->n);
	for (size_t i = 0; i < s->n; i++)
		if (i == 0 || edges[i] != edges[n - 1])
			edges[n++] = edges[i];
	return n;
}

static void count(struct quality_binary *q, const struct sample *s,
		  size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		quality_binary_add(q, s->label[i], &s->called[i], &s->score[i]);
}

static struct quality_rows rows_of(const struct quality_binary *q)
{
	struct quality_rows rows = {.n = 0};

	quality_binary_rows(q, &rows);
	return rows;
}

static double exactly(const struct quality_rows *rows, const char *metric)
{
	const struct quality_row *r = quality_rows_find(rows, metric);

	assert_non_null(r);
	assert_true(r->value.lower == r->value.upper ||
		    (isnan(r->value.lower) && isnan(r->value.upper)));
	return r->value.lower;
}

static void near(const char *metric, double have, double want)
{
	if (isnan(want) ? isnan(have)
			: fabs(have - want) <= 1e-12 + 1e-11 * fabs(want))
		return;
	fail_msg("%s is %.17g, not %.17g", metric, have, want);
}

/* ---- the same, slowly ---- */

static double slow_auc(const struct sample *s)
{
	double won = 0.0, pairs = 0.0;

	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->n; k++) {
			if (!s->label[i] || s->label[k])
				continue;
			pairs += 1.0;
			won += s->score[i] > s->score[k]    ? 1.0
			       : s->score[i] == s->score[k] ? 0.5
							    : 0.0;
		}
	}
	return pairs > 0.0 ? won / pairs : (double)NAN;
}

struct slow_curve {
	double average_precision, trapezoid, separation;
};

/* Thresholds from the highest score down. */
static struct slow_curve slow_curve(const struct sample *s, double *edges,
				    size_t n_edges)
{
	struct slow_curve out = {0.0, 0.0, 0.0};
	double positives = 0.0, recall = 0.0, precision = 1.0;

	for (size_t i = 0; i < s->n; i++)
		positives += s->label[i];
	if (positives == 0.0 || positives == (double)s->n)
		return (struct slow_curve){(double)NAN, (double)NAN,
					   (double)NAN};
	for (size_t e = n_edges; e > 0; e--) {
		double t = 0.0, f = 0.0, p, r;

		for (size_t i = 0; i < s->n; i++) {
			t += s->score[i] >= edges[e - 1] && s->label[i];
			f += s->score[i] >= edges[e - 1] && !s->label[i];
		}
		p = t / (t + f);
		r = t / positives;
		out.average_precision += (r - recall) * p;
		out.trapezoid += (r - recall) * (p + precision) / 2.0;
		out.separation = fmax(out.separation,
				      r - f / ((double)s->n - positives));
		recall = r;
		precision = p;
	}
	return out;
}

static double slow_log_loss(const struct sample *s, double eps)
{
	double sum = 0.0;

	for (size_t i = 0; i < s->n; i++) {
		double p = fmin(fmax(s->score[i], eps), 1.0 - eps);

		sum -= s->label[i] ? log(p) : log(1.0 - p);
	}
	return sum / (double)s->n;
}

struct slow_calibration {
	double ece, mce;
};

static struct slow_calibration slow_calibration(const struct sample *s,
						bool right)
{
	struct slow_calibration out = {0.0, 0.0};

	for (int b = 0; b < 10; b++) {
		double n = 0.0, gap = 0.0;

		for (size_t i = 0; i < s->n; i++) {
			double p = s->score[i] * 10.0;
			int at = right ? (int)ceil(p) - 1 : (int)floor(p);

			at = at < 0 ? 0 : at > 9 ? 9 : at;
			if (at != b)
				continue;
			n += 1.0;
			gap += s->score[i] - (s->label[i] ? 1.0 : 0.0);
		}
		if (n == 0.0)
			continue;
		out.ece += fabs(gap) / (double)s->n;
		out.mce = fmax(out.mce, fabs(gap / n));
	}
	return out;
}

static double slow_brier(const struct sample *s)
{
	double sum = 0.0;

	for (size_t i = 0; i < s->n; i++) {
		double d = s->score[i] - (s->label[i] ? 1.0 : 0.0);

		sum += d * d;
	}
	return sum / (double)s->n;
}

static void check_slowly(const struct sample *s, const struct quality_rows *r,
			 double *edges, size_t n_edges)
{
	struct slow_curve curve = slow_curve(s, edges, n_edges);
	struct slow_calibration left = slow_calibration(s, false);
	struct slow_calibration right = slow_calibration(s, true);
	const struct {
		const char *metric;
		double want;
	} all[] = {
		{"roc_auc", slow_auc(s)},
		{"average_precision", curve.average_precision},
		{"pr_auc_trapz", curve.trapezoid},
		{"ks_separation", curve.separation},
		{"log_loss", slow_log_loss(s, 0x1p-52)},
		{"log_loss_eps1e15", slow_log_loss(s, 1e-15)},
		{"log_loss_eps1e6", slow_log_loss(s, 1e-6)},
		{"brier", slow_brier(s)},
		{"ece10", left.ece},
		{"mce10", left.mce},
		{"ece10_right", right.ece},
		{"mce10_right", right.mce},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		near(all[i].metric, exactly(r, all[i].metric), all[i].want);
}

static void every_score_a_cell_is_exact(void **state)
{
	static double edges[N_MAX];
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_binary q;
		struct quality_rows rows;
		size_t n;

		draw_sample(&s, round % 7);
		n = edges_of(&s, edges);
		quality_binary_init(&q, edges, (uint32_t)n);
		count(&q, &s, 0, s.n);
		rows = rows_of(&q);
		check_slowly(&s, &rows, edges, n);
		near("n_labeled", exactly(&rows, "n_labeled"), (double)s.n);
		quality_rows_release(&rows);
		quality_binary_release(&q);
	}
}

static void check_within(const struct quality_rows *exact,
			 const struct quality_rows *coarse, bool is_exact)
{
	assert_int_equal(exact->n, coarse->n);
	for (size_t i = 0; i < exact->n; i++) {
		const struct quality_row *a = &exact->items[i];
		const struct quality_row *b = &coarse->items[i];
		double v = a->value.lower, slack = 1e-12 + 1e-12 * fabs(v);

		assert_string_equal(a->metric, b->metric);
		if (isnan(v)) {
			assert_true(isnan(b->value.lower));
			continue;
		}
		if (!(b->value.lower <= v + slack) ||
		    !(b->value.upper >= v - slack))
			fail_msg("%s: %.17g is not in [%.17g, %.17g]",
				 a->metric, v, b->value.lower, b->value.upper);
		if (is_exact && b->value.upper - b->value.lower > slack)
			fail_msg("%s: [%.17g, %.17g] is not exact", a->metric,
				 b->value.lower, b->value.upper);
	}
}

/* Cells of another sample, as those of a baseline are. */
static void cells_hold_the_exact_number(void **state)
{
	static double edges[N_MAX], frozen[N_MAX], spare[N_MAX];
	static struct sample s, baseline;
	double widths = 0.0;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_binary exact, coarse;
		struct quality_rows a, b;
		struct cells *cells;
		uint64_t shape = rng_below(&rng, 7);

		draw_sample(&s, shape);
		draw_sample(&baseline, round % 3 == 0 ? 6 : shape);
		memcpy(frozen, baseline.score, baseline.n * sizeof(double));
		sort_numbers(frozen, spare, baseline.n);
		cells = cells_new_numeric(frozen, baseline.n, 16);
		quality_binary_init(&exact, edges,
				    (uint32_t)edges_of(&s, edges));
		quality_binary_init(&coarse, cells->edges, cells->n_edges);
		count(&exact, &s, 0, s.n);
		count(&coarse, &s, 0, s.n);
		a = rows_of(&exact);
		b = rows_of(&coarse);
		check_within(&a, &b, false);
		widths += quality_rows_find(&b, "brier")->value.upper -
			  quality_rows_find(&b, "brier")->value.lower;
		quality_rows_release(&a);
		quality_rows_release(&b);
		quality_binary_release(&exact);
		quality_binary_release(&coarse);
		cells_free(cells);
	}
	/* an interval of [0, 1] would hold it, too */
	assert_true(widths / ROUNDS < 0.01);
}

static void few_scores_are_exact_online(void **state)
{
	static double edges[N_MAX], frozen[N_MAX], spare[N_MAX];
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < 200; round++) {
		struct quality_binary exact, online;
		struct quality_rows a, b;
		struct cells *cells;

		draw_sample(&s, 1 + round % 2);
		memcpy(frozen, s.score, s.n * sizeof(double));
		sort_numbers(frozen, spare, s.n);
		cells = cells_new_numeric(frozen, s.n, 256);
		quality_binary_init(&exact, edges,
				    (uint32_t)edges_of(&s, edges));
		quality_binary_init(&online, cells->edges, cells->n_edges);
		count(&exact, &s, 0, s.n);
		count(&online, &s, 0, s.n);
		a = rows_of(&exact);
		b = rows_of(&online);
		check_within(&a, &b, true);
		quality_rows_release(&a);
		quality_rows_release(&b);
		quality_binary_release(&exact);
		quality_binary_release(&online);
		cells_free(cells);
	}
}

static void encode(const struct quality_binary *q, struct buf *out)
{
	buf_init(out, 1 << 20);
	quality_binary_encode(q, out);
	assert_false(out->failed);
}

static bool is_same(const struct quality_binary *a,
		    const struct quality_binary *b)
{
	struct buf x, y;
	bool same;

	encode(a, &x);
	encode(b, &y);
	same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	buf_release(&x);
	buf_release(&y);
	return same;
}

static void parts_add_up_and_can_be_taken_away(void **state)
{
	static const double edges[] = {0.1, 0.25, 0.3, 0.5, 0.8, 0.95};
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < 200; round++) {
		struct quality_binary whole, a, b;
		struct err e;
		size_t cut;

		draw_sample(&s, round % 7);
		cut = rng_below(&rng, s.n);
		quality_binary_init(&whole, edges, 6);
		quality_binary_init(&a, edges, 6);
		quality_binary_init(&b, edges, 6);
		count(&whole, &s, 0, s.n);
		count(&a, &s, 0, cut);
		count(&b, &s, cut, s.n);
		assert_int_equal(quality_binary_merge(&b, &a, &e), 0);
		assert_true(is_same(&whole, &b));
		assert_int_equal(quality_binary_subtract(&b, &a, &e), 0);
		assert_int_equal(quality_binary_subtract(&whole, &b, &e), 0);
		assert_true(is_same(&whole, &a));
		/* what was not counted cannot be taken away */
		if (s.n > 2 * cut) {
			assert_int_equal(quality_binary_subtract(&a, &b, &e),
					 -1);
			assert_true(is_same(&whole, &a));
		}
		quality_binary_release(&whole);
		quality_binary_release(&a);
		quality_binary_release(&b);
	}
}

static void bytes_come_back_and_damage_is_no_crash(void **state)
{
	static const double edges[] = {0.1, 0.25, 0.3, 0.5, 0.8, 0.95};
	static const double others[] = {0.1, 0.25, 0.3, 0.5, 0.8, 0.96};
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < 200; round++) {
		struct quality_binary q, back;
		struct reader in;
		struct buf bytes;
		struct err e;

		draw_sample(&s, round % 7);
		quality_binary_init(&q, edges, 6);
		count(&q, &s, 0, s.n);
		encode(&q, &bytes);
		reader_init(&in, bytes.data, bytes.len);
		assert_int_equal(
			quality_binary_decode(&back, &in, edges, 6, &e), 0);
		assert_true(reader_is_done(&in));
		assert_true(is_same(&q, &back));
		quality_binary_release(&back);
		reader_init(&in, bytes.data, bytes.len);
		assert_int_equal(
			quality_binary_decode(&back, &in, others, 6, &e), -1);
		for (size_t len = 0; len < bytes.len; len++) {
			reader_init(&in, bytes.data, len);
			assert_int_equal(
				quality_binary_decode(&back, &in, edges, 6, &e),
				-1);
		}
		bytes.data[rng_below(&rng, bytes.len)] ^=
			(char)(1 << rng_below(&rng, 8));
		reader_init(&in, bytes.data, bytes.len);
		if (quality_binary_decode(&back, &in, edges, 6, &e) == 0) {
			struct quality_rows rows = rows_of(&back);

			quality_rows_release(&rows);
			quality_binary_release(&back);
		}
		buf_release(&bytes);
		quality_binary_release(&q);
	}
}

static void nothing_and_one_class_are_undefined(void **state)
{
	static const char *const of_two[] = {"roc_auc", "average_precision",
					     "pr_auc_trapz", "ks_separation",
					     "recall"};
	static const double edges[] = {0.5, 2.0};
	struct quality_binary q;
	struct quality_rows rows;
	const bool called = false;

	(void)state;
	quality_binary_init(&q, edges, 2);
	rows = rows_of(&q);
	assert_int_equal(rows.n, 1);
	near("n_labeled", exactly(&rows, "n_labeled"), 0.0);
	quality_rows_release(&rows);
	quality_binary_add(&q, false, &called, &edges[0]);
	rows = rows_of(&q);
	for (size_t i = 0; i < 5; i++)
		assert_true(isnan(exactly(&rows, of_two[i])));
	near("precision", exactly(&rows, "precision"), (double)NAN);
	near("accuracy", exactly(&rows, "accuracy"), 1.0);
	near("brier", exactly(&rows, "brier"), 0.25);
	quality_rows_release(&rows);
	/* 2 is no probability, but it has a place in the order */
	quality_binary_add(&q, true, &called, &edges[1]);
	rows = rows_of(&q);
	near("roc_auc", exactly(&rows, "roc_auc"), 1.0);
	near("brier", exactly(&rows, "brier"), (double)NAN);
	near("mean_score", exactly(&rows, "mean_score"), 1.25);
	quality_rows_release(&rows);
	quality_binary_release(&q);
}

static void predictions_have_a_worth(void **state)
{
	const struct quality_confusion c = {3.0, 2.0, 1.0, 4.0};
	const struct quality_worth worth = {100.0, -20.0, -500.0, 0.0};
	const struct quality_confusion none = {0.0, 0.0, 0.0, 0.0};
	struct quality_value v;

	(void)state;
	quality_confusion_value(&c, &worth, &v);
	near("total", v.total, 300.0 - 40.0 - 500.0);
	near("mean", v.mean, -24.0);
	near("mean_error", v.mean_error,
	     sqrt((3.0 * 124.0 * 124.0 + 2.0 * 4.0 * 4.0 + 476.0 * 476.0 +
		   4.0 * 24.0 * 24.0) /
		  10.0 / 10.0));
	quality_confusion_value(&none, &worth, &v);
	near("total", v.total, (double)NAN);
}

/* The spread of many samples is what one of them says of itself. */
static void standard_errors_are_the_spread(void **state)
{
	static const char *const metrics[] = {
		"accuracy", "recall", "f1",	  "precision",
		"roc_auc",  "brier",  "log_loss", "balanced_accuracy"};
	enum { REPEATS = 400, N = 400, N_METRICS = 8 };
	double sum[N_METRICS] = {0.0}, squares[N_METRICS] = {0.0};
	double said[N_METRICS] = {0.0};
	double edges[100];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		edges[i] = ((double)i + 0.5) / 100.0;
	for (size_t r = 0; r < REPEATS; r++) {
		struct quality_binary q;
		struct quality_rows rows;

		quality_binary_init(&q, edges, 100);
		for (size_t i = 0; i < N; i++) {
			double p = edges[rng_below(&rng, 100)];
			bool called = p > 0.5;

			quality_binary_add(&q, rng_unit(&rng) < p, &called, &p);
		}
		rows = rows_of(&q);
		for (size_t k = 0; k < N_METRICS; k++) {
			const struct quality_row *row =
				quality_rows_find(&rows, metrics[k]);

			sum[k] += row->value.lower;
			squares[k] += row->value.lower * row->value.lower;
			said[k] += row->standard_error;
		}
		quality_rows_release(&rows);
		quality_binary_release(&q);
	}
	for (size_t k = 0; k < N_METRICS; k++) {
		double mean = sum[k] / REPEATS;
		double spread = sqrt(squares[k] / REPEATS - mean * mean);
		double ratio = said[k] / REPEATS / spread;

		/* the spread itself is known to 3.5 % */
		if (ratio < 0.82 || ratio > 1.2)
			fail_msg("%s: standard error %.3g, spread %.3g",
				 metrics[k], said[k] / REPEATS, spread);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_score_a_cell_is_exact),
		cmocka_unit_test(cells_hold_the_exact_number),
		cmocka_unit_test(few_scores_are_exact_online),
		cmocka_unit_test(parts_add_up_and_can_be_taken_away),
		cmocka_unit_test(bytes_come_back_and_damage_is_no_crash),
		cmocka_unit_test(nothing_and_one_class_are_undefined),
		cmocka_unit_test(predictions_have_a_worth),
		cmocka_unit_test(standard_errors_are_the_spread),
	};

	rng = rng_start("quality");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
