/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every row of the oracle that is about a column - measures, p-values,
 * variants, descriptions, bins, of the reference and of all chunks - by exact
 * pairs.  A row that is missing or too many is as wrong as a false number.
 */
#include "base/buf.h"
#include "detectors/describe.h"
#include "detectors/detector.h"
#include "detectors/exact.h"
#include "detectors/pair.h"
#include "detectors/special.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/detectors/golden_set.h"

enum { ROWS_MAX = 256, METRICS_MAX = 128 };

/* All that is said of one column in one chunk. */
struct row {
	const char *metric;
	double value;
	bool seen;
};
struct rows {
	struct row items[ROWS_MAX];
	size_t n;
};

static struct {
	char name[64];
	size_t n;
} tally[METRICS_MAX];
static size_t n_metrics;

static void count(const char *metric)
{
	size_t i;

	for (i = 0; i < n_metrics; i++) {
		if (strcmp(tally[i].name, metric) == 0)
			break;
	}
	assert_true(i < METRICS_MAX);
	n_metrics += i == n_metrics;
	(void)snprintf(tally[i].name, sizeof(tally[i].name), "%s", metric);
	tally[i].n++;
}

static void add(struct rows *r, const char *metric, double value)
{
	assert_true(r->n < ROWS_MAX);
	r->items[r->n++] = (struct row){metric, value, false};
}

static void add_descriptions(struct rows *r, const struct pair *p,
			     bool is_reference)
{
	struct description d[DESCRIBE_MAX];
	size_t i, n = is_reference ? describe_reference(p, d)
				   : describe_current(p, d);

	for (i = 0; i < n; i++)
		add(r, d[i].metric, d[i].value);
}

static void add_findings(struct rows *r, const struct pair *p)
{
	size_t n, i;
	uint32_t k;
	const struct detector *const *all = detector_list(&n);

	for (i = 0; i < n; i++) {
		struct finding f;

		if (all[i]->described || (all[i]->kinds & 1U << p->kind) == 0)
			continue;
		all[i]->run(p, &f);
		if (f.status != FINDING_OK && f.status != FINDING_UNDEFINED)
			continue;
		assert_true((f.status == FINDING_OK) == !isnan(f.value));
		assert_true(isnan(f.value) || f.lower == f.value);
		assert_true(isnan(f.value) || f.upper == f.value);
		add(r, all[i]->metric, f.value);
		if (all[i]->pvalue_metric != NULL)
			add(r, all[i]->pvalue_metric, f.p_value);
		for (k = 0; k < f.n_extras; k++)
			add(r, f.extras[k].metric, f.extras[k].value);
	}
}

/* Ours that the oracle does not have, and the other way round. */
static bool is_only_ours(const char *metric)
{
	static const char *const names[] = {
		"ks_pvalue", "ks_robust",     "mean_shift",    "std_shift",
		"q05_shift", "q25_shift",     "q50_shift",     "q75_shift",
		"q95_shift", "invalid_share", "quantile_shift"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], metric) == 0)
			return true;
	}
	return false;
}

static bool is_only_theirs(const char *metric)
{
	return strcmp(metric, "cvm_pvalue_scipy") == 0;
}

/* The tolerances of the oracle's README. */
static bool is_close(const char *metric, double ours, double golden)
{
	double relative = 1e-9, absolute = 1e-12;

	if (isnan(golden) || isnan(ours))
		return isnan(golden) && isnan(ours);
	if (ours == golden)
		return true;
	if (metric[0] == 'n' && (metric[1] == '\0' || metric[1] == '_'))
		return false; /* counts */
	if (strncmp(metric, "bin_", 4) == 0)
		return false; /* counts, and edges bit for bit */
	if (strcmp(metric, "js") == 0 || strcmp(metric, "hellinger") == 0)
		absolute = 1e-8;
	if (strcmp(metric, "cvm_statistic") == 0 ||
	    strcmp(metric, "ad_statistic") == 0)
		relative = 1e-8;
	if (strstr(metric, "pvalue") != NULL) {
		relative = strcmp(metric, "ks_pvalue_asymp") == 0 ? 1e-5 : 1e-6;
		relative = golden > 1e-12 ? relative : 0.0;
		absolute = golden > 1e-12 ? 0.0 : 1e-10;
	}
	if (strcmp(metric, "cvm_pvalue") == 0)
		absolute = 1e-10;
	return fabs(ours - golden) <= relative * fabs(golden) + absolute;
}

/* "js_q10" is js. */
static void own_name(const char *golden, char *out, size_t size)
{
	size_t len = strlen(golden);

	if (len > 4 && strcmp(golden + len - 4, "_q10") == 0)
		len -= 4;
	(void)snprintf(out, size, "%.*s", (int)len, golden);
}

static size_t check(struct rows *r, const char *where, const char *golden,
		    const char *text)
{
	char metric[64];
	double value = strtod(text, NULL);
	size_t i;

	if (is_only_theirs(golden))
		return 0;
	own_name(golden, metric, sizeof(metric));
	for (i = 0; i < r->n; i++) {
		if (strcmp(r->items[i].metric, metric) == 0)
			break;
	}
	if (i == r->n) {
		print_error("%s: no %s\n", where, metric);
		return 1;
	}
	r->items[i].seen = true;
	count(metric);
	if (is_close(metric, r->items[i].value, value))
		return 0;
	print_error("%s %s: %.17g, golden %s\n", where, metric,
		    r->items[i].value, text);
	return 1;
}

