/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json: what is written can be read; the public parsing suite. */

#include "base/json.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "tests/unit/base/random.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buf buf;
static struct json_out w;

static int setup(void **state)
{
	(void)state;
	buf_init(&buf, 1 << 20);
	json_out_init(&w, &buf);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&buf);
	return 0;
}

static void test_document(void **state)
{
	(void)state;
	json_object_begin(&w);
	json_put_string(&w, "s", "x");
	json_put_string(&w, "none", NULL);
	json_put_int(&w, "i", INT64_MIN);
	json_put_bool(&w, "b", true);
	json_put_number(&w, "n", 0.1);
	json_put_number(&w, "nan", (double)NAN);
	json_put_time(&w, "t", INT64_C(1767323045500000));
	json_put_time(&w, "unset", INT64_MIN);
	json_key(&w, "a");
	json_array_begin(&w);
	json_array_begin(&w);
	json_array_end(&w);
	json_object_begin(&w);
	json_object_end(&w);
	json_int(&w, 1);
	json_raw(&w, "{\"raw\":1}", 9);
	json_bool(&w, false);
	json_null(&w);
	json_number(&w, -(double)INFINITY);
	json_array_end(&w);
	json_key_n(&w, "keyed", 3);
	json_string_n(&w, "abc", 2);
	json_object_end(&w);
	assert_string_equal(
		buf_str(&buf),
		"{\"s\":\"x\",\"none\":null,\"i\":-9223372036854775808,"
		"\"b\":true,\"n\":0.1,\"nan\":null,"
		"\"t\":\"2026-01-02T03:04:05.500000Z\",\"unset\":null,"
		"\"a\":[[],{},1,{\"raw\":1},false,null,null],\"key\":\"ab\"}");
}

