/* SPDX-License-Identifier: GPL-3.0-or-later */
/* window: alignment, and that windows tile time without gap or overlap. */

#include "base/window.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "tests/unit/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct window_width width(const char *text)
{
	struct window_width w = {WINDOW_FIXED, 0};
	struct err e;

	if (window_parse(text, &w, &e) < 0)
		fail_msg("%s", e.message);
	return w;
}

static void check(const char *text, const char *at, const char *start,
		  const char *end)
{
	struct window_width w = width(text);
	char got[TIMESTAMP_TEXT_MAX];
	int64_t us, first;

	assert_true(timestamp_parse(at, strlen(at), &us));
	first = window_start(w, us);
	(void)timestamp_format(first, got);
	assert_string_equal(got, start);
	(void)timestamp_format(window_end(w, first), got);
	assert_string_equal(got, end);
}

static void test_alignment(void **state)
{
	(void)state;
	check("1h", "2026-01-02T03:59:59.999999Z", "2026-01-02T03:00:00Z",
	      "2026-01-02T04:00:00Z");
	check("15m", "2026-01-02T03:45:00Z", "2026-01-02T03:45:00Z",
	      "2026-01-02T04:00:00Z");
	check("1d", "1969-12-31T23:59:59.999999Z", "1969-12-31T00:00:00Z",
	      "1970-01-01T00:00:00Z");
	/* Seven days begin on a Thursday, as 1970 did; a week does not. */
	check("7d", "2026-01-02", "2026-01-01T00:00:00Z",
	      "2026-01-08T00:00:00Z");
	check("1w", "2026-01-02", "2025-12-29T00:00:00Z",
	      "2026-01-05T00:00:00Z");
	check("1w", "2026-01-05", "2026-01-05T00:00:00Z",
	      "2026-01-12T00:00:00Z");
	check("1w", "1969-12-30", "1969-12-29T00:00:00Z",
	      "1970-01-05T00:00:00Z");
	check("1mo", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z",
	      "2024-03-01T00:00:00Z");
	check("1mo", "2026-12-31", "2026-12-01T00:00:00Z",
	      "2027-01-01T00:00:00Z");
	check("3mo", "2026-06-30", "2026-04-01T00:00:00Z",
	      "2026-07-01T00:00:00Z");
	check("12mo", "2026-06-30", "2026-01-01T00:00:00Z",
	      "2027-01-01T00:00:00Z");
	check("1mo", "0001-01-01", "0001-01-01T00:00:00Z",
	      "0001-02-01T00:00:00Z");
}

/* start <= t < end, starts are fixed points, the end is the next start. */
static void test_tiling(void **state)
{
	static const char *const widths[] = {"1s",  "15m", "1h",  "8h",	 "1d",
					     "2d",  "7d",  "1w",  "2w",	 "1mo",
					     "2mo", "3mo", "7mo", "12mo"};

	(void)state;
	random_start();
	for (unsigned i = 0; i < 100000; i++) {
		struct window_width w = width(widths[i % ARRAY_LEN(widths)]);
		uint64_t span = (uint64_t)(TIMESTAMP_MAX - TIMESTAMP_MIN);
		int64_t us = TIMESTAMP_MIN + (int64_t)random_below(span);
		int64_t start = window_start(w, us);
		int64_t end = window_end(w, start);

		assert_true(start <= us && us < end);
		assert_true(window_start(w, start) == start);
		assert_true(window_start(w, end - 1) == start);
		assert_true(window_start(w, end) == end);
		assert_true(end - start >= window_min_us(w));
	}
}

static void test_text(void **state)
{
	static const char *const same[] = {"1s",  "15m", "1h",	 "1d",
					   "7d",  "14d", "1w",	 "4w",
					   "1mo", "3mo", "1h30m"};
	static const char *const bad[] = {"",	   "0",
					  "7m",	   "7h",
					  "36h",   "1",
					  "w",	   "mo",
					  "0w",	   "0mo",
					  "-1d",   "1.5h",
					  "1mo1d", "521w",
					  "121mo", "99999d",
					  "1 d",   "1x",
					  "0s",	   "999ms",
					  "1y",	   "99999999999999999999w"};
	struct window_width w = {WINDOW_WEEK, 77};
	char text[32];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		size_t len = window_format(width(same[i]), text);

		assert_string_equal(text, same[i]);
		assert_int_equal(len, strlen(text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.code = ERR_NONE;
		if (window_parse(bad[i], &w, &e) == 0)
			fail_msg("\"%s\" is no window", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(w.unit == WINDOW_WEEK && w.n == 77);
	}
	assert_true(window_equal(width("24h"), width("1d")));
	assert_false(window_equal(width("7d"), width("1w")));
	assert_false(window_equal(width("1mo"), width("2mo")));
}

static void test_shortest(void **state)
{
	(void)state;
	assert_true(window_min_us(width("1h")) == CLOCK_HOUR_US);
	assert_true(window_min_us(width("2w")) == 14 * CLOCK_DAY_US);
	assert_true(window_min_us(width("1mo")) == 28 * CLOCK_DAY_US);
	/* January and February; then March to May is 92 and not less. */
	assert_true(window_min_us(width("2mo")) == 59 * CLOCK_DAY_US);
	assert_true(window_min_us(width("3mo")) == 90 * CLOCK_DAY_US);
	assert_true(window_min_us(width("12mo")) == 365 * CLOCK_DAY_US);
	assert_true(window_min_us(width("48mo")) == 1460 * CLOCK_DAY_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_tiling),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_shortest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
