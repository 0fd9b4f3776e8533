/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Quality of more classes: each class against the rest by hand, means of
 * those that occur, parts and bytes.
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

enum { N = 400, CLASSES = 4, ROUNDS = 100, LEVELS = 20 };

static struct rng rng;
static const char *const names[CLASSES] = {"a", "b", "c", "d, \"e\""};
static double levels[LEVELS];
static struct quality_edges edges[CLASSES];

struct sample {
	uint32_t label[N], predicted[N];
	double scores[N][CLASSES];
};

/* The last class is never seen when ${rare}. */
static void draw_sample(struct sample *s, bool rare)
{
	uint32_t n = rare ? CLASSES - 1 : CLASSES;

	for (size_t i = 0; i < N; i++) {
		uint32_t best = 0;

		s->label[i] = (uint32_t)rng_below(&rng, n);
		for (uint32_t c = 0; c < CLASSES; c++) {
			uint64_t level = rng_below(&rng, LEVELS - 5);

			level += c == s->label[i] ? 5 : 0;
			s->scores[i][c] = levels[level];
			if (c < n && s->scores[i][c] > s->scores[i][best])
				best = c;
		}
		s->predicted[i] = best;
	}
}

static void count(struct quality_multiclass *q, const struct sample *s,
		  size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		quality_multiclass_add(q, s->label[i], s->predicted[i],
				       s->scores[i]);
}

static void near(const struct quality_rows *rows, const char *metric,
		 double want)
{
	const struct quality_row *r = quality_rows_find(rows, metric);

	if (r == NULL)
		fail_msg("there is no %s", metric);
	if (isnan(want) ? !isnan(r->value.lower)
			: fabs(r->value.lower - want) > 1e-12)
		fail_msg("%s is %.17g, not %.17g", metric, r->value.lower,
			 want);
}

static double slow_auc(const struct sample *s, uint32_t c)
{
	double won = 0.0, pairs = 0.0;

	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			double a = s->scores[i][c], b = s->scores[k][c];

			if (s->label[i] != c || s->label[k] == c)
				continue;
			pairs += 1.0;
			won += a > b ? 1.0 : a == b ? 0.5 : 0.0;
		}
	}
	return pairs > 0.0 ? won / pairs : (double)NAN;
}

static double ratio(double a, double b)
{
	return b > 0.0 ? a / b : (double)NAN;
}

struct sums {
	double precision, recall, f1, weighted, auc, n;
};

static void check_class(const struct sample *s, uint32_t c,
			const struct quality_rows *rows, struct sums *sums)
{
	double tp = 0.0, called = 0.0, real = 0.0, f1;
	char name[64];

	for (size_t i = 0; i < N; i++) {
		tp += s->label[i] == c && s->predicted[i] == c;
		called += s->predicted[i] == c;
		real += s->label[i] == c;
	}
	(void)snprintf(name, sizeof(name), "precision_%s", names[c]);
	if (called + real == 0.0) {
		assert_null(quality_rows_find(rows, name));
		return;
	}
	f1 = ratio(2.0 * tp, called + real);
	near(rows, name, ratio(tp, called));
	(void)snprintf(name, sizeof(name), "recall_%s", names[c]);
	near(rows, name, ratio(tp, real));
	(void)snprintf(name, sizeof(name), "f1_%s", names[c]);
	near(rows, name, f1);
	(void)snprintf(name, sizeof(name), "roc_auc_ovr_%s", names[c]);
	near(rows, name, slow_auc(s, c));
	sums->n += 1.0;
	sums->precision += ratio(tp, called);
	sums->recall += ratio(tp, real);
	sums->f1 += f1;
	sums->weighted += f1 * real / N;
	sums->auc += slow_auc(s, c);
}

static void check_slowly(const struct sample *s,
			 const struct quality_multiclass *q)
{
	struct quality_rows rows = {.n = 0};
	struct sums sums = {.n = 0.0};
	double right = 0.0, loss = 0.0;

	quality_multiclass_rows(q, names, &rows);
	for (uint32_t c = 0; c < CLASSES; c++)
		check_class(s, c, &rows, &sums);
	for (size_t i = 0; i < N; i++) {
		double p = s->scores[i][s->label[i]];

		right += s->label[i] == s->predicted[i];
		loss -= log(fmin(fmax(p, 1e-15), 1.0 - 1e-15));
	}
	near(&rows, "n_labeled", N);
	near(&rows, "accuracy", right / N);
	near(&rows, "log_loss_eps1e15", loss / N);
	near(&rows, "precision_macro", sums.precision / sums.n);
	near(&rows, "recall_macro", sums.recall / sums.n);
	near(&rows, "f1_macro", sums.f1 / sums.n);
	near(&rows, "f1_weighted", sums.weighted);
	near(&rows, "roc_auc_ovr_macro", sums.auc / sums.n);
	near(&rows, "cm_a_as_b", (double)q->confusion[1]);
	quality_rows_release(&rows);
}

