/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_PROFILE_SET_H
#define DRIFTD_DETECTORS_PROFILE_SET_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct baseline;
struct buf;
struct err;
struct profile;

/*
 * profile_set - the profiles of all columns of a model over some events: what
 * a delta carries and what a window adds up to.  Columns are kept sorted by
 * name; the same events in any order and partition give the same bytes.
 *
 * A column that another part lacks entirely counts as missing there: at
 * merge and at judging, n_events - (valid + missing + invalid) is added to
 * n_missing by profile_set_close.
 */
struct profile_entry {
	char *name; /* owned */
	enum column_kind kind;
	enum column_role role;
	struct profile *profile; /* owned */
};

struct profile_set {
	const struct baseline *baseline; /* borrowed; NULL = none */
	uint32_t max_categories;
	uint64_t n_events;
	int64_t min_event_time_us, max_event_time_us;
	struct profile_entry *entries; /* owned, sorted by name */
	size_t n_entries, cap_entries;
};

void profile_set_init(struct profile_set *s, const struct baseline *baseline,
		      uint32_t max_categories);
void profile_set_release(struct profile_set *s);

/* Empty every profile, keep the columns and their memory. */
void profile_set_clear(struct profile_set *s);

/*
 * The entry of that name, made when new, over the baseline's cells if it has
 * a column of that name and kind (else over none).  NULL and ${e} when the
 * set has the column with the other kind.
 */
struct profile_entry *profile_set_get(struct profile_set *s, const char *name,
				      size_t name_len, enum column_kind kind,
				      enum column_role role, struct err *e);

const struct profile_entry *profile_set_find(const struct profile_set *s,
					     const char *name);

int profile_set_merge(struct profile_set *to, const struct profile_set *from,
		      struct err *e);

/* Count as missing what columns lack of n_events. */
void profile_set_close(struct profile_set *s);

size_t profile_set_memory(const struct profile_set *s);

/* Versioned; starts with the baseline's hash (zeros = none). */
void profile_set_encode(const struct profile_set *s, struct buf *out);

/*
 * Into an initialised, empty set; refused when the hash is not that of
 * ${s}->baseline.
 */
int profile_set_decode(struct profile_set *s, const void *data, size_t len,
		       struct err *e);

#endif
