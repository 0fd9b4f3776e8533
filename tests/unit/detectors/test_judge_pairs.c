/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge_pairs beside judge_window; that a broken column leaves the others
 * alone; the order of columns and of bins; what comes by chance.
 */
#include "base/err.h"
#include "detectors/baseline.h"
#include "detectors/judge.h"
#include "detectors/judge_null.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "detectors/registry.h"
#include "detectors/special.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRAINED = 20000, SEEN = 3000, N_COLUMNS = 6, N_NUMERIC = 4 };

static struct rng rng;
static struct baseline *baseline;

/* The last one is not in the baseline. */
static struct judge_column columns[N_COLUMNS] = {
	{"a", COLUMN_NUMERIC, ROLE_FEATURE, 1.0, NULL},
	{"b", COLUMN_NUMERIC, ROLE_FEATURE, 3.0, NULL},
	{"c", COLUMN_NUMERIC, ROLE_SCORE, (double)NAN, NULL},
	{"d", COLUMN_NUMERIC, ROLE_LABEL, (double)NAN, NULL},
	{"e", COLUMN_CATEGORICAL, ROLE_FEATURE, 2.0, NULL},
	{"f", COLUMN_NUMERIC, ROLE_FEATURE, (double)NAN, NULL},
};

static const struct judge_spec spec = {
	.columns = columns,
	.n_columns = N_COLUMNS,
	.detectors = UINT64_MAX,
	.alpha = 0.01,
	.min_rows = 500,
};

static const struct category_text texts[] = {
	{"red", 3, false}, {"green", 5, false}, {"blue", 4, false}};

static int set_up(void **state)
{
	struct baseline_spec_column trained[N_COLUMNS - 1];
	struct baseline_builder *b;
	double *values = calloc(TRAINED, sizeof(*values));
	uint32_t *codes = calloc(TRAINED, sizeof(*codes));
	struct err e;
	size_t c, i;

	(void)state;
	for (c = 0; c < N_COLUMNS - 1; c++)
		trained[c] = (struct baseline_spec_column){
			columns[c].name, columns[c].kind, columns[c].role};
	b = baseline_builder_new(trained, N_COLUMNS - 1, 64, 100, 0);
	for (c = 0; c < N_COLUMNS - 1; c++) {
		for (i = 0; i < TRAINED; i++) {
			values[i] = rng_gauss(&rng);
			codes[i] = (uint32_t)rng_below(&rng, 3);
		}
		if (c < N_NUMERIC)
			baseline_builder_numbers(b, c, values, TRAINED, &e);
		else
			baseline_builder_codes(b, c, codes, TRAINED, texts, 3,
					       &e);
	}
	assert_int_equal(baseline_builder_rows(b, NULL, TRAINED, &e), 0);
	baseline = baseline_builder_finish(b, &e);
	assert_non_null(baseline);
	baseline_builder_free(b);
	free(values);
	free(codes);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	baseline_free(baseline);
	return 0;
}

enum breakage { WHOLE, EMPTIED, ABSENT, TYPE_FLIPPED, OTHER_KIND };

/* Fold SEEN values of column ${c}; "a" moves by 1, "b" by 0.5. */
static void fold(struct profile_set *w, size_t c, enum breakage how,
		 struct rng *r)
{
	enum column_kind kind = columns[c].kind;
	struct profile *p;
	struct err e;
	size_t i;

	if (how == OTHER_KIND)
		kind = kind == COLUMN_NUMERIC ? COLUMN_CATEGORICAL
					      : COLUMN_NUMERIC;
	p = how == ABSENT ? NULL
			  : profile_set_get(w, columns[c].name, 1, kind,
					    columns[c].role, &e)
				    ->profile;
	for (i = 0; i < SEEN; i++) {
		double v = rng_gauss(r) + (c == 0 ? 1.0 : c == 1 ? 0.5 : 0.0);
		uint32_t code = (uint32_t)rng_below(r, c == 4 ? 2 : 3);

		if (how == EMPTIED) {
			v = value_missing();
			code = CODE_MISSING;
		} else if (how == TYPE_FLIPPED) {
			v = value_invalid();
			code = CODE_INVALID;
		}
		if (p == NULL)
			continue;
		if (kind == COLUMN_NUMERIC)
			profile_add_numbers(p, &v, NULL, 1);
		else
			profile_add_categories(p, &code, NULL, 1, texts, 3);
	}
}

