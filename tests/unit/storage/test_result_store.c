/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the API reads of results: the members of a row, final and provisional
 * rows in one order, pages that neither repeat nor lose a row, numbers that
 * stay the same to the byte, cursors from outside.
 */
#include "evaluation_fixture.h"

#include "storage/result_store.h"
#include "storage/result_store_private.h"

enum { PAGE_MAX = 1 << 24 };

static const struct result_query every = {
	.from_us = INT64_MIN,
	.to_us = INT64_MAX,
	.window_us = INT64_MIN,
	.final = -1,
	.drifted = -1,
	.limit = 1000,
};

/* The page as text and as a tree (json_free). */
static struct json_value *query(struct fixture *f, struct result_query q,
				struct buf *text)
{
	struct json_value *page;
	struct json_out out;

	q.model_id = f->m.model_id;
	buf_clear(text);
	json_out_init(&out, text);
	fixture_ok(result_store_query(f->pg, &f->m, &q, &out, &fixture_err));
	page = json_parse(text->data, text->len, &fixture_err);
	if (!page)
		print_error("%s\n", fixture_err.message);
	assert_non_null(page);
	return page;
}

static size_t count(struct fixture *f, struct result_query q)
{
	struct buf text;
	struct json_value *page;
	size_t n;

	buf_init(&text, PAGE_MAX);
	page = query(f, q, &text);
	n = json_count(json_get(page, "results"));
	json_free(page);
	buf_release(&text);
	return n;
}

/* Two final windows (the second drifted, with a revision) and an open one. */
static struct fixture *three_windows(void)
{
	struct fixture *f = fixture_new();

	fixture_put_model(f);
	fixture_source(f, 1, f->t0_us + 2 * HOUR + HOUR / 2, 0, 0);
	fixture_delta(f, 1, 1, f->t0_us, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 2, f->t0_us + HOUR, FIXTURE_ROWS, 0.4);
	fixture_delta(f, 1, 3, f->t0_us + 2 * HOUR, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 3);
	fixture_delta(f, 1, 4, f->t0_us + HOUR, FIXTURE_ROWS, 0.4);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 1);
	return f;
}

static void test_members(void **state)
{
	static const char *const members[] = {
		"window_start", "window_end",	  "column",    "metric",
		"value",	"lower",	  "upper",     "p_value",
		"threshold",	"status",	  "drifted",   "n_reference",
		"n_current",	"baseline",	  "revision",  "final",
		"signal",	"model_version",  "slice",     "severity",
		"bound",	"label_coverage", "p_adjusted"};
	struct fixture *f = three_windows();
	struct result_query q = every;
	const struct json_value *row;
	struct json_value *page;
	struct buf text;

	(void)state;
	buf_init(&text, PAGE_MAX);
	q.window_us = f->t0_us + HOUR;
	q.column = "x";
	q.metric = "psi";
	page = query(f, q, &text);
	assert_int_equal(json_count(json_get(page, "results")), 1);
	row = json_at(json_get(page, "results"), 0);
	assert_int_equal(json_count(row), ARRAY_LEN(members));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		assert_non_null(json_get(row, members[i]));
	assert_string_equal(json_text(json_get(row, "column")), "x");
	assert_string_equal(json_text(json_get(row, "signal")), "input");
	assert_string_equal(json_text(json_get(row, "status")), "ok");
	assert_string_equal(json_text(json_get(row, "baseline")), "b1");
	assert_string_equal(json_text(json_get(row, "model_version")), "1");
	assert_string_equal(json_text(json_get(row, "slice")), "");
	assert_true(json_value_bool(json_get(row, "drifted"), false));
	assert_true(json_value_bool(json_get(row, "final"), false));
	assert_int_equal(json_value_int(json_get(row, "revision"), 0), 2);
	assert_int_equal(json_value_int(json_get(row, "n_current"), 0),
			 2 * FIXTURE_ROWS);
	assert_int_equal(json_value_int(json_get(row, "n_reference"), 0),
			 FIXTURE_BASELINE_ROWS);
	assert_true(json_value_number(json_get(row, "value"), 0) > 0.2);
	assert_null(json_text(json_get(page, "next_cursor")));
	json_free(page);
	/* psi has no p-value: NULL in the table too, for people who read it. */
	assert_int_equal(fixture_number(f,
					"SELECT count(*) FROM driftd.result"
					" WHERE model_id = $1 AND metric ="
					" 'psi' AND p_value IS NULL",
					INT64_MIN),
			 6);
	buf_release(&text);
	fixture_free(f);
}

