/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rule: k of m, shares and weights, against pictures of windows. */

#include "alerts/rule.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/dict.h"
#include "config/config.h"
#include "storage/alert_store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WINDOWS = 8, MAX_CELLS = 64 };

/* A column and its windows from old to new: 'B' drifted, '.' fine, ' ' not
 * judged. */
struct picture {
	const char *column;
	const char *windows;
};

struct model_fixture {
	struct config_model model;
	struct config_column columns[4];
};

static void fixture_init(struct model_fixture *f)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	*f = (struct model_fixture){0};
	f->model.names = dict_new(0, 0);
	f->model.columns = f->columns;
	f->model.n_columns = ARRAY_LEN(names);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		dict_add(f->model.names, names[i], 1);
		f->columns[i].importance = (double)NAN;
	}
}

static void evaluate(const struct config_rule *rule,
		     const struct config_model *model,
		     const struct picture *pictures, size_t n,
		     struct rule_outcome *out)
{
	struct alert_store_window windows[MAX_WINDOWS];
	struct alert_store_cell cells[MAX_CELLS];
	size_t n_windows = n ? strlen(pictures[0].windows) : 0, n_cells = 0;

	assert_true(n_windows <= MAX_WINDOWS);
	for (size_t w = 0; w < n_windows; w++) {
		int64_t start_us = (int64_t)(n_windows - w) * CLOCK_HOUR_US;

		windows[w] = (struct alert_store_window){
			.start_us = start_us,
			.end_us = start_us + CLOCK_HOUR_US,
			.revision = 1,
		};
	}
	for (size_t i = 0; i < n; i++)
		for (size_t w = 0; w < n_windows; w++) {
			char c = pictures[i].windows[n_windows - 1 - w];

			if (c == ' ')
				continue;
			assert_true(n_cells < MAX_CELLS);
			cells[n_cells++] = (struct alert_store_cell){
				.column = pictures[i].column,
				.window = w,
				.drifted = c == 'B',
			};
		}
	rule_evaluate(rule, model, windows, n_windows, cells, n_cells, out);
}

#define EXPECT(rule, fixture, what, first_hour, n_breaching, ...)              \
	do {                                                                   \
		const struct picture p_[] = {__VA_ARGS__};                     \
		struct rule_outcome o_;                                        \
                                                                               \
		evaluate(rule, &(fixture)->model, p_, ARRAY_LEN(p_), &o_);     \
		assert_int_equal(o_.event, what);                              \
		assert_int_equal(o_.n_columns, n_breaching);                   \
		if ((n_breaching) > 0)                                         \
			assert_int_equal(o_.first_us / CLOCK_HOUR_US,          \
					 first_hour);                          \
		rule_outcome_release(&o_);                                     \
	} while (0)

static void test_k_of_m(void **state)
{
	const struct config_rule r = {.k = 2, .m = 3};
	struct model_fixture f;

	(void)state;
	fixture_init(&f);
	EXPECT(&r, &f, ALERT_CLEAR, 0, 0, {"a", "..."});
	EXPECT(&r, &f, ALERT_BREACH, 3, 1, {"a", "..B"});
	/* An old breach alone is none any more. */
	EXPECT(&r, &f, ALERT_CLEAR, 0, 0, {"a", "B.."});
	EXPECT(&r, &f, ALERT_HELD, 1, 1, {"a", "B.B"});
	EXPECT(&r, &f, ALERT_HELD, 2, 1, {"a", ".BB"});
	/* Still two of three, though the newest is fine. */
	EXPECT(&r, &f, ALERT_HELD, 1, 1, {"a", "BB."});
	/* Two columns once each are not one column twice. */
	EXPECT(&r, &f, ALERT_BREACH, 3, 1, {"a", ".B."}, {"b", "..B"});
	EXPECT(&r, &f, ALERT_HELD, 1, 2, {"a", "B.B"}, {"b", ".BB"});
	/* What was not judged neither counts nor clears. */
	EXPECT(&r, &f, ALERT_HELD, 1, 1, {"a", "B B"});
	dict_free(f.model.names);
}

