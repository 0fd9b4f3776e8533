/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_UNIT_BASE_RANDOM_H
#define DRIFTD_TESTS_UNIT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * random - numbers for property tests.  The seed is printed; SEED=… in the
 * environment repeats a run.  And the path of shared test data.
 */

static uint64_t random_state;

static inline void random_start(void)
{
	const char *text = getenv("SEED");

	random_state = text ? strtoull(text, NULL, 10)
			    : (uint64_t)time(NULL) * 2654435761U + 1;
	printf("SEED=%llu\n", (unsigned long long)random_state);
}

static inline uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static inline uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

/* "<shared>/corpora/<name>" in ${out}. */
static inline const char *corpus(const char *name, char out[512])
{
	const char *shared = getenv("SHARED");
	int n = snprintf(out, 512, "%s/corpora/%s",
			 shared ? shared : "../shared", name);

	if (n < 0 || n >= 512)
		abort();
	return out;
}

/* A whole file, freed by the caller; NULL when it is not there. */
static inline char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	long size;

	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0) {
		data = malloc((size_t)size + 1);
		if (data) {
			*len = fread(data, 1, (size_t)size, f);
			data[*len] = '\0';
		}
	}
	(void)fclose(f);
	return data;
}

#endif
