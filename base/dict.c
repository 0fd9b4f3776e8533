/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dict - open addressing with linear probing, at most 3/4 full.  A slot holds
 * the index and half of the hash, so that a probe that misses touches one
 * cache line; texts lie one behind the other.
 */

#include "base/dict.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 16, FIRST_ENTRIES = 8, FIRST_BYTES = 128 };

struct slot {
	uint32_t index; /* DICT_NONE: free */
	uint32_t tag;	/* upper half of the hash */
};

struct entry {
	uint64_t hash;
	size_t offset;
	size_t len;
};

struct dict {
	struct slot *slots;    /* owned */
	size_t n_slots;	       /* a power of two */
	struct entry *entries; /* owned */
	uint32_t n_entries, cap_entries;
	char *text; /* owned */
	size_t n_text, cap_text;
	uint32_t max_entries;
	size_t max_bytes;  /* of text without the NULs */
	size_t used_bytes; /* the same */
};

static void free_slots(struct slot *slots, size_t n)
{
	/* All bits set is DICT_NONE. */
	memset(slots, 0xFF, n * sizeof(*slots));
}

struct dict *dict_new(uint32_t max_entries, size_t max_bytes)
{
	struct dict *d = xcalloc(1, sizeof(*d));

	d->max_entries = max_entries ? max_entries : DICT_NONE;
	d->max_bytes = max_bytes ? max_bytes : SIZE_MAX;
	d->n_slots = FIRST_SLOTS;
	d->slots = xrealloc_array(NULL, d->n_slots, sizeof(*d->slots));
	free_slots(d->slots, d->n_slots);
	return d;
}

void dict_free(struct dict *d)
{
	if (!d)
		return;
	free(d->slots);
	free(d->entries);
	free(d->text);
	free(d);
}

/* Where an entry is known to be: probes do not stop at free slots. */
static void release_slot(struct dict *d, uint32_t index)
{
	size_t i = d->entries[index].hash & (d->n_slots - 1);

	while (d->slots[i].index != index)
		i = (i + 1) & (d->n_slots - 1);
	d->slots[i].index = DICT_NONE;
}

void dict_clear(struct dict *d)
{
	/* A big table that holds little now is not worth sweeping. */
	if (d->n_entries < d->n_slots / 16)
		for (uint32_t i = 0; i < d->n_entries; i++)
			release_slot(d, i);
	else
		free_slots(d->slots, d->n_slots);
	d->n_entries = 0;
	d->n_text = 0;
	d->used_bytes = 0;
}

uint32_t dict_count(const struct dict *d)
{
	return d->n_entries;
}

static bool is_entry(const struct dict *d, uint32_t index, uint64_t hash,
		     const char *text, size_t len)
{
	const struct entry *entry = &d->entries[index];

	return entry->hash == hash && entry->len == len &&
	       (len == 0 || memcmp(d->text + entry->offset, text, len) == 0);
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t probe(const struct dict *d, uint64_t hash, const char *text,
		    size_t len)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t i = hash & (d->n_slots - 1);

	while (d->slots[i].index != DICT_NONE) {
		if (d->slots[i].tag == tag &&
		    is_entry(d, d->slots[i].index, hash, text, len))
			break;
		i = (i + 1) & (d->n_slots - 1);
	}
	return i;
}

uint32_t dict_find(const struct dict *d, const char *text, size_t len)
{
	return d->slots[probe(d, hash64(text, len), text, len)].index;
}

static bool grow_slots(struct dict *d)
{
	size_t n = d->n_slots * 2;
	struct slot *slots = reallocarray(NULL, n, sizeof(*slots));

	if (!slots)
		return false;
	free_slots(slots, n);
	for (uint32_t e = 0; e < d->n_entries; e++) {
		size_t i = d->entries[e].hash & (n - 1);

		while (slots[i].index != DICT_NONE)
			i = (i + 1) & (n - 1);
		slots[i].index = e;
		slots[i].tag = (uint32_t)(d->entries[e].hash >> 32);
	}
	free(d->slots);
	d->slots = slots;
	d->n_slots = n;
	return true;
}

static bool grow_entries(struct dict *d)
{
	uint32_t cap = d->cap_entries ? d->cap_entries : FIRST_ENTRIES / 2;
	struct entry *entries;

	cap = cap > DICT_NONE / 2 ? DICT_NONE : cap * 2;
	entries = reallocarray(d->entries, cap, sizeof(*entries));
	if (!entries)
		return false;
	d->entries = entries;
	d->cap_entries = cap;
	return true;
}

static bool grow_text(struct dict *d, size_t need)
{
	size_t cap = d->cap_text ? d->cap_text : FIRST_BYTES;
	char *text;

	while (cap < need)
		cap *= 2;
	text = realloc(d->text, cap);
	if (!text)
		return false;
	d->text = text;
	d->cap_text = cap;
	return true;
}

static bool make_room(struct dict *d, size_t len)
{
	if (d->n_entries >= d->max_entries ||
	    len > d->max_bytes - d->used_bytes || len >= SIZE_MAX / 4)
		return false;
	if (d->n_entries == d->cap_entries && !grow_entries(d))
		return false;
	return d->cap_text - d->n_text > len ||
	       grow_text(d, d->n_text + len + 1);
}

uint32_t dict_add(struct dict *d, const char *text, size_t len)
{
	uint64_t hash = hash64(text, len);
	size_t at = probe(d, hash, text, len);
	struct entry *entry;

	if (d->slots[at].index != DICT_NONE)
		return d->slots[at].index;
	if (!make_room(d, len))
		return DICT_NONE;
	if ((size_t)d->n_entries + 1 > d->n_slots / 4 * 3) {
		if (!grow_slots(d))
			return DICT_NONE;
		at = probe(d, hash, text, len);
	}
	entry = &d->entries[d->n_entries];
	*entry = (struct entry){hash, d->n_text, len};
	if (len > 0)
		memcpy(d->text + d->n_text, text, len);
	d->text[d->n_text + len] = '\0';
	d->n_text += len + 1;
	d->used_bytes += len;
	d->slots[at] = (struct slot){d->n_entries, (uint32_t)(hash >> 32)};
	return d->n_entries++;
}

const char *dict_text(const struct dict *d, uint32_t index, size_t *len)
{
	const struct entry *entry = &d->entries[index];

	if (len)
		*len = entry->len;
	return d->text + entry->offset;
}

uint64_t dict_hash(const struct dict *d, uint32_t index)
{
	return d->entries[index].hash;
}

size_t dict_memory(const struct dict *d)
{
	return sizeof(*d) + d->n_slots * sizeof(*d->slots) +
	       (size_t)d->cap_entries * sizeof(*d->entries) + d->cap_text;
}
