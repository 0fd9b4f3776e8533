/* SPDX-License-Identifier: GPL-3.0-or-later */
/* timestamp: the calendar against gmtime, the grammar, the magnitudes. */

#include "base/timestamp.h"

#include "base/attr.h"
#include "base/clock.h"
#include "tests/unit/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Every day of ten thousand years, counted by hand. */
static void test_calendar(void **state)
{
	static const unsigned lengths[] = {31, 28, 31, 30, 31, 30,
					   31, 31, 30, 31, 30, 31};
	int64_t days = civil_to_days(-1, 1, 1);

	(void)state;
	assert_int_equal(civil_to_days(1970, 1, 1), 0);
	for (int year = -1; year < 10000; year++) {
		bool leap =
			year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

		for (unsigned month = 1; month <= 12; month++) {
			unsigned n = lengths[month - 1] +
				     (month == 2 && leap ? 1U : 0U);

			for (unsigned day = 1; day <= n; day++, days++) {
				unsigned m, d;
				int y;

				assert_true(civil_to_days(year, month, day) ==
					    days);
				civil_from_days(days, &y, &m, &d);
				if (y != year || m != month || d != day)
					fail_msg("%d-%u-%u is read as %d-%u-%u",
						 year, month, day, y, m, d);
			}
		}
	}
}

