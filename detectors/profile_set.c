/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile_set - the profiles of all columns, sorted by name.
 *
 * Encoding: version, the baseline's hash, events, first and last event time,
 * then each column that counted anything (one that did not is the same as
 * one that is not there): name, kind, role, profile.
 */
#include "detectors/profile_set.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "detectors/profile_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SET_VERSION = 1 };

static void reset_events(struct profile_set *s)
{
	s->n_events = 0;
	s->min_event_time_us = INT64_MAX;
	s->max_event_time_us = INT64_MIN;
}

void profile_set_init(struct profile_set *s, const struct baseline *baseline,
		      uint32_t max_categories)
{
	memset(s, 0, sizeof(*s));
	s->baseline = baseline;
	s->max_categories = max_categories;
	reset_events(s);
}

void profile_set_release(struct profile_set *s)
{
	size_t i;

	for (i = 0; i < s->n_entries; i++) {
		free(s->entries[i].name);
		profile_free(s->entries[i].profile);
	}
	free(s->entries);
	s->entries = NULL;
	s->n_entries = 0;
	s->cap_entries = 0;
}

void profile_set_clear(struct profile_set *s)
{
	size_t i;

	reset_events(s);
	for (i = 0; i < s->n_entries; i++)
		profile_clear(s->entries[i].profile);
}