/* The same values whatever is broken. */
static void make_window(struct profile_set *w, size_t broken, enum breakage how)
{
	size_t c;

	profile_set_init(w, baseline, 100);
	for (c = 0; c < N_COLUMNS; c++) {
		struct rng r = {c + 1};

		fold(w, c, c == broken ? how : WHOLE, &r);
	}
	w->n_events = SEEN;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* p_adjusted is about all columns by its meaning. */
static void assert_same_row(const struct verdict *a, const struct verdict *b)
{
	assert_string_equal(a->column, b->column);
	assert_string_equal(a->metric, b->metric);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->severity, b->severity);
	assert_int_equal(a->drifted, b->drifted);
	assert_true(same(a->value, b->value) && same(a->lower, b->lower));
	assert_true(same(a->upper, b->upper) && same(a->bound, b->bound));
	assert_true(same(a->p_value, b->p_value));
	assert_true(same(a->threshold, b->threshold));
	assert_int_equal(a->n_reference, b->n_reference);
	assert_int_equal(a->n_current, b->n_current);
}

static void make_pairs(const struct profile_set *w, struct pair *pairs,
		       const struct pair **list)
{
	size_t c;

	for (c = 0; c < N_COLUMNS; c++) {
		const struct profile *p =
			profile_set_find(w, columns[c].name)->profile;

		list[c] = &pairs[c];
		if (c < N_COLUMNS - 1) {
			pair_init(&pairs[c],
				  baseline_find(baseline, columns[c].name, 1),
				  p);
			continue;
		}
		pairs[c] = (struct pair){.kind = columns[c].kind};
		pairs[c].cur.n = p->n_valid;
		pairs[c].cur.n_missing = p->n_missing;
	}
}

static void pairs_are_judged_as_windows_are(void **state)
{
	struct verdicts window = {.n = 0}, all = {.n = 0}, parts = {.n = 0};
	const struct pair *list[N_COLUMNS];
	struct pair pairs[N_COLUMNS];
	struct profile_set w;
	size_t c, i;

	(void)state;
	make_window(&w, N_COLUMNS, WHOLE);
	make_pairs(&w, pairs, list);
	judge_window(&spec, baseline, &w, &window);
	judge_pairs(&spec, list, TRAINED, SEEN, &all);
	for (c = 0; c < N_COLUMNS; c++) {
		struct verdicts one = {.n = 0};

		/* a, b, c and e are judged and no labels */
		judge_column(&spec, c, judge_alpha(&spec, 4), list[c], &one);
		judge_append(&parts, &one);
		verdicts_release(&one);
	}
	judge_finish(TRAINED, SEEN, &parts);
	assert_int_equal(window.n, all.n);
	assert_int_equal(window.n, parts.n);
	for (i = 0; i < window.n; i++) {
		assert_same_row(&window.items[i], &all.items[i]);
		assert_same_row(&window.items[i], &parts.items[i]);
		assert_true(same(window.items[i].p_adjusted,
				 all.items[i].p_adjusted));
		assert_true(same(window.items[i].p_adjusted,
				 parts.items[i].p_adjusted));
	}
	assert_memory_equal(window.n_drifted, all.n_drifted,
			    sizeof(all.n_drifted));
	assert_int_equal(window.n_drifted[SIGNAL_INPUT], 3);
	assert_int_equal(window.n_drifted[SIGNAL_OUTPUT], 0);
	for (c = 0; c < N_COLUMNS; c++)
		pair_release(&pairs[c]);
	verdicts_release(&window);
	verdicts_release(&all);
	verdicts_release(&parts);
	profile_set_release(&w);
}

static void a_pair_that_is_not_there_has_no_row(void **state)
{
	const struct pair *list[N_COLUMNS] = {NULL};
	struct verdicts v = {.n = 0};

	(void)state;
	judge_pairs(&spec, list, TRAINED, SEEN, &v);
	assert_int_equal(v.n, 1);
	assert_string_equal(v.items[0].metric, "volume");
	verdicts_release(&v);
}

static size_t rows_of(const struct verdicts *v, const char *column)
{
	size_t i, n = 0;

	for (i = 0; i < v->n; i++)
		n += strcmp(v->items[i].column, column) == 0;
	return n;
}

