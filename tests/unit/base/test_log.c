/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log: the line, what is escaped in it, where it is cut; and the clock. */

#include "base/log.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char line[8192];

/* Standard error into `line` while the message is written. */
#define CAPTURE(call)                                                          \
	do {                                                                   \
		int capture_fds[2], capture_old = dup(STDERR_FILENO);          \
		ssize_t capture_len;                                           \
		assert_int_equal(pipe(capture_fds), 0);                        \
		assert_true(dup2(capture_fds[1], STDERR_FILENO) >= 0);         \
		call;                                                          \
		assert_true(dup2(capture_old, STDERR_FILENO) >= 0);            \
		(void)close(capture_old);                                      \
		(void)close(capture_fds[1]);                                   \
		capture_len = read(capture_fds[0], line, sizeof(line) - 1);    \
		(void)close(capture_fds[0]);                                   \
		assert_true(capture_len >= 0);                                 \
		line[capture_len] = '\0';                                      \
	} while (0)

static void test_line(void **state)
{
	(void)state;
	clock_set_wall(INT64_C(1767323045678901));
	CAPTURE(log_warn("flush", "model \"%s\" has %d", "a b", 3));
	assert_string_equal(
		line, "ts=2026-01-02T03:04:05.678Z level=warn "
		      "component=flush msg=\"model \\\"a b\\\" has 3\"\n");
	clock_set_wall(-1);
	CAPTURE(log_error("x", "y"));
	assert_string_equal(line, "ts=1969-12-31T23:59:59.999Z level=error "
				  "component=x msg=\"y\"\n");
	clock_set_wall(INT64_MIN);
}

static void test_escapes(void **state)
{
	static const char hostile[] =
		"a\nts=forged level=info\r\t\x1b[31m\x7f\\\"\xff\xc3\xa4\xe2"
		"\x82\xac\xc0\xaf\xed\xa0\x80\xc2\x9b\xf0\x9f\x98\x80\xe2\x82";

	(void)state;
	clock_set_wall(0);
	CAPTURE(log_info("t", "%s", hostile));
	clock_set_wall(INT64_MIN);
	assert_string_equal(
		line,
		"ts=1970-01-01T00:00:00.000Z level=info component=t msg=\""
		"a\\nts=forged level=info\\r\\t\\x1b[31m\\x7f\\\\\\\"\\xff"
		"\xc3\xa4\xe2\x82\xac\\xc0\\xaf\\xed\\xa0\\x80\\xc2\\x9b"
		"\xf0\x9f\x98\x80\\xe2\\x82\"\n");
}

/* At most 2 KiB, whole characters, one line end at the end. */
static void test_cut(void **state)
{
	char text[5000];

	(void)state;
	for (int pad = 0; pad < 4; pad++) {
		size_t len;

		for (size_t i = 0; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xE2\x82\xAC", 3);
		text[4998] = '\0';
		CAPTURE(log_info("t", "%*s%s", pad, "", text));
		len = strlen(line);
		assert_in_range(len, 2000, 2048);
		assert_true(utf8_is_valid(line, len, NULL));
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
		assert_int_equal(line[len - 2], '"');

		memset(text, '\n', sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		CAPTURE(log_info("t", "%*s%s", pad, "", text));
		len = strlen(line);
		assert_in_range(len, 2000, 2048);
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	}
}

static void test_level(void **state)
{
	enum log_level level = LOG_INFO;

	(void)state;
	CAPTURE(log_debug("t", "hidden"));
	assert_string_equal(line, "");
	assert_int_equal(log_level_parse("debug", &level), 0);
	log_set_level(level);
	CAPTURE(log_debug("t", "shown"));
	assert_non_null(strstr(line, "level=debug"));
	assert_int_equal(log_level_parse("error", &level), 0);
	log_set_level(level);
	CAPTURE(log_warn("t", "hidden"));
	assert_string_equal(line, "");
	assert_int_equal(log_level_parse("warning", &level), -1);
	assert_int_equal(level, LOG_ERROR);
	log_set_level(LOG_INFO);
}

static void test_clock(void **state)
{
	int64_t before = clock_monotonic_us(), wall = clock_wall_us();

	(void)state;
	clock_sleep_us(20000);
	clock_sleep_us(-5);
	assert_in_range(clock_monotonic_us() - before, 15000, 60000000);
	assert_in_range(clock_wall_us() - wall, 1, 60000000);
	/* Later than this file, earlier than year 2200. */
	assert_in_range(wall / CLOCK_SECOND_US, 1700000000, 7258118400);
	clock_set_wall(42);
	assert_int_equal(clock_wall_us(), 42);
	assert_true(clock_monotonic_us() >= before);
	clock_set_wall(INT64_MIN);
	assert_true(clock_wall_us() >= wall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),  cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_level),
		cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