/* The verdict that was saved is the one that is read, digit by digit. */
static void test_numbers(void **state)
{
	struct fixture *f = three_windows();
	struct judge_column columns[2];
	struct judge_spec spec = fixture_spec(f, columns);
	struct result_query q = every;
	struct verdicts v = {0};
	struct profile_set set;
	struct json_value *page;
	struct buf text, again;
	size_t n = 0;

	(void)state;
	buf_init(&text, PAGE_MAX);
	buf_init(&again, PAGE_MAX);
	fixture_set(f, &set, f->t0_us, FIXTURE_ROWS, 1 + 17, 0);
	profile_set_close(&set);
	judge_window(&spec, f->baseline, &set, &v);
	q.window_us = f->t0_us;
	page = query(f, q, &text);
	json_free(query(f, q, &again));
	assert_string_equal(text.data, again.data);
	assert_int_equal(json_count(json_get(page, "results")), v.n);
	for (size_t i = 0; i < v.n; i++) {
		const struct json_value *row =
			json_at(json_get(page, "results"), i);

		for (size_t k = 0; k < v.n; k++) {
			const struct verdict *it = &v.items[k];
			double value = json_value_number(json_get(row, "value"),
							 (double)NAN);

			if (strcmp(json_text(json_get(row, "column")),
				   it->column) ||
			    strcmp(json_text(json_get(row, "metric")),
				   it->metric) ||
			    strcmp(json_text(json_get(row, "signal")),
				   signal_name(it->signal)))
				continue;
			if (isfinite(it->value))
				assert_memory_equal(&value, &it->value,
						    sizeof(value));
			else
				assert_false(
					json_is_number(json_get(row, "value")));
			n++;
		}
	}
	assert_int_equal(n, v.n);
	json_free(page);
	verdicts_release(&v);
	profile_set_release(&set);
	buf_release(&again);
	buf_release(&text);
	fixture_free(f);
}

/* An open window's numbers are those it would have as a final one. */
static void test_provisional_numbers(void **state)
{
	struct fixture *f = three_windows();
	struct result_query q = every;
	struct json_value *open, *final;
	struct buf a, b;
	size_t n;

	(void)state;
	buf_init(&a, PAGE_MAX);
	buf_init(&b, PAGE_MAX);
	q.window_us = f->t0_us + 2 * HOUR;
	open = query(f, q, &a);
	fixture_exec(f, "UPDATE driftd.source_position SET max_event_time ="
			" max_event_time + interval '9 h'"
			" WHERE model_id = $1");
	assert_int_equal(fixture_evaluate(f, EVALUATION_NORMAL), 1);
	final = query(f, q, &b);
	n = json_count(json_get(open, "results"));
	assert_true(n > 4);
	assert_int_equal(json_count(json_get(final, "results")), n);
	for (size_t i = 0; i < n; i++) {
		const struct json_value *o =
			json_at(json_get(open, "results"), i);
		const struct json_value *c =
			json_at(json_get(final, "results"), i);
		double x = json_value_number(json_get(o, "value"), -1);
		double y = json_value_number(json_get(c, "value"), -1);

		assert_false(json_value_bool(json_get(o, "final"), true));
		assert_true(json_value_bool(json_get(c, "final"), false));
		assert_int_equal(json_value_int(json_get(o, "revision"), 9), 0);
		assert_int_equal(json_value_int(json_get(c, "revision"), 9), 1);
		assert_string_equal(json_text(json_get(o, "metric")),
				    json_text(json_get(c, "metric")));
		assert_string_equal(json_text(json_get(o, "column")),
				    json_text(json_get(c, "column")));
		assert_memory_equal(&x, &y, sizeof(x));
	}
	json_free(open);
	json_free(final);
	buf_release(&a);
	buf_release(&b);
	fixture_free(f);
}

