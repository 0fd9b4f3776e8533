/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_KEY_MEMORY_H
#define DRIFTD_DAEMON_KEY_MEMORY_H

#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>

/*
 * key_memory - the idempotency keys that this instance acknowledged lately:
 * enough to answer `duplicate` or 409 at once.  It decides nothing: the
 * database judges every key when a frame is flushed.  Fixed memory, oldest of
 * a set forgotten first; safe from every thread.
 */

struct key_memory;

struct key_memory *key_memory_new(size_t n_keys, int64_t ttl_us);
void key_memory_free(struct key_memory *k);

enum key_known { KEY_NEW, KEY_SAME_BODY, KEY_OTHER_BODY };

enum key_known key_memory_find(struct key_memory *k, int64_t model_id,
			       const char *key, size_t len,
			       const uint8_t body[HASH128_SIZE]);

void key_memory_add(struct key_memory *k, int64_t model_id, const char *key,
		    size_t len, const uint8_t body[HASH128_SIZE]);

#endif
