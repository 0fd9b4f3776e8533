/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What sequential detectors see, what their options do, what they refuse.
 */
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "detectors/stream.h"
#include "tests/unit/detectors/rng.h"
#include "tests/unit/detectors/stream_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* These rest on 30 samples, or on luck: false alarms are known of them. */
static bool is_hasty(const struct stream_detector *d)
{
	return !strcmp(d->name, "cusum") || !strcmp(d->name, "ddm") ||
	       !strcmp(d->name, "eddm");
}

/* Errors at a rate of 0.1, then of 0.9: each sees it, most at once only then. */
static void test_shift(void **state)
{
	enum { BEFORE = 2000, SOON = 200 };
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);

	(void)state;
	assert_int_equal(n, 9);
	for (size_t i = 0; i < n; i++) {
		struct settings settings = standard(list[i]);
		struct stream *s = start(list[i], &settings);
		struct rng rng = {42};
		size_t early = 0, soon = 0;

		for (size_t at = 0; at < BEFORE + SOON; at++) {
			double rate = at < BEFORE ? 0.1 : 0.9;
			double x = rng_unit(&rng) < rate ? 1 : 0;
			bool drift = show(s, x) == STREAM_DRIFT;

			early += drift && at < BEFORE;
			soon += drift && at >= BEFORE;
		}
		assert_in_range(early, 0, is_hasty(list[i]) ? 40 : 0);
		assert_in_range(soon, 1, SOON);
		assert_int_equal(stream_n_seen(s), BEFORE + SOON);
		stream_free(s);
	}
}

/* ADWIN's window is the newest values, and its moments are theirs. */
static void test_adwin_window(void **state)
{
	static const char *const buckets[] = {"2", "3", "5", "16"};
	enum { N = 6000 };
	static double values[N];
	struct rng rng = rng_start("test_adwin_window");
	size_t drifts = 0;

	(void)state;
	for (size_t b = 0; b < ARRAY_LEN(buckets); b++) {
		struct settings settings = {
			.list = {{"max_buckets", buckets[b]}}, .n = 1};
		struct stream *s =
			start(stream_detector_find("adwin"), &settings);

		for (size_t i = 0; i < N; i++) {
			double rate = i / 1500 % 2 ? 0.8 : 0.2;
			double total = 0;
			size_t width;

			values[i] = rng_unit(&rng) < rate ? 1 : 0;
			drifts += show(s, values[i]) == STREAM_DRIFT;
			if (rng_below(&rng, 20))
				continue;
			width = (size_t)shown(s, "width");
			assert_in_range(width, 1, i + 1);
			for (size_t j = i + 1 - width; j <= i; j++)
				total += values[j];
			assert_true(total == shown(s, "total"));
			total /= (double)width;
			assert_true(fabs(shown(s, "variance") -
					 total * (1 - total)) < 1e-9);
		}
		stream_free(s);
	}
	assert_in_range(drifts, 12, 400);
}

/* A million values in few bytes. */
static void test_adwin_memory(void **state)
{
	struct settings none = {.n = 0};
	struct stream *s = start(stream_detector_find("adwin"), &none);
	struct buf bytes;

	(void)state;
	for (size_t i = 0; i < 1000000; i++)
		assert_int_equal(show(s, 1), STREAM_NONE);
	bytes = encoded(s);
	assert_in_range(bytes.len, 500, 2000);
	assert_true(shown(s, "width") == 1000000);
	buf_release(&bytes);
	stream_free(s);
}

/* Signals of two detectors on the values x and those of ${other}. */
static void assert_alike(const struct settings *a, const struct settings *b,
			 bool mirrored, struct rng *rng)
{
	const struct stream_detector *d = stream_detector_find("sr_edetector");
	struct stream *s = start(d, a), *t = start(d, b);
	size_t drifts = 0;

	for (size_t i = 0; i < 20000; i++) {
		/* halves and quarters: 1 - x is exact */
		double x = (double)rng_below(rng, 5) / 4;
		enum stream_signal signal = show(s, x);

		drifts += signal == STREAM_DRIFT;
		assert_int_equal(show(t, mirrored ? 1 - x : x), signal);
	}
	assert_true(drifts > 10);
	stream_free(s);
	stream_free(t);
}

