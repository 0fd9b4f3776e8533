/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_WINDOW_H
#define DRIFTD_BASE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * window - [start, end) in event time, UTC.  A width is a divisor or a
 * multiple of a day (aligned to 1970-01-01), a week (from Monday) or a
 * calendar month (or several, aligned to January of year 0).
 */

enum window_unit { WINDOW_FIXED, WINDOW_WEEK, WINDOW_MONTH };

struct window_width {
	enum window_unit unit;
	int64_t n; /* WINDOW_FIXED: microseconds; else weeks or months, >= 1 */
};

/* "1h", "15m", "1d", "7d" (fixed), "1w" (Monday), "1mo". */
int window_parse(const char *text, struct window_width *out, struct err *e);
size_t window_format(struct window_width w, char out[32]);

int64_t window_start(struct window_width w, int64_t us);

/* The end of the window that begins at ${start}, which is the next start. */
int64_t window_end(struct window_width w, int64_t start);

bool window_equal(struct window_width a, struct window_width b);

/* The shortest length it can have, for limits and heuristics. */
int64_t window_min_us(struct window_width w);

#endif
