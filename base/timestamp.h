/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_TIMESTAMP_H
#define DRIFTD_BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * timestamp - event times as int64_t microseconds since 1970 UTC, and text.
 * Years 1 to 9999; anything else is not a time.
 */

#define TIMESTAMP_MIN INT64_C(-62135596800000000) /* 0001-01-01 */
#define TIMESTAMP_MAX INT64_C(253402300799999999) /* 9999-12-31 */

/*
 * RFC 3339 ("T", "t" or a space between date and time; fraction cut to
 * microseconds; a leap second :60 is the next second; without an offset UTC;
 * a date alone is its midnight), or a number: see timestamp_from_number.
 */
bool timestamp_parse(const char *text, size_t len, int64_t *us);

/*
 * Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by
 * magnitude: |v| < 1e11 s, < 1e14 ms, < 1e17 us, else ns.
 */
bool timestamp_from_number(double value, int64_t *us);

/* "2026-01-02T03:04:05Z", with ".123456" when there is a fraction. */
enum { TIMESTAMP_TEXT_MAX = 40 };
size_t timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX]);

/* Days since 1970-01-01 of a proleptic Gregorian date and back. */
int64_t civil_to_days(int year, unsigned month, unsigned day);
void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day);

#endif