static void test_sr_options(void **state)
{
	struct settings falls = {.list = {{"mu0", "0.625"}, {"side", "down"}},
				 .n = 2};
	struct settings rises = {.list = {{"mu0", "0.375"}}, .n = 1};
	struct settings wide = {.list = {{"mu0", "0.25"}, {"tolerance", "0.5"}},
				.n = 2};
	struct settings wide_falls = {.list = {{"mu0", "0.8125"},
					       {"tolerance", "0.25"},
					       {"side", "down"}},
				      .n = 3};
	struct settings plain_falls = {
		.list = {{"mu0", "0.609375"}, {"side", "down"}}, .n = 2};
	struct rng rng = rng_start("test_sr_options");

	(void)state;
	assert_alike(&falls, &rises, true, &rng);
	assert_alike(&wide, &rises, false, &rng);
	assert_alike(&wide_falls, &plain_falls, false, &rng);
}

static void test_cusum_mode(void **state)
{
	struct rng rng = {7};
	const struct stream_detector *d = stream_detector_find("cusum");
	struct settings up = {.list = {{"mode", "up"}}, .n = 1};
	struct settings down = {.list = {{"mode", "down"}}, .n = 1};
	struct stream *rises = start(d, &up), *falls = start(d, &down);
	bool risen = false, fallen = false;

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		double x = rng_unit(&rng) - (i < 30 ? 0 : 3);

		risen |= show(rises, x) == STREAM_DRIFT;
		fallen |= show(falls, x) == STREAM_DRIFT;
	}
	assert_false(risen);
	assert_true(fallen);
	stream_free(rises);
	stream_free(falls);
}

static void assert_refused(struct stream *s, double x)
{
	struct buf before = encoded(s), after;
	enum stream_signal signal = STREAM_WARNING;
	struct err e = {0};

	assert_int_equal(stream_step(s, x, &signal, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(signal, STREAM_WARNING);
	after = encoded(s);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	buf_release(&before);
	buf_release(&after);
}

static void test_values_refused(void **state)
{
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct settings settings = standard(list[i]);
		struct stream *s = start(list[i], &settings);

		(void)show(s, 1);
		assert_refused(s, (double)NAN);
		assert_refused(s, (double)INFINITY);
		assert_refused(s, -(double)INFINITY);
		assert_refused(s, 1e101);
		assert_refused(s, -1e101);
		if (list[i]->max <= 1) {
			assert_refused(s, 1.0000001);
			assert_refused(s, -1e-9);
		}
		stream_free(s);
	}
}

static void assert_no_stream(const char *name, const char *key,
			     const char *value, const char *said)
{
	struct stream_setting setting = {key, value};
	struct err e = {0};

	assert_null(stream_new(stream_detector_find(name), &setting,
			       key ? 1 : 0, &e));
	assert_int_equal(e.code, ERR_INVALID);
	if (!strstr(e.message, said))
		fail_msg("\"%s\" has no \"%s\"", e.message, said);
}

static void test_settings_refused(void **state)
{
	(void)state;
	assert_null(stream_detector_find("adwim"));
	assert_no_stream("adwin", "dleta", "1", "did you mean \"delta\"");
	assert_no_stream("adwin", "threshold", "1", "no option \"threshold\"");
	assert_no_stream("adwin", "delta", "0", "between");
	assert_no_stream("adwin", "delta", "nan", "not a number");
	assert_no_stream("adwin", "max_buckets", "17", "between");
	assert_no_stream("adwin", "clock", "0", "between");
	assert_no_stream("cusum", "mode", "sideways", "both, up or down");
	assert_no_stream("hddm_a", "sides", "2", "sides");
	assert_no_stream("sr_edetector", NULL, NULL, "\"mu0\" is needed");
	assert_no_stream("sr_edetector", "mu0", "1", "between");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_adwin_window),
		cmocka_unit_test(test_adwin_memory),
		cmocka_unit_test(test_sr_options),
		cmocka_unit_test(test_cusum_mode),
		cmocka_unit_test(test_values_refused),
		cmocka_unit_test(test_settings_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
