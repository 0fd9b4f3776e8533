/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The judge: which status, who is drifted, how severe, and what moved, in
 * windows made for each case.
 */
#include "base/err.h"
#include "detectors/baseline.h"
#include "detectors/judge.h"
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

enum { TRAINED = 20000, SEEN = 4000 };

static struct rng rng;
static struct baseline *baseline;

static const struct baseline_spec_column trained[] = {
	{"still", COLUMN_NUMERIC, ROLE_FEATURE},
	{"moving", COLUMN_NUMERIC, ROLE_FEATURE},
	{"constant", COLUMN_NUMERIC, ROLE_FEATURE},
	{"colour", COLUMN_CATEGORICAL, ROLE_FEATURE},
	{"score", COLUMN_NUMERIC, ROLE_SCORE},
	{"label", COLUMN_CATEGORICAL, ROLE_LABEL},
	{"never", COLUMN_NUMERIC, ROLE_FEATURE},
};
enum { N_TRAINED = 7, N_JUDGED = 8 };
static const struct category_text texts[] = {
	{"red", 3, false}, {"green", 5, false}, {"violet", 6, false}};

/* The columns in another order than by name, and one that is untrained. */
static struct judge_column columns[N_JUDGED];
static struct judge_spec spec = {
	.columns = columns,
	.n_columns = N_JUDGED,
	.detectors = UINT64_MAX,
	.alpha = 0.01,
	.min_rows = 500,
};

static int set_up(void **state)
{
	struct baseline_builder *b =
		baseline_builder_new(trained, N_TRAINED, 256, 100, 0);
	double *v = calloc(TRAINED, sizeof(*v));
	uint32_t *codes = calloc(TRAINED, sizeof(*codes));
	struct err e;
	size_t c, i;

	(void)state;
	for (c = 0; c < N_TRAINED; c++) {
		for (i = 0; i < TRAINED; i++) {
			v[i] = c == 2	? 7.0
			       : c == 6 ? value_missing()
					: rng_gauss(&rng);
			codes[i] = (uint32_t)rng_below(&rng, 2);
		}
		if (trained[c].kind == COLUMN_NUMERIC)
			baseline_builder_numbers(b, c, v, TRAINED, &e);
		else
			baseline_builder_codes(b, c, codes, TRAINED, texts, 3,
					       &e);
	}
	assert_int_equal(baseline_builder_rows(b, NULL, TRAINED, &e), 0);
	baseline = baseline_builder_finish(b, &e);
	assert_non_null(baseline);
	baseline_builder_free(b);
	free(v);
	free(codes);
	for (c = 0; c < N_TRAINED; c++)
		columns[c] = (struct judge_column){
			trained[c].name, trained[c].kind, trained[c].role,
			(double)NAN, NULL};
	columns[N_TRAINED] = (struct judge_column){
		"unknown", COLUMN_NUMERIC, ROLE_FEATURE, (double)NAN, NULL};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	baseline_free(baseline);
	return 0;
}

/* ${shift} moves "moving"; ${n} events of every column but the label. */
static void make_window(struct profile_set *w, size_t n, double shift)
{
	struct err e;
	size_t c, i;

	profile_set_init(w, baseline, 100);
	for (c = 0; c < N_JUDGED; c++) {
		const struct judge_column *j = &columns[c];
		struct profile *p;

		if (j->role == ROLE_LABEL || c == 6)
			continue;
		p = profile_set_get(w, j->name, strlen(j->name), j->kind,
				    j->role, &e)
			    ->profile;
		for (i = 0; i < n; i++) {
			double v = c == 2 ? 7.0 : rng_gauss(&rng);
			uint32_t code = (uint32_t)rng_below(&rng, 2);

			v += c == 1 ? shift : 0.0;
			if (j->kind == COLUMN_NUMERIC)
				profile_add_numbers(p, &v, NULL, 1);
			else
				profile_add_categories(p, &code, NULL, 1, texts,
						       3);
		}
	}
	w->n_events = n;
}

static struct profile *profile_of(struct profile_set *w, const char *name)
{
	return profile_set_find(w, name)->profile;
}

static const struct verdict *row(const struct verdicts *v, const char *column,
				 const char *metric)
{
	const struct verdict *found = NULL;
	size_t i;

	for (i = 0; i < v->n; i++) {
		if (strcmp(v->items[i].column, column) != 0 ||
		    strcmp(v->items[i].metric, metric) != 0)
			continue;
		assert_null(found);
		found = &v->items[i];
	}
	assert_non_null(found);
	return found;
}

