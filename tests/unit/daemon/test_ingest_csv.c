/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Bodies of CSV to batches: RFC 4180, the header, missing values, what is
 * rejected and where, and that pieces do not matter. */

#include "tests/unit/daemon/ingest_fixture.h"

#include <time.h>

static const char yaml[] = "name: m\n"
			   "version: \"3\"\n"
			   "task: none\n"
			   "id: id\n"
			   "timestamp: ts\n"
			   "missing: [\"\", NA, \"null\"]\n"
			   "features:\n"
			   "  numeric: [x, y]\n"
			   "  categorical: [c, d]\n"
			   "ignore: [skip_me]\n";

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, yaml);
	f->type = "text/csv";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static void test_values(void **state)
{
	static const struct {
		const char *field, *numeric, *category;
	} rows[] = {
		{"1.50", "1.5", "1.50"},
		{"1e3", "1000", "1e3"},
		{"\"2\"", "2", "2"},
		{"", "missing", "missing"},
		{"\"\"", "missing", "missing"},
		{"NA", "missing", "missing"},
		{"null", "missing", "missing"},
		{"Null", "invalid", "Null"},
		{"NAN", "invalid", "NAN"},
		{"inf", "invalid", "inf"},
		{" 1", "invalid", " 1"},
		{"true", "invalid", "true"},
		{"\"a,b\"", "invalid", "a,b"},
		{"\"a\"\"b\"", "invalid", "a\"b"},
		{"\"\"\"\"", "invalid", "\""},
		{"\"a\r\nb\n\"", "invalid", "a\r\nb\n"},
		{"\xe2\x82\xac", "invalid", "\xe2\x82\xac"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[256];

		(void)snprintf(body, sizeof(body), "x,c\n%s,%s\n",
			       rows[i].field, rows[i].field);
		assert_int_equal(fixture_decode_text(f, body), 0);
		/* A line with nothing but "," is a record. */
		assert_int_equal(f->batch.n_rows, 1);
		fixture_expect(f, 0, "x", rows[i].numeric);
		fixture_expect(f, 0, "c", rows[i].category);
		fixture_expect(f, 0, "y", "missing");
	}
}

static void test_header(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);

	assert_int_equal(
		fixture_decode_text(
			f, "\"c\",zip,id,skip_me,x,ts,model_version,inputs\r\n"
			   "red,1,50000,9,2.5,2026-01-01 00:00:00,3,\r\n"
			   "\r\n"
			   "blue,2,NA,9,,1767225600,NA,5"),
		0);
	assert_int_equal(r->n_rejected, 0);
	assert_int_equal(f->batch.n_rows, 2);
	fixture_expect_id(f, 0, "50000");
	fixture_expect_id(f, 1, "");
	fixture_expect(f, 0, "c", "red");
	fixture_expect(f, 1, "c", "blue");
	fixture_expect(f, 0, "x", "2.5");
	fixture_expect(f, 1, "x", "missing");
	for (int i = 0; i < 2; i++)
		assert_true(f->batch.event_time_us[i] ==
			    INT64_C(1767225600000000));
	assert_int_equal(r->n_unknown, 4);
	assert_int_equal(r->n_unknown_names, 2);
	assert_string_equal(r->unknown[0].name, "zip");
	assert_int_equal(r->unknown[0].count, 2);
	assert_string_equal(r->unknown[1].name, "inputs");
	/* A header alone is no record. */
	assert_int_equal(fixture_decode_text(f, "x,c\n"), 0);
	assert_int_equal(r->n_accepted + r->n_rejected, 0);
	assert_int_equal(fixture_decode_text(f, "\n\r\n"), 0);
}

static void test_bad_headers(void **state)
{
	static const struct {
		const char *body;
		unsigned line, column;
		const char *reason;
	} rows[] = {
		{"x,c,x\n1,a,2\n", 1, 5, "\"x\" comes twice"},
		{"x,zip,zip\n1,a,2\n", 1, 7, "\"zip\" comes twice"},
		{"\n1.5,2,red\n1,2,blue\n", 2, 1, "names no column"},
		{"x,\"c\n1,2\n", 1, 3, "never closed"},
		{"x,\"c\"d\n1,2\n", 1, 6, "closing quote"},
		{"x,c\xff\n1,2\n", 1, 4, "UTF-8"},
		{"{\"x\": 1}\n", 1, 2, "quote within"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fixture_decode_text(f, rows[i].body), -1);
		assert_int_equal(f->err.code, ERR_INVALID);
		if (f->err.line != rows[i].line ||
		    f->err.column != rows[i].column ||
		    strstr(f->err.message, rows[i].reason) == NULL)
			fail_msg("%s: %u:%u %s", rows[i].body, f->err.line,
				 f->err.column, f->err.message);
	}
}

