/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The option tables against themselves, the example and abuse: a row added
 * anywhere is tested before anyone writes its test.
 */
#include "config/settings.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/file.h"

#include "tests/unit/config/scratch.h"

#include <time.h>

static const char example_path[] = "config/driftd.example.yaml";

static char *read_example(size_t *len)
{
	char *text = file_read(example_path, 1 << 20, len);

	if (!text)
		fail_msg("no %s: run from the top of the project",
			 example_path);
	return text;
}

/* Whether ${key} stands in ${text} as a key, commented out or not. */
static bool mentions(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = text; (at = strstr(at, key)); at++)
		if (at[len] == ':' && (at == text || strchr(" {\n", at[-1])))
			return true;
	return false;
}

static void check_table(const char *text, const struct option *table, size_t n,
			void *target)
{
	struct buf value;
	struct err e;
	const char *key;

	buf_init(&value, 4096);
	option_set_defaults(table, n, target);
	for (size_t i = 0; i < n; i++) {
		key = strrchr(table[i].name, '.');
		key = key ? key + 1 : table[i].name;
		assert_non_null(table[i].doc);
		assert_true(strlen(table[i].doc) > 2);
		assert_ptr_equal(option_find(table, n, table[i].name),
				 &table[i]);
		if (!mentions(text, key))
			fail_msg("%s lacks \"%s\"", example_path, key);
		buf_clear(&value);
		if (option_print(&table[i], target, &value) &&
		    option_set(&table[i], target, buf_str(&value), &e) != 0)
			fail_msg("%s", e.message);
	}
	option_release(table, n, target);
	buf_release(&value);
}

static void test_tables(void **state)
{
	struct config daemon = {0};
	struct config_receiver receiver = {0};
	struct config_rule rule = {0};
	struct config_model model = {0};
	size_t len;
	char *text = read_example(&len);

	(void)state;
	check_table(text, settings_daemon, settings_n_daemon, &daemon);
	check_table(text, settings_receiver, settings_n_receiver, &receiver);
	check_table(text, settings_rule, settings_n_rule, &rule);
	check_table(text, settings_model, settings_n_model, &model);
	free(text);
}

/* What the example says of a default is the default. */
static void test_example_is_defaults(void **state)
{
	struct config *example, *usual;
	struct err e = {0};
	struct buf a, b;
	const struct option *o;

	(void)state;
	example = config_load(example_path, &e);
	if (!example)
		fail_msg("%s", e.message);
	usual = config_load(scratch_file("a.yaml", ""), &e);
	assert_non_null(usual);
	buf_init(&a, 4096);
	buf_init(&b, 4096);
	for (size_t i = 0; i < settings_n_daemon; i++) {
		o = &settings_daemon[i];
		if (strcmp(o->name, "storage.dsn") == 0)
			continue;
		buf_clear(&a);
		buf_clear(&b);
		option_print(o, example, &a);
		option_print(o, usual, &b);
		assert_string_equal(buf_str(&a), buf_str(&b));
	}
	buf_release(&a);
	buf_release(&b);
	config_unref(example);
	config_unref(usual);
}

static double seconds_to_load(const char *text, size_t len)
{
	const char *path = scratch_bytes("a.yaml", text, len);
	struct timespec begin, end;
	struct err e = {0};

	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_null(config_load(path, &e));
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(e.code, ERR_INVALID);
	return (double)(end.tv_sec - begin.tv_sec) +
	       (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

static void test_depth(void **state)
{
	enum { LEN = 100 << 10 };
	char *text = malloc(LEN);

	(void)state;
	assert_non_null(text);
	memset(text, '[', LEN);
	assert_true(seconds_to_load(text, LEN) < 2);
	for (size_t i = 1; i < LEN; i += 2)
		text[i] = '\n';
	assert_true(seconds_to_load(text, LEN) < 2);
	free(text);
}

/* The example with a few bytes changed: an answer, and a place for errors. */
static void test_mutations(void **state)
{
	static const char bytes[] = "{}[]:,#&*!|>'\"%@`$~- \n\t\\0\x80\xff";
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10)
			      : (unsigned)time(NULL);
	size_t len, n_good = 0, n_bad = 0;
	char *text = read_example(&len);
	char *copy = malloc(len);
	struct config *c;
	struct err e;

	(void)state;
	assert_non_null(copy);
	print_message("SEED=%u\n", seed);
	for (int i = 0; i < 1500; i++) {
		memcpy(copy, text, len);
		for (int k = rand_r(&seed) % 4; k >= 0; k--)
			copy[(size_t)rand_r(&seed) % len] =
				bytes[(size_t)rand_r(&seed) % sizeof(bytes)];
		memset(&e, 0, sizeof(e));
		c = config_load(scratch_bytes("a.yaml", copy, len), &e);
		if (c) {
			n_good++;
			config_unref(c);
		} else {
			n_bad++;
			assert_int_equal(e.code, ERR_INVALID);
			assert_true(*e.message);
		}
	}
	assert_true(n_good > 0 && n_bad > 0);
	free(copy);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_example_is_defaults),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