static size_t count_rows(const struct verdicts *v, const char *column)
{
	size_t i, n = 0;

	for (i = 0; i < v->n; i++)
		n += strcmp(v->items[i].column, column) == 0;
	return n;
}

static void drift_is_found_where_it_is(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	const struct verdict *r;
	size_t i;

	(void)state;
	make_window(&w, SEEN, 1.0);
	judge_window(&spec, baseline, &w, &v);
	for (i = 0; i < v.n; i++) {
		r = &v.items[i];
		if (r->drifted)
			assert_string_equal(r->column, "moving");
		if (!isnan(r->value))
			assert_true(r->lower <= r->value &&
				    r->value <= r->upper);
	}
	r = row(&v, "moving", "psi");
	assert_true(r->drifted);
	assert_int_equal(r->severity, SEVERITY_CRITICAL);
	assert_true(r->threshold == 0.2);
	assert_int_equal(r->n_reference, TRAINED);
	assert_int_equal(r->n_current, SEEN);
	r = row(&v, "moving", "ks_statistic");
	assert_true(r->drifted && r->bound < r->lower);
	assert_true(r->p_adjusted >= r->p_value && r->p_adjusted < 1e-6);
	r = row(&v, "still", "ks_statistic");
	assert_int_equal(r->status, VERDICT_OK);
	assert_true(!r->drifted && r->bound == 0.0);
	/* constant: judged all the same, and not drifted while it is */
	r = row(&v, "constant", "psi");
	assert_int_equal(r->status, VERDICT_CONSTANT_REFERENCE);
	assert_true(r->value == 0.0);
	r = row(&v, "colour", "chi2_statistic");
	assert_true(r->p_value > 0.0 && isnan(r->threshold));
	/* trained without a value, and absent now */
	r = row(&v, "never", "psi");
	assert_int_equal(r->status, VERDICT_EMPTY);
	assert_true(isnan(r->value));
	r = row(&v, "never", "missing_share");
	assert_int_equal(r->status, VERDICT_OK);
	assert_true(r->value == 1.0 && !r->drifted);
	r = row(&v, "unknown", "missing_share");
	assert_int_equal(r->status, VERDICT_NO_BASELINE);
	assert_int_equal(count_rows(&v, "unknown"), 1);
	assert_int_equal(count_rows(&v, "label"), 0);
	r = row(&v, "__model__", "volume");
	assert_true(r->value == SEEN);
	assert_int_equal(r->signal, SIGNAL_DATA);
	assert_int_equal(v.n_judged[SIGNAL_INPUT], 5);
	assert_int_equal(v.n_drifted[SIGNAL_INPUT], 1);
	assert_int_equal(v.n_judged[SIGNAL_OUTPUT], 1);
	assert_true(v.drifted_share[SIGNAL_INPUT] == 0.2);
	assert_true(isnan(v.drifted_share[SIGNAL_QUALITY]));
	assert_int_equal(count_rows(&v, "__model__"), 3);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void few_rows_are_no_verdict(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	const struct verdict *r;
	size_t i;

	(void)state;
	make_window(&w, 499, 3.0);
	judge_window(&spec, baseline, &w, &v);
	for (i = 0; i < v.n; i++) {
		assert_false(v.items[i].drifted);
		assert_int_equal(v.items[i].severity, SEVERITY_NONE);
	}
	r = row(&v, "moving", "psi");
	assert_int_equal(r->status, VERDICT_INSUFFICIENT_DATA);
	assert_true(r->value > 1.0);
	assert_int_equal(v.n_judged[SIGNAL_INPUT], 0);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void shares_decide(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	struct profile *p;
	const struct verdict *r;
	uint32_t violet = 2;
	double far = 100.0;
	size_t i;

	(void)state;
	make_window(&w, SEEN, 0.0);
	/* 8 % violet, 7.4 % far out, 60 % of the score invalid */
	for (i = 0; i < 348; i++) {
		profile_add_categories(profile_of(&w, "colour"), &violet, NULL,
				       1, texts, 3);
		if (i < 320)
			profile_add_numbers(profile_of(&w, "still"), &far, NULL,
					    1);
	}
	profile_of(&w, "score")->n_invalid += 6000;
	/* all of "moving" is missing now */
	p = profile_of(&w, "moving");
	profile_clear(p);
	p->n_missing = SEEN;
	judge_window(&spec, baseline, &w, &v);
	r = row(&v, "colour", "new_category_share");
	assert_true(r->drifted && r->value == r->bound);
	assert_int_equal(r->severity, SEVERITY_ERROR);
	assert_true(row(&v, "still", "out_of_range_share")->drifted);
	r = row(&v, "score", "psi");
	assert_int_equal(r->status, VERDICT_TYPE_CHANGED);
	assert_false(r->drifted);
	assert_true(isfinite(r->value));
	r = row(&v, "score", "invalid_share");
	assert_int_equal(r->status, VERDICT_TYPE_CHANGED);
	assert_true(r->drifted && r->value == 0.6);
	assert_int_equal(row(&v, "moving", "psi")->status, VERDICT_EMPTY);
	r = row(&v, "moving", "missing_share");
	assert_int_equal(r->status, VERDICT_OK);
	assert_true(r->drifted && r->value == 1.0);
	assert_int_equal(v.n_drifted[SIGNAL_OUTPUT], 1);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void a_column_that_is_gone(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	struct err e;

	(void)state;
	profile_set_init(&w, baseline, 100);
	profile_set_get(&w, "still", 5, COLUMN_NUMERIC, ROLE_FEATURE, &e);
	w.n_events = 1000;
	judge_window(&spec, baseline, &w, &v);
	assert_true(row(&v, "still", "missing_share")->drifted);
	assert_true(row(&v, "colour", "missing_share")->drifted);
	assert_true(row(&v, "unknown", "missing_share")->value == 1.0);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void constant_that_moves(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	double other = 8.0;
	const struct verdict *r;
	size_t i;

	(void)state;
	make_window(&w, SEEN, 0.0);
	for (i = 0; i < 2000; i++)
		profile_add_numbers(profile_of(&w, "constant"), &other, NULL,
				    1);
	judge_window(&spec, baseline, &w, &v);
	r = row(&v, "constant", "psi");
	assert_int_equal(r->status, VERDICT_CONSTANT_REFERENCE);
	assert_true(r->drifted);
	r = row(&v, "constant", "ks_statistic");
	assert_true(fabs(r->value - 1.0 / 3.0) < 1e-12);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void labels_and_weights(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	struct thresholds own[DETECTORS_MAX];
	struct err e;
	struct profile *p;
	const struct verdict *r;
	uint32_t code = 0;
	size_t n, i;
	const struct detector *const *all = detector_list(&n);

	(void)state;
	for (i = 0; i < n; i++)
		own[i] = all[i]->thresholds;
	own[detector_index(&detector_psi)] =
		(struct thresholds){(double)NAN, 1e9, (double)NAN};
	columns[1].thresholds = own;
	columns[1].importance = 3.0;
	columns[6].importance = 0.0;
	spec.detectors = UINT64_C(1) << detector_index(&detector_psi);
	make_window(&w, SEEN, 1.0);
	p = profile_set_get(&w, "label", 5, COLUMN_CATEGORICAL, ROLE_LABEL, &e)
		    ->profile;
	for (i = 0; i < 600; i++) /* one class only: drift of the target */
		profile_add_categories(p, &code, NULL, 1, texts, 3);
	judge_window(&spec, baseline, &w, &v);
	r = row(&v, "label", "psi");
	assert_int_equal(r->signal, SIGNAL_QUALITY);
	assert_true(r->drifted);
	r = row(&v, "label", "missing_share");
	assert_int_equal(r->status, VERDICT_NOT_APPLICABLE);
	assert_false(r->drifted);
	assert_false(row(&v, "moving", "psi")->drifted);
	/* psi and the shares only */
	assert_int_equal(count_rows(&v, "moving"), 4);
	assert_true(v.drifted_share[SIGNAL_INPUT] == 0.0);
	columns[1].thresholds = NULL;
	judge_window(&spec, baseline, &w, &v);
	/* weights: moving 3, still, constant and colour 1, never 0 */
	assert_true(v.drifted_share[SIGNAL_INPUT] == 0.5);
	spec.detectors = UINT64_MAX;
	columns[1].importance = (double)NAN;
	columns[6].importance = (double)NAN;
	verdicts_release(&v);
	profile_set_release(&w);
}

static void no_baseline_no_verdict(void **state)
{
	struct profile_set w;
	struct verdicts v = {.items = NULL};
	size_t i;

	(void)state;
	make_window(&w, SEEN, 1.0);
	judge_window(&spec, NULL, &w, &v);
	for (i = 0; i + 1 < v.n; i++) {
		assert_int_equal(v.items[i].status, VERDICT_NO_BASELINE);
		assert_string_equal(v.items[i].metric, "missing_share");
	}
	assert_int_equal(v.n, N_JUDGED - 1 + 1); /* no label, but volume */
	judge_empty_window(&v);
	assert_int_equal(v.n, 1);
	assert_true(v.items[0].value == 0.0);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void top_bins_say_what_moved(void **state)
{
	struct profile_set w;
	struct top_bin top[20];
	size_t n, i;
	double psi = 0.0;
	struct verdicts v = {.items = NULL};

	(void)state;
	make_window(&w, SEEN, 1.0);
	judge_window(&spec, baseline, &w, &v);
	n = judge_top_bins(baseline, &w, "moving", top, 20);
	assert_in_range(n, 8, 10);
	for (i = 0; i < n; i++) {
		assert_true(i == 0 ||
			    top[i - 1].contribution >= top[i].contribution);
		psi += top[i].contribution;
	}
	assert_true(fabs(psi - row(&v, "moving", "psi")->value) < 1e-12);
	/* one sigma to the right: the last decile has gained most */
	assert_int_equal(strncmp(top[0].label, "(1.2", 4), 0);
	assert_non_null(strstr(top[0].label, ", inf)"));
	assert_true(top[0].share_cur > 2.0 * top[0].share_ref);
	n = judge_top_bins(baseline, &w, "moving", top, 2);
	assert_int_equal(n, 2);
	assert_int_equal(judge_top_bins(baseline, &w, "unknown", top, 2), 0);
	assert_int_equal(judge_top_bins(NULL, &w, "moving", top, 2), 0);
	verdicts_release(&v);
	profile_set_release(&w);
}

static void long_labels_are_cut_between_characters(void **state)
{
	struct profile_set w;
	struct top_bin top[4];
	char name[200];
	struct category_text t = {name, 199, false};
	uint32_t code = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 199; i++) /* e with acute: two bytes each */
		name[i] = i % 2 == 0 ? (char)0xc3 : (char)0xa9;
	name[198] = 'x';
	name[199] = '\0';
	make_window(&w, SEEN, 0.0);
	for (i = 0; i < SEEN; i++)
		profile_add_categories(profile_of(&w, "colour"), &code, NULL, 1,
				       &t, 1);
	assert_true(judge_top_bins(baseline, &w, "colour", top, 4) >= 1);
	assert_int_equal(strlen(top[0].label), 94);
	profile_set_release(&w);
}

static void names_go_both_ways(void **state)
{
	enum verdict_status status;
	enum severity severity;
	enum signal signal;
	int i;

	(void)state;
	for (i = 0; i <= VERDICT_NOT_APPLICABLE; i++) {
		assert_int_equal(
			verdict_status_parse(
				verdict_status_name((enum verdict_status)i),
				&status),
			0);
		assert_int_equal(status, i);
	}
	for (i = 0; i <= SEVERITY_CRITICAL; i++) {
		assert_int_equal(severity_parse(severity_name((enum severity)i),
						&severity),
				 0);
		assert_int_equal(severity, i);
	}
	for (i = 0; i < N_SIGNALS; i++) {
		assert_int_equal(
			signal_parse(signal_name((enum signal)i), &signal), 0);
		assert_int_equal(signal, i);
	}
	assert_int_equal(severity_parse("page", &severity), 0);
	assert_int_equal(severity, SEVERITY_CRITICAL);
	assert_int_equal(severity_parse("fatal", &severity), -1);
	assert_int_equal(verdict_status_parse("fine", &status), -1);
	assert_int_equal(signal_parse("noise", &signal), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drift_is_found_where_it_is),
		cmocka_unit_test(few_rows_are_no_verdict),
		cmocka_unit_test(shares_decide),
		cmocka_unit_test(a_column_that_is_gone),
		cmocka_unit_test(constant_that_moves),
		cmocka_unit_test(labels_and_weights),
		cmocka_unit_test(no_baseline_no_verdict),
		cmocka_unit_test(top_bins_say_what_moved),
		cmocka_unit_test(long_labels_are_cut_between_characters),
		cmocka_unit_test(names_go_both_ways),
	};

	special_init();
	rng = rng_start("test_judge");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
