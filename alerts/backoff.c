/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exponential back-off with full jitter, and the circuit breaker. */
#include "alerts/backoff.h"

#include "base/hash.h"

int64_t backoff_ceiling_us(int n)
{
	int64_t us = BACKOFF_BASE_US;

	for (int i = 1; i < n && us < BACKOFF_CAP_US; i++)
		us *= BACKOFF_FACTOR;
	return us < BACKOFF_CAP_US ? us : BACKOFF_CAP_US;
}

int64_t backoff_delay_us(int n, int64_t retry_after_us, uint64_t random)
{
	/* 63 bits: the remainder's bias is below 1e-9. */
	int64_t us = (int64_t)(random >> 1) % (backoff_ceiling_us(n) + 1);

	if (retry_after_us > BACKOFF_CAP_US)
		retry_after_us = BACKOFF_CAP_US;
	return us > retry_after_us ? us : retry_after_us;
}

/* Set by tests before any thread runs. */
static const uint64_t *fixed_random;

uint64_t backoff_random(void)
{
	uint64_t random;

	if (fixed_random)
		return *fixed_random;
	random_bytes(&random, sizeof(random));
	return random;
}

void backoff_fix_random(const uint64_t *value)
{
	fixed_random = value;
}

bool breaker_allows(const struct breaker *b, int64_t now_us)
{
	return b->n_failures < BREAKER_FAILURES || now_us >= b->open_until_us;
}

void breaker_succeeded(struct breaker *b)
{
	b->n_failures = 0;
	b->open_until_us = 0;
}

void breaker_failed(struct breaker *b, int64_t now_us)
{
	if (b->n_failures < BREAKER_FAILURES)
		b->n_failures++;
	if (b->n_failures >= BREAKER_FAILURES)
		b->open_until_us = now_us + BREAKER_OPEN_US;
}