static void test_filters(void **state)
{
	struct fixture *f = three_windows();
	struct result_query q = every;
	size_t all = count(f, q), w;

	(void)state;
	q.window_us = f->t0_us;
	w = count(f, q);
	assert_int_equal(all, 3 * w);
	q = every;
	q.to_us = f->t0_us + HOUR;
	assert_int_equal(count(f, q), w);
	q.to_us = f->t0_us + HOUR + 1;
	assert_int_equal(count(f, q), 2 * w);
	q = every;
	q.from_us = f->t0_us + 1;
	assert_int_equal(count(f, q), 2 * w);
	q = every;
	q.final = 1;
	assert_int_equal(count(f, q), 2 * w);
	q.final = 0;
	assert_int_equal(count(f, q), w);
	q = every;
	q.all_revisions = true;
	assert_int_equal(count(f, q), 4 * w);
	q = every;
	q.metric = "volume";
	assert_int_equal(count(f, q), 3);
	q.metric = "drifted_columns_share";
	assert_int_equal(count(f, q), 6);
	q.signal = "output";
	assert_int_equal(count(f, q), 3);
	q = every;
	q.column = "x' OR true --";
	assert_int_equal(count(f, q), 0);
	q = every;
	q.drifted = 1;
	assert_true(count(f, q) > 0);
	w = count(f, q);
	q.drifted = 0;
	assert_int_equal(count(f, q) + w, all);
	q = every;
	q.drifted = 1;
	q.window_us = f->t0_us;
	assert_int_equal(count(f, q), 0);
	fixture_free(f);
}

/* The key of a row as text: pages are compared by it. */
static void row_key(const struct json_value *row, struct buf *out)
{
	static const char *const keys[] = {"window_start", "column", "metric",
					   "slice", "signal"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		buf_printf(out, "%s|", json_text(json_get(row, keys[i])));
	buf_printf(out, "%d\n",
		   (int)json_value_int(json_get(row, "revision"), -1));
}

/* All pages of ${limit}; ${between} runs once, after the first. */
static size_t walk(struct fixture *f, struct result_query q, int limit,
		   void (*between)(struct fixture *), struct buf *keys)
{
	struct json_value *page;
	struct buf text, cursor;
	size_t pages = 0, n;

	buf_init(&text, PAGE_MAX);
	buf_init(&cursor, 1 << 16);
	q.limit = limit;
	for (;;) {
		const char *next;

		page = query(f, q, &text);
		n = json_count(json_get(page, "results"));
		assert_true(n <= (size_t)limit);
		for (size_t i = 0; i < n; i++)
			row_key(json_at(json_get(page, "results"), i), keys);
		pages++;
		next = json_text(json_get(page, "next_cursor"));
		buf_clear(&cursor);
		if (next)
			buf_add_str(&cursor, next);
		json_free(page);
		if (!cursor.len)
			break;
		assert_int_equal(n, limit);
		assert_null(strpbrk(cursor.data, "+/=&%# "));
		q.cursor = cursor.data;
		if (between && pages == 1)
			between(f);
	}
	buf_release(&cursor);
	buf_release(&text);
	return pages;
}

static void test_pages(void **state)
{
	static const int limits[] = {1, 2, 3, 7, 1000};
	struct fixture *f = three_windows();
	struct buf whole, pieces;
	struct result_query q = every;

	(void)state;
	buf_init(&whole, PAGE_MAX);
	buf_init(&pieces, PAGE_MAX);
	q.all_revisions = true;
	assert_int_equal(walk(f, q, 1000, NULL, &whole), 1);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		buf_clear(&pieces);
		walk(f, q, limits[i], NULL, &pieces);
		assert_string_equal(pieces.data, whole.data);
	}
	buf_release(&pieces);
	buf_release(&whole);
	fixture_free(f);
}

