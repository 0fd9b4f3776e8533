/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every drift number of the oracle that these detectors compute, on every
 * data set, column and chunk (whole, rows, months, years): from the CSV through
 * the cells and profiles that the daemon uses.
 */
#include "base/buf.h"
#include "base/compress.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/judge.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "detectors/registry.h"
#include "detectors/special.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	FILE_MAX = 256 << 20,
	RESOLUTION = 256,
	MAX_CATEGORIES = 1000,
	COLUMNS_MAX = 64
};

/* ---- a CSV file in memory: RFC 4180, cells unquoted in place ---- */

struct table {
	struct buf text;
	char **cells;		  /* row-major, header first */
	size_t n_columns, n_rows; /* rows without the header */
};

static char *table_cell(const struct table *t, size_t row, size_t column)
{
	return t->cells[(row + 1) * t->n_columns + column];
}

static long table_column(const struct table *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->n_columns; i++) {
		if (strcmp(t->cells[i], name) == 0)
			return (long)i;
	}
	return -1;
}

static bool slurp(const char *path, struct buf *out)
{
	struct err e;
	struct input *in = input_open(path, &e);
	static char piece[65536];
	long n;

	buf_init(out, FILE_MAX);
	if (in == NULL)
		return false;
	while ((n = input_read(in, piece, sizeof(piece), &e)) > 0)
		buf_add(out, piece, (size_t)n);
	input_close(in);
	assert_int_equal(n, 0);
	assert_false(out->failed);
	return true;
}

/* One cell from ${s}; ${end} gets what stood after it. */
static char *parse_cell(char *s, char **next, char *end)
{
	char *out = s, *start = s;

	if (*s != '"') {
		s += strcspn(s, ",\n");
		*end = *s;
		*s = '\0';
		*next = s + (*end != '\0');
		return start;
	}
	for (s++; *s != '\0'; s++) {
		if (*s == '"' && s[1] != '"')
			break;
		s += *s == '"';
		*out++ = *s;
	}
	s += *s == '"';
	*end = *s;
	*out = '\0';
	*next = s + (*end != '\0');
	return start;
}

static bool table_load(struct table *t, const char *path)
{
	size_t n = 0, cap = 1 << 16;
	char *at, end;

	memset(t, 0, sizeof(*t));
	if (!slurp(path, &t->text))
		return false;
	t->cells = malloc(cap * sizeof(char *));
	for (at = t->text.data; *at != '\0';) {
		if (n == cap) {
			cap *= 2;
			t->cells = realloc(t->cells, cap * sizeof(char *));
		}
		t->cells[n++] = parse_cell(at, &at, &end);
		if (end == '\n' && t->n_columns == 0)
			t->n_columns = n;
	}
	assert_int_equal(n % t->n_columns, 0);
	t->n_rows = n / t->n_columns - 1;
	return true;
}

static void table_release(struct table *t)
{
	free(t->cells);
	buf_release(&t->text);
}

/* ---- a data set: its columns as the fold wants them ---- */

struct series {
	enum column_kind kind;
	double *numbers;
	uint32_t *codes;
	struct dict *texts;
	struct category_text *list;
	size_t n;
};

struct set {
	char name[32];
	size_t n_columns;
	const char *names[COLUMNS_MAX];
	struct series reference[COLUMNS_MAX];
	struct series current[COLUMNS_MAX];
	struct baseline *baseline;
	struct json_value *schema;
	struct buf schema_text;
	struct table tables[3]; /* reference, analysis, labels */
};

static const char *shared(void)
{
	const char *path = getenv("SHARED");

	return path != NULL ? path : "../shared";
}

static char *path_of(const char *folder, const char *set, const char *file)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b, "%s/%s/%s%s", shared(), folder, set, file);
	return b.data;
}

static void series_add(struct series *s, const char *text)
{
	double v;

	if (s->kind == COLUMN_NUMERIC) {
		if (text[0] == '\0')
			v = value_missing();
		else if (!number_parse(text, strlen(text), &v))
			v = value_invalid();
		s->numbers[s->n++] = v;
		return;
	}
	s->codes[s->n++] = text[0] == '\0'
				   ? CODE_MISSING
				   : dict_add(s->texts, text, strlen(text));
}

static void series_init(struct series *s, enum column_kind kind, size_t rows)
{
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	if (kind == COLUMN_NUMERIC) {
		s->numbers = calloc(rows, sizeof(double));
	} else {
		s->codes = calloc(rows, sizeof(uint32_t));
		s->texts = dict_new(0, 0);
	}
}

static void series_seal(struct series *s)
{
	uint32_t i;
	size_t len;

	if (s->kind == COLUMN_NUMERIC)
		return;
	s->list = calloc(dict_count(s->texts) + 1, sizeof(*s->list));
	for (i = 0; i < dict_count(s->texts); i++) {
		s->list[i].text = dict_text(s->texts, i, &len);
		s->list[i].len = (uint32_t)len;
	}
}

