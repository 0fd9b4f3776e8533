/* SPDX-License-Identifier: GPL-3.0-or-later */
/* utf8: every code point, every short sequence, public test cases. */

#include "base/utf8.h"

#include "base/attr.h"
#include "base/hash.h"
#include "tests/unit/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10FFFF; code++) {
		char text[4];
		size_t len, want;

		if (code == 0xD800)
			code = 0xE000;
		want = code < 0x80	? 1
		       : code < 0x800	? 2
		       : code < 0x10000 ? 3
					: 4;
		len = utf8_put(code, text);
		assert_int_equal(len, want);
		if (!utf8_is_valid(text, len, NULL))
			fail_msg("U+%04X is valid", code);
		for (size_t cut = 1; cut < len; cut++)
			assert_false(utf8_is_valid(text, cut, NULL));
	}
}

/* Of all 2^24 triples so many are UTF-8: counted from RFC 3629's grammar. */
static void test_every_triple(void **state)
{
	const unsigned one = 128, two = 1920, three = 63488 - 2048;
	unsigned n = 0;

	(void)state;
	for (unsigned v = 0; v < 1U << 24; v++) {
		char text[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};

		n += utf8_is_valid(text, 3, NULL);
	}
	assert_int_equal(n, one * one * one + 2 * one * two + three);
}

/* The first bad byte, at any distance from the words of eight. */
static void test_place(void **state)
{
	char text[40];
	size_t bad;

	(void)state;
	for (size_t at = 0; at < sizeof(text); at++) {
		for (size_t len = at + 1; len <= sizeof(text); len++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)0x80;
			bad = 99;
			assert_false(utf8_is_valid(text, len, &bad));
			assert_int_equal(bad, at);
		}
		bad = 99;
		assert_true(utf8_is_valid(text, at, &bad));
		assert_int_equal(bad, 99);
	}
	assert_false(utf8_is_valid("ab\xC3\xA4\xED\xA0\x80", 7, &bad));
	assert_int_equal(bad, 4);
	assert_true(utf8_is_valid("", 0, NULL));
}

/* "num:valid:text", "num:valid hex:AB CD", "num:invalid hex:AB CD:…" */
static unsigned check_case(char *line)
{
	char *kind = strchr(line, ':'), *data, *end;
	uint8_t bytes[256];
	size_t len = 0;
	bool valid;

	if (line[0] == '#' || !kind)
		return 0;
	data = strchr(++kind, ':');
	if (!data)
		return 0;
	*data++ = '\0';
	valid = strncmp(kind, "valid", 5) == 0;
	if (!valid && strncmp(kind, "invalid", 7) != 0)
		return 0;
	if (!strstr(kind, "hex")) {
		if (utf8_is_valid(data, strlen(data), NULL) != valid)
			fail_msg("case %s is %s", line, kind);
		return 1;
	}
	end = strchr(data, ':');
	if (end)
		*end = '\0';
	for (char *p = strtok_r(data, " \r\n", &end); p;
	     p = strtok_r(NULL, " \r\n", &end)) {
		size_t n = strlen(p);

		assert_in_range(len + n / 2, 0, sizeof(bytes));
		assert_int_equal(hex_decode(p, n, bytes + len), 0);
		len += n / 2;
	}
	if (utf8_is_valid((const char *)bytes, len, NULL) != valid)
		fail_msg("case %s is %s", line, kind);
	return 1;
}

static void test_public_cases(void **state)
{
	char path[512], *save = NULL;
	size_t len = 0;
	unsigned n = 0;
	char *text = slurp(corpus("utf8tests/utf8tests.txt", path), &len);

	(void)state;
	if (!text) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		n += check_case(line);
	free(text);
	print_message("%u cases\n", n);
	assert_true(n > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_every_triple),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_public_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