static void late_windows(struct fixture *f)
{
	/* Before what was read, and behind it. */
	fixture_delta(f, 1, 50, f->t0_us - 5 * HOUR, FIXTURE_ROWS, 0);
	fixture_delta(f, 1, 51, f->t0_us + HOUR, FIXTURE_ROWS, 0);
	assert_int_equal(fixture_evaluate(f, EVALUATION_NOW), 2);
}

/* Rows that come while pages are read: none twice, none of the old lost. */
static void test_pages_while_writing(void **state)
{
	struct fixture *f = three_windows();
	struct result_query q = every;
	struct buf before, during;
	char *line, *rest;

	(void)state;
	buf_init(&before, PAGE_MAX);
	buf_init(&during, PAGE_MAX);
	q.all_revisions = true;
	walk(f, q, 1000, NULL, &before);
	walk(f, q, 5, late_windows, &during);
	for (line = strtok_r(before.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *first = strstr(during.data, line);

		assert_non_null(first);
		assert_null(strstr(first + 1, line));
	}
	buf_release(&during);
	buf_release(&before);
	fixture_free(f);
}

static void test_cursors(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"AAAA",
		"%%%",
		"AQ",
		"=====",
		"AQ==",
		"ab+/",
		"////////////////////////////////////////////////////"};
	const struct result_key key = {
		.window_start_us = -1234567,
		.column = "K\xc3\xb6ln |\"'\\",
		.metric = "psi",
		.slice = "",
		.signal = "input",
		.revision = 77,
	};
	struct fixture *f = fixture_new();
	struct result_query q = every;
	struct buf text, memory;
	struct result_key got;
	struct json_out out;

	(void)state;
	buf_init(&text, PAGE_MAX);
	buf_init(&memory, PAGE_MAX);
	result_cursor_write(&key, &text);
	fixture_ok(result_cursor_read(text.data, &got, &memory, &fixture_err));
	assert_true(got.window_start_us == key.window_start_us);
	assert_string_equal(got.column, key.column);
	assert_string_equal(got.metric, key.metric);
	assert_string_equal(got.slice, key.slice);
	assert_string_equal(got.signal, key.signal);
	assert_int_equal(got.revision, key.revision);
	/* Cut anywhere it is none. */
	while (text.len > 1) {
		text.data[--text.len] = '\0';
		buf_clear(&memory);
		assert_int_equal(result_cursor_read(text.data, &got, &memory,
						    &fixture_err),
				 -1);
		assert_int_equal(fixture_err.code, ERR_INVALID);
	}
	q.model_id = f->m.model_id;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		q.cursor = bad[i];
		buf_clear(&text);
		json_out_init(&out, &text);
		assert_int_equal(result_store_query(f->pg, &f->m, &q, &out,
						    &fixture_err),
				 -1);
		assert_int_equal(fixture_err.code, ERR_INVALID);
	}
	buf_release(&memory);
	buf_release(&text);
	fixture_free(f);
}

static struct json_value *glance(struct fixture *f)
{
	struct json_value *tree;
	struct json_out out;
	struct buf text;

	buf_init(&text, PAGE_MAX);
	json_out_init(&out, &text);
	json_object_begin(&out);
	fixture_ok(result_store_glance(f->pg, &f->m, &out, &fixture_err));
	json_object_end(&out);
	tree = json_parse(text.data, text.len, &fixture_err);
	assert_non_null(tree);
	buf_release(&text);
	return tree;
}

