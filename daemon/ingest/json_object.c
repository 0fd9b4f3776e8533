/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * json_object - the members of one record, in one pass.
 *
 * Records of one sender have their keys in the same order: the key that
 * followed this one in the last record is compared first, and only when it is
 * another one is it looked for.
 */

#include "daemon/ingest/json_object.h"

#include "base/attr.h"
#include "daemon/ingest/record.h"

#include <string.h>

/* Is the key at p the name of slot ${guess}?  Then step behind it. */
static inline bool json_guess_key(struct json_scan *s, const struct record *r,
				  uint32_t guess)
{
	const char *name;
	size_t len;

	if (UNLIKELY(guess >= r->n_slots))
		return false;
	name = record_slot_name(r, guess, &len);
	if (UNLIKELY(name == NULL || (size_t)(s->end - s->p) <= len ||
		     s->p[len] != '"' || memcmp(s->p, name, len) != 0))
		return false;
	s->p += len + 1;
	return true;
}

/*
 * The slot of the key at p, which comes to stand at the value.  Within
 * "inputs" and "outputs" only columns are guessed: other names may mean
 * something else there.
 */
static inline enum scan json_key(struct json_scan *s, struct record *r,
				 uint32_t guess, bool nested, uint32_t *slot)
{
	struct json_text key;
	enum scan status;

	if (UNLIKELY(s->p == s->end))
		return SCAN_MORE;
	if (UNLIKELY(*s->p != '"'))
		return json_scan_bad(s, s->p, "a key in quotes was expected");
	s->p++;
	if (LIKELY((guess < r->n_columns || !nested) &&
		   json_guess_key(s, r, guess))) {
		*slot = guess;
	} else {
		status = json_scan_text(s, &key);
		if (status != SCAN_OK)
			return status;
		/* A bad name is never kept: it would be guessed later. */
		*slot = s->text_at == NULL
				? record_slot(r, key.text, key.len, nested)
				: RECORD_SLOT_OTHER;
	}
	json_scan_space(s);
	if (UNLIKELY(s->p == s->end))
		return SCAN_MORE;
	if (UNLIKELY(*s->p != ':'))
		return json_scan_bad(s, s->p, "\":\" was expected");
	s->p++;
	json_scan_space(s);
	return UNLIKELY(s->p == s->end) ? SCAN_MORE : SCAN_OK;
}

/* Values that are neither text nor number. */
static enum scan json_other_value(struct json_scan *s, struct record *r,
				  uint32_t slot, unsigned depth)
{
	enum scan status;

	switch (*s->p) {
	case '{':
	case '[':
		status = json_scan_skip(s, depth);
		if (status == SCAN_OK)
			record_container(r, slot);
		return status;
	case 't':
		status = json_scan_word(s, "true", 4);
		if (status == SCAN_OK)
			record_bool(r, slot, true);
		return status;
	case 'f':
		status = json_scan_word(s, "false", 5);
		if (status == SCAN_OK)
			record_bool(r, slot, false);
		return status;
	case 'n':
		return json_scan_word(s, "null", 4);
	default:
		return json_scan_bad(s, s->p, "a value was expected");
	}
}

/* The value at p into ${slot}; ${depth} containers are open. */
static inline enum scan json_value(struct json_scan *s, struct record *r,
				   uint32_t slot, unsigned depth)
{
	const char *number;
	enum scan status;

	r->at = s->p;
	if (LIKELY(json_is_digit(*s->p) || *s->p == '-')) {
		status = json_scan_number(s, &number);
		if (LIKELY(status == SCAN_OK))
			record_number(r, slot, number, (size_t)(s->p - number));
		return status;
	}
	if (*s->p == '"') {
		struct json_text text;

		s->p++;
		status = json_scan_text(s, &text);
		/* No bad text becomes a category, not even in a row that is
		 * given up. */
		if (LIKELY(status == SCAN_OK && s->text_at == NULL))
			record_text(r, slot, text.text, text.len, text.has_nul);
		return status;
	}
	return json_other_value(s, r, slot, depth);
}

/*
 * "inputs" and "outputs" are only that when they hold an object, and unknown
 * names otherwise; as such they may have been guessed.
 */
static bool json_opens(const struct json_scan *s, struct record *r, bool nested,
		       uint32_t *slot)
{
	bool is_object = *s->p == '{';
	const char *name;
	size_t len;

	if (is_object && !nested && *slot >= r->first_unknown &&
	    *slot < r->n_slots) {
		name = record_slot_name(r, *slot, &len);
		*slot = record_slot(r, name, len, false);
	}
	if (LIKELY(!record_is_special(r, *slot, RECORD_INPUTS) &&
		   !record_is_special(r, *slot, RECORD_OUTPUTS)))
		return false;
	if (is_object && s->max_depth >= 2)
		return true;
	name = record_slot_name(r, *slot, &len);
	*slot = record_slot_unknown(r, name, len);
	return false;
}

/*
 * Behind a value (or the brace of an object with members of ours): ${*more}
 * when another key follows; else all is closed.
 */
static inline enum scan json_after(struct json_scan *s, bool *nested,
				   bool *more)
{
	for (;;) {
		json_scan_space(s);
		if (UNLIKELY(s->p == s->end))
			return SCAN_MORE;
		if (*s->p == ',') {
			s->p++;
			json_scan_space(s);
			*more = true;
			return SCAN_OK;
		}
		if (UNLIKELY(*s->p != '}'))
			return json_scan_bad(s, s->p,
					     "\",\" or \"}\" was expected");
		s->p++;
		*more = false;
		if (!*nested)
			return SCAN_OK;
		*nested = false;
	}
}

/* Behind a "{": ${*empty} when it closes at once (p stays at the brace). */
static enum scan json_open(struct json_scan *s, bool *empty)
{
	s->p++;
	json_scan_space(s);
	if (s->p == s->end)
		return SCAN_MORE;
	*empty = *s->p == '}';
	return SCAN_OK;
}

/* One key and its value, or the opening of "inputs". */
static inline enum scan json_member(struct json_scan *s, struct record *r,
				    uint32_t *guess, bool *nested, bool *opened)
{
	uint32_t slot = 0;
	bool empty = false;
	enum scan status = json_key(s, r, *guess, *nested, &slot);

	if (UNLIKELY(status != SCAN_OK))
		return status;
	*guess = slot;
	*opened = json_opens(s, r, *nested, &slot);
	if (UNLIKELY(!record_mark(r, slot)))
		record_forget(r, slot);
	if (LIKELY(!*opened))
		return json_value(s, r, slot, *nested ? 2 : 1);
	*nested = true;
	status = json_open(s, &empty);
	*opened = !empty;
	return status;
}

enum scan json_object(struct json_scan *s, struct record *r, uint32_t *first)
{
	bool nested = false;
	bool more = true;
	uint32_t *guess = first;
	bool empty = false;
	enum scan status = json_open(s, &empty);

	if (status != SCAN_OK)
		return status;
	if (empty) {
		s->p++;
		return SCAN_OK;
	}
	while (more) {
		bool opened;

		status = json_member(s, r, guess, &nested, &opened);
		if (UNLIKELY(status != SCAN_OK))
			return status;
		/* ${*guess} is now the slot of this key. */
		guess = *guess < r->n_slots ? &r->next[*guess] : first;
		if (UNLIKELY(opened))
			continue;
		status = json_after(s, &nested, &more);
		if (UNLIKELY(status != SCAN_OK))
			return status;
	}
	return SCAN_OK;
}
