/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Bodies as a whole: limits, memory, encodings, the first bytes, the hash and
 * the content type. */

#include "base/budget.h"
#include "base/hash.h"
#include "tests/unit/daemon/ingest_fixture.h"

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "features:\n"
			   "  numeric: [x, y]\n"
			   "  categorical: [c, d]\n";

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

static void test_record_limit(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	struct buf body;

	f->limits.max_record = 100;
	for (int extra = 0; extra <= 1; extra++) {
		for (size_t piece = 0; piece <= 64; piece += 16) {
			buf_init(&body, 1 << 20);
			buf_add_str(&body, "{\"x\": 1}\n{\"c\": \"");
			for (int i = 0; i < 91 + extra; i++)
				buf_add_char(&body, 'a');
			buf_add_str(&body, "\"}\n{\"x\": 3}\n");
			assert_int_equal(
				fixture_decode(f, body.data, body.len, piece),
				0);
			assert_int_equal(r->n_accepted, 3 - extra);
			assert_int_equal(r->n_rejected, extra);
			fixture_expect(f, f->batch.n_rows - 1, "x", "3");
			if (extra > 0) {
				assert_int_equal(r->reasons[0].line, 2);
				assert_non_null(strstr(r->reasons[0].message,
						       "too large"));
			}
			buf_release(&body);
		}
	}
	/* An object of just that many bytes is one, whatever follows it. */
	f->limits.max_record = 8;
	for (size_t piece = 0; piece < 10; piece++) {
		assert_int_equal(fixture_decode(f, "{\"x\": 1}", 8, piece), 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(fixture_decode(f, "{\"x\": 12}", 9, piece), 0);
		assert_int_equal(r->n_accepted, 0);
		assert_non_null(strstr(r->reasons[0].message, "too large"));
		assert_int_equal(fixture_decode(f, "12345678", 8, piece), 0);
		assert_non_null(strstr(r->reasons[0].message, "no object"));
	}
	f->limits.max_record = 100;
	/* Within an array there is no next line to go on at. */
	buf_init(&body, 1 << 20);
	buf_add_str(&body, "[{\"c\": \"");
	for (int i = 0; i < 200; i++)
		buf_add_char(&body, 'a');
	buf_add_str(&body, "\"}]");
	assert_int_equal(fixture_decode(f, body.data, body.len, 7), -1);
	assert_int_equal(f->err.code, ERR_LIMIT);
	buf_release(&body);
	f->limits.max_record = 1 << 20;
}

/* A line of 100 MB is neither kept nor read twice. */
static void test_long_line(void **state)
{
	static const char head[] = "{\"x\": 1}\n{\"c\": \"";
	static const char tail[] = "\"}\n{\"x\": 3}\n";
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	char *piece = xmalloc(1 << 16);
	struct err e;

	memset(piece, 'a', 1 << 16);
	f->limits.max_body = 1 << 30;
	f->limits.max_record = 1 << 16;
	(void)fixture_decode(f, "", 0, 0);
	assert_int_equal(ingest_begin(f->in, f->model, &f->batch, &f->limits,
				      f->type, ENCODING_IDENTITY, false,
				      FIXTURE_NOW, &e),
			 0);
	assert_int_equal(ingest_feed(f->in, head, strlen(head), &e), 0);
	for (int i = 0; i < 1600; i++)
		assert_int_equal(ingest_feed(f->in, piece, 1 << 16, &e), 0);
	assert_in_range(ingest_memory(f->in), 1, 1 << 20);
	assert_int_equal(ingest_feed(f->in, tail, strlen(tail), &e), 0);
	assert_int_equal(ingest_end(f->in, &e), 0);
	assert_int_equal(r->n_accepted, 2);
	assert_int_equal(r->n_rejected, 1);
	f->limits = (struct ingest_limits){1 << 25, 1 << 20, 32};
	free(piece);
}

static void test_body_limit(void **state)
{
	struct fixture *f = *state;

	f->limits.max_body = 9;
	assert_int_equal(fixture_decode_text(f, "{\"x\": 1}\n"), 0);
	assert_int_equal(fixture_decode(f, "{\"x\": 1}\n\n", 10, 3), -1);
	assert_int_equal(f->err.code, ERR_LIMIT);
	f->limits.max_body = 1 << 25;
}

static void test_memory_budget(void **state)
{
	struct fixture *f = *state;
	struct budget budget;
	struct buf body;

	budget_init(&budget, 8192);
	batch_release(&f->batch);
	batch_init(&f->batch, &budget);
	buf_init(&body, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_printf(&body, "{\"c\": \"category %d\"}\n", i);
	assert_int_equal(fixture_decode(f, body.data, body.len, 0), -1);
	assert_int_equal(f->err.code, ERR_TEMP);
	assert_int_equal(fixture_decode_text(f, "{\"x\": 1}"), 0);
	buf_release(&body);
	batch_release(&f->batch);
	batch_init(&f->batch, NULL);
}

static void test_encodings(void **state)
{
	static const unsigned char gzipped[] = {
		0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff,
		0xab, 0x56, 0xaa, 0x50, 0xb2, 0x52, 0x30, 0xac, 0xe5, 0x02,
		0x00, 0xe7, 0x78, 0x01, 0xae, 0x09, 0x00, 0x00, 0x00};
	struct fixture *f = *state;
	const char *gz = (const char *)gzipped;
	struct buf plain, packed;

	f->encoding = ENCODING_GZIP;
	for (size_t piece = 0; piece < 4; piece++) {
		assert_int_equal(fixture_decode(f, gz, sizeof(gzipped), piece),
				 0);
		assert_int_equal(f->batch.n_rows, 1);
		fixture_expect(f, 0, "x", "1");
	}
	assert_int_equal(fixture_decode(f, gz, sizeof(gzipped) - 4, 0), -1);
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_int_equal(fixture_decode(f, "{\"x\": 1}", 8, 0), -1);
	assert_int_equal(f->err.code, ERR_INVALID);

	/* 36 MiB of spaces in a few kilobytes. */
	f->encoding = ENCODING_ZSTD;
	buf_init(&plain, 1 << 23);
	buf_init(&packed, 1 << 24);
	assert_int_equal(buf_reserve(&plain, 1 << 22), 0);
	memset(plain.data, ' ', 1 << 22);
	plain.len = 1 << 22;
	for (int i = 0; i < 9; i++)
		zstd_pack(plain.data, plain.len, &packed);
	assert_int_equal(fixture_decode(f, packed.data, packed.len, 0), -1);
	assert_int_equal(f->err.code, ERR_LIMIT);
	buf_release(&plain);
	buf_release(&packed);
	f->encoding = ENCODING_IDENTITY;
}

static void test_first_bytes(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);

	for (size_t piece = 0; piece < 5; piece++) {
		assert_int_equal(fixture_decode(f, "\xef\xbb\xbf{\"x\": }\n{}",
						13, piece),
				 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(r->reasons[0].line, 1);
		assert_int_equal(r->reasons[0].column, 7);
		assert_int_equal(fixture_decode(f, "\xff\xfe{\0}\0", 6, piece),
				 -1);
		assert_int_equal(f->err.code, ERR_INVALID);
		assert_int_equal(fixture_decode(f, "{\0}\0", 4, piece), -1);
		assert_int_equal(fixture_decode(f, "\0{\0}", 4, piece), -1);
	}
	assert_int_equal(fixture_decode(f, "", 0, 0), 0);
	assert_int_equal(r->n_accepted + r->n_rejected, 0);
	f->type = NULL;
	for (size_t piece = 0; piece < 3; piece++) {
		assert_int_equal(fixture_decode(f, " \n {\"x\": 1}", 11, piece),
				 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(fixture_decode(f, "\n[{\"x\": 1}]", 11, piece),
				 0);
		assert_int_equal(r->n_accepted, 1);
		assert_int_equal(fixture_decode(f, "x,c\n1,a\n", 8, piece), 0);
		assert_int_equal(r->n_accepted, 1);
		fixture_expect(f, 0, "c", "a");
	}
	f->type = "application/json";
}

static void test_hash(void **state)
{
	static const char body[] = "{\"x\": 1}\n{\"x\": 2}\n";
	struct fixture *f = *state;
	struct hash128 *h = hash128_new();
	uint8_t expected[HASH128_SIZE], got[HASH128_SIZE];

	hash128_reset(h);
	hash128_add(h, body, strlen(body));
	hash128_get(h, expected);
	hash128_free(h);
	for (size_t piece = 0; piece < 5; piece++) {
		assert_int_equal(fixture_decode(f, body, strlen(body), piece),
				 0);
		ingest_get_hash(f->in, got);
		assert_memory_equal(got, expected, sizeof(got));
	}
}

static void test_content_types(void **state)
{
	static const struct {
		const char *type;
		int format; /* -1: refused, -2: nothing said */
	} rows[] = {
		{NULL, -2},
		{"", -2},
		{"application/octet-stream", -2},
		{"application/json", INGEST_JSON},
		{"Application/JSON; charset=UTF-8", INGEST_JSON},
		{"application/x-ndjson", INGEST_JSON},
		{"application/jsonlines", INGEST_JSON},
		{"text/csv; header=present; charset=\"utf-8\"", INGEST_CSV},
		{"text/csv;charset=latin1", -1},
		{"application/json; charset=utf-16", -1},
		{"application/xml", -1},
		{"application/jsonx", -1},
		{"text/csvx", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum ingest_format format = INGEST_JSON;
		struct err e = {0};
		bool known = false;
		int rc = ingest_format_parse(rows[i].type, &format, &known, &e);

		assert_int_equal(rc, rows[i].format == -1 ? -1 : 0);
		if (rc < 0) {
			assert_int_equal(e.code, ERR_UNSUPPORTED);
			continue;
		}
		assert_int_equal(known, rows[i].format >= 0);
		if (known)
			assert_int_equal(format, rows[i].format);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_limit),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_memory_budget),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_content_types),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