static void test_glance_of_nothing(void **state)
{
	struct fixture *f = fixture_new();
	struct json_value *g = glance(f);

	(void)state;
	assert_string_equal(json_text(json_get(g, "name")), f->name);
	assert_null(json_text(json_get(g, "active_baseline")));
	assert_null(json_get(json_get(g, "newest_window"), "start"));
	assert_int_equal(json_count(json_get(g, "sources")), 0);
	json_free(g);
	fixture_free(f);
}

static void test_glance(void **state)
{
	struct fixture *f = three_windows();
	const struct json_value *signals, *input;
	struct json_value *g = glance(f);

	(void)state;
	assert_string_equal(json_text(json_get(g, "active_baseline")), "b1");
	assert_false(json_value_bool(
		json_get(json_get(g, "newest_window"), "final"), true));
	assert_int_equal(
		json_value_int(
			json_get(json_get(g, "newest_window"), "n_events"), 0),
		FIXTURE_ROWS);
	input = json_get(json_get(g, "signals"), "input");
	assert_false(json_value_bool(json_get(input, "drifted"), true));
	assert_int_equal(json_value_int(json_get(input, "columns"), 0), 1);
	assert_true(json_value_bool(
		json_get(json_get(g, "final_window"), "final"), false));
	signals = json_get(json_get(g, "final_window"), "signals");
	assert_true(json_value_bool(
		json_get(json_get(signals, "input"), "drifted"), false));
	assert_int_equal(json_value_int(json_get(json_get(signals, "input"),
						 "drifted_columns"),
					0),
			 1);
	assert_true(
		json_value_number(json_get(json_get(signals, "input"), "share"),
				  0) == 1.0);
	assert_true(json_value_number(
			    json_get(json_get(signals, "output"), "share"),
			    1) == 0.0);
	assert_int_equal(json_count(json_get(signals, "quality")), 0);
	assert_int_equal(
		json_value_int(json_get(json_get(g, "counters"), "late"), 0),
		2);
	assert_int_equal(json_count(json_get(g, "sources")), 1);
	json_free(g);
	fixture_free(f);
}

static void test_gauges(void **state)
{
	struct fixture *f = three_windows();
	struct result_gauges g;
	size_t flags = 0, drifted = 0, values = 0;

	(void)state;
	fixture_ok(result_store_gauges(f->pg, f->m.model_id, &g, &fixture_err));
	assert_true(g.last_event_us == f->t0_us + 2 * HOUR + HOUR / 2);
	assert_true(g.last_window_end_us == f->t0_us + 2 * HOUR);
	assert_true(g.drifted_share[SIGNAL_INPUT] == 1.0);
	assert_true(g.drifted_share[SIGNAL_OUTPUT] == 0.0);
	assert_true(isnan(g.drifted_share[SIGNAL_QUALITY]));
	for (size_t i = 0; i < g.n; i++) {
		if (!g.items[i].metric[0]) {
			flags++;
			drifted += g.items[i].drifted;
			assert_true(g.items[i].drifted ==
				    !strcmp(g.items[i].column, "x"));
		} else {
			assert_true(detector_find(g.items[i].metric)->decides);
			assert_true(isfinite(g.items[i].value));
			values++;
		}
	}
	assert_int_equal(flags, 2);
	assert_int_equal(drifted, 1);
	assert_true(values >= 6);
	result_gauges_release(&g);
	/* A model that nobody knows. */
	fixture_ok(result_store_gauges(f->pg, f->m.model_id ^ 1, &g,
				       &fixture_err));
	assert_true(g.last_window_end_us == INT64_MIN);
	assert_int_equal(g.n, 0);
	result_gauges_release(&g);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_provisional_numbers),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_pages_while_writing),
		cmocka_unit_test(test_cursors),
		cmocka_unit_test(test_glance_of_nothing),
		cmocka_unit_test(test_glance),
		cmocka_unit_test(test_gauges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