/* Every row of every other column, the broken one's left out of both. */
static void assert_others_same(const struct verdicts *a,
			       const struct verdicts *b, const char *broken)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a->n && (strcmp(a->items[i].column, broken) == 0 ||
				    a->items[i].column[0] == '_'))
			i++;
		while (j < b->n && (strcmp(b->items[j].column, broken) == 0 ||
				    b->items[j].column[0] == '_'))
			j++;
		if (i == a->n || j == b->n)
			break;
		assert_same_row(&a->items[i++], &b->items[j++]);
	}
	assert_true(i == a->n && j == b->n);
}

static void a_broken_column_leaves_the_others_alone(void **state)
{
	struct verdicts before = {.n = 0}, after = {.n = 0};
	struct profile_set w;
	int how;
	size_t c;

	(void)state;
	make_window(&w, N_COLUMNS, WHOLE);
	judge_window(&spec, baseline, &w, &before);
	profile_set_release(&w);
	for (c = 0; c < N_COLUMNS; c++) {
		for (how = EMPTIED; how <= OTHER_KIND; how++) {
			make_window(&w, c, (enum breakage)how);
			judge_window(&spec, baseline, &w, &after);
			assert_others_same(&before, &after, columns[c].name);
			/* a label that did not come has no row; all else has */
			assert_true(columns[c].role == ROLE_LABEL ||
				    rows_of(&after, columns[c].name) ==
					    rows_of(&before, columns[c].name));
			profile_set_release(&w);
		}
	}
	verdicts_release(&before);
	verdicts_release(&after);
}