static void test_rejections(void **state)
{
	static const struct {
		const char *body;
		unsigned n_accepted, n_rejected, line, column;
		const char *reason;
	} rows[] = {
		{"x,c\n1\n2,a\n", 1, 1, 2, 1,
		 "the row has 1 fields, the header 2"},
		{"x,c\n1,a,b\n2,a\n", 1, 1, 2, 1, "3 fields"},
		{"x,c\n1,a\"b\n2,a\n", 1, 1, 2, 4, "quote within"},
		{"x,c\n1,\"a\"b\n2,a\n", 1, 1, 2, 6, "closing quote"},
		{"x,c\n1,\"a\n2,a\n3,b\n", 2, 1, 2, 3, "never closed"},
		{"x,c\n1,\"a\n\"\",\"\"\n3,b\n", 2, 1, 2, 3, "never closed"},
		{"x,c\n1,a\rb\n2,a\n", 1, 1, 2, 4, "carriage return"},
		{"x,c\n1,\"\n\n\xff\"\n2,a\n", 1, 1, 4, 1, "UTF-8"},
		{"x,ts\n1,soon\n2,\n", 1, 1, 2, 3, "\"soon\" is no time"},
		{"x,ts\n1,2027-01-01\n2,\n", 1, 1, 2, 3, "too far ahead"},
		{"x,model_version\n1,4\n2,3\n", 1, 1, 2, 3,
		 "model_version \"4\""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
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
	}
	assert_int_equal(fixture_decode(f, "x,c\n1,a\0b\n2,a\n", 14, 0), 0);
	assert_int_equal(f->batch.n_rows, 1);
	assert_non_null(
		strstr(ingest_get_report(f->in)->reasons[0].message, "NUL"));
}

static void test_record_limit(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	struct buf body;

	f->limits.max_record = 64;
	for (size_t piece = 0; piece < 40; piece += 13) {
		buf_init(&body, 1 << 20);
		buf_add_str(&body, "x,c\n1,");
		for (int i = 0; i < 1000; i++)
			buf_add_char(&body, 'a');
		buf_add_str(&body, "\n2,\"");
		for (int i = 0; i < 1000; i++)
			buf_add_char(&body, i % 2 ? '\n' : 'b');
		buf_add_str(&body, "\"\n3,c\n");
		assert_int_equal(fixture_decode(f, body.data, body.len, piece),
				 0);
		fixture_expect(f, f->batch.n_rows - 1, "x", "3");
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(r->reasons[0].line, 2);
		assert_int_equal(r->reasons[1].line, 3);
		buf_release(&body);
	}
	/* A row of just that many bytes is one, whatever follows it. */
	f->limits.max_record = 5;
	for (size_t piece = 0; piece < 10; piece++) {
		assert_int_equal(fixture_decode(f, "x,c\n1,abc", 9, piece), 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(fixture_decode(f, "x,c\n1,abc\n", 10, piece),
				 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(fixture_decode(f, "x,c\n1,abcd", 10, piece),
				 0);
		assert_int_equal(r->n_accepted, 0);
	}
	f->limits.max_record = 1 << 20;
}

/* Quotes that are never closed do not make lines be read again and again. */
static void test_open_quotes_are_linear(void **state)
{
	static const char *const lines[] = {"a\",\"b\n", "\"\n", "1,\"\n",
					    "\"a\n", "\"\"\"\n"};
	struct fixture *f = *state;
	struct buf body;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		clock_t start = clock();

		buf_init(&body, 1 << 25);
		buf_add_str(&body, "x,c\n");
		while (body.len < 1 << 23)
			buf_add_str(&body, lines[i]);
		(void)fixture_decode(f, body.data, body.len, 0);
		/* Some 0.1 s; minutes if it were quadratic. */
		assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
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

static void test_pieces_do_not_matter(void **state)
{
	static const char *const bits[] = {
		"1.5,red\n",
		"2,\"a,b\"\r\n",
		"3,\"x\"\"y\"\n",
		"4,\"p\nq\"\n",
		"\n",
		"5,\"\"\n",
		"6,a,b\n",
		",",
		"\"",
		"\r",
		"\n",
		"text",
		"\xff",
		"7,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	};
	struct fixture *f = *state;
	uint64_t seed = (uint64_t)time(NULL) | 1;
	struct buf body, whole, pieces;

	print_message("seed %" PRIu64 "\n", seed);
	buf_init(&body, 1 << 20);
	buf_init(&whole, 1 << 24);
	buf_init(&pieces, 1 << 24);
	for (int i = 0; i < 3000; i++) {
		size_t piece = 1 + next_random(&seed) % 120;
		unsigned n = (unsigned)(next_random(&seed) % 60);

		buf_clear(&body);
		buf_add_str(&body, "x,c\n");
		for (unsigned k = 0; k < n; k++) {
			uint64_t r = next_random(&seed);

			buf_add_str(&body,
				    bits[r % 3 ? (r >> 8) % 6
					       : (r >> 8) % ARRAY_LEN(bits)]);
		}
		f->limits.max_record = 20 + next_random(&seed) % 100;
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
	f->limits.max_record = 1 << 20;
	buf_release(&body);
	buf_release(&whole);
	buf_release(&pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_rejections),
		cmocka_unit_test(test_record_limit),
		cmocka_unit_test(test_open_quotes_are_linear),
		cmocka_unit_test(test_pieces_do_not_matter),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
