/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dict: against a list searched one by one, at its bounds, and reused. */

#include "base/dict.h"

#include "base/hash.h"
#include "tests/unit/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_basic(void **state)
{
	struct dict *d = dict_new(0, 0);
	const char *text;
	size_t len = 0;

	(void)state;
	assert_int_equal(dict_find(d, "a", 1), DICT_NONE);
	assert_int_equal(dict_add(d, "a", 1), 0);
	assert_int_equal(dict_add(d, "", 0), 1);
	assert_int_equal(dict_add(d, "a\0b", 3), 2);
	assert_int_equal(dict_add(d, "a", 1), 0);
	assert_int_equal(dict_find(d, "", 0), 1);
	assert_int_equal(dict_find(d, "a\0b", 3), 2);
	assert_int_equal(dict_find(d, "a\0c", 3), DICT_NONE);
	assert_int_equal(dict_count(d), 3);
	text = dict_text(d, 2, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "a\0b", 4); /* and its NUL */
	assert_string_equal(dict_text(d, 0, NULL), "a");
	assert_true(dict_hash(d, 0) == hash64("a", 1));
	dict_free(d);
	dict_free(NULL);
}

static void test_bounds(void **state)
{
	struct dict *d = dict_new(3, 5);

	(void)state;
	assert_int_equal(dict_add(d, "abc", 3), 0);
	assert_int_equal(dict_add(d, "def", 3), DICT_NONE);
	assert_int_equal(dict_add(d, "de", 2), 1);
	assert_int_equal(dict_add(d, "x", 1), DICT_NONE);
	assert_int_equal(dict_add(d, "", 0), 2);
	/* Full: what is there is still found, also by add. */
	assert_int_equal(dict_add(d, "abc", 3), 0);
	assert_int_equal(dict_count(d), 3);
	dict_clear(d);
	assert_int_equal(dict_add(d, "xyzuv", 5), 0);
	assert_int_equal(dict_add(d, "", 0), 1);
	dict_free(d);
}

static size_t number_text(uint64_t n, char out[24])
{
	/* Lengths from 1 to 20, many with a common beginning. */
	return (size_t)snprintf(out, 24, "%llu", (unsigned long long)n);
}

static void test_many(void **state)
{
	enum { N = 50000 };
	struct dict *d = dict_new(0, 0);
	uint64_t *known = malloc(N * sizeof(*known));
	char text[24];

	(void)state;
	assert_non_null(known);
	random_start();
	for (uint32_t i = 0; i < N; i++) {
		known[i] = (uint64_t)i * i * 7919;
		assert_int_equal(dict_add(d, text, number_text(known[i], text)),
				 i);
	}
	for (unsigned i = 0; i < N; i++) {
		uint32_t k = (uint32_t)random_below(N);
		size_t len = number_text(known[k], text);

		assert_int_equal(dict_find(d, text, len), k);
		assert_int_equal(dict_add(d, text, len), k);
		assert_string_equal(dict_text(d, k, NULL), text);
		text[0] = 'x';
		assert_int_equal(dict_find(d, text, len), DICT_NONE);
	}
	assert_int_equal(dict_count(d), N);
	assert_in_range(dict_memory(d), N * 24, N * 120);
	free(known);
	dict_free(d);
}

/* Clearing must forget everything, by either of its ways. */
static void test_reuse(void **state)
{
	struct dict *d = dict_new(0, 0);
	size_t memory = 0;
	char text[24];

	(void)state;
	random_start();
	for (unsigned round = 0; round < 300; round++) {
		uint64_t n =
			round == 0 ? 3000 : random_below(round % 7 ? 60 : 3000);
		uint64_t base = random_next();

		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(
				dict_add(d, text, number_text(base + i, text)),
				i);
		assert_int_equal(dict_count(d), n);
		dict_clear(d);
		assert_int_equal(dict_count(d), 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(
				dict_find(d, text, number_text(base + i, text)),
				DICT_NONE);
		if (round == 0)
			memory = dict_memory(d);
		assert_in_range(dict_memory(d), memory, 2 * memory);
	}
	dict_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_reuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
