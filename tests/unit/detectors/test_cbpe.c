/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Estimates without labels: the calibration against the oracle's breakpoints
 * and against the min-max formula, estimates against event by event, their
 * standard errors against drawn labels, and when a calibration is kept.
 */
#include "base/buf.h"
#include "base/err.h"
#include "detectors/cbpe.h"
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

#include "tests/unit/detectors/golden_set.h"

enum { N = 300, LEVELS = 40 };

static struct rng rng;

/* ---- isotonic ---- */

/* max over a <= i of min over b >= i of the share of [a, b] */
static double min_max(const uint64_t *ones, const uint64_t *all, size_t n,
		      size_t i)
{
	double best = -1.0;

	for (size_t a = 0; a <= i; a++) {
		double least = 2.0, p = 0.0, k = 0.0;

		for (size_t b = a; b < n; b++) {
			p += (double)ones[b];
			k += (double)all[b];
			if (b >= i)
				least = fmin(least, p / k);
		}
		best = fmax(best, least);
	}
	return best;
}

static void curves_are_those_of_the_min_max_formula(void **state)
{
	(void)state;
	for (size_t round = 0; round < 300; round++) {
		uint64_t ones[LEVELS], all[LEVELS];
		struct quality_group groups[LEVELS] = {{.lower = 0.0}};
		struct isotonic iso = {.n = 0};
		size_t n = 1 + rng_below(&rng, LEVELS);

		for (size_t i = 0; i < n; i++) {
			double x = (double)i * 0.7 + 0.1;

			all[i] = 1 + rng_below(&rng, 9);
			ones[i] = rng_below(&rng, all[i] + 1);
			groups[i].n[0] = all[i] - ones[i];
			groups[i].n[1] = ones[i];
			groups[i].lower = groups[i].upper = x;
			groups[i].mean[0] = (struct interval){x, x};
			groups[i].mean[1] = (struct interval){x, x};
		}
		isotonic_fit(&iso, groups, n);
		for (size_t i = 0; i < n; i++) {
			double want = min_max(ones, all, n, i);

			assert_true(fabs(isotonic_at(&iso, groups[i].lower) -
					 want) < 1e-12);
			if (i == 0)
				continue;
			/* between two of them, half way */
			assert_true(
				fabs(isotonic_at(&iso, groups[i].lower - 0.35) -
				     (want + min_max(ones, all, n, i - 1)) /
					     2.0) < 1e-9);
		}
		assert_true(isotonic_at(&iso, -1e9) ==
			    isotonic_at(&iso, groups[0].lower));
		assert_true(isotonic_at(&iso, 1e9) ==
			    isotonic_at(&iso, groups[n - 1].lower));
		isotonic_release(&iso);
	}
}

static void bytes_of_curves_come_back(void **state)
{
	double x[] = {0.1, 0.2, 0.7}, y[] = {0.0, 0.25, 0.9};
	struct isotonic iso = {x, y, 3}, back = {.n = 0};
	struct reader in;
	struct buf bytes;
	struct err e;

	(void)state;
	buf_init(&bytes, 1000);
	isotonic_encode(&iso, &bytes);
	reader_init(&in, bytes.data, bytes.len);
	assert_int_equal(isotonic_decode(&back, &in, &e), 0);
	assert_true(reader_is_done(&in) && back.n == 3);
	assert_memory_equal(back.x, x, sizeof(x));
	assert_memory_equal(back.y, y, sizeof(y));
	isotonic_release(&back);
	for (size_t len = 0; len < bytes.len; len++) {
		reader_init(&in, bytes.data, len);
		assert_int_equal(isotonic_decode(&back, &in, &e), -1);
	}
	buf_clear(&bytes);
	y[1] = 0.95; /* it falls */
	isotonic_encode(&iso, &bytes);
	reader_init(&in, bytes.data, bytes.len);
	assert_int_equal(isotonic_decode(&back, &in, &e), -1);
	buf_release(&bytes);
}

