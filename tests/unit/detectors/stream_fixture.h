/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_STREAM_FIXTURE_H
#define DRIFTD_TESTS_STREAM_FIXTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "detectors/stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* stream_fixture - sequential detectors at work, for tests. */

struct settings {
	struct stream_setting list[16];
	char texts[16][NUMBER_TEXT_MAX];
	struct json_value *json;
	size_t n;
};

static inline struct stream *start(const struct stream_detector *d,
				   const struct settings *s)
{
	struct err e;
	struct stream *stream = stream_new(d, s->list, s->n, &e);

	assert_non_null(stream);
	return stream;
}

static inline enum stream_signal show(struct stream *s, double x)
{
	enum stream_signal signal = STREAM_NONE;
	struct err e;

	assert_int_equal(stream_step(s, x, &signal, &e), 0);
	return signal;
}

/* The state as bytes; the caller releases them. */
static inline struct buf encoded(const struct stream *s)
{
	struct buf b;

	buf_init(&b, STREAM_ENCODED_MAX);
	stream_encode(s, &b);
	assert_false(b.failed);
	return b;
}

/* Another stream in the place of ${s}, from its bytes. */
static inline struct stream *stored(struct stream *s,
				    const struct stream_detector *d,
				    const struct settings *settings)
{
	struct buf bytes = encoded(s);
	struct stream *other = start(d, settings);
	struct err e = {0};

	if (stream_decode(other, bytes.data, bytes.len, &e))
		fail_msg("%s: %s", d->name, e.message);
	assert_int_equal(stream_n_seen(other), stream_n_seen(s));
	stream_free(s);
	buf_release(&bytes);
	return other;
}

static inline void assert_same(const struct stream *a, const struct stream *b)
{
	struct buf x = encoded(a), y = encoded(b);

	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	buf_release(&x);
	buf_release(&y);
}

/* Each detector as it stands, sr_edetector against 0.1. */
static inline struct settings standard(const struct stream_detector *d)
{
	struct settings s = {.n = 0};

	if (strcmp(d->name, "sr_edetector") == 0) {
		s.list[0].key = "mu0";
		s.list[0].value = "0.1";
		s.n = 1;
	}
	return s;
}

static inline double shown(const struct stream *s, const char *member)
{
	struct json_out w;
	struct json_value *v;
	struct buf text;
	struct err e;
	double x;

	buf_init(&text, 65536);
	json_out_init(&w, &text);
	stream_show(s, &w);
	v = json_parse(text.data, text.len, &e);
	assert_non_null(v);
	x = json_value_number(json_get(v, member), (double)NAN);
	json_free(v);
	buf_release(&text);
	return x;
}

#endif