static void each_class_against_the_rest(void **state)
{
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_multiclass q;

		draw_sample(&s, round % 2 == 0);
		quality_multiclass_init(&q, CLASSES, edges);
		count(&q, &s, 0, N);
		check_slowly(&s, &q);
		quality_multiclass_release(&q);
	}
}

static void encode(const struct quality_multiclass *q, struct buf *out)
{
	buf_init(out, 1 << 20);
	quality_multiclass_encode(q, out);
}

static bool is_same(const struct quality_multiclass *a,
		    const struct quality_multiclass *b)
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

static void parts_and_bytes(void **state)
{
	static struct sample s;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct quality_multiclass a, b, back;
		struct reader in;
		struct buf bytes;
		struct err e;
		size_t cut = 1 + rng_below(&rng, N / 2 - 1);

		draw_sample(&s, false);
		quality_multiclass_init(&a, CLASSES, edges);
		quality_multiclass_init(&b, CLASSES, edges);
		count(&a, &s, 0, cut);
		count(&b, &s, cut, N);
		/* the last class does not fit: nothing changes */
		encode(&a, &bytes);
		assert_int_equal(quality_multiclass_subtract(&a, &b, &e), -1);
		reader_init(&in, bytes.data, bytes.len);
		assert_int_equal(quality_multiclass_decode(&back, &in, CLASSES,
							   edges, &e),
				 0);
		assert_true(is_same(&a, &back));
		assert_int_equal(quality_multiclass_merge(&a, &b, &e), 0);
		check_slowly(&s, &a);
		assert_int_equal(quality_multiclass_subtract(&a, &b, &e), 0);
		assert_true(is_same(&a, &back));
		quality_multiclass_release(&back);
		for (size_t len = 0; len < bytes.len; len++) {
			reader_init(&in, bytes.data, len);
			assert_int_equal(quality_multiclass_decode(&back, &in,
								   CLASSES,
								   edges, &e),
					 -1);
		}
		buf_release(&bytes);
		quality_multiclass_release(&a);
		quality_multiclass_release(&b);
	}
}

static void a_class_that_has_no_score_and_an_event_without(void **state)
{
	struct quality_edges some[CLASSES];
	struct quality_multiclass q;
	struct quality_rows rows = {.n = 0};
	double none[CLASSES] = {(double)NAN, (double)NAN, (double)NAN,
				(double)NAN};

	(void)state;
	memcpy(some, edges, sizeof(some));
	some[3].edges = NULL;
	quality_multiclass_init(&q, CLASSES, some);
	quality_multiclass_rows(&q, names, &rows);
	assert_int_equal(rows.n, 1);
	quality_rows_release(&rows);
	quality_multiclass_add(&q, 0, 0, none);
	quality_multiclass_add(&q, 3, 0, NULL);
	quality_multiclass_add(&q, 1, CLASSES, none); /* no prediction */
	quality_multiclass_rows(&q, names, &rows);
	near(&rows, "n_labeled", 2.0);
	near(&rows, "accuracy", 0.5);
	near(&rows, "precision_a", 0.5);
	near(&rows, "precision_macro", (double)NAN);
	near(&rows, "recall_macro", 0.5);
	near(&rows, "log_loss_eps1e15", (double)NAN);
	quality_rows_release(&rows);
	quality_multiclass_release(&q);
}

static void worth_by_matrix(void **state)
{
	double worth[CLASSES * CLASSES] = {0.0};
	struct quality_multiclass q;
	struct quality_value v;

	(void)state;
	worth[0] = 10.0;
	worth[1] = -4.0;
	quality_multiclass_init(&q, CLASSES, NULL);
	quality_multiclass_value(&q, worth, &v);
	assert_true(isnan(v.mean));
	quality_multiclass_add(&q, 0, 0, NULL);
	quality_multiclass_add(&q, 0, 1, NULL);
	quality_multiclass_add(&q, 2, 2, NULL);
	quality_multiclass_value(&q, worth, &v);
	assert_true(v.total == 6.0 && v.mean == 2.0);
	quality_multiclass_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_class_against_the_rest),
		cmocka_unit_test(parts_and_bytes),
		cmocka_unit_test(
			a_class_that_has_no_score_and_an_event_without),
		cmocka_unit_test(worth_by_matrix),
	};

	rng = rng_start("quality_multiclass");
	for (size_t i = 0; i < LEVELS; i++)
		levels[i] = (double)i / (LEVELS - 1);
	for (size_t c = 0; c < CLASSES; c++)
		edges[c] = (struct quality_edges){levels, LEVELS};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