/* ---- the oracle's curves ---- */

static size_t distinct(double *values, size_t n)
{
	double *spare = malloc((n + 1) * sizeof(*spare));
	size_t k = 0;

	sort_numbers(values, spare, n);
	free(spare);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || values[i] != values[k - 1])
			values[k++] = values[i];
	return k;
}

static double number_at(const struct table *t, size_t row, const char *column)
{
	long at = table_column(t, column);
	const char *text;
	double v = 0.0;

	assert_true(at >= 0);
	text = table_cell(t, row, (size_t)at);
	assert_true(number_parse(text, strlen(text), &v));
	return v;
}

static void check_curve(const struct isotonic *iso, const struct table *want,
			const char *set)
{
	if (iso->n != want->n_rows)
		fail_msg("%s: %zu breakpoints, not %zu", set, iso->n,
			 want->n_rows);
	for (size_t i = 0; i < iso->n; i++) {
		assert_true(iso->x[i] == number_at(want, i, "score"));
		assert_true(fabs(iso->y[i] -
				 number_at(want, i, "calibrated")) <= 1e-15);
	}
}

static void check_set(const char *set, const char *score, const char *label)
{
	char *data = path_of("data", set, "/reference.csv.gz");
	char *golden = path_of("golden", set, ".isotonic.csv");
	struct table reference, want;
	struct quality_scores scores;
	struct quality_group *groups;
	struct isotonic iso = {.n = 0};
	double *edges;
	size_t n;

	if (!table_load(&reference, data) || !table_load(&want, golden)) {
		printf("skipped: cbpe: no %s\n", golden);
		free(data);
		free(golden);
		skip();
	}
	edges = calloc(reference.n_rows, sizeof(*edges));
	for (size_t i = 0; i < reference.n_rows; i++)
		edges[i] = number_at(&reference, i, score);
	quality_scores_init(&scores, edges,
			    (uint32_t)distinct(edges, reference.n_rows));
	for (size_t i = 0; i < reference.n_rows; i++)
		quality_scores_add(&scores, number_at(&reference, i, score),
				   number_at(&reference, i, label) == 1.0);
	groups = quality_scores_groups(&scores, &n);
	isotonic_fit(&iso, groups, n);
	check_curve(&iso, &want, set);
	free(groups);
	quality_scores_release(&scores);
	isotonic_release(&iso);
	free(edges);
	table_release(&reference);
	table_release(&want);
	free(data);
	free(golden);
}

static void breakpoints_are_the_golden_ones(void **state)
{
	(void)state;
	check_set("car_loan", "y_pred_proba", "repaid");
	check_set("census_ma", "predicted_probability", "employed");
	check_set("elec2", "score", "label");
	check_set("elec2_const", "score", "label");
}

/* ---- estimates ---- */

struct events {
	double score[N], chance[N];
	bool called[N];
};

static double levels[LEVELS];

/* A curve that is not the score. */
static double curve_x[] = {0.0, 0.3, 0.6, 1.0};
static double curve_y[] = {0.05, 0.2, 0.75, 0.95};

static void draw_events(struct events *v, struct quality_scores *by_predicted,
			const struct isotonic *curve)
{
	quality_scores_init(by_predicted, levels, LEVELS);
	for (size_t i = 0; i < N; i++) {
		v->score[i] = levels[rng_below(&rng, LEVELS)];
		v->chance[i] =
			curve ? isotonic_at(curve, v->score[i]) : v->score[i];
		v->called[i] = v->score[i] > 0.55;
		quality_scores_add(by_predicted, v->score[i], v->called[i]);
	}
}

static double value(const struct quality_rows *rows, const char *metric)
{
	const struct quality_row *r = quality_rows_find(rows, metric);

	if (r == NULL)
		fail_msg("there is no %s", metric);
	return r->value.lower;
}

