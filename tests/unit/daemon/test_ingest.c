/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Bodies of JSON to batches: types, names, what is rejected and where, and
 * that nothing depends on where the pieces of a body end. */

#include "tests/unit/daemon/ingest_fixture.h"

#include <time.h>

static const char yaml[] = "name: m\n"
			   "version: \"3\"\n"
			   "task: none\n"
			   "id: id\n"
			   "timestamp: ts\n"
			   "features:\n"
			   "  numeric: [x, y]\n"
			   "  categorical: [c, d]\n"
			   "ignore: [skip_me]\n";

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, yaml);
	f->type = "application/json";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static void test_types(void **state)
{
	static const struct {
		const char *value, *numeric, *category;
	} rows[] = {
		{"1", "1", "#1"},
		{"1.0", "1", "#1.0"},
		{"-0.5e3", "-500", "#-0.5e3"},
		{"0.6329502188904286", "0.6329502188904286",
		 "#0.6329502188904286"},
		{"1e999", "invalid", "#1e999"},
		{"\"2.5\"", "2.5", "2.5"},
		{"\" 2.5\"", "invalid", " 2.5"},
		{"\"NaN\"", "invalid", "NaN"},
		{"\"Infinity\"", "invalid", "Infinity"},
		{"\"0x10\"", "invalid", "0x10"},
		{"\"\"", "missing", "missing"},
		{"null", "missing", "missing"},
		{"\"null\"", "invalid", "null"},
		{"true", "invalid", "true"},
		{"false", "invalid", "false"},
		{"[1, {\"a\": []}]", "invalid", "invalid"},
		{"{}", "invalid", "invalid"},
		{"\"\\u0031\"", "1", "1"},
		{"\"a\\n\\\"\\\\\\/\\t\\u20ac\\ud83d\\ude00\"", "invalid",
		 "a\n\"\\/\t\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\"\xe2\x82\xac\"", "invalid", "\xe2\x82\xac"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[256];

		(void)snprintf(body, sizeof(body), "{\"x\": %s, \"c\": %s}\n",
			       rows[i].value, rows[i].value);
		assert_int_equal(fixture_decode_text(f, body), 0);
		assert_int_equal(f->batch.n_rows, 1);
		fixture_expect(f, 0, "x", rows[i].numeric);
		fixture_expect(f, 0, "c", rows[i].category);
		fixture_expect(f, 0, "y", "missing");
		fixture_expect(f, 0, "d", "missing");
		assert_int_equal(
			ingest_get_report(f->in)->n_invalid,
			(strcmp(rows[i].numeric, "invalid") == 0) +
				(strcmp(rows[i].category, "invalid") == 0));
	}
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r;

	assert_int_equal(
		fixture_decode_text(
			f,
			"{\"id\": 50000, \"x\": 1, \"zip\": 3, \"c\": \"p\"}\n"
			"{\"id\": \"a\\u0062\", \"inputs\": {\"x\": 2, "
			"\"d\": true}, \"outputs\": {}, "
			"\"ts\": \"2026-01-01T00:00:00Z\"}\n"
			"{\"inputs\": 5, \"ts\": 1767225600, \"zip\": [{}], "
			"\"zap\": null}\n"
			"{\"skip_me\": {\"x\": 1}, \"x\": 3, \"ts\": "
			"\"1767225600000\", \"model_version\": 3}\n"
			"{\"inputs\": {\"inputs\": {\"x\": 9}, \"x\": 4}, "
			"\"id\": null}\n"
			"{\"\\u0078\": 5, \"ts\": \"\", \"id\": \"\"}\n"
			"{}\n"),
		0);
	r = ingest_get_report(f->in);
	assert_int_equal(r->n_rejected, 0);
	assert_int_equal(r->n_accepted, 7);
	fixture_expect_id(f, 0, "50000");
	fixture_expect_id(f, 1, "ab");
	fixture_expect_id(f, 2, "");
	fixture_expect(f, 0, "x", "1");
	fixture_expect(f, 1, "x", "2");
	fixture_expect(f, 1, "d", "true");
	fixture_expect(f, 3, "x", "3");
	fixture_expect(f, 4, "x", "4");
	fixture_expect(f, 5, "x", "5");
	assert_true(f->batch.event_time_us[0] == FIXTURE_NOW);
	for (int i = 1; i < 4; i++)
		assert_true(f->batch.event_time_us[i] ==
			    INT64_C(1767225600000000));
	assert_true(f->batch.event_time_us[5] == FIXTURE_NOW);
	assert_int_equal(r->n_unknown, 5);
	assert_int_equal(r->n_unknown_names, 3);
	assert_string_equal(r->unknown[0].name, "zip");
	assert_int_equal(r->unknown[0].count, 2);
	assert_string_equal(r->unknown[1].name, "inputs");
	assert_int_equal(r->unknown[1].count, 2);
	assert_string_equal(r->unknown[2].name, "zap");
	assert_int_equal(r->unknown[2].count, 1);
}

/* Of a key that comes twice the last value counts, whatever the first was. */
static void test_keys_twice(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r;

	assert_int_equal(
		fixture_decode_text(
			f,
			"{\"x\": 1, \"x\": 2, \"c\": \"a\", \"c\": null}\n"
			"{\"x\": \"oops\", \"c\": [], \"x\": 3, \"c\": \"b\"}\n"
			"{\"x\": 4, \"x\": \"\", \"id\": \"one\", \"id\": 2}\n"
			"{\"x\": 5, \"inputs\": {\"x\": 6}, \"q\": 1, \"q\": "
			"2}\n"
			"{\"ts\": 1767225600, \"ts\": null}\n"),
		0);
	r = ingest_get_report(f->in);
	assert_int_equal(r->n_rejected, 0);
	assert_int_equal(r->n_accepted, 5);
	assert_int_equal(r->n_invalid, 0);
	assert_int_equal(r->n_unknown, 1);
	fixture_expect(f, 0, "x", "2");
	fixture_expect(f, 1, "x", "3");
	fixture_expect(f, 1, "c", "b");
	fixture_expect(f, 3, "x", "6");
	fixture_expect_id(f, 2, "2");
	assert_true(value_is_missing(f->batch.columns[0].numbers[2]));
	assert_true(f->batch.event_time_us[4] == FIXTURE_NOW);
}

/* A name means the same whether it was guessed or looked for. */
static void test_guessed_names(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fixture_decode_text(f, "{\"c\": 1, \"inputs\": 3, \"x\": 1}\n"
				       "{\"c\": 1, \"inputs\": {\"x\": 2}}\n"
				       "{\"inputs\": {\"c\": 7, \"inputs\": "
				       "{}, \"x\": 3}}\n"
				       "{\"c\": 1, \"inputs\": {\"x\": 4}}\n"),
		0);
	assert_int_equal(f->batch.n_rows, 4);
	fixture_expect(f, 0, "x", "1");
	fixture_expect(f, 1, "x", "2");
	fixture_expect(f, 2, "x", "3");
	fixture_expect(f, 3, "x", "4");
}

