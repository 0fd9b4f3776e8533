/* SPDX-License-Identifier: GPL-3.0-or-later */
/* option: every type set, refused, printed and read back. */

#include "base/option.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/window.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct target {
	bool on;
	int64_t count;
	double share;
	int64_t wait;
	uint64_t room;
	char *name;
	char *path;
	int mode;
	struct window_width window;
};

static const char *const modes[] = {"always", "interval", "never", NULL};

#define ROW(member) .name = #member, .offset = offsetof(struct target, member)

static const struct option table[] = {
	{ROW(on), .type = OPTION_BOOL, .fallback = "true"},
	{ROW(count), .type = OPTION_INT, .fallback = "3", .min = 1, .max = 10},
	{ROW(share), .type = OPTION_DOUBLE, .fallback = "0.1", .max = 1},
	{ROW(wait), .type = OPTION_DURATION, .fallback = "5s", .min = 1000,
	 .max = 3600e6},
	{ROW(room), .type = OPTION_SIZE, .fallback = "64MiB", .min = 1024,
	 .max = 1e12},
	{ROW(name), .type = OPTION_STRING, .fallback = "driftd"},
	{ROW(path), .type = OPTION_STRING},
	{ROW(mode), .type = OPTION_ENUM, .fallback = "interval",
	 .names = modes},
	{ROW(window), .type = OPTION_WINDOW, .fallback = "1d"},
};

static void print(const char *name, const struct target *t, struct buf *out)
{
	buf_clear(out);
	if (!option_print(option_find(table, ARRAY_LEN(table), name), t, out))
		buf_add_str(out, "(unset)");
}

static void test_defaults(void **state)
{
	static const char *const want[] = {"true",    "3",	  "0.1",
					   "5s",      "64MiB",	  "driftd",
					   "(unset)", "interval", "1d"};
	struct target t = {0}, again = {0};
	struct buf out;
	struct err e;

	(void)state;
	buf_init(&out, 1000);
	option_set_defaults(table, ARRAY_LEN(table), &t);
	assert_true(t.on && t.count == 3 && t.share == 0.1);
	assert_true(t.wait == 5 * CLOCK_SECOND_US && t.room == 64 << 20);
	assert_int_equal(t.mode, 1);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		print(table[i].name, &t, &out);
		assert_string_equal(buf_str(&out), want[i]);
		if (table[i].fallback)
			assert_int_equal(option_set(&table[i], &again,
						    buf_str(&out), &e),
					 0);
	}
	assert_true(again.room == t.room && again.wait == t.wait &&
		    window_equal(again.window, t.window));
	option_release(table, ARRAY_LEN(table), &t);
	option_release(table, ARRAY_LEN(table), &again);
	assert_null(t.name);
	print("window", &(struct target){0}, &out);
	assert_string_equal(buf_str(&out), "(unset)");
	buf_release(&out);
}

static void test_set(void **state)
{
	static const struct {
		const char *name, *text, *back;
	} cases[] = {
		{"on", "No", "false"},	    {"on", "on", "true"},
		{"count", "10", "10"},	    {"share", "1e-3", "0.001"},
		{"wait", "90s", "1m30s"},   {"wait", "1h", "1h"},
		{"room", "2000KB", "2MB"},  {"name", "", ""},
		{"name", "two", "two"},	    {"path", "/x", "/x"},
		{"mode", "never", "never"}, {"window", "1mo", "1mo"},
	};
	struct target t = {0};
	struct buf out;
	struct err e;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct option *o =
			option_find(table, ARRAY_LEN(table), cases[i].name);

		assert_non_null(o);
		if (option_set(o, &t, cases[i].text, &e) < 0)
			fail_msg("%s", e.message);
		print(cases[i].name, &t, &out);
		assert_string_equal(buf_str(&out), cases[i].back);
	}
	assert_null(option_find(table, ARRAY_LEN(table), "Count"));
	option_release(table, ARRAY_LEN(table), &t);
	buf_release(&out);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} cases[] = {
		{"on", "maybe",
		 "option \"on\": \"maybe\" is neither true nor false"},
		{"count", "0",
		 "option \"count\": \"0\" is not between 1 and 10"},
		{"count", "1.5",
		 "option \"count\": \"1.5\" is not a whole number"},
		{"share", "1.5",
		 "option \"share\": \"1.5\" is not between 0 and 1"},
		{"share", "nan", "option \"share\": \"nan\" is not a number"},
		{"wait", "2h",
		 "option \"wait\": \"2h\" is not between 1ms and 1h"},
		{"wait", "5",
		 "option \"wait\": \"5\" is not a duration such as 250ms, "
		 "1h30m or 7d"},
		{"room", "1",
		 "option \"room\": \"1\" is not between 1KiB and 1TB"},
		{"room", "x",
		 "option \"room\": \"x\" is not a size such as 64KiB, 512MiB "
		 "or "
		 "8GB"},
		{"mode", "neve",
		 "option \"mode\": \"neve\" is not one of always, interval or "
		 "never"},
		{"window", "7h",
		 "option \"window\": window \"7h\" neither divides a day nor "
		 "is "
		 "a multiple of one"},
	};
	struct target t = {0}, before;

	(void)state;
	option_set_defaults(table, ARRAY_LEN(table), &t);
	before = t;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};

		assert_int_equal(option_set(option_find(table, ARRAY_LEN(table),
							cases[i].name),
					    &t, cases[i].text, &e),
				 -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.message, cases[i].message);
	}
	assert_memory_equal(&t, &before, sizeof(t));
	option_release(table, ARRAY_LEN(table), &t);
}

static void test_bad_table_aborts(void **state)
{
	static const struct option bad[] = {
		{ROW(count), .type = OPTION_INT, .fallback = "11", .max = 10}};
	pid_t child = fork();
	int status = 0;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct target t = {0};

		(void)close(STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		option_set_defaults(bad, 1, &t);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_suggest(void **state)
{
	static const char *const names[] = {
		"flush_interval", "max_bytes", "retain", "sync", "ks", "psi"};
	char huge[5000];

	(void)state;
#define SUGGEST(wrong) option_suggest(names, ARRAY_LEN(names), wrong)
	assert_string_equal(SUGGEST("flush_intervall"), "flush_interval");
	assert_string_equal(SUGGEST("maxbytes"), "max_bytes");
	assert_string_equal(SUGGEST("snyc"), "sync");
	assert_string_equal(SUGGEST("pis"), "psi");
	assert_string_equal(SUGGEST("retian"), "retain");
	assert_null(SUGGEST("interval"));
	assert_null(SUGGEST("abc"));
	assert_null(SUGGEST(""));
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_null(SUGGEST(huge));
	assert_null(option_suggest(names, 0, "ks"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_table_aborts),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