static void near(const struct quality_rows *rows, const char *metric,
		 double want)
{
	double have = value(rows, metric);

	if (!(fabs(have - want) <= 1e-11 * fabs(want)))
		fail_msg("%s is %.17g, not %.17g", metric, have, want);
}

/* Every pair, self-pairs included, as the oracle has it. */
static double slow_auc(const struct events *v)
{
	double won = 0.0, t = 0.0, f = 0.0;

	for (size_t i = 0; i < N; i++) {
		t += v->chance[i];
		f += 1.0 - v->chance[i];
		for (size_t k = 0; k < N; k++) {
			double pair = v->chance[i] * (1.0 - v->chance[k]);

			won += v->score[i] > v->score[k]    ? pair
			       : v->score[i] == v->score[k] ? pair / 2.0
							    : 0.0;
		}
	}
	return won / (t * f);
}

static double slow_precision(const struct events *v)
{
	double sum = 0.0, total = 0.0;

	for (size_t i = 0; i < N; i++) {
		double t = 0.0, n = 0.0;

		for (size_t k = 0; k < N; k++) {
			if (v->score[k] < v->score[i])
				continue;
			t += v->chance[k];
			n += 1.0;
		}
		sum += v->chance[i] * t / n;
		total += v->chance[i];
	}
	return sum / total;
}

static void estimates_are_those_event_by_event(void **state)
{
	const struct isotonic curve = {curve_x, curve_y, 4};

	(void)state;
	for (size_t round = 0; round < 100; round++) {
		const struct isotonic *own = round % 2 == 0 ? &curve : NULL;
		struct quality_scores by_predicted;
		struct quality_rows rows = {.n = 0};
		static struct events v;
		double tp = 0.0, fp = 0.0, fn = 0.0, tn = 0.0;

		draw_events(&v, &by_predicted, own);
		for (size_t i = 0; i < N; i++) {
			tp += v.called[i] ? v.chance[i] : 0.0;
			fp += v.called[i] ? 1.0 - v.chance[i] : 0.0;
			fn += v.called[i] ? 0.0 : v.chance[i];
			tn += v.called[i] ? 0.0 : 1.0 - v.chance[i];
		}
		cbpe_rows(&by_predicted, own, "cbpe_", &rows);
		near(&rows, "cbpe_tp", tp);
		near(&rows, "cbpe_fp", fp);
		near(&rows, "cbpe_fn", fn);
		near(&rows, "cbpe_tn", tn);
		near(&rows, "cbpe_accuracy", (tp + tn) / N);
		near(&rows, "cbpe_precision", tp / (tp + fp));
		near(&rows, "cbpe_recall", tp / (tp + fn));
		near(&rows, "cbpe_specificity", tn / (tn + fp));
		near(&rows, "cbpe_f1", tp / (tp + (fp + fn) / 2.0));
		near(&rows, "cbpe_roc_auc", slow_auc(&v));
		near(&rows, "cbpe_average_precision", slow_precision(&v));
		quality_rows_release(&rows);
		quality_scores_release(&by_predicted);
	}
}