struct rejection {
	const char *body;
	unsigned n_accepted, n_rejected;
	unsigned line, column; /* of the first */
	const char *reason;
};

static void check_rejections(struct fixture *f, const struct rejection *rows,
			     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct ingest_report *r = ingest_get_report(f->in);

		assert_int_equal(fixture_decode_text(f, rows[i].body), 0);
		if (r->n_accepted != rows[i].n_accepted ||
		    r->n_rejected != rows[i].n_rejected ||
		    r->reasons[0].line != rows[i].line ||
		    r->reasons[0].column != rows[i].column ||
		    strstr(r->reasons[0].message, rows[i].reason) == NULL)
			fail_msg("%s: accepted %" PRIu64 ", rejected %" PRIu64
				 ", %u:%u %s",
				 rows[i].body, r->n_accepted, r->n_rejected,
				 r->reasons[0].line, r->reasons[0].column,
				 r->reasons[0].message);
		assert_int_equal(f->batch.n_rows, r->n_accepted);
	}
}

static void test_rejections(void **state)
{
	static const struct rejection rows[] = {
		{"{\"x\": 1}\n{\"x\": 2\n{\"x\": 3}\n", 2, 1, 3, 1,
		 "\",\" or \"}\" was expected"},
		{"{\"x\": 1}\n{\"x\": 2,}\n{\"x\": 3}", 2, 1, 2, 9,
		 "a key in quotes"},
		{"{\"x\": NaN}\n{\"x\": 1}", 1, 1, 1, 7, "a value"},
		{"{\"x\": -Infinity}\n{}", 1, 1, 1, 8, "digit"},
		{"{\"x\": 01}\n{}", 1, 1, 1, 8, "expected"},
		{"{\"x\": 1} x\n{}", 1, 1, 1, 10, "text behind"},
		{"{\"x\": 1},\n{\"x\": 2},\n{}", 1, 2, 1, 9, "text behind"},
		{"42\n{}", 1, 1, 1, 1, "the record is no object"},
		{"\n\n  \"text\"\n{}", 1, 1, 3, 3, "no object"},
		{"{}\n[1, 2]\n{}", 2, 1, 2, 1, "no object"},
		{"{\"c\": \"a\tb\"}\n{}", 1, 1, 1, 9, "control"},
		{"{\"c\": \"a\n{}", 1, 1, 1, 9, "control"},
		{"{\"c\": \"\xff\"}\n{}", 1, 1, 1, 8, "UTF-8"},
		{"{\"q\": {\"r\": [\"\xc3\x28\"]}}\n{}", 1, 1, 1, 15, "UTF-8"},
		{"{\"\xc0\x80\": 1}\n{}", 1, 1, 1, 3, "UTF-8"},
		{"{\"c\": \"\\ud800\"}\n{}", 1, 1, 1, 8, "surrogate"},
		{"{\"c\": \"\\ude00\\ud83d\"}\n{}", 1, 1, 1, 8, "surrogate"},
		{"{\"c\": \"a\\u0000\"}\n{}", 1, 1, 1, 7, "NUL"},
		{"{\"id\": \"a\\u0000\"}\n{}", 1, 1, 1, 8, "NUL"},
		{"{\"id\": true}\n{}", 1, 1, 1, 8, "id is neither"},
		{"{\"id\": [1]}\n{}", 1, 1, 1, 8, "id is neither"},
		{"{\"ts\": \"yesterday\"}\n{}", 1, 1, 1, 8,
		 "\"yesterday\" is no time"},
		{"{\"ts\": true}\n{}", 1, 1, 1, 8, "\"true\" is no time"},
		{"{\"ts\": 1e300}\n{}", 1, 1, 1, 8, "is no time"},
		{"{\"ts\": {}}\n{}", 1, 1, 1, 8, "no time"},
		{"{\"ts\": \"2026-01-02T03:09:05.000001Z\"}\n"
		 "{\"ts\": \"2026-01-02T03:09:05Z\"}",
		 1, 1, 1, 8, "too far ahead"},
		{"{\"model_version\": \"2\"}\n{\"model_version\": \"3\"}", 1, 1,
		 1, 19, "model_version \"2\" is not configured"},
		{"{\"x\": 1, \"y\": [1, 2", 0, 1, 1, 20, "the body ends"},
		{"{\"x\": 1}\n{\"x\": 2", 1, 1, 2, 8, "the body ends"},
		{"{\"x\": tru}\n{}", 1, 1, 1, 7, "a value"},
		{"{\"x\" 1}\n{}", 1, 1, 1, 6, "\":\" was expected"},
		{"{'x': 1}\n{}", 1, 1, 1, 2, "a key in quotes"},
		{"{\"c\": \"\\x41\"}\n{}", 1, 1, 1, 8, "escape"},
		{"{\"c\": \"\\u00g0\"}\n{}", 1, 1, 1, 12, "hexadecimal"},
		/* nor does a bad name become good by coming again */
		{"{\"\xff\": 1}\n{\"\xff\": 1}\n{\"\xff\": 1}", 0, 3, 1, 3,
		 "UTF-8"},
		/* an object over several lines: its members are no records */
		{"{\n  \"x\": 1,\n  \"y\":\n  {\"c\": oops},\n  \"d\": 2\n}"
		 "\n{\n  \"x\": 7\n}\n",
		 1, 1, 4, 9, "a value"},
		/* a line that was cut off costs itself only */
		{"{\"x\": 1, \"c\": \n{\"x\": 2}\n{\"x\": 3}\n", 2, 1, 3, 1,
		 "expected"},
	};

	check_rejections(*state, rows, ARRAY_LEN(rows));
}

