/* SPDX-License-Identifier: GPL-3.0-or-later */
/* number: bits against public vectors, strtod as a second opinion, grammar. */

#include "base/number.h"

#include "base/attr.h"
#include "base/err.h"
#include "tests/unit/base/random.h"

#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* A line of the vectors: "f16 f32 f64bits text". */
static unsigned check_line(const char *file, char *line)
{
	char *text = line + 31;
	uint64_t want = strtoull(line + 14, NULL, 16);
	size_t len = strcspn(text, "\r\n");
	bool is_number;
	double v = 0;

	text[len] = '\0';
	is_number = number_parse(text, len, &v);
	/* What overflows is no number by our contract. */
	if ((want & ~(UINT64_C(1) << 63)) == UINT64_C(0x7FF0000000000000)) {
		if (is_number)
			fail_msg("%s: %s is read as %a", file, text, v);
		return 1;
	}
	if (!is_number || bits_of(v) != want)
		fail_msg("%s: %s is read as %a (%d), not %016llx", file, text,
			 v, is_number, (unsigned long long)want);
	return 1;
}

static void test_vectors(void **state)
{
	static const char *const files[] = {
		"freetype-2-7",	   "google-wuffs",	"lemire-fast-float",
		"more-test-cases", "tencent-rapidjson",
	};
	unsigned n_lines = 0, n_files = 0;
	char *line = NULL;
	size_t cap = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[512], name[128];
		FILE *f;

		(void)snprintf(name, sizeof(name),
			       "parse-number-fxx-test-data/data/%s.txt",
			       files[i]);
		f = fopen(corpus(name, path), "r");
		if (!f) {
			print_message("skipped: no %s\n", path);
			continue;
		}
		n_files++;
		while (getline(&line, &cap, f) > 31)
			n_lines += check_line(files[i], line);
		(void)fclose(f);
	}
	free(line);
	if (n_files == 0)
		skip();
	print_message("%u numbers of %u files\n", n_lines, n_files);
	assert_true(n_lines > 1000);
}

static void check_against_strtod(const char *text)
{
	double want = strtod(text, NULL), got = 0;

	if (!number_parse(text, strlen(text), &got) ||
	    bits_of(got) != bits_of(want))
		fail_msg("%s is read as %a, not %a", text, got, want);
}

/* Digits and exponents of every length around the borders of the paths. */
static void test_like_strtod(void **state)
{
	(void)state;
	random_start();
	for (unsigned i = 0; i < 300000; i++) {
		unsigned digits = 1 + (unsigned)(random_next() % 24);
		unsigned point = (unsigned)(random_next() % (digits + 1));
		int exponent = (int)(random_next() % 80) - 40;
		char text[64];
		size_t n = 0;

		for (unsigned d = 0; d < digits; d++) {
			if (d == point)
				text[n++] = '.';
			text[n++] = (char)('0' + random_next() % 10);
		}
		if (i % 3 == 0)
			text[n] = '\0';
		else
			(void)snprintf(text + n, sizeof(text) - n, "e%d",
				       exponent);
		check_against_strtod(text);
	}
}

/* One byte changed: read whole, as strtod would, or not at all. */
static void test_changed_byte(void **state)
{
	(void)state;
	random_start();
	for (unsigned i = 0; i < 300000; i++) {
		char text[40], *end;
		double want, got = 0;
		size_t len;
		bool is_number;

		len = (size_t)snprintf(
			text, sizeof(text), "%.*g", (int)(1 + random_below(20)),
			(double)random_next() /
				(double)(1 + random_below(1000)));
		text[random_below(len)] = (char)(1 + random_below(255));
		want = strtod(text, &end);
		is_number = *end == '\0' && isfinite(want) &&
			    strspn(text, "0123456789+-.eE") == len;
		if (number_parse(text, len, &got) != is_number ||
		    (is_number && bits_of(got) != bits_of(want)))
			fail_msg("\"%s\" is read as %a (%d), not %a", text, got,
				 !is_number, want);
	}
}

/* Halfway between two doubles, exactly and by one digit far behind. */
static void test_midpoints(void **state)
{
	(void)state;
	random_start();
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t bits = random_next() >> 2 | 1;
		double low, high;
		long double middle;
		char text[1200];
		int n;

		memcpy(&low, &bits, sizeof(low));
		if (!isfinite(low) || fabs(low) < 1e-200 || fabs(low) > 1e200)
			continue;
		high = nextafter(low, (double)INFINITY);
		middle = ((long double)low + (long double)high) / 2;
		n = snprintf(text, sizeof(text), "%.1000Lg", middle);
		assert_in_range(n, 1, 1100);
		check_against_strtod(text);
		if (!strchr(text, 'e')) {
			(void)snprintf(text + n, sizeof(text) - (size_t)n,
				       "%s0001", strchr(text, '.') ? "" : ".");
			check_against_strtod(text);
		}
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	random_start();
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t bits = random_next();
		char text[NUMBER_TEXT_MAX];
		double v, back = 0;
		size_t len;

		memcpy(&v, &bits, sizeof(v));
		if (i % 4 == 0)
			v = (double)(int64_t)(bits >> 20);
		if (!isfinite(v))
			continue;
		len = number_format(v, text);
		assert_int_equal(len, strlen(text));
		if (!number_parse(text, len, &back) ||
		    bits_of(back) != bits_of(v))
			fail_msg("%a is written as %s", v, text);
	}
}

