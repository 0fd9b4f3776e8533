/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * States of sequential detectors: bytes that are none, or that belong to another.
 */
#include "base/buf.h"
#include "base/err.h"
#include "detectors/stream.h"
#include "tests/unit/detectors/rng.h"
#include "tests/unit/detectors/stream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The largest values leave a state that can be stored. */
static void test_values_large(void **state)
{
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);
	struct rng rng = rng_start("test_values_large");

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct settings settings = standard(list[i]);
		struct stream *s = start(list[i], &settings);

		for (size_t j = 0; j < 2000; j++) {
			double x = rng_below(&rng, 2) ? list[i]->max
						      : list[i]->min;

			(void)show(s, rng_below(&rng, 3) ? x : 1);
			if (rng_below(&rng, 50) == 0)
				s = stored(s, list[i], &settings);
		}
		stream_free(s);
	}
}

/* A detector with some past. */
static struct stream *aged(const struct stream_detector *d,
			   const struct settings *settings, struct rng *rng)
{
	struct stream *s = start(d, settings);
	size_t n = rng_below(rng, 2000);

	for (size_t i = 0; i < n; i++)
		(void)show(s, rng_unit(rng) < 0.2 ? 1 : 0);
	return s;
}

/* Bytes that may be taken for a state or not: nothing breaks. */
static void feed(const struct stream_detector *d,
		 const struct settings *settings, const void *data, size_t len,
		 struct rng *rng)
{
	struct stream *s = start(d, settings);
	struct err e = {0};

	if (stream_decode(s, data, len, &e)) {
		struct stream *fresh = start(d, settings);

		assert_true(e.code == ERR_INVALID || e.code == ERR_CONFLICT);
		assert_same(s, fresh);
		stream_free(fresh);
	} else {
		for (size_t i = 0; i < 200; i++)
			(void)show(s, rng_unit(rng) < 0.5 ? 1 : 0);
		(void)shown(s, "n");
	}
	stream_free(s);
}

static void test_hostile(void **state)
{
	struct rng rng = rng_start("test_hostile");
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct settings settings = standard(list[i]);
		struct stream *s = aged(list[i], &settings, &rng);
		struct stream *other = start(list[i], &settings);
		struct buf b = encoded(s);
		struct err e = {0};

		for (size_t len = 0; len < b.len; len++) {
			char *part = malloc(len ? len : 1);

			assert_non_null(part);
			memcpy(part, b.data, len);
			assert_int_equal(stream_decode(other, part, len, &e),
					 -1);
			free(part);
		}
		buf_add_char(&b, '\0');
		assert_int_equal(stream_decode(other, b.data, b.len, &e), -1);
		b.len--;
		for (size_t k = 0; k < 3000; k++) {
			size_t at = rng_below(&rng, b.len);
			char was = b.data[at];

			b.data[at] = (char)rng_next(&rng);
			feed(list[i], &settings, b.data, b.len, &rng);
			if (rng_below(&rng, 4))
				b.data[at] = was;
		}
		stream_free(s);
		stream_free(other);
		buf_release(&b);
	}
}

/* A window of more values than there will ever be still lets go. */
static void test_adwin_full(void **state)
{
	enum { ROWS = 40, BUCKETS = 5 };
	const struct stream_detector *d = stream_detector_find("adwin");
	uint64_t width = BUCKETS * ((UINT64_C(1) << ROWS) - 1);
	struct settings none = {.n = 0};
	struct stream *s = start(d, &none);
	struct buf empty = encoded(s), full;
	struct err e = {0};

	(void)state;
	/* the head as it is; then n_seen, no reset, the fields, the rows */
	buf_init(&full, STREAM_ENCODED_MAX);
	buf_add(&full, empty.data, 1 + 1 + strlen(d->name) + 1 + 8);
	buf_add_varint(&full, width);
	buf_add_u8(&full, 0);
	buf_add_varint(&full, width);
	buf_add_varint(&full, width);
	buf_add_f64(&full, 0);
	buf_add_f64(&full, 0);
	buf_add_u8(&full, ROWS);
	for (size_t i = 0; i < ROWS; i++) {
		buf_add_u8(&full, BUCKETS);
		for (size_t j = 0; j < 2 * BUCKETS; j++)
			buf_add_f64(&full, 0);
	}
	assert_int_equal(stream_decode(s, full.data, full.len, &e), 0);
	assert_true(shown(s, "buckets") == ROWS * BUCKETS);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(show(s, 0), STREAM_NONE);
	assert_true(shown(s, "width") ==
		    (double)(width + 100 - (UINT64_C(1) << (ROWS - 1))));
	s = stored(s, d, &none);
	stream_free(s);
	buf_release(&empty);
	buf_release(&full);
}

static void assert_conflict(struct stream *s, const struct buf *b)
{
	struct err e = {0};

	assert_int_equal(stream_decode(s, b->data, b->len, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

static void test_conflicts(void **state)
{
	struct settings none = {.n = 0};
	struct settings other = {.list = {{"warning", "2.5"}}, .n = 1};
	struct stream *s = start(stream_detector_find("ddm"), &none);
	struct stream *options = start(stream_detector_find("ddm"), &other);
	struct stream *detector = start(stream_detector_find("eddm"), &none);
	struct buf b = encoded(s);

	(void)state;
	assert_conflict(options, &b);
	assert_conflict(detector, &b);
	b.data[0]++; /* the format */
	assert_conflict(s, &b);
	b.data[0]--;
	b.data[1 + 1 + strlen("ddm")]++; /* the detector's version */
	assert_conflict(s, &b);
	stream_free(s);
	stream_free(options);
	stream_free(detector);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_large),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_adwin_full),
		cmocka_unit_test(test_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