static void test_several_lines(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fixture_decode_text(f, "{\n  \"x\": 1,\n  \"inputs\": {\n    "
				       "\"y\": 2\n  }\n}\n{\"x\": 3}{\"x\": 4} "
				       "{\"x\": 5}\r\n\r\n{\"x\"\n:\n6\n}"),
		0);
	assert_int_equal(f->batch.n_rows, 5);
	fixture_expect(f, 0, "x", "1");
	fixture_expect(f, 0, "y", "2");
	fixture_expect(f, 1, "x", "3");
	fixture_expect(f, 2, "x", "4");
	fixture_expect(f, 3, "x", "5");
	fixture_expect(f, 4, "x", "6");
}

static void test_depth(void **state)
{
	struct fixture *f = *state;
	char body[256];

	for (int levels = 31; levels <= 32; levels++) {
		size_t n = (size_t)snprintf(body, sizeof(body), "{\"q\": ");

		memset(body + n, '[', (size_t)levels);
		memset(body + n + levels, ']', (size_t)levels);
		memcpy(body + n + 2 * levels, "}", 2);
		assert_int_equal(fixture_decode_text(f, body), 0);
		assert_int_equal(f->batch.n_rows, levels == 31);
	}
	assert_non_null(strstr(ingest_get_report(f->in)->reasons[0].message,
			       "too deeply"));
}

