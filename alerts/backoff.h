/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_BACKOFF_H
#define DRIFTD_ALERTS_BACKOFF_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * backoff - when to try again.  Pure functions of the numbers given.
 *
 * After the n-th failure wait a uniformly random part ("full jitter", so that
 * many senders do not come back together) of min(cap, base * factor^(n-1)).
 */

#define BACKOFF_BASE_US (5 * CLOCK_SECOND_US)
#define BACKOFF_CAP_US	CLOCK_HOUR_US
enum { BACKOFF_FACTOR = 3 };

/* The most that is waited after failure ${n} >= 1. */
int64_t backoff_ceiling_us(int n);

/*
 * The delay after failure ${n}; ${random} is uniform over all 64-bit values.
 * ${retry_after_us} (-1: none) is what the receiver asked for: a lower bound,
 * capped like everything else.
 */
int64_t backoff_delay_us(int n, int64_t retry_after_us, uint64_t random);

/* The number for it, from the kernel; tests may fix it (NULL: random again). */
uint64_t backoff_random(void);
void backoff_fix_random(const uint64_t *value);

/*
 * breaker - after BREAKER_FAILURES failures in a row a receiver is left alone
 * for BREAKER_OPEN_US; then one probe is let through, which closes it or
 * opens it again.  The user has one attempt under way at a time.
 */
#define BREAKER_OPEN_US (30 * CLOCK_SECOND_US)
enum { BREAKER_FAILURES = 5 };

struct breaker {
	int n_failures;
	int64_t open_until_us; /* monotonic */
};

bool breaker_allows(const struct breaker *b, int64_t now_us);
void breaker_succeeded(struct breaker *b);
void breaker_failed(struct breaker *b, int64_t now_us);

#endif
