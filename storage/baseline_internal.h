/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_BASELINE_INTERNAL_H
#define DRIFTD_STORAGE_BASELINE_INTERNAL_H

#include "base/hash.h"

#include <stdint.h>

struct baseline;
struct err;
struct pg;

/* baseline_internal - what the store, the cache and the flusher share. */

enum { BASELINE_BYTES_MAX = 1 << 29 }; /* encoded; bytea ends at 1 GiB */

/* By hash; NULL and ERR_NOT_FOUND when the database does not have it. */
struct baseline *baseline_store_read(struct pg *pg, int64_t model_id,
				     const uint8_t hash[SHA256_SIZE],
				     struct err *e);

/*
 * Put the content where it is missing, in the caller's transaction if it has
 * one: a database that went back may name a baseline that it lost.
 */
int baseline_store_restore(struct pg *pg, int64_t model_id,
			   const struct baseline *b, struct err *e);

#endif
