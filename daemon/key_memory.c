/* SPDX-License-Identifier: GPL-3.0-or-later */

/* key_memory - a set-associative table of recent idempotency keys. */

#include "daemon/key_memory.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_WAYS = 8, KEY_ID_SIZE = 16 };

struct key_entry {
	uint8_t id[KEY_ID_SIZE]; /* of model and key */
	uint8_t body[HASH128_SIZE];
	int64_t added_us; /* monotonic; 0: free */
};

struct key_memory {
	pthread_mutex_t lock;
	struct key_entry *entries; /* owned, n_sets * KEY_WAYS */
	size_t n_sets;		   /* a power of two */
	int64_t ttl_us;
};

struct key_memory *key_memory_new(size_t n_keys, int64_t ttl_us)
{
	struct key_memory *k = xcalloc(1, sizeof(*k));

	k->n_sets = 1;
	while (k->n_sets * KEY_WAYS < n_keys)
		k->n_sets *= 2;
	k->entries = xcalloc(k->n_sets * KEY_WAYS, sizeof(*k->entries));
	k->ttl_us = ttl_us;
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

void key_memory_free(struct key_memory *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k->entries);
	free(k);
}

static void identify(int64_t model_id, const char *key, size_t len,
		     uint8_t id[KEY_ID_SIZE])
{
	uint8_t digest[SHA256_SIZE];

	/* a client picks the key: nothing weaker than SHA-256 tells keys
	 * apart */
	sha256(key, len, digest);
	memcpy(id, digest, KEY_ID_SIZE);
	for (unsigned i = 0; i < 8; i++)
		id[i] ^= (uint8_t)((uint64_t)model_id >> (8 * i));
}

static struct key_entry *set_of(struct key_memory *k,
				const uint8_t id[KEY_ID_SIZE])
{
	uint64_t h;

	memcpy(&h, id, sizeof(h));
	return &k->entries[(h & (k->n_sets - 1)) * KEY_WAYS];
}

enum key_known key_memory_find(struct key_memory *k, int64_t model_id,
			       const char *key, size_t len,
			       const uint8_t body[HASH128_SIZE])
{
	int64_t now = clock_monotonic_us();
	enum key_known known = KEY_NEW;
	uint8_t id[KEY_ID_SIZE];
	struct key_entry *set;

	identify(model_id, key, len, id);
	set = set_of(k, id);
	pthread_mutex_lock(&k->lock);
	for (unsigned i = 0; i < KEY_WAYS; i++) {
		if (!set[i].added_us || set[i].added_us + k->ttl_us < now ||
		    memcmp(set[i].id, id, KEY_ID_SIZE) != 0)
			continue;
		if (!memcmp(set[i].body, body, HASH128_SIZE)) {
			known = KEY_SAME_BODY;
			break;
		}
		known = KEY_OTHER_BODY;
	}
	pthread_mutex_unlock(&k->lock);
	return known;
}

void key_memory_add(struct key_memory *k, int64_t model_id, const char *key,
		    size_t len, const uint8_t body[HASH128_SIZE])
{
	uint8_t id[KEY_ID_SIZE];
	struct key_entry *set, *oldest;

	identify(model_id, key, len, id);
	set = oldest = set_of(k, id);
	pthread_mutex_lock(&k->lock);
	for (unsigned i = 1; i < KEY_WAYS; i++)
		if (set[i].added_us < oldest->added_us)
			oldest = &set[i];
	memcpy(oldest->id, id, KEY_ID_SIZE);
	memcpy(oldest->body, body, HASH128_SIZE);
	oldest->added_us = clock_monotonic_us();
	pthread_mutex_unlock(&k->lock);
}
