/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_CLOCK_H
#define DRIFTD_BASE_CLOCK_H

#include <stdint.h>

/*
 * clock - the only place that asks what time it is.  Tests set it.
 * All times are int64_t microseconds; wall time since 1970-01-01T00:00:00Z.
 */

#define CLOCK_SECOND_US INT64_C(1000000)
#define CLOCK_MINUTE_US (60 * CLOCK_SECOND_US)
#define CLOCK_HOUR_US	(60 * CLOCK_MINUTE_US)
#define CLOCK_DAY_US	(24 * CLOCK_HOUR_US)

int64_t clock_wall_us(void);

/* Never steps back; for timeouts and deadlines only. */
int64_t clock_monotonic_us(void);

/* Tests: freeze wall time at ${us}; INT64_MIN gives the real one back. */
void clock_set_wall(int64_t us);

/* Sleep; wakes early on a signal. */
void clock_sleep_us(int64_t us);

#endif
