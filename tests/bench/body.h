/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * body - events for benchmarks: an id, a time, 20 floats, 5 integers and 5
 * categoricals, as NDJSON.  The same seed makes the same text.
 */

#ifndef DRIFTD_TESTS_BENCH_BODY_H
#define DRIFTD_TESTS_BENCH_BODY_H

#include "base/buf.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { BODY_FLOATS = 20, BODY_INTEGERS = 5, BODY_CATEGORIES = 5 };

struct body_source {
	uint64_t state;	 /* the seed */
	uint64_t n;	 /* events made */
	int64_t time_us; /* of the newest event */
	bool is_long;	 /* floats with 17 digits, else with 6 */
};

static inline double body_unit(struct body_source *s)
{
	uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static inline double body_gauss(struct body_source *s)
{
	return sqrt(-2.0 * log(1.0 - body_unit(s))) *
	       cos(2.0 * M_PI * body_unit(s));
}

/* Thirds: around zero, positive with a long tail, a share. */
static inline double body_float(struct body_source *s, int column)
{
	switch (column % 3) {
	case 0:
		return body_gauss(s) * (column + 1);
	case 1:
		return exp(body_gauss(s)) * 100.0;
	default:
		return body_unit(s);
	}
}

static inline void body_time(struct buf *b, int64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ", text, (int)(time_us / 1000 % 1000));
}

/* One line.  Times go back from the newest by up to a second. */
static inline void body_add_event(struct buf *b, struct body_source *s)
{
	static const int n_categories[BODY_CATEGORIES] = {3, 5, 12, 50, 200};

	buf_printf(b, "{\"id\":\"request-%" PRIu64 "\",\"time\":\"", s->n);
	body_time(b, s->time_us - (int64_t)(s->n % 1000) * 1000);
	buf_add_str(b, "\"");
	for (int i = 0; i < BODY_FLOATS; i++)
		buf_printf(b,
			   s->is_long ? ",\"float_%d\":%.17g"
				      : ",\"float_%d\":%.6g",
			   i, body_float(s, i));
	for (int i = 0; i < BODY_INTEGERS; i++)
		buf_printf(b, ",\"integer_%d\":%d", i,
			   (int)(body_unit(s) * body_unit(s) * 120.0));
	for (int i = 0; i < BODY_CATEGORIES; i++)
		buf_printf(b, ",\"category_%d\":\"segment_%d\"", i,
			   (int)(body_unit(s) * n_categories[i]));
	buf_add_str(b, "}\n");
	s->n++;
}

#endif