static void series_release(struct series *s)
{
	free(s->numbers);
	free(s->codes);
	free(s->list);
	dict_free(s->texts);
}

/* A column of the analysis; the label comes from labels.csv by id. */
static void load_current(struct set *set, size_t c, enum column_kind kind)
{
	const struct table *t = &set->tables[1], *labels = &set->tables[2];
	long column = table_column(t, set->names[c]);
	long label = table_column(labels, set->names[c]);
	long id = table_column(t, "id"), label_id = table_column(labels, "id");
	struct dict *ids = NULL;
	size_t i;

	series_init(&set->current[c], kind, t->n_rows);
	if (column < 0) {
		assert_true(label >= 0 && id >= 0 && label_id >= 0);
		ids = dict_new(0, 0);
		for (i = 0; i < labels->n_rows; i++) {
			const char *text =
				table_cell(labels, i, (size_t)label_id);

			assert_int_equal(dict_add(ids, text, strlen(text)), i);
		}
	}
	for (i = 0; i < t->n_rows; i++) {
		const char *text = "";

		if (ids != NULL) {
			const char *key = table_cell(t, i, (size_t)id);
			uint32_t at = dict_find(ids, key, strlen(key));

			assert_int_not_equal(at, DICT_NONE);
			text = table_cell(labels, at, (size_t)label);
		} else {
			text = table_cell(t, i, (size_t)column);
		}
		series_add(&set->current[c], text);
	}
	series_seal(&set->current[c]);
	dict_free(ids);
}

static void load_reference(struct set *set, size_t c, enum column_kind kind)
{
	const struct table *t = &set->tables[0];
	long column = table_column(t, set->names[c]);
	size_t i;

	assert_true(column >= 0);
	series_init(&set->reference[c], kind, t->n_rows);
	for (i = 0; i < t->n_rows; i++)
		series_add(&set->reference[c],
			   table_cell(t, i, (size_t)column));
	series_seal(&set->reference[c]);
}

static void build_baseline(struct set *set)
{
	struct baseline_spec_column spec[COLUMNS_MAX];
	struct baseline_builder *b;
	struct err e;
	size_t i;

	for (i = 0; i < set->n_columns; i++)
		spec[i] = (struct baseline_spec_column){
			set->names[i], set->reference[i].kind, ROLE_FEATURE};
	b = baseline_builder_new(spec, set->n_columns, RESOLUTION,
				 MAX_CATEGORIES, 0);
	for (i = 0; i < set->n_columns; i++) {
		struct series *s = &set->reference[i];
		int rc;

		if (s->kind == COLUMN_NUMERIC)
			rc = baseline_builder_numbers(b, i, s->numbers, s->n,
						      &e);
		else
			rc = baseline_builder_codes(b, i, s->codes, s->n,
						    s->list,
						    dict_count(s->texts), &e);
		assert_int_equal(rc, 0);
	}
	assert_int_equal(
		baseline_builder_rows(b, NULL, set->tables[0].n_rows, &e), 0);
	set->baseline = baseline_builder_finish(b, &e);
	assert_non_null(set->baseline);
	baseline_builder_free(b);
}

static void load_columns(struct set *set, const char *key,
			 enum column_kind kind)
{
	const struct json_value *list = json_get(set->schema, key);
	size_t i;

	for (i = 0; i < json_count(list); i++) {
		size_t c = set->n_columns++;

		assert_true(c < COLUMNS_MAX);
		set->names[c] = json_text(json_at(list, i));
		load_reference(set, c, kind);
		load_current(set, c, kind);
	}
}

static bool set_load(struct set *set, const char *name)
{
	static const char *const files[] = {
		"/reference.csv.gz", "/analysis.csv.gz", "/labels.csv.gz"};
	char *path = path_of("data", name, "/schema.json");
	struct err e;
	size_t i;
	bool ok;

	memset(set, 0, sizeof(*set));
	memcpy(set->name, name, strlen(name));
	ok = slurp(path, &set->schema_text);
	free(path);
	for (i = 0; ok && i < 3; i++) {
		path = path_of("data", name, files[i]);
		ok = table_load(&set->tables[i], path);
		free(path);
	}
	if (!ok)
		return false;
	set->schema =
		json_parse(set->schema_text.data, set->schema_text.len, &e);
	assert_non_null(set->schema);
	load_columns(set, "numeric", COLUMN_NUMERIC);
	load_columns(set, "categorical", COLUMN_CATEGORICAL);
	build_baseline(set);
	return true;
}