static void test_format(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0.1, "0.1"},
		{-0.0, "-0"},
		{0, "0"},
		{1, "1"},
		{-123456789012345, "-123456789012345"},
		{1e15, "1e+15"},
		{0.30000000000000004, "0.30000000000000004"},
		{2.0 / 3, "0.6666666666666666"},
		{5e-324, "4.94065645841247e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{(double)INFINITY, "inf"},
		{-(double)INFINITY, "-inf"},
		{(double)NAN, "nan"},
	};
	char text[NUMBER_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = number_format(cases[i].value, text);

		assert_string_equal(text, cases[i].text);
		assert_int_equal(len, strlen(text));
	}
}

static void test_grammar(void **state)
{
	static const char *const good[] = {"0",	  "-0",	  "+1",	  "5.",	  ".5",
					   "1e5", "1E+5", "1e-5", "-.5e1"};
	static const char *const bad[] = {"",
					  "-",
					  ".",
					  "e5",
					  "1e",
					  "1e+",
					  "0x10",
					  "nan",
					  "inf",
					  " 1",
					  "1 ",
					  "1,5",
					  "1_0",
					  "--1",
					  "1e5x",
					  "1.2.3",
					  "1e400",
					  "-1e400",
					  "1e99999999999999999999",
					  "infinity"};
	double v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!number_parse(good[i], strlen(good[i]), &v))
			fail_msg("%s is a number", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		v = 42;
		if (number_parse(bad[i], strlen(bad[i]), &v))
			fail_msg("\"%s\" is no number", bad[i]);
		assert_true(v == 42);
	}
	assert_true(number_parse("1e-99999999999999999999", 23, &v) && v == 0);
	assert_true(number_parse("12345", 2, &v) && v == 12);
	assert_false(number_parse("1\0002", 3, &v));
}

