/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_DICT_H
#define DRIFTD_BASE_DICT_H

#include <stddef.h>
#include <stdint.h>

/*
 * dict - a set of byte strings with dense indices 0, 1, 2, … in order of
 * first arrival: a hash map whose values are kept by the caller in an array
 * beside it.  Strings are copied and followed by a NUL.  Not thread safe;
 * reading at the same time is.
 */

#define DICT_NONE UINT32_MAX

struct dict;

/* ${max_entries} and ${max_bytes} (of text) bound it; 0 = unbounded. */
struct dict *dict_new(uint32_t max_entries, size_t max_bytes);
void dict_free(struct dict *d);

/* Forget the entries, keep the memory. */
void dict_clear(struct dict *d);

uint32_t dict_count(const struct dict *d);

/* Index of the string, DICT_NONE when it is not there. */
uint32_t dict_find(const struct dict *d, const char *text, size_t len);

/* The same, added when new; DICT_NONE when a bound is reached. */
uint32_t dict_add(struct dict *d, const char *text, size_t len);

/* The string at ${index} < count; valid until the next add or clear. */
const char *dict_text(const struct dict *d, uint32_t index, size_t *len);

/* hash64 of it. */
uint64_t dict_hash(const struct dict *d, uint32_t index);

/* Bytes of memory held. */
size_t dict_memory(const struct dict *d);

#endif