static void set_release(struct set *set)
{
	size_t i;

	for (i = 0; i < set->n_columns; i++) {
		series_release(&set->reference[i]);
		series_release(&set->current[i]);
	}
	for (i = 0; i < 3; i++)
		table_release(&set->tables[i]);
	baseline_free(set->baseline);
	json_free(set->schema);
	buf_release(&set->schema_text);
}

/* ---- the comparison ---- */

struct tally {
	size_t n_compared, n_ks, n_wrong;
	double widest;
};

/* What the oracle calls ${metric} of the pair; false if it is not ours. */
static bool our_value(const struct pair *p, const char *metric,
		      struct finding *f)
{
	const struct detector *d = NULL;
	const char *name = metric;

	if (p->kind == COLUMN_NUMERIC && strcmp(metric, "js_q10") == 0)
		name = "js";
	else if (p->kind == COLUMN_NUMERIC && strcmp(metric, "js") == 0)
		return false;
	memset(f, 0, sizeof(*f));
	f->p_value = (double)NAN;
	if (strcmp(metric, "n") == 0) {
		f->value = (double)p->cur.n;
		return true;
	}
	if (strcmp(metric, "n_missing") == 0) {
		f->value = (double)p->cur.n_missing;
		return true;
	}
	if (strncmp(metric, "bin_count_", 10) == 0) {
		size_t i = strtoul(metric + 10, NULL, 10);

		assert_true(i < p->n_bins);
		f->value = (double)p->cur.bin[i];
		return true;
	}
	if (strcmp(metric, "chi2_pvalue") == 0) {
		detector_chi2.run(p, f);
		f->value = f->p_value;
		return true;
	}
	if (strcmp(metric, "ks_pvalue_kolmogorov") == 0) {
		detector_ks.run(p, f);
		f->value = f->p_value; /* of D_lo: only then the oracle's */
		return f->upper - f->lower < 1e-12;
	}
	d = detector_find(name);
	if (d == NULL || strcmp(d->metric, name) != 0)
		return false;
	d->run(p, f);
	assert_int_equal(f->status, FINDING_OK);
	return true;
}

static bool is_close(const char *metric, double ours, double golden)
{
	double relative = 1e-9, absolute = 1e-12;

	if (strncmp(metric, "js", 2) == 0)
		absolute = 1e-8;
	if (strstr(metric, "_pvalue") != NULL) {
		relative = golden > 1e-12 ? 1e-6 : 0.0;
		absolute = golden > 1e-12 ? 0.0 : 1e-10;
	}
	return fabs(ours - golden) <= relative * fabs(golden) + absolute;
}

static void compare(const struct pair *p, const char *where, const char *metric,
		    double golden, struct tally *tally)
{
	struct finding f;
	bool ok;

	if (!our_value(p, metric, &f))
		return;
	tally->n_compared++;
	if (strcmp(metric, "ks_statistic") == 0) {
		double width = f.upper - f.lower;

		tally->n_ks++;
		tally->widest = width > tally->widest ? width : tally->widest;
		ok = f.lower <= golden && golden <= f.upper &&
		     width <= 2.0 / RESOLUTION;
	} else {
		ok = is_close(metric, f.value, golden);
	}
	if (ok)
		return;
	tally->n_wrong++;
	print_error("%s %s: %.17g in [%.17g, %.17g], golden %.17g\n", where,
		    metric, f.value, f.lower, f.upper, golden);
}

static void fold(struct profile *profile, const struct series *s, size_t start,
		 size_t end)
{
	if (s->kind == COLUMN_NUMERIC)
		profile_add_numbers(profile, s->numbers + start, NULL,
				    end - start);
	else
		profile_add_categories(profile, s->codes + start, NULL,
				       end - start, s->list,
				       dict_count(s->texts));
}

static void compare_set(struct set *set, const struct table *golden,
			struct tally *tally)
{
	struct profile *profile = NULL;
	struct pair pair = {.memory = NULL};
	const char *start = "", *end = "", *column = "";
	size_t i, c;

	for (i = 0; i < golden->n_rows; i++) {
		char *const *row = &golden->cells[(i + 1) * golden->n_columns];

		if (strcmp(row[1], "-1") == 0)
			continue;
		for (c = 0; c < set->n_columns; c++) {
			if (strcmp(set->names[c], row[3]) == 0)
				break;
		}
		if (c == set->n_columns)
			continue; /* __model__ */
		if (strcmp(row[1], start) != 0 || strcmp(row[2], end) != 0 ||
		    strcmp(row[3], column) != 0) {
			const struct baseline_column *b = baseline_find(
				set->baseline, row[3], strlen(row[3]));

			start = row[1];
			end = row[2];
			column = row[3];
			pair_release(&pair);
			profile_free(profile);
			profile =
				profile_new(b->kind, b->cells, MAX_CATEGORIES);
			fold(profile, &set->current[c],
			     strtoul(start, NULL, 10), strtoul(end, NULL, 10));
			pair_init(&pair, b, profile);
		}
		compare(&pair, column, row[4], strtod(row[5], NULL), tally);
	}
	pair_release(&pair);
	profile_free(profile);
}