static void test_json_grammar(void **state)
{
	static const char *const good[] = {"0",	  "-0",	   "10",     "0.5",
					   "1e5", "1E-05", "-1.0e+1"};
	static const char *const bad[] = {"",	 "-",  "+1", "01",
					  "-01", ".5", "5.", "1e",
					  "1e+", "0x", "1 ", "1.e5"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!number_is_json(good[i], strlen(good[i])))
			fail_msg("%s is a JSON number", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (number_is_json(bad[i], strlen(bad[i])))
			fail_msg("\"%s\" is no JSON number", bad[i]);
}

/* 20,000 digits: more than any copy holds, still to the last bit. */
static void test_long(void **state)
{
	enum { N = 20000 };
	char *text = malloc(N + 16);
	double v;

	(void)state;
	assert_non_null(text);
	/* 2^53 + 1 is a tie and goes to even; a one far behind decides it. */
	(void)snprintf(text, N, "9007199254740993.");
	memset(text + 17, '0', N - 17);
	assert_true(number_parse(text, N, &v) && v == 9007199254740992.0);
	text[N - 1] = '1';
	assert_true(number_parse(text, N, &v) && v == 9007199254740994.0);

	memset(text, '0', N);
	text[1] = '.';
	(void)snprintf(text + N - 1, 16, "7e%d", N - 2);
	assert_true(number_parse(text, strlen(text), &v) && v == 7);
	free(text);
}

static void test_int(void **state)
{
	int64_t v = 1;

	(void)state;
	assert_true(number_parse_int("-9223372036854775808", 20, INT64_MIN,
				     INT64_MAX, &v) &&
		    v == INT64_MIN);
	assert_true(number_parse_int("9223372036854775807", 19, INT64_MIN,
				     INT64_MAX, &v) &&
		    v == INT64_MAX);
	assert_false(number_parse_int("9223372036854775808", 19, INT64_MIN,
				      INT64_MAX, &v));
	assert_false(number_parse_int("11", 2, 0, 10, &v));
	assert_false(number_parse_int("-1", 2, 0, 10, &v));
	assert_false(number_parse_int("", 0, 0, 10, &v));
	assert_false(number_parse_int("+", 1, 0, 10, &v));
	assert_false(number_parse_int("1.0", 3, 0, 10, &v));
	assert_true(v == INT64_MAX);
	assert_true(number_parse_int("+7", 2, 0, 10, &v) && v == 7);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
		const char *back;
	} cases[] = {
		{"0", 0, "0"},
		{"1h30m", 5400000000, "1h30m"},
		{"250ms", 250000, "250ms"},
		{"5s", 5000000, "5s"},
		{"7d", 604800000000, "7d"},
		{"2w", 1209600000000, "14d"},
		{"90m", 5400000000, "1h30m"},
		{"3us", 3, "3us"},
		{"400d", 34560000000000, "400d"},
	};
	static const char *const bad[] = {
		"",	 "5",	 "s",	  "1x",	  "-1s",
		"1h 3m", "1.5h", "30m1h", "1s1s", "99999999999999999d",
		"1H"};
	char text[NUMBER_TEXT_MAX];
	struct err e = {0};
	int64_t us = -1;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(duration_parse(cases[i].text, &us, &e), 0);
		assert_true(us == cases[i].us);
		len = duration_format(us, text);
		assert_string_equal(text, cases[i].back);
		assert_int_equal(len, strlen(text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		us = 42;
		if (duration_parse(bad[i], &us, &e) == 0)
			fail_msg("\"%s\" is no duration", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(us == 42);
	}
	len = duration_format(INT64_MAX, text);
	assert_int_equal(len, strlen(text));
	assert_int_equal(duration_parse(text, &us, &e), 0);
	assert_true(us == INT64_MAX);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *back;
	} cases[] = {
		{"512MiB", UINT64_C(512) << 20, "512MiB"},
		{"8GiB", UINT64_C(8) << 30, "8GiB"},
		{"1000", 1000, "1KB"},
		{"64KB", 64000, "64KB"},
		{"1024KiB", 1 << 20, "1MiB"},
		{"0", 0, "0"},
		{"12B", 12, "12"},
		{"1001", 1001, "1001"},
		{"3TB", UINT64_C(3000000000000), "3TB"},
	};
	static const char *const bad[] = {
		"", "MiB", "1.5GiB", "-1", "8 GiB", "99999999999TiB", "7Q"};
	char text[NUMBER_TEXT_MAX];
	struct err e = {0};
	uint64_t bytes = 0;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(size_parse(cases[i].text, &bytes, &e), 0);
		assert_true(bytes == cases[i].bytes);
		len = size_format(bytes, text);
		assert_string_equal(text, cases[i].back);
		assert_int_equal(len, strlen(text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (size_parse(bad[i], &bytes, &e) == 0)
			fail_msg("\"%s\" is no size", bad[i]);
}

/* Make a locale in ${dir} that differs from POSIX by its decimal comma. */
static bool make_locale(const char *dir)
{
	static const char *const copied[] = {
		"CTYPE",     "COLLATE",	    "TIME",	     "MONETARY",
		"MESSAGES",  "PAPER",	    "NAME",	     "ADDRESS",
		"TELEPHONE", "MEASUREMENT", "IDENTIFICATION"};
	char source[64], target[64];
	int status = -1;
	pid_t child;
	FILE *f;

	(void)snprintf(source, sizeof(source), "%s/source", dir);
	(void)snprintf(target, sizeof(target), "%s/xx_XX.UTF-8", dir);
	f = fopen(source, "w");
	assert_non_null(f);
	(void)fprintf(f, "LC_NUMERIC\ndecimal_point \"<U002C>\"\n"
			 "thousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n");
	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		(void)fprintf(f, "LC_%s\ncopy \"POSIX\"\nEND LC_%s\n",
			      copied[i], copied[i]);
	assert_int_equal(fclose(f), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* It warns of what is missing. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		(void)execlp("localedef", "localedef", "-c", "-i", source, "-f",
			     "UTF-8", target, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(setenv("LOCPATH", dir, 1), 0);
	return setlocale(LC_NUMERIC, "xx_XX.UTF-8") != NULL;
}

static void remove_locale(const char *dir)
{
	char path[512];
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/xx_XX.UTF-8", dir);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		(void)snprintf(path, sizeof(path), "%s/xx_XX.UTF-8/%s", dir,
			       e->d_name);
		(void)unlink(path);
		(void)snprintf(path, sizeof(path),
			       "%s/xx_XX.UTF-8/LC_MESSAGES/SYS_LC_MESSAGES",
			       dir);
		(void)unlink(path);
		(void)snprintf(path, sizeof(path), "%s/xx_XX.UTF-8/LC_MESSAGES",
			       dir);
		(void)rmdir(path);
	}
	if (d)
		(void)closedir(d);
	(void)snprintf(path, sizeof(path), "%s/xx_XX.UTF-8", dir);
	(void)rmdir(path);
	assert_int_equal(rmdir(dir), 0);
}

/* A comma as the decimal point must not reach us. */
static void test_locale(void **state)
{
	char dir[] = "/tmp/driftd-locale-XXXXXX", text[NUMBER_TEXT_MAX];
	double v = 0;
	bool made;

	(void)state;
	assert_non_null(mkdtemp(dir));
	made = make_locale(dir);
	if (made) {
		(void)snprintf(text, sizeof(text), "%g", 0.5);
		assert_string_equal(text, "0,5");
		(void)number_format(0.5, text);
		assert_string_equal(text, "0.5");
		assert_true(number_parse("1.5e-300", 8, &v) && v > 1.4e-300);
		assert_false(number_parse("1,5", 3, &v));
		(void)setlocale(LC_ALL, "C");
	}
	remove_locale(dir);
	if (!made) {
		print_message("skipped: localedef made no locale\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_like_strtod),
		cmocka_unit_test(test_changed_byte),
		cmocka_unit_test(test_midpoints),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_json_grammar),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
