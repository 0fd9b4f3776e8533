/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_BASELINE_STORE_H
#define DRIFTD_STORAGE_BASELINE_STORE_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baseline;
struct err;
struct pg;

/*
 * baseline_store - baselines in PostgreSQL, and a cache of decoded ones.
 */

struct baseline_info {
	char version[256];
	uint8_t hash[SHA256_SIZE];
	uint64_t n_rows;
	uint32_t n_columns;
	int64_t created_at_us;
	int64_t activated_at_us; /* INT64_MIN: never */
	bool active;
};

enum baseline_put_outcome { BASELINE_CREATED, BASELINE_EXISTED };

/*
 * Store ${b} as ${version} of the model (its row is made when missing), in one
 * transaction under the model's lock.  The first baseline of a model is made
 * active, a later one when ${activate}.  The same content again is
 * BASELINE_EXISTED; other content under a version that exists ERR_CONFLICT.
 */
int baseline_store_put(struct pg *pg, int64_t model_id, const char *model,
		       const char *model_version, const char *version,
		       const struct baseline *b, bool activate,
		       enum baseline_put_outcome *outcome, struct err *e);

/* ERR_NOT_FOUND when there is no such version. */
int baseline_store_activate(struct pg *pg, int64_t model_id,
			    const char *version, struct err *e);

/*
 * The configuration pins ${version}: make it the active one, or none as long
 * as there is no such version.
 */
int baseline_store_pin(struct pg *pg, int64_t model_id, const char *version,
		       struct err *e);

/* Newest first; *${out} is the caller's (free). */
int baseline_store_list(struct pg *pg, int64_t model_id,
			struct baseline_info **out, size_t *n, struct err *e);

/* ${version} NULL: the active one.  ERR_NOT_FOUND.  *${out} is the caller's
 * (baseline_free), ${info} may be NULL. */
int baseline_store_get(struct pg *pg, int64_t model_id, const char *version,
		       struct baseline **out, struct baseline_info *info,
		       struct err *e);

/*
 * cache - decoded baselines by (model, hash), least recently used beyond
 * ${max_bytes}.  One thread.  What it returns lives until the next call.
 */
struct baseline_cache;
struct baseline_cache *baseline_cache_new(size_t max_bytes);
void baseline_cache_free(struct baseline_cache *c);

/*
 * NULL and ${e}: ERR_NOT_FOUND when the database lost it.  ${keep}: pin it in
 * the cache until baseline_cache_unpin (all of them at once).
 */
const struct baseline *baseline_cache_get(struct baseline_cache *c,
					  struct pg *pg, int64_t model_id,
					  const uint8_t hash[SHA256_SIZE],
					  bool keep, struct err *e);
/* Take ${b} over, as if it had been read. */
const struct baseline *baseline_cache_put(struct baseline_cache *c,
					  int64_t model_id, struct baseline *b,
					  bool keep);
void baseline_cache_unpin(struct baseline_cache *c);

#endif