static void test_like_gmtime(void **state)
{
	(void)state;
	random_start();
	for (unsigned i = 0; i < 100000; i++) {
		int64_t span = TIMESTAMP_MAX / CLOCK_SECOND_US -
			       TIMESTAMP_MIN / CLOCK_SECOND_US;
		time_t t = (time_t)(TIMESTAMP_MIN / CLOCK_SECOND_US +
				    (int64_t)random_below((uint64_t)span));
		int64_t fraction = i % 2 ? (int64_t)random_below(1000000) : 0;
		int64_t us = (int64_t)t * CLOCK_SECOND_US + fraction, back = 0;
		char got[TIMESTAMP_TEXT_MAX], want[160];
		struct tm tm;
		size_t len;

		assert_non_null(gmtime_r(&t, &tm));
		(void)snprintf(want, sizeof(want),
			       "%04d-%02d-%02dT%02d:%02d:%02d",
			       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			       tm.tm_hour, tm.tm_min, tm.tm_sec);
		if (fraction)
			(void)snprintf(want + 19, sizeof(want) - 19, ".%06dZ",
				       (int)fraction);
		else
			(void)snprintf(want + 19, sizeof(want) - 19, "Z");
		len = timestamp_format(us, got);
		assert_string_equal(got, want);
		assert_int_equal(len, strlen(got));
		assert_true(timestamp_parse(got, len, &back));
		assert_true(back == us);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *text, *same;
	} cases[] = {
		{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"},
		{"2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"},
		{"2026-01-02 03:04:05", "2026-01-02T03:04:05Z"},
		{"2026-01-02T03:04:05", "2026-01-02T03:04:05Z"},
		{"2026-01-02", "2026-01-02T00:00:00Z"},
		{"2026-01-02T03:04:05+01:30", "2026-01-02T01:34:05Z"},
		{"2026-01-02T23:04:05-01:30", "2026-01-03T00:34:05Z"},
		{"2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05Z"},
		{"2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000Z"},
		{"2026-01-02T03:04:05.1234569Z", "2026-01-02T03:04:05.123456Z"},
		{"2026-01-02T03:04:05.000000999999999999999999999Z",
		 "2026-01-02T03:04:05Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
		{"2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000Z"},
		{"2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z"},
		{"1767323045", "2026-01-02T03:04:05Z"},
		{"1767323045.25", "2026-01-02T03:04:05.250000Z"},
		{"1767323045.123456", "2026-01-02T03:04:05.123456Z"},
		{"1767323045678", "2026-01-02T03:04:05.678000Z"},
		{"1767323045678901", "2026-01-02T03:04:05.678901Z"},
		{"1767323045678901234", "2026-01-02T03:04:05.678901Z"},
		{"1.767323045e9", "2026-01-02T03:04:05Z"},
		{"-1", "1969-12-31T23:59:59Z"},
		{"-1.5", "1969-12-31T23:59:58.500000Z"},
		{"0", "1970-01-01T00:00:00Z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[TIMESTAMP_TEXT_MAX];
		int64_t us;

		if (!timestamp_parse(cases[i].text, strlen(cases[i].text), &us))
			fail_msg("%s is a time", cases[i].text);
		(void)timestamp_format(us, text);
		assert_string_equal(text, cases[i].same);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-01",
		"2026-01-0",
		"2026-13-01",
		"2026-00-01",
		"2026-01-32",
		"2026-01-00",
		"2026-02-29",
		"1900-02-29",
		"0000-01-01",
		"10000-01-01",
		"2026-01-02T",
		"2026-01-02T03",
		"2026-01-02T03:04",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:00Z",
		"2026-01-02T03:04:61Z",
		"2026-01-02T03:04:60Z",
		"2026-12-31T23:59:60+01:00",
		"9999-12-31T23:59:60Z",
		"2026-01-02T03:04:05,5Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05X",
		"2026-01-02T03:04:05ZZ",
		"2026-01-02T03:04:05+0100",
		"2026-01-02T03:04:05+01",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+01:60",
		"2026-01-02T03:04:05 +01:00",
		"2026-01-02Z",
		"2026-1-2T03:04:05Z",
		"2026/01/02",
		" 2026-01-02",
		"2026-01-02 ",
		"2026-01-02T-3:04:05Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"now",
		"nan",
		"1e30",
		"1767323045s",
		"999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t us = 42;

		if (timestamp_parse(bad[i], strlen(bad[i]), &us))
			fail_msg("\"%s\" is no time", bad[i]);
		assert_int_equal(us, 42);
	}
}

/* Text is only what ${len} says: the buffer behind it is not read. */
static void test_every_prefix(void **state)
{
	static const char text[] = "2026-01-02T03:04:05.678901+01:00";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len ? len : 1);
		int64_t us;

		assert_non_null(copy);
		memcpy(copy, text, len);
		(void)timestamp_parse(copy, len, &us);
		free(copy);
	}
}

static void test_magnitudes(void **state)
{
	int64_t us = 0;

	(void)state;
	assert_true(timestamp_from_number(99999999999.0, &us));
	assert_true(us == INT64_C(99999999999000000));
	assert_true(timestamp_from_number(1e11, &us) && us == 100000000000000);
	assert_true(timestamp_from_number(99999999999999.0, &us) &&
		    us == INT64_C(99999999999999000));
	assert_true(timestamp_from_number(1e14, &us) && us == 100000000000000);
	assert_true(timestamp_from_number(1e17, &us) && us == 100000000000000);
	assert_true(timestamp_from_number(-1e17, &us) &&
		    us == -100000000000000);
	assert_true(timestamp_from_number(0.0000014, &us) && us == 1);
	us = 42;
	assert_false(timestamp_from_number((double)NAN, &us));
	assert_false(timestamp_from_number((double)INFINITY, &us));
	assert_false(timestamp_from_number(1e22, &us));
	assert_false(timestamp_from_number(-1e22, &us));
	assert_false(timestamp_from_number(-99999999999.0, &us));
	assert_int_equal(us, 42);
	/* Beyond int64 nanoseconds and still a year of four digits. */
	assert_true(timestamp_from_number(2e20, &us) &&
		    us == INT64_C(200000000000000000));
}

static void test_format_range(void **state)
{
	char text[TIMESTAMP_TEXT_MAX] = "x";

	(void)state;
	assert_int_equal(timestamp_format(TIMESTAMP_MIN - 1, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(timestamp_format(TIMESTAMP_MAX + 1, text), 0);
	assert_int_equal(timestamp_format(INT64_MIN, text), 0);
	assert_int_equal(timestamp_format(INT64_MAX, text), 0);
	assert_int_equal(timestamp_format(-1, text), 27);
	assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_like_gmtime),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_magnitudes),
		cmocka_unit_test(test_format_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
