/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * baseline_cache - decoded baselines, least recently used beyond a bound.  A
 * daemon has some dozens of models: a linear search is what it takes.
 */
#include "storage/baseline_store.h"

#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "storage/baseline_internal.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	int64_t model_id;
	struct baseline *baseline; /* owned */
	uint64_t used;		   /* tick of the last use */
	bool keep;
};

struct baseline_cache {
	struct entry *entries; /* owned */
	size_t n, cap;
	size_t bytes, max_bytes;
	uint64_t tick;
};

struct baseline_cache *baseline_cache_new(size_t max_bytes)
{
	struct baseline_cache *c = xcalloc(1, sizeof(*c));

	c->max_bytes = max_bytes;
	return c;
}

void baseline_cache_free(struct baseline_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		baseline_free(c->entries[i].baseline);
	free(c->entries);
	free(c);
}

void baseline_cache_unpin(struct baseline_cache *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->entries[i].keep = false;
}

static struct entry *find(struct baseline_cache *c, int64_t model_id,
			  const uint8_t hash[SHA256_SIZE])
{
	for (size_t i = 0; i < c->n; i++) {
		struct entry *it = &c->entries[i];

		if (it->model_id == model_id &&
		    memcmp(it->baseline->hash, hash, SHA256_SIZE) == 0)
			return it;
	}
	return NULL;
}

/* Make room: what is pinned stays, even beyond the bound. */
static void evict(struct baseline_cache *c, size_t need)
{
	while (c->bytes + need > c->max_bytes) {
		size_t oldest = c->n;

		for (size_t i = 0; i < c->n; i++)
			if (!c->entries[i].keep &&
			    (oldest == c->n ||
			     c->entries[i].used < c->entries[oldest].used))
				oldest = i;
		if (oldest == c->n)
			return;
		c->bytes -= c->entries[oldest].baseline->memory;
		baseline_free(c->entries[oldest].baseline);
		c->entries[oldest] = c->entries[--c->n];
	}
}

const struct baseline *baseline_cache_put(struct baseline_cache *c,
					  int64_t model_id, struct baseline *b,
					  bool keep)
{
	evict(c, b->memory);
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 16;
		c->entries =
			xrealloc_array(c->entries, c->cap, sizeof(*c->entries));
	}
	c->entries[c->n++] = (struct entry){.model_id = model_id,
					    .baseline = b,
					    .used = ++c->tick,
					    .keep = keep};
	c->bytes += b->memory;
	return b;
}

const struct baseline *baseline_cache_get(struct baseline_cache *c,
					  struct pg *pg, int64_t model_id,
					  const uint8_t hash[SHA256_SIZE],
					  bool keep, struct err *e)
{
	struct entry *it = find(c, model_id, hash);
	struct baseline *b;

	if (!it) {
		b = baseline_store_read(pg, model_id, hash, e);
		return b ? baseline_cache_put(c, model_id, b, keep) : NULL;
	}
	it->used = ++c->tick;
	if (keep)
		it->keep = true;
	return it->baseline;
}