/* Labels drawn with the chances: realised numbers spread by that much. */
static void standard_errors_are_the_spread_of_realised_labels(void **state)
{
	static const char *const metrics[] = {
		"accuracy", "precision",	 "recall", "specificity", "f1",
		"roc_auc",  "average_precision", "tp"};
	enum { REPEATS = 500, N_METRICS = 8 };
	const struct isotonic curve = {curve_x, curve_y, 4};
	double sum[N_METRICS] = {0.0}, squares[N_METRICS] = {0.0};
	struct quality_scores by_predicted;
	struct quality_rows guess = {.n = 0};
	static struct events v;

	(void)state;
	draw_events(&v, &by_predicted, &curve);
	cbpe_rows(&by_predicted, &curve, "", &guess);
	for (size_t r = 0; r < REPEATS; r++) {
		struct quality_binary q;
		struct quality_rows rows = {.n = 0};

		quality_binary_init(&q, levels, LEVELS);
		for (size_t i = 0; i < N; i++)
			quality_binary_add(&q, rng_unit(&rng) < v.chance[i],
					   &v.called[i], &v.score[i]);
		quality_binary_rows(&q, &rows);
		for (size_t k = 0; k < N_METRICS; k++) {
			double real = value(&rows, metrics[k]);

			sum[k] += real;
			squares[k] += real * real;
		}
		quality_rows_release(&rows);
		quality_binary_release(&q);
	}
	for (size_t k = 0; k < N_METRICS; k++) {
		const struct quality_row *row =
			quality_rows_find(&guess, metrics[k]);
		double mean = sum[k] / REPEATS;
		double spread = sqrt(squares[k] / REPEATS - mean * mean);
		double ratio = row->standard_error / spread;

		if (ratio < 0.82 || ratio > 1.2 ||
		    fabs(mean - row->value.lower) > spread / 2.0)
			fail_msg("%s: %.4g +- %.3g, realised %.4g +- %.3g",
				 metrics[k], row->value.lower,
				 row->standard_error, mean, spread);
	}
	quality_rows_release(&guess);
	quality_scores_release(&by_predicted);
}

/* Over coarse cells the estimate is near, and never beyond what it counts. */
static void coarse_cells_are_near(void **state)
{
	const struct isotonic curve = {curve_x, curve_y, 4};
	static const double coarse[] = {0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0};
	struct quality_scores exact, cells;
	struct quality_rows a = {.n = 0}, b = {.n = 0};
	static struct events v;

	(void)state;
	draw_events(&v, &exact, &curve);
	quality_scores_init(&cells, coarse, 7);
	for (size_t i = 0; i < N; i++)
		quality_scores_add(&cells, v.score[i], v.called[i]);
	cbpe_rows(&exact, &curve, "", &a);
	cbpe_rows(&cells, &curve, "", &b);
	assert_int_equal(a.n, b.n);
	assert_true(fabs(value(&a, "accuracy") - value(&b, "accuracy")) < 0.01);
	assert_true(fabs(value(&a, "roc_auc") - value(&b, "roc_auc")) < 0.02);
	quality_rows_release(&a);
	quality_rows_release(&b);
	quality_scores_release(&exact);
	quality_scores_release(&cells);
}

static void nothing_and_no_probabilities(void **state)
{
	static const double edges[] = {0.5, 7.0};
	struct quality_scores s;
	struct quality_rows rows = {.n = 0};

	(void)state;
	quality_scores_init(&s, edges, 2);
	cbpe_rows(&s, NULL, "", &rows);
	assert_int_equal(rows.n, 0);
	quality_scores_add(&s, 7.0, 1);
	quality_scores_add(&s, 0.5, 0);
	cbpe_rows(&s, NULL, "", &rows);
	assert_true(isnan(value(&rows, "accuracy")));
	quality_rows_release(&rows);
	quality_scores_release(&s);
}

/* ---- more classes ---- */

static void classes_against_the_rest(void **state)
{
	enum { CLASSES = 3 };
	static const char *const names[] = {"a", "b", "c"};
	struct quality_scores scores[CLASSES];
	struct quality_rows rows = {.n = 0};
	double right = 0.0, tp = 0.0, called = 0.0, all = 0.0;

	(void)state;
	for (uint32_t c = 0; c < CLASSES; c++)
		quality_scores_init(&scores[c], levels, LEVELS);
	for (size_t i = 0; i < N; i++) {
		double score[CLASSES];
		uint32_t best = 0;

		for (uint32_t c = 0; c < CLASSES; c++) {
			score[c] = levels[rng_below(&rng, LEVELS)];
			best = score[c] > score[best] ? c : best;
		}
		for (uint32_t c = 0; c < CLASSES; c++)
			quality_scores_add(&scores[c], score[c], c == best);
		right += score[best];
		tp += best == 1 ? score[1] : 0.0;
		called += best == 1;
		all += score[1];
	}
	cbpe_multiclass_rows(scores, NULL, names, CLASSES, "x_", &rows);
	near(&rows, "x_accuracy", right / N);
	near(&rows, "x_precision_b", tp / called);
	near(&rows, "x_recall_b", tp / all);
	near(&rows, "x_precision_macro",
	     (value(&rows, "x_precision_a") + value(&rows, "x_precision_b") +
	      value(&rows, "x_precision_c")) /
		     3.0);
	quality_rows_release(&rows);
	for (uint32_t c = 0; c < CLASSES; c++)
		quality_scores_release(&scores[c]);
}

