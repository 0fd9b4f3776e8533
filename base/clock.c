/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clock - what time it is.  The frozen time is the one piece of mutable
 * state; it is atomic because tests set it while workers read it.
 */

#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t frozen = INT64_MIN; /* shared; INT64_MIN = not */

static int64_t now(clockid_t id)
{
	struct timespec t;

	/* Cannot fail for these clocks. */
	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * CLOCK_SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	int64_t us = atomic_load_explicit(&frozen, memory_order_relaxed);

	return us != INT64_MIN ? us : now(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
	return now(CLOCK_MONOTONIC);
}

void clock_set_wall(int64_t us)
{
	atomic_store_explicit(&frozen, us, memory_order_relaxed);
}

void clock_sleep_us(int64_t us)
{
	struct timespec t;

	if (us <= 0)
		return;
	t.tv_sec = (time_t)(us / CLOCK_SECOND_US);
	t.tv_nsec = (long)(us % CLOCK_SECOND_US) * 1000;
	/* Woken by a signal is as good as slept: the caller looks again. */
	(void)nanosleep(&t, NULL);
}