static void test_arrays(void **state)
{
	static const struct {
		const char *body;
		int result;
		unsigned n_accepted, n_rejected, line, column;
	} rows[] = {
		{"[]", 0, 0, 0, 0, 0},
		{" \n[ ] \n", 0, 0, 0, 0, 0},
		{"[{\"x\": 1}]", 0, 1, 0, 0, 0},
		{"[\n{\"x\": 1},\n{\"x\": 2}\n]\n", 0, 2, 0, 0, 0},
		{"[{}, 42, \"x\", [1, 2], null, {}]", 0, 2, 4, 0, 0},
		{"[{\"ts\": \"x\"}, {\"c\": \"\xff\"}, {}]", 0, 1, 2, 0, 0},
		{"[{\"x\": 1},\n {\"x\": }]", -1, 0, 0, 2, 8},
		{"[{\"x\": 1} {\"x\": 2}]", -1, 0, 0, 1, 11},
		{"[{\"x\": 1},]", -1, 0, 0, 1, 11},
		{"[,{}]", -1, 0, 0, 1, 2},
		{"[{}", -1, 0, 0, 1, 4},
		{"[", -1, 0, 0, 1, 2},
		{"[{\"x\": 1", -1, 0, 0, 1, 9},
		{"[{}]{}", -1, 0, 0, 1, 5},
		{"[{}]\n]", -1, 0, 0, 2, 1},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ingest_report *r = ingest_get_report(f->in);
		int result = fixture_decode_text(f, rows[i].body);

		if (result != rows[i].result)
			fail_msg("%s: %d %s", rows[i].body, result,
				 f->err.message);
		if (result == 0) {
			assert_int_equal(r->n_accepted, rows[i].n_accepted);
			assert_int_equal(r->n_rejected, rows[i].n_rejected);
			continue;
		}
		assert_int_equal(f->err.code, ERR_INVALID);
		if (f->err.line != rows[i].line ||
		    f->err.column != rows[i].column)
			fail_msg("%s: %u:%u %s", rows[i].body, f->err.line,
				 f->err.column, f->err.message);
		/* It says so again. */
		assert_int_equal(ingest_end(f->in, &f->err), -1);
	}
}