static size_t check_rest(const struct rows *r, const char *where)
{
	size_t i, n_wrong = 0;

	for (i = 0; i < r->n; i++) {
		if (r->items[i].seen || is_only_ours(r->items[i].metric))
			continue;
		print_error("%s: %s is not in the oracle\n", where,
			    r->items[i].metric);
		n_wrong++;
	}
	return n_wrong;
}

/* The exact side of a column, made once for all its chunks. */
struct side {
	struct exact_column column;
	struct exact_bins bins;
	bool has_missing; /* in reference or analysis */
};

static void make(struct exact_column *c, const struct series *s, size_t start,
		 size_t end, struct exact_space *space)
{
	if (s->kind == COLUMN_NUMERIC)
		exact_column_numbers(c, s->numbers + start, end - start, space);
	else
		exact_column_codes(c, s->codes + start, end - start, s->list,
				   dict_count(s->texts), space);
}

static void make_sides(const struct set *set, struct side *sides,
		       struct exact_space *space)
{
	struct exact_column all = {.kind = COLUMN_NUMERIC};
	size_t c;

	for (c = 0; c < set->n_columns; c++) {
		struct side *s = &sides[c];

		make(&s->column, &set->reference[c], 0, set->reference[c].n,
		     space);
		exact_bins_init(&s->bins, &s->column);
		make(&all, &set->current[c], 0, set->current[c].n, space);
		s->has_missing = s->column.n_missing + all.n_missing > 0;
	}
	exact_column_release(&all);
}

/* All rows of the oracle from ${at} on that are of one chunk and column. */
static size_t check_group(const struct set *set, const struct table *golden,
			  const struct side *sides, size_t at, size_t end,
			  struct exact_space *space, size_t *n_wrong)
{
	static struct exact_column chunk;
	char *const *first = &golden->cells[(at + 1) * golden->n_columns];
	bool is_reference = strcmp(first[1], "-1") == 0;
	struct rows rows = {.n = 0};
	struct pair pair;
	char where[128];
	size_t c = 0, i;

	while (c < set->n_columns && strcmp(set->names[c], first[3]) != 0)
		c++;
	if (c == set->n_columns)
		return 0; /* __model__ */
	(void)snprintf(where, sizeof(where), "%s,%s,%s", first[1], first[2],
		       first[3]);
	if (!is_reference)
		make(&chunk, &set->current[c], strtoul(first[1], NULL, 10),
		     strtoul(first[2], NULL, 10), space);
	exact_pair_init(&pair, &sides[c].column, is_reference ? NULL : &chunk,
			&sides[c].bins, space);
	pair.missing_elsewhere = sides[c].has_missing;
	add_descriptions(&rows, &pair, is_reference);
	if (!is_reference)
		add_findings(&rows, &pair);
	for (i = at; i < end; i++) {
		char *const *row = &golden->cells[(i + 1) * golden->n_columns];

		*n_wrong += check(&rows, where, row[4], row[5]);
	}
	*n_wrong += check_rest(&rows, where);
	pair_release(&pair);
	if (end == golden->n_rows)
		exact_column_release(&chunk);
	return end - at;
}

static size_t group_end(const struct table *t, size_t at)
{
	char *const *first = &t->cells[(at + 1) * t->n_columns];
	size_t i = at;

	for (; i < t->n_rows; i++) {
		char *const *row = &t->cells[(i + 1) * t->n_columns];

		if (strcmp(row[1], first[1]) != 0 ||
		    strcmp(row[2], first[2]) != 0 ||
		    strcmp(row[3], first[3]) != 0)
			break;
	}
	return i;
}

static void run_set(const char *name)
{
	static struct set set;
	static struct side sides[COLUMNS_MAX];
	struct exact_space space = {.spare = NULL};
	struct table golden;
	char *path = path_of("golden", name, ".csv");
	bool ok = table_load(&golden, path) && set_load(&set, name);
	size_t at, end, n = 0, n_wrong = 0, c;

	free(path);
	if (!ok) {
		print_message("SKIPPED: no data set \"%s\" under \"%s\"\n",
			      name, shared());
		skip();
	}
	memset(sides, 0, sizeof(sides));
	make_sides(&set, sides, &space);
	for (at = 0; at < golden.n_rows; at = end) {
		end = group_end(&golden, at);
		n += check_group(&set, &golden, sides, at, end, &space,
				 &n_wrong);
	}
	print_message("%s: %zu rows of the oracle, %zu wrong\n", name, n,
		      n_wrong);
	assert_true(n > 1000);
	assert_int_equal(n_wrong, 0);
	for (c = 0; c < set.n_columns; c++)
		exact_column_release(&sides[c].column);
	exact_space_release(&space);
	set_release(&set);
	table_release(&golden);
}

#define GOLDEN(name)                                                           \
	static void golden_##name(void **state)                                \
	{                                                                      \
		(void)state;                                                   \
		run_set(#name);                                                \
	}
GOLDEN(car_loan)
GOLDEN(car_price)
GOLDEN(census_ma)
GOLDEN(elec2)
GOLDEN(elec2_const)
GOLDEN(titanic)

static void print_counts(void **state)
{
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < n_metrics; i++) {
		print_message("%7zu %s\n", tally[i].n, tally[i].name);
		n += tally[i].n;
	}
	print_message("%7zu rows compared\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_car_loan),
		cmocka_unit_test(golden_car_price),
		cmocka_unit_test(golden_census_ma),
		cmocka_unit_test(golden_elec2),
		cmocka_unit_test(golden_elec2_const),
		cmocka_unit_test(golden_titanic),
		cmocka_unit_test(print_counts),
	};

	special_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