/* ---- choices ---- */

static struct cbpe_choice choice_for(double (*chance)(double), size_t n)
{
	struct quality_scores folds[CBPE_FOLDS];
	struct cbpe_choice choice;

	for (size_t i = 0; i < CBPE_FOLDS; i++)
		quality_scores_init(&folds[i], levels, LEVELS);
	for (size_t i = 0; i < n; i++) {
		double score = levels[rng_below(&rng, LEVELS)];

		quality_scores_add(&folds[i % CBPE_FOLDS], score,
				   rng_unit(&rng) < chance(score));
	}
	cbpe_choose(folds, CBPE_FOLDS, &choice);
	for (size_t i = 0; i < CBPE_FOLDS; i++)
		quality_scores_release(&folds[i]);
	return choice;
}

static double as_it_says(double score)
{
	return score;
}

static double overconfident(double score)
{
	return 0.3 + 0.4 * score;
}

static void calibration_is_kept_where_it_helps(void **state)
{
	struct cbpe_choice c = choice_for(overconfident, 20000);
	size_t kept = 0;

	(void)state;
	assert_true(c.calibrates);
	assert_true(c.ece_raw > 0.1 && c.ece_calibrated < 0.03);
	/* on a calibrated score with few labels it seldom does */
	for (size_t i = 0; i < 40; i++)
		kept += choice_for(as_it_says, 400).calibrates;
	assert_true(kept < 30);
}

static void suspicion_needs_distance_and_labels(void **state)
{
	(void)state;
	assert_true(cbpe_concept_drift_suspected(0.70, 0.81, 0.01, 1.0));
	assert_true(cbpe_concept_drift_suspected(0.95, 0.81, 0.01, 1.0));
	assert_false(cbpe_concept_drift_suspected(0.79, 0.81, 0.01, 1.0));
	/* a quarter of the labels, twice the error; and too few of them */
	assert_true(cbpe_concept_drift_suspected(0.77, 0.81, 0.01, 0.64));
	assert_false(cbpe_concept_drift_suspected(0.775, 0.81, 0.01, 0.64));
	assert_false(cbpe_concept_drift_suspected(0.10, 0.81, 0.01, 0.49));
	assert_false(cbpe_concept_drift_suspected((double)NAN, 0.8, 0.01, 1.0));
	assert_false(cbpe_concept_drift_suspected(0.7, 0.8, (double)NAN, 1.0));
	assert_false(cbpe_concept_drift_suspected(0.7, 0.8, 0.01, (double)NAN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curves_are_those_of_the_min_max_formula),
		cmocka_unit_test(bytes_of_curves_come_back),
		cmocka_unit_test(breakpoints_are_the_golden_ones),
		cmocka_unit_test(estimates_are_those_event_by_event),
		cmocka_unit_test(
			standard_errors_are_the_spread_of_realised_labels),
		cmocka_unit_test(coarse_cells_are_near),
		cmocka_unit_test(nothing_and_no_probabilities),
		cmocka_unit_test(classes_against_the_rest),
		cmocka_unit_test(calibration_is_kept_where_it_helps),
		cmocka_unit_test(suspicion_needs_distance_and_labels),
	};

	rng = rng_start("cbpe");
	for (size_t i = 0; i < LEVELS; i++)
		levels[i] = (double)i / (LEVELS - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