static void columns_come_by_effect_times_importance(void **state)
{
	struct judge_ranked ranked[N_COLUMNS];
	struct verdicts v = {.n = 0};
	struct profile_set w;
	size_t n, i;

	(void)state;
	make_window(&w, N_COLUMNS, WHOLE);
	judge_window(&spec, baseline, &w, &v);
	n = judge_rank(&spec, &v, ranked, N_COLUMNS);
	assert_int_equal(n, N_COLUMNS);
	/* a moved most, but e (one category gone) and b weigh more */
	assert_true(ranked[0].drifted && ranked[1].drifted &&
		    ranked[2].drifted && !ranked[3].drifted);
	for (i = 0; i < n; i++) {
		double weight = 1.0;
		size_t c;

		for (c = 0; c < N_COLUMNS; c++) {
			if (strcmp(columns[c].name, ranked[i].column) == 0 &&
			    !isnan(columns[c].importance))
				weight = columns[c].importance;
		}
		assert_true(ranked[i].score == ranked[i].effect * weight);
		assert_string_equal(ranked[i].worst->column, ranked[i].column);
		assert_true(i == 0 ||
			    ranked[i - 1].drifted > ranked[i].drifted ||
			    ranked[i - 1].score >= ranked[i].score);
		if (ranked[i].effect > 0.0)
			assert_true(ranked[i].effect ==
				    ranked[i].worst->bound /
					    ranked[i].worst->threshold);
	}
	assert_int_equal(judge_rank(&spec, &v, ranked, 2), 2);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void bins_come_by_contribution(void **state)
{
	static const struct detector *const all[] = {
		&detector_psi, &detector_js, &detector_chi2, &detector_linf};
	struct top_bin top[8];
	struct profile_set w;
	struct pair p;
	size_t d, i, n;

	(void)state;
	make_window(&w, N_COLUMNS, WHOLE);
	pair_init(&p, baseline_find(baseline, "e", 1),
		  profile_set_find(&w, "e")->profile);
	for (d = 0; d < 4; d++) {
		struct finding f;
		double sum = 0.0, most = 0.0;

		all[d]->run(&p, &f);
		n = judge_top_of_pair(&p, all[d], top, 8);
		assert_int_equal(n, 3);
		assert_string_equal(top[0].label, "blue"); /* never comes */
		assert_true(top[0].share_cur == 0.0);
		for (i = 0; i < n; i++) {
			sum += top[i].contribution;
			most = fmax(most, top[i].contribution);
		}
		if (all[d] == &detector_js)
			sum = sqrt(sum);
		if (all[d] == &detector_linf)
			sum = most;
		assert_true(fabs(sum - f.value) <= 1e-12 * f.value);
	}
	assert_int_equal(judge_top_of_pair(&p, &detector_hellinger, top, 8), 0);
	pair_release(&p);
	profile_set_release(&w);
}

/* A categorical pair of ${n_bins} bins over the given counts. */
static struct pair pair_of(uint64_t *ref, uint64_t *cur, uint32_t n_bins)
{
	struct pair p = {.kind = COLUMN_CATEGORICAL, .is_exact = true};
	uint32_t i;

	p.n_cells = p.n_bins = n_bins;
	p.ref.count = p.ref.bin = ref;
	p.cur.count = p.cur.bin = cur;
	for (i = 0; i < n_bins; i++) {
		p.ref.n += ref[i];
		p.cur.n += cur[i];
	}
	return p;
}

static void chance_in_filled_bins_is_chi_square(void **state)
{
	uint64_t ref[] = {5000, 3000, 1500, 400, 100};
	uint64_t cur[] = {2600, 1400, 780, 180, 40};
	struct pair p = pair_of(ref, cur, 5), one = pair_of(ref, cur, 1);
	double expected, got;

	(void)state;
	got = judge_null_quantile(&p, 1e-4, detector_psi.contribution, 1.0);
	expected = special_chisq_q_inv(1e-4, 4) * (1.0 / 10000 + 1.0 / 5000);
	assert_true(fabs(got / expected - 1.0) < 1e-9);
	assert_true(judge_null_quantile(&one, 1e-4, detector_psi.contribution,
					1.0) == 0.0);
}

/*
 * 100 categories in windows of 300 against 3,000: most have three rows or
 * none.  The bound holds its promise, which chi-square's breaks.
 */
static void chance_in_sparse_bins_is_known(void **state)
{
	enum { BINS = 100, WINDOWS = 4000 };
	uint64_t ref[BINS], cur[BINS];
	unsigned i, w, n_psi = 0, n_js = 0, n_plain = 0;
	struct rng r = {20240501};

	(void)state;
	for (w = 0; w < WINDOWS; w++) {
		struct finding psi, js;
		struct pair p;

		memset(ref, 0, sizeof(ref));
		memset(cur, 0, sizeof(cur));
		for (i = 0; i < 3000; i++)
			ref[rng_below(&r, BINS)]++;
		for (i = 0; i < 300; i++)
			cur[rng_below(&r, BINS)]++;
		p = pair_of(ref, cur, BINS);
		detector_psi.run(&p, &psi);
		detector_js.run(&p, &js);
		n_psi += detector_psi.bound(&p, &psi, 0.01) > 0.0;
		n_js += detector_js.bound(&p, &js, 0.01) > 0.0;
		n_plain += psi.value > special_chisq_q_inv(0.01, BINS - 1) *
					       (1.0 / 3000 + 1.0 / 300);
	}
	assert_in_range(n_psi, 1, WINDOWS / 50);
	assert_in_range(n_js, 1, WINDOWS / 50);
	assert_true(n_plain > WINDOWS / 10);
}

/* Rows of a window over what the baseline had in its length. */
static void test_volume_ratio(void **state)
{
	struct baseline b = {.n_rows = 24000,
			     .first_us = 0,
			     .last_us = INT64_C(24) * 3600 * 1000000};
	struct verdicts v = {0};

	(void)state;
	judge_volume_ratio(&b, INT64_C(3600) * 1000000, 250, &v);
	assert_int_equal(v.n, 1);
	assert_string_equal(v.items[0].metric, "volume_ratio");
	assert_string_equal(v.items[0].column, "__model__");
	assert_true(v.items[0].value == 0.25);
	assert_false(v.items[0].drifted);
	b.last_us = b.first_us;
	judge_volume_ratio(&b, INT64_C(3600) * 1000000, 250, &v);
	b.first_us = INT64_MIN;
	judge_volume_ratio(&b, INT64_C(3600) * 1000000, 250, &v);
	judge_volume_ratio(NULL, INT64_C(3600) * 1000000, 250, &v);
	assert_int_equal(v.n, 1);
	verdicts_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume_ratio),
		cmocka_unit_test(pairs_are_judged_as_windows_are),
		cmocka_unit_test(a_pair_that_is_not_there_has_no_row),
		cmocka_unit_test(a_broken_column_leaves_the_others_alone),
		cmocka_unit_test(columns_come_by_effect_times_importance),
		cmocka_unit_test(bins_come_by_contribution),
		cmocka_unit_test(chance_in_filled_bins_is_chi_square),
		cmocka_unit_test(chance_in_sparse_bins_is_known),
	};

	rng = rng_start("test_judge_pairs");
	special_init();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