static void test_escapes(void **state)
{
	static const char text[] = "a\"b\\c\n\r\t\b\x01\x1f/"
				   "\x7f\xC3\xA4\0z\xff\xED\xA0\x80\xE2\x82";

	(void)state;
	json_string_n(&w, text, sizeof(text) - 1);
	assert_string_equal(buf_str(&buf),
			    "\"a\\\"b\\\\c\\n\\r\\t\\u0008\\u0001\\u001f/\x7f"
			    "\xC3\xA4\\u0000z\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF"
			    "\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void test_depth(void **state)
{
	struct json_value *root;
	struct err e;

	(void)state;
	for (int i = 0; i < 63; i++) {
		json_array_begin(&w);
		json_int(&w, i);
	}
	for (int i = 0; i < 63; i++)
		json_array_end(&w);
	assert_false(buf.failed);
	root = json_parse(buf_str(&buf), buf.len, &e);
	assert_non_null(root);
	assert_int_equal(json_count(root), 2);
	json_free(root);
	buf_clear(&buf);
	for (int i = 0; i < 64; i++)
		json_array_begin(&w);
	assert_true(buf.failed);
}

/* Any bytes and any finite numbers come back (bad bytes as U+FFFD). */
static void test_round_trip(void **state)
{
	(void)state;
	random_start();
	for (unsigned round = 0; round < 2000; round++) {
		struct json_value *root;
		uint64_t bits = random_next();
		char text[32];
		size_t len = random_below(sizeof(text));
		struct err e;
		double v;

		memcpy(&v, &bits, sizeof(v));
		for (size_t i = 0; i < len; i++)
			text[i] =
				(char)(1 + random_below(round % 2 ? 127 : 255));
		buf_clear(&buf);
		json_out_init(&w, &buf);
		json_object_begin(&w);
		json_key(&w, "text");
		json_string_n(&w, text, len);
		json_put_number(&w, "v", v);
		json_put_int(&w, "i", (int64_t)bits);
		json_object_end(&w);
		root = json_parse(buf_str(&buf), buf.len, &e);
		if (!root)
			fail_msg("%s: %s", e.message, buf_str(&buf));
		if (round % 2) {
			const char *back = json_text(json_get(root, "text"));

			assert_int_equal(strlen(back), len);
			assert_memory_equal(back, text, len);
		}
		if (isfinite(v))
			assert_true(json_value_number(json_get(root, "v"), 7) ==
				    v);
		else
			assert_false(json_is_number(json_get(root, "v")));
		assert_true(json_value_int(json_get(root, "i"), 0) ==
			    (int64_t)bits);
		json_free(root);
	}
}

static void test_tree(void **state)
{
	static const char text[] = "{\"a\": [1, 2.5, \"x\", true, null, 1e3, "
				   "1.5e300, 12345678901234567890],"
				   " \"o\": {\"k\": {}}}";
	struct json_value *root;
	const struct json_value *a;
	struct err e;

	(void)state;
	root = json_parse(text, sizeof(text) - 1, &e);
	assert_non_null(root);
	a = json_get(root, "a");
	assert_int_equal(json_count(root), 2);
	assert_int_equal(json_count(a), 8);
	assert_int_equal(json_count(json_at(a, 0)), 0);
	assert_true(json_is_number(json_at(a, 0)));
	assert_int_equal(json_value_int(json_at(a, 0), -1), 1);
	assert_int_equal(json_value_int(json_at(a, 1), -1), -1);
	assert_int_equal(json_value_int(json_at(a, 5), -1), 1000);
	assert_int_equal(json_value_int(json_at(a, 6), -1), -1);
	assert_true(json_value_number(json_at(a, 1), -1) == 2.5);
	assert_true(json_value_number(json_at(a, 7), -1) ==
		    12345678901234567890.0);
	assert_true(json_value_number(json_at(a, 2), -1) == -1);
	assert_string_equal(json_text(json_at(a, 2)), "x");
	assert_null(json_text(json_at(a, 0)));
	assert_true(json_value_bool(json_at(a, 3), false));
	assert_true(json_value_bool(json_at(a, 4), true));
	assert_false(json_value_bool(json_at(a, 0), false));
	/* Chains over what is not there. */
	assert_null(json_at(a, 8));
	assert_null(json_get(a, "x"));
	assert_null(json_at(json_get(json_get(root, "x"), "y"), 3));
	assert_null(json_text(NULL));
	assert_int_equal(json_count(NULL), 0);
	assert_int_equal(json_value_int(NULL, 5), 5);
	assert_false(json_is_number(NULL));
	assert_true(json_value_bool(NULL, true));
	json_free(root);
	json_free(NULL);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
	} cases[] = {
		{"{\"a\": 1,\n \"b\": x}", 2, 7},
		{"{\"a\": 1,\n \"a\": 2}", 2, 4},
		{"[1, 2", 1, 5},
		{"[1] x", 1, 5},
		{"", 1, 0},
		{"[1e400]", 1, 6},
	};

	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		e = (struct err){0};
		assert_null(
			json_parse(cases[i].text, strlen(cases[i].text), &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(e.line, cases[i].line);
		assert_int_equal(e.column, cases[i].column);
		assert_int_equal(strncmp(e.message, "bad JSON: ", 10), 0);
	}
	assert_null(json_parse("[", 1, NULL));
	/* A NUL ends nothing. */
	assert_null(json_parse("[1]\n\0[2]", 8, &e));
	assert_int_equal(e.line, 2);
	assert_int_equal(e.column, 1);
}

/* y_ must be read, n_ must be refused; i_ may be either. */
static bool is_ours(const char *name)
{
	/* Duplicate keys and NUL are refused by our contract. */
	return name[0] == 'n' || strstr(name, "duplicated_key") ||
	       strstr(name, "null_escape") || strstr(name, "escaped_null");
}

static void test_suite(void **state)
{
	char path[512], file[1024];
	DIR *dir = opendir(corpus("JSONTestSuite/test_parsing", path));
	unsigned n = 0;

	(void)state;
	if (!dir) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	for (struct dirent *d; (d = readdir(dir));) {
		struct json_value *root;
		size_t len = 0;
		char *text;

		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
		text = slurp(file, &len);
		assert_non_null(text);
		root = json_parse(text, len, NULL);
		if (d->d_name[0] != 'i' && !root != is_ours(d->d_name))
			fail_msg("%s is %s", d->d_name,
				 root ? "read" : "refused");
		json_free(root);
		free(text);
		n++;
	}
	(void)closedir(dir);
	print_message("%u files\n", n);
	assert_true(n > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_document, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup,
						teardown),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_suite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
