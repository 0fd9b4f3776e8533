/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_NUMBER_H
#define DRIFTD_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * number - text to numbers and back, independent of the locale.
 */

/*
 * Parse all of ${text} as a decimal number: [+-] digits [. digits] [e[+-]digits],
 * with digits on at least one side of the point.  The result is the nearest
 * double (ties to even) and finite: no hexadecimal, no nan, no inf, no
 * surrounding space, and text that overflows is no number.
 */
bool number_parse(const char *text, size_t len, double *out);

/*
 * The longest such number at the beginning of a text that ends at ${end}: the
 * byte behind it, or NULL when there is none.  Where all of [text, end) can be
 * read it is the faster way to a number that something else follows.
 */
const char *number_parse_prefix(const char *text, const char *end, double *out);

/* The JSON grammar only: -?(0|[1-9]d*)(.d+)?([eE][+-]?d+)?, all of ${text}. */
bool number_is_json(const char *text, size_t len);

/* All of ${text} as a decimal integer within [min, max]. */
bool number_parse_int(const char *text, size_t len, int64_t min, int64_t max,
		      int64_t *out);

/*
 * The shortest %.{15,16,17}g form that reads back as ${value}; "nan", "inf",
 * "-inf" otherwise.  Returns the length without the NUL.
 */
enum { NUMBER_TEXT_MAX = 32 };
size_t number_format(double value, char out[NUMBER_TEXT_MAX]);

/* "1h30m", "250ms", "5s", "7d", "2w", "0" -> microseconds; units us ms s m h d w. */
int duration_parse(const char *text, int64_t *us, struct err *e);
size_t duration_format(int64_t us, char out[NUMBER_TEXT_MAX]);

/* "512MiB", "8GiB", "1000", "64KB" (decimal) -> bytes. */
int size_parse(const char *text, uint64_t *bytes, struct err *e);
size_t size_format(uint64_t bytes, char out[NUMBER_TEXT_MAX]);

#endif