/* Index of the first entry whose name is not below; ${found} if equal. */
static size_t search(const struct profile_set *s, const char *name, size_t len,
		     bool *found)
{
	size_t lo = 0, hi = s->n_entries;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *other = s->entries[mid].name;
		int order = strncmp(other, name, len);

		if (order == 0 && other[len] != '\0')
			order = 1;
		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct cells *cells_of(const struct profile_set *s,
				    const char *name, size_t len,
				    enum column_kind kind)
{
	const struct baseline_column *column = NULL;

	if (s->baseline != NULL)
		column = baseline_find(s->baseline, name, len);
	if (column == NULL || column->kind != kind)
		return NULL;
	return column->cells;
}

/* Put ${profile} in at ${at}; it is the set's from now on. */
static struct profile_entry *insert(struct profile_set *s, size_t at,
				    char *name, enum column_role role,
				    struct profile *profile)
{
	struct profile_entry *entry;

	if (s->n_entries == s->cap_entries) {
		s->cap_entries = s->cap_entries > 0 ? s->cap_entries * 2 : 16;
		s->entries = xrealloc_array(s->entries, s->cap_entries,
					    sizeof(*s->entries));
	}
	entry = s->entries + at;
	memmove(entry + 1, entry, (s->n_entries - at) * sizeof(*entry));
	s->n_entries++;
	entry->name = name;
	entry->kind = profile->kind;
	entry->role = role;
	entry->profile = profile;
	return entry;
}

struct profile_entry *profile_set_get(struct profile_set *s, const char *name,
				      size_t name_len, enum column_kind kind,
				      enum column_role role, struct err *e)
{
	bool found;
	size_t at = search(s, name, name_len, &found);

	if (found && s->entries[at].kind != kind) {
		err_set(e, ERR_CONFLICT, "column \"%s\" is %s, not %s",
			s->entries[at].name,
			column_kind_name(s->entries[at].kind),
			column_kind_name(kind));
		return NULL;
	}
	if (found)
		return &s->entries[at];
	return insert(s, at, xstrndup(name, name_len), role,
		      profile_new(kind, cells_of(s, name, name_len, kind),
				  s->max_categories));
}

const struct profile_entry *profile_set_find(const struct profile_set *s,
					     const char *name)
{
	bool found;
	size_t at = search(s, name, strlen(name), &found);

	return found ? &s->entries[at] : NULL;
}

static uint64_t cells_hash(const struct profile *p)
{
	return p->cells != NULL ? p->cells->hash : 0;
}

/* Refuse before anything is added: a merge is whole or not at all. */
static int check_merge(const struct profile_set *to,
		       const struct profile_set *from, struct err *e)
{
	size_t i;

	if (to->n_events > PROFILE_COUNT_MAX ||
	    from->n_events > PROFILE_COUNT_MAX - to->n_events)
		return err_set(e, ERR_LIMIT,
			       "a window would hold more than "
			       "%" PRId64 " events",
			       PROFILE_COUNT_MAX);
	for (i = 0; i < from->n_entries; i++) {
		const struct profile_entry *f = &from->entries[i];
		const struct profile_entry *t = profile_set_find(to, f->name);
		uint64_t hash;

		if (t == NULL) {
			const struct cells *c =
				cells_of(to, f->name, strlen(f->name), f->kind);

			hash = c != NULL ? c->hash : 0;
		} else {
			hash = cells_hash(t->profile);
		}
		if (hash != cells_hash(f->profile) ||
		    (t != NULL && t->kind != f->kind))
			return err_set(e, ERR_CONFLICT,
				       "column \"%s\" is over different cells",
				       f->name);
		if (t != NULL &&
		    profile_total(t->profile) + profile_total(f->profile) >
			    PROFILE_COUNT_MAX)
			return err_set(e, ERR_LIMIT,
				       "column \"%s\" holds too many values",
				       f->name);
	}
	return 0;
}

int profile_set_merge(struct profile_set *to, const struct profile_set *from,
		      struct err *e)
{
	size_t i;

	if (check_merge(to, from, e) != 0)
		return -1;
	to->n_events += from->n_events;
	if (from->min_event_time_us < to->min_event_time_us)
		to->min_event_time_us = from->min_event_time_us;
	if (from->max_event_time_us > to->max_event_time_us)
		to->max_event_time_us = from->max_event_time_us;
	for (i = 0; i < from->n_entries; i++) {
		const struct profile_entry *f = &from->entries[i];
		struct profile_entry *t = profile_set_get(
			to, f->name, strlen(f->name), f->kind, f->role, e);

		if (t == NULL || profile_merge(t->profile, f->profile, e) != 0)
			return err_wrap(e, "column \"%s\"", f->name);
	}
	return 0;
}

void profile_set_close(struct profile_set *s)
{
	size_t i;

	for (i = 0; i < s->n_entries; i++) {
		struct profile *p = s->entries[i].profile;
		uint64_t n = profile_total(p);

		if (n < s->n_events)
			p->n_missing += s->n_events - n;
	}
}

size_t profile_set_memory(const struct profile_set *s)
{
	size_t i, j, n = s->cap_entries * sizeof(*s->entries);

	for (i = 0; i < s->n_entries; i++) {
		const struct profile *p = s->entries[i].profile;

		n += strlen(s->entries[i].name) + 1;
		n += profile_memory(p->kind, p->cells);
		n += p->cap_tails * sizeof(*p->tails);
		n += p->cap_extras * sizeof(*p->extras);
		for (j = 0; j < p->n_extras; j++)
			n += p->extras[j].len + 1;
		n += profile_scratch_memory(p->scratch);
	}
	return n;
}

void profile_set_encode(const struct profile_set *s, struct buf *out)
{
	static const uint8_t none[SHA256_SIZE];
	size_t i, n = 0;

	for (i = 0; i < s->n_entries; i++)
		n += profile_total(s->entries[i].profile) > 0;
	buf_add_u8(out, SET_VERSION);
	buf_add(out, s->baseline != NULL ? s->baseline->hash : none,
		SHA256_SIZE);
	buf_add_varint(out, s->n_events);
	buf_add_zigzag(out, s->min_event_time_us);
	buf_add_zigzag(out, s->max_event_time_us);
	buf_add_varint(out, n);
	for (i = 0; i < s->n_entries; i++) {
		const struct profile_entry *entry = &s->entries[i];

		if (profile_total(entry->profile) == 0)
			continue;
		buf_add_string(out, entry->name, strlen(entry->name));
		buf_add_u8(out, (uint8_t)entry->role);
		profile_encode(entry->profile, out);
	}
}

/* Which kind the profile that comes next is of: its second byte. */
static enum column_kind peek_kind(const struct reader *in)
{
	if (in->len - in->pos < 2)
		return COLUMN_NUMERIC; /* cut short: decoding says so */
	return in->data[in->pos + 1] == COLUMN_CATEGORICAL ? COLUMN_CATEGORICAL
							   : COLUMN_NUMERIC;
}

static int decode_entry(struct profile_set *s, struct reader *in, struct err *e)
{
	size_t len;
	const char *name = reader_string(in, &len);
	uint8_t role = reader_u8(in);
	struct profile *profile;

	if (name == NULL || memchr(name, '\0', len) != NULL ||
	    role > ROLE_STATUS)
		return err_set(e, ERR_INVALID,
			       "a profile set has a column without a name");
	if (s->n_entries > 0) {
		const char *last = s->entries[s->n_entries - 1].name;

		if (strncmp(last, name, len) > 0 ||
		    (strncmp(last, name, len) == 0 && strlen(last) >= len))
			return err_set(e, ERR_INVALID,
				       "columns of a profile set are not "
				       "ascending");
	}
	profile = profile_decode(in, cells_of(s, name, len, peek_kind(in)),
				 s->max_categories, e);
	if (profile == NULL)
		return -1;
	insert(s, s->n_entries, xstrndup(name, len), (enum column_role)role,
	       profile);
	return 0;
}

static int decode_entries(struct profile_set *s, struct reader *in,
			  struct err *e)
{
	uint64_t n, i;

	s->n_events = reader_varint(in);
	s->min_event_time_us = reader_zigzag(in);
	s->max_event_time_us = reader_zigzag(in);
	n = reader_varint(in);
	if (in->failed || n > in->len - in->pos ||
	    s->n_events > PROFILE_COUNT_MAX)
		return err_set(e, ERR_INVALID, "a profile set is cut short");
	for (i = 0; i < n; i++) {
		if (decode_entry(s, in, e) != 0)
			return -1;
	}
	if (!reader_is_done(in))
		return err_set(e, ERR_INVALID,
			       "a profile set is followed by other bytes");
	return 0;
}

int profile_set_decode(struct profile_set *s, const void *data, size_t len,
		       struct err *e)
{
	static const uint8_t none[SHA256_SIZE];
	const struct baseline *baseline = s->baseline;
	uint32_t max_categories = s->max_categories;
	const char *hash;
	struct reader in;
	uint8_t version;

	reader_init(&in, data, len);
	version = reader_u8(&in);
	hash = reader_bytes(&in, SHA256_SIZE);
	if (version != SET_VERSION || hash == NULL)
		return err_set(e, ERR_INVALID,
			       "a profile set has an unknown version");
	if (memcmp(hash, baseline != NULL ? baseline->hash : none,
		   SHA256_SIZE) != 0)
		return err_set(e, ERR_CONFLICT,
			       "a profile set is over another baseline");
	if (decode_entries(s, &in, e) == 0)
		return 0;
	profile_set_release(s);
	profile_set_init(s, baseline, max_categories);
	return -1;
}