static void test_reasons_are_bounded(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	struct buf body;

	buf_init(&body, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_add_str(&body, "{\"x\": }\n");
	buf_add_str(&body, "{}\n");
	assert_int_equal(fixture_decode(f, body.data, body.len, 0), 0);
	assert_int_equal(r->n_rejected, 1000);
	assert_int_equal(r->n_accepted, 1);
	assert_int_equal(r->n_reasons, INGEST_REASONS);
	assert_int_equal(r->reasons[9].line, 10);
	assert_int_equal(r->reasons[9].column, 7);
	buf_release(&body);
}

static void test_many_unknown_names(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	struct buf body;

	buf_init(&body, 1 << 20);
	buf_add_str(&body, "{\"x\": 1");
	for (int i = 0; i < 10000; i++)
		buf_printf(&body, ",\"u%d\":0", i);
	buf_add_str(&body, "}\n");
	assert_int_equal(fixture_decode(f, body.data, body.len, 0), 0);
	assert_int_equal(r->n_accepted, 1);
	assert_int_equal(r->n_unknown, 10000);
	assert_int_equal(r->n_unknown_names, INGEST_UNKNOWN_NAMES);
	assert_string_equal(r->unknown[31].name, "u31");
	/* Names of one body are forgotten in the next. */
	assert_int_equal(fixture_decode_text(f, "{\"u9\": 0, \"x\": 1}"), 0);
	assert_int_equal(r->n_unknown_names, 1);
	assert_string_equal(r->unknown[0].name, "u9");
	buf_release(&body);
}

/* Broken records are not read again and again, nor is one that comes in
 * single bytes. */
static void test_effort_is_linear(void **state)
{
	static const struct {
		const char *head, *line;
		size_t piece;
	} rows[] = {
		{"", "{\"a\":\n", 0},
		{"", "{\"a\":[\n", 0},
		{"", "{\"a\":[1,\n", 7},
		{"{\"a\":[\n", "{},\n", 0},
		{"{\n\"a\":[\n", "{},\n", 0},
		{"{\n\"a\":[\n", "1,\n", 1},
		{"{\"c\":\"", "aaaaaaaaaaaaaaa", 1},
		{"{\"c\":\"", "\\u0041", 1},
		{"{", "\n", 1},
		{"[", "{\"x\":1},", 1},
	};
	struct fixture *f = *state;
	struct buf body;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_t start = clock();

		buf_init(&body, 1 << 25);
		buf_add_str(&body, rows[i].head);
		while (body.len < 1 << 21)
			buf_add_str(&body, rows[i].line);
		(void)fixture_decode(f, body.data, body.len, rows[i].piece);
		/* Some 0.1 s; minutes if it were quadratic. */
		if (clock() - start > 20 * CLOCKS_PER_SEC)
			fail_msg("%s%s takes too long", rows[i].head,
				 rows[i].line);
		buf_release(&body);
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Bits of records, well formed and not, one after the other. */
static void random_body(uint64_t *seed, struct buf *out)
{
	static const char *const bits[] = {
		"{\"x\": 1.5, \"y\": 2, \"c\": \"red\", \"d\": true}\n",
		"{\"x\": 1, \"c\": \"\\u20ac\\n\"}",
		"{\n \"id\": 7,\n \"x\": [1, {\"y\": 2}]\n}\n",
		"{\"inputs\": {\"x\": 3}, \"q\": {\"a\": [[]]}}\n",
		"{\"ts\": \"nonsense\"}\n",
		"{\"x\": \n",
		"{\"c\": \"\xe2\x82\xac \xff\"}\n",
		"{",
		"}",
		"[",
		"]",
		",",
		"\"",
		"\\",
		"\n",
		" ",
		"\r\n",
		"1e5",
		"-",
		"null",
		"tru",
		"\"u\": 0",
		":",
		"\"x\"",
		"\t",
		"{\"c\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"\"}\n",
	};
	unsigned n = 1 + (unsigned)(next_random(seed) % 60);

	if (next_random(seed) % 8 == 0)
		buf_add_str(out, "[");
	for (unsigned i = 0; i < n; i++) {
		uint64_t r = next_random(seed);
		/* mostly whole records */
		size_t k = r % 3 ? (r >> 8) % 7 : (r >> 8) % ARRAY_LEN(bits);

		buf_add_str(out, bits[k]);
	}
}

static void test_pieces_do_not_matter(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = (uint64_t)time(NULL) | 1;
	struct buf body, whole, pieces;

	print_message("seed %" PRIu64 "\n", seed);
	buf_init(&body, 1 << 20);
	buf_init(&whole, 1 << 24);
	buf_init(&pieces, 1 << 24);
	for (int i = 0; i < 3000; i++) {
		size_t piece = 1 + next_random(&seed) % 200;

		buf_clear(&body);
		random_body(&seed, &body);
		/* Small limits, so that they are met. */
		f->limits.max_record = 40 + next_random(&seed) % 200;
		f->limits.max_depth = 2 + (unsigned)(next_random(&seed) % 4);
		buf_clear(&whole);
		(void)fixture_decode(f, body.data, body.len, 0);
		fixture_describe(f, &whole);
		buf_clear(&pieces);
		(void)fixture_decode(f, body.data, body.len, piece);
		fixture_describe(f, &pieces);
		if (strcmp(buf_str(&whole), buf_str(&pieces)) != 0)
			fail_msg("pieces of %zu:\n%s\n--- whole\n%s"
				 "--- pieces\n%s",
				 piece, buf_str(&body), buf_str(&whole),
				 buf_str(&pieces));
	}
	f->limits = (struct ingest_limits){1 << 25, 1 << 20, 32};
	buf_release(&body);
	buf_release(&whole);
	buf_release(&pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_keys_twice),
		cmocka_unit_test(test_guessed_names),
		cmocka_unit_test(test_rejections),
		cmocka_unit_test(test_several_lines),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_reasons_are_bounded),
		cmocka_unit_test(test_many_unknown_names),
		cmocka_unit_test(test_effort_is_linear),
		cmocka_unit_test(test_pieces_do_not_matter),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
