/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_RNG_H
#define DRIFTD_TESTS_RNG_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * rng - splitmix64 for property tests.  The seed is printed; SEED in the
 * environment repeats a run.
 */
struct rng {
	uint64_t state;
};

static inline struct rng rng_start(const char *test)
{
	const char *given = getenv("SEED");
	struct rng r = {(uint64_t)time(NULL)};

	if (given != NULL)
		r.state = strtoull(given, NULL, 10);
	(void)fprintf(stderr, "%s: SEED=%llu\n", test,
		      (unsigned long long)r.state);
	return r;
}

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* In [0, n). */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

/* In [0, 1). */
static inline double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

static inline double rng_gauss(struct rng *r)
{
	double u = 1.0 - rng_unit(r);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * rng_unit(r));
}

#endif