/* Exactly the oracle's deciles: bit for bit. */
static void compare_edges(struct set *set, const struct table *golden,
			  struct tally *tally)
{
	size_t i;
	uint32_t j;

	for (i = 0; i < golden->n_rows; i++) {
		char *const *row = &golden->cells[(i + 1) * golden->n_columns];
		const struct baseline_column *b;
		double edge;
		size_t bin;

		if (strncmp(row[4], "bin_edge_", 9) != 0)
			continue;
		b = baseline_find(set->baseline, row[3], strlen(row[3]));
		edge = strtod(row[5], NULL);
		bin = strtoul(row[4] + 9, NULL, 10);
		for (j = 0; b->cells->bin[j + 1] < bin; j++)
			assert_true(j < b->cells->n_edges);
		tally->n_compared++;
		if (j < b->cells->n_edges && b->cells->edges[j] == edge)
			continue;
		tally->n_wrong++;
		print_error("%s %s: %.17g, golden %.17g\n", row[3], row[4],
			    b->cells->edges[j], edge);
	}
}

/* ---- what the judge makes of it: the README of the data says what moved */

static const struct {
	const char *set;
	size_t start, end;   /* rows of the analysis */
	const char *drifted; /* names in order of the schema, each with ' ' */
} judged[] = {
	{"car_loan", 0, 25000, ""},
	/* the four that were planted, and the score made of them */
	{"car_loan", 25000, 50000,
	 "car_value loan_length y_pred_proba salary_range "
	 "repaid_loan_on_prev_car "},
	{"census_ma", 0, 69126, ""},
	{"census_ma", 69126, 138761, ""},
	{"census_ma", 138761, 208892, ""},
	{"titanic", 0, 418, ""}, /* too few rows for a verdict */
};

static void judge_rows(struct set *set, size_t start, size_t end,
		       struct buf *drifted)
{
	struct judge_column columns[COLUMNS_MAX];
	struct judge_spec spec = {columns, set->n_columns, UINT64_MAX, 0.01,
				  500, NULL};
	struct profile_set window;
	struct verdicts v = {.items = NULL};
	struct err e;
	size_t c, i;

	profile_set_init(&window, set->baseline, MAX_CATEGORIES);
	for (c = 0; c < set->n_columns; c++) {
		enum column_kind kind = set->current[c].kind;
		struct profile_entry *entry = profile_set_get(
			&window, set->names[c], strlen(set->names[c]), kind,
			ROLE_FEATURE, &e);

		fold(entry->profile, &set->current[c], start, end);
		columns[c] = (struct judge_column){
			set->names[c], kind, ROLE_FEATURE, (double)NAN, NULL};
	}
	window.n_events = end - start;
	judge_window(&spec, set->baseline, &window, &v);
	for (c = 0; c < set->n_columns; c++) {
		bool any = false;

		for (i = 0; i < v.n; i++)
			any = any || (v.items[i].drifted &&
				      v.items[i].column == set->names[c]);
		if (any)
			buf_printf(drifted, "%s ", set->names[c]);
	}
	verdicts_release(&v);
	profile_set_release(&window);
}

static void check_verdicts(struct set *set)
{
	struct buf drifted;
	size_t i;

	for (i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		if (strcmp(judged[i].set, set->name) != 0)
			continue;
		buf_init(&drifted, 4096);
		judge_rows(set, judged[i].start, judged[i].end, &drifted);
		assert_string_equal(buf_str(&drifted), judged[i].drifted);
		buf_release(&drifted);
	}
}

static void run_set(const char *name)
{
	static struct set set;
	struct table golden;
	struct tally tally = {0, 0, 0, 0.0};
	char *path = path_of("golden", name, ".csv");
	bool ok = table_load(&golden, path) && set_load(&set, name);

	free(path);
	if (!ok) {
		print_message("SKIPPED: no data set \"%s\" under \"%s\"\n",
			      name, shared());
		skip();
	}
	compare_edges(&set, &golden, &tally);
	compare_set(&set, &golden, &tally);
	check_verdicts(&set);
	print_message("%s: %zu numbers compared, %zu of them KS intervals, "
		      "the widest %.6f, %zu wrong\n",
		      name, tally.n_compared, tally.n_ks, tally.widest,
		      tally.n_wrong);
	assert_true(tally.n_compared > 100);
	assert_int_equal(tally.n_wrong, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_car_loan),
		cmocka_unit_test(golden_car_price),
		cmocka_unit_test(golden_census_ma),
		cmocka_unit_test(golden_elec2),
		cmocka_unit_test(golden_elec2_const),
		cmocka_unit_test(golden_titanic),
	};

	special_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
