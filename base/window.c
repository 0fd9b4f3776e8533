/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * window - where windows begin and end.  All three units reduce to a count
 * that is floored to a multiple of n: microseconds since 1970, weeks since
 * the first Monday of 1970, months since January of year 0.
 */

#include "base/window.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/number.h"
#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Ten years of each: wider windows are mistakes. */
enum { MAX_DAYS = 3660, MAX_WEEKS = 520, MAX_MONTHS = 120 };

#define WEEK_US		(7 * CLOCK_DAY_US)
#define FIRST_MONDAY_US (4 * CLOCK_DAY_US)

/* The calendar repeats after 400 years. */
enum { MONTHS_PER_ERA = 4800 };

static int64_t floor_to(int64_t v, int64_t n)
{
	int64_t rest = v % n;

	return v - rest - (rest < 0 ? n : 0);
}

/* "<count><suffix>" with a count from 1 to ${max}. */
static int parse_count(const char *text, size_t digits, int64_t max,
		       int64_t *out, struct err *e)
{
	int64_t n;

	if (!number_parse_int(text, digits, 1, max, &n))
		return err_set(e, ERR_INVALID,
			       "\"%s\" is not a window: the count must be "
			       "between 1 and %" PRId64,
			       text, max);
	*out = n;
	return 0;
}

static int parse_fixed(const char *text, int64_t *out, struct err *e)
{
	int64_t us;

	if (duration_parse(text, &us, e) < 0)
		return -1;
	if (us < CLOCK_SECOND_US || us > MAX_DAYS * CLOCK_DAY_US)
		return err_set(e, ERR_INVALID,
			       "window \"%s\" is not between 1s and %dd", text,
			       MAX_DAYS);
	if (CLOCK_DAY_US % us != 0 && us % CLOCK_DAY_US != 0)
		return err_set(e, ERR_INVALID,
			       "window \"%s\" neither divides a day nor is a "
			       "multiple of one",
			       text);
	*out = us;
	return 0;
}

int window_parse(const char *text, struct window_width *out, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	struct window_width w = {WINDOW_FIXED, 0};
	int status;

	if (digits > 0 && strcmp(text + digits, "w") == 0) {
		w.unit = WINDOW_WEEK;
		status = parse_count(text, digits, MAX_WEEKS, &w.n, e);
	} else if (digits > 0 && strcmp(text + digits, "mo") == 0) {
		w.unit = WINDOW_MONTH;
		status = parse_count(text, digits, MAX_MONTHS, &w.n, e);
	} else {
		status = parse_fixed(text, &w.n, e);
	}
	if (status == 0)
		*out = w;
	return status;
}

size_t window_format(struct window_width w, char out[32])
{
	int n;

	if (w.unit == WINDOW_FIXED)
		return duration_format(w.n, out);
	n = snprintf(out, 32, "%" PRId64 "%s", w.n,
		     w.unit == WINDOW_WEEK ? "w" : "mo");
	return n > 0 ? (size_t)n : 0;
}

static int64_t month_start_us(int64_t months)
{
	int64_t first = floor_to(months, 12);

	return civil_to_days((int)(first / 12), (unsigned)(months - first) + 1,
			     1) *
	       CLOCK_DAY_US;
}

/* Months since January of year 0. */
static int64_t month_of(int64_t us)
{
	unsigned month, day;
	int year;

	civil_from_days(floor_to(us, CLOCK_DAY_US) / CLOCK_DAY_US, &year,
			&month, &day);
	return (int64_t)year * 12 + month - 1;
}

int64_t window_start(struct window_width w, int64_t us)
{
	switch (w.unit) {
	case WINDOW_WEEK:
		return floor_to(us - FIRST_MONDAY_US, w.n * WEEK_US) +
		       FIRST_MONDAY_US;
	case WINDOW_MONTH:
		return month_start_us(floor_to(month_of(us), w.n));
	case WINDOW_FIXED:
		break;
	}
	return floor_to(us, w.n);
}

int64_t window_end(struct window_width w, int64_t start)
{
	switch (w.unit) {
	case WINDOW_WEEK:
		return start + w.n * WEEK_US;
	case WINDOW_MONTH:
		return month_start_us(month_of(start) + w.n);
	case WINDOW_FIXED:
		break;
	}
	return start + w.n;
}

bool window_equal(struct window_width a, struct window_width b)
{
	return a.unit == b.unit && a.n == b.n;
}

static int64_t gcd(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

int64_t window_min_us(struct window_width w)
{
	int64_t least = INT64_MAX;

	if (w.unit == WINDOW_FIXED)
		return w.n;
	if (w.unit == WINDOW_WEEK)
		return w.n * WEEK_US;
	/* Multiples of n modulo an era are the multiples of their gcd. */
	for (int64_t m = 0; m < MONTHS_PER_ERA; m += gcd(w.n, MONTHS_PER_ERA)) {
		int64_t us = month_start_us(m + w.n) - month_start_us(m);

		if (us < least)
			least = us;
	}
	return least;
}