static void test_fewer_windows_than_m(void **state)
{
	const struct config_rule r = {.k = 2, .m = 5};
	const struct config_rule once = {.k = 1, .m = 1};
	struct rule_outcome o;
	struct model_fixture f;

	(void)state;
	fixture_init(&f);
	EXPECT(&r, &f, ALERT_BREACH, 1, 1, {"a", "B"});
	EXPECT(&r, &f, ALERT_HELD, 1, 1, {"a", "BB"});
	EXPECT(&once, &f, ALERT_HELD, 1, 1, {"a", "B"});
	rule_evaluate(&r, &f.model, NULL, 0, NULL, 0, &o);
	assert_int_equal(o.event, ALERT_CLEAR);
	rule_outcome_release(&o);
	dict_free(f.model.names);
}

static void test_columns_of_the_rule(void **state)
{
	static char b[] = "b";
	static char *only[] = {b};
	const struct config_rule r = {
		.k = 1, .m = 1, .columns = only, .n_columns = 1};
	struct model_fixture f;

	(void)state;
	fixture_init(&f);
	EXPECT(&r, &f, ALERT_CLEAR, 0, 0, {"a", "B"}, {"b", "."});
	EXPECT(&r, &f, ALERT_HELD, 1, 1, {"a", "B"}, {"b", "B"});
	dict_free(f.model.names);
}

static void test_share(void **state)
{
	const struct config_rule half = {.k = 1, .m = 1, .share = 0.5};
	const struct config_rule most = {.k = 1, .m = 1, .share = 0.8};
	const struct config_rule held = {.k = 2, .m = 2, .share = 0.5};
	struct model_fixture f;

	(void)state;
	fixture_init(&f);
	EXPECT(&half, &f, ALERT_CLEAR, 0, 0, {"a", "B"}, {"b", "."},
	       {"c", "."});
	EXPECT(&half, &f, ALERT_HELD, 1, 2, {"a", "B"}, {"b", "B"}, {"c", "."});
	/* The columns must hold, each for itself. */
	EXPECT(&held, &f, ALERT_BREACH, 2, 2, {"a", "BB"}, {"b", ".B"},
	       {"c", ".."}, {"d", "B."});
	/* Columns that were not judged are no part of the whole. */
	EXPECT(&half, &f, ALERT_HELD, 1, 1, {"a", "B"}, {"b", "."});
	f.columns[0].importance = 0.1;
	f.columns[1].importance = 0.7;
	f.columns[2].importance = 0.2;
	EXPECT(&half, &f, ALERT_CLEAR, 0, 0, {"a", "B"}, {"b", "."},
	       {"c", "B"});
	/* 0.1 + 0.7 is a hair below 0.8 in binary. */
	EXPECT(&most, &f, ALERT_HELD, 1, 2, {"a", "B"}, {"b", "B"}, {"c", "."});
	/* Without weight a column cannot make a share. */
	f.columns[0].importance = 0;
	EXPECT(&half, &f, ALERT_CLEAR, 0, 0, {"a", "B"}, {"b", "."});
	dict_free(f.model.names);
}

static void test_about(void **state)
{
	static char churn[] = "churn", fraud[] = "fraud";
	static char *models[] = {fraud};
	const struct config_rule all = {0};
	const struct config_rule one = {.models = models, .n_models = 1};
	const struct config_model m = {.name = churn};
	const struct config_model n = {.name = fraud};

	(void)state;
	assert_true(rule_is_about(&all, &m));
	assert_false(rule_is_about(&one, &m));
	assert_true(rule_is_about(&one, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_k_of_m),
		cmocka_unit_test(test_fewer_windows_than_m),
		cmocka_unit_test(test_columns_of_the_rule),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
