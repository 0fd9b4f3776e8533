/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err: what is filled in, what is kept, what is cut. */

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct err e = {.line = 7, .column = 8, .sqlstate = "40001"};

	(void)state;
	assert_int_equal(err_set(&e, ERR_LIMIT, "column \"%s\" has %d", "x", 3),
			 -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(e.line, 0);
	assert_int_equal(e.column, 0);
	assert_string_equal(e.sqlstate, "");
	assert_string_equal(e.message, "column \"x\" has 3");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "x"), -1);
}

static void test_place_survives_wrapping(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set_at(&e, ERR_INVALID, 3, 17, "bad %s", "comma"),
			 -1);
	assert_int_equal(err_wrap(&e, "file \"%s\"", "a.csv"), -1);
	assert_int_equal(err_wrap(&e, "import"), -1);
	assert_string_equal(e.message, "import: file \"a.csv\": bad comma");
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(e.line, 3);
	assert_int_equal(e.column, 17);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	assert_int_equal(err_set_at(NULL, ERR_INVALID, 1, 1, "x"), -1);
}

static void test_errno(void **state)
{
	struct err e;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&e, "cannot open \"%s\"", "x"), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.message,
			    "cannot open \"x\": No such file or directory");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(err_errno(NULL, "x"), -1);
}

/* Never half a character, whichever byte the end falls on. */
static void test_cut(void **state)
{
	static const char text[] = "\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xA4";
	char long_text[ERR_MESSAGE_MAX + 64];
	struct err e;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(long_text); i++)
		long_text[i] = text[i % (sizeof(text) - 1)];
	long_text[sizeof(long_text) - 1] = '\0';
	for (int pad = 0; pad < 12; pad++) {
		size_t len;

		err_set(&e, ERR_INVALID, "%*s%s", pad, "", long_text);
		len = strlen(e.message);
		assert_in_range(len, ERR_MESSAGE_MAX - 5, ERR_MESSAGE_MAX - 1);
		/* The cut is where a character of the source begins. */
		assert_true(((unsigned char)long_text[len - (size_t)pad] &
			     0xC0) != 0x80);
		err_wrap(&e, "%*s", pad + 1, "x");
		len = strlen(e.message);
		assert_in_range(len, ERR_MESSAGE_MAX - 5, ERR_MESSAGE_MAX - 1);
		assert_true(
			((unsigned char)long_text[len - 2 * (size_t)pad - 3] &
			 0xC0) != 0x80);
	}
}

static void test_exit_codes(void **state)
{
	static const int want[] = {0, 65, 65, 65, 65, 65, 69, 69, 74, 78, 70};

	(void)state;
	for (int code = ERR_NONE; code <= ERR_BUG; code++) {
		struct err e = {.code = (enum err_code)code};

		assert_int_equal(err_exit_code(&e), want[code]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_place_survives_wrapping),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
