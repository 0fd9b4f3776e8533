/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * record - names to slots, values to the row, the row to the batch.
 *
 * Whether a name came twice is told by stamps: every record has a number of
 * its own, and each slot remembers the last one that had it.
 */

#include "daemon/ingest/record.h"

#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "config/config.h"
#include "storage/batch.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of unknown names told apart. */
enum { RECORD_UNKNOWN_BYTES = 1024 * 1024, RECORD_ID_KEEP = 4096 };

/* Input quoted in a reason: bytes of it. */
enum { RECORD_QUOTE = 40 };

void record_init(struct record *r)
{
	*r = (struct record){0};
	r->unknown = dict_new(RECORD_UNKNOWN_MAX, RECORD_UNKNOWN_BYTES);
	r->pending = xcalloc(RECORD_UNKNOWN_MAX, sizeof(*r->pending));
	buf_init(&r->id, RECORD_ID_KEEP);
}

void record_release(struct record *r)
{
	dict_free(r->unknown);
	free(r->seen);
	free(r->next);
	free(r->pending);
	buf_release(&r->id);
}

size_t record_memory(const struct record *r)
{
	return dict_memory(r->unknown) + r->id.cap +
	       RECORD_UNKNOWN_MAX * sizeof(*r->pending) +
	       r->n_slots * (sizeof(*r->seen) + sizeof(*r->next));
}

/* The names beside the columns; a column of that name goes before. */
static void record_name_specials(struct record *r)
{
	const struct config_model *m = r->model;

	r->special[RECORD_ID] = m->id;
	r->special[RECORD_TIME] = m->timestamp;
	r->special[RECORD_VERSION] = "model_version";
	r->special[RECORD_LABEL_TIME] = m->label_time;
	r->special[RECORD_INPUTS] = "inputs";
	r->special[RECORD_OUTPUTS] = "outputs";
	for (unsigned i = 0; i < RECORD_SPECIALS; i++) {
		const char *name = r->special[i];

		if (name != NULL &&
		    dict_find(m->names, name, strlen(name)) != DICT_NONE)
			r->special[i] = NULL;
	}
}

static void record_resize(struct record *r, uint32_t n_slots)
{
	if (n_slots <= r->n_slots)
		return;
	r->seen = xrealloc_array(r->seen, n_slots, sizeof(*r->seen));
	r->next = xrealloc_array(r->next, n_slots, sizeof(*r->next));
	for (uint32_t i = r->n_slots; i < n_slots; i++) {
		r->seen[i] = 0;
		r->next[i] = i + 1;
	}
	r->n_slots = n_slots;
}

void record_begin_body(struct record *r, const struct config_model *model,
		       struct batch *batch, struct ingest_report *report,
		       int64_t now_us)
{
	r->model = model;
	r->batch = batch;
	r->report = report;
	r->versions = NULL;
	r->reads_labels = false;
	r->needs_label = false;
	r->now_us = now_us;
	if (now_us == TIMESTAMP_MIN ||
	    __builtin_add_overflow(now_us, model->max_future_us, &r->latest_us))
		r->latest_us = INT64_MAX;
	r->n_columns = (uint32_t)model->n_columns;
	r->first_ignored = r->n_columns + RECORD_SPECIALS;
	r->first_unknown = r->first_ignored + (uint32_t)model->n_ignore;
	record_resize(r, r->first_unknown + RECORD_UNKNOWN_MAX);
	record_name_specials(r);
	if (dict_count(r->unknown) > 0)
		dict_clear(r->unknown);
	r->first_stamp = r->stamp + 1;
	r->is_rejected = false;
	r->is_out_of_memory = false;
}

void record_expect_labels(struct record *r, bool strict)
{
	static const char other[] = "time";

	r->reads_labels = true;
	r->needs_label = strict;
	r->special[RECORD_LABEL_TIME] =
		dict_find(r->model->names, other, strlen(other)) == DICT_NONE
			? other
			: NULL;
}

void record_begin(struct record *r)
{
	if (UNLIKELY(++r->stamp == 0)) {
		/* Once in four billion records: what was seen starts anew. */
		memset(r->seen, 0, r->n_slots * sizeof(*r->seen));
		r->first_stamp = 1;
		r->stamp = 1;
	}
	r->has_time = false;
	r->n_invalid = 0;
	r->n_pending = 0;
	r->n_other = 0;
	r->owner = RECORD_UNSAID;
	r->is_rejected = false;
	buf_clear(&r->id);
	if (batch_row_begin(r->batch) < 0)
		r->is_out_of_memory = true;
}

static bool name_is(const char *name, size_t len, const char *text)
{
	return text != NULL && strlen(text) == len &&
	       memcmp(text, name, len) == 0;
}

uint32_t record_slot_unknown(struct record *r, const char *name, size_t len)
{
	uint32_t i = dict_add(r->unknown, name, len);

	return i == DICT_NONE ? RECORD_SLOT_OTHER : r->first_unknown + i;
}

uint32_t record_slot(struct record *r, const char *name, size_t len,
		     bool nested)
{
	uint32_t i = dict_find(r->model->names, name, len);
	unsigned n = nested ? RECORD_INPUTS : RECORD_SPECIALS;

	if (i < r->n_columns)
		return i;
	for (i = 0; i < n; i++)
		if (name_is(name, len, r->special[i]))
			return r->n_columns + i;
	for (i = 0; i < r->model->n_ignore; i++)
		if (name_is(name, len, r->model->ignore[i]))
			return r->first_ignored + i;
	return record_slot_unknown(r, name, len);
}

const char *record_slot_name(const struct record *r, uint32_t slot, size_t *len)
{
	const char *name;

	if (slot < r->n_columns) {
		*len = r->batch->columns[slot].name_len;
		return r->batch->columns[slot].name;
	}
	if (slot >= r->first_unknown) {
		slot -= r->first_unknown;
		return slot < dict_count(r->unknown)
			       ? dict_text(r->unknown, slot, len)
			       : NULL;
	}
	if (slot >= r->first_ignored)
		name = r->model->ignore[slot - r->first_ignored];
	else
		name = r->special[slot - r->n_columns];
	if (name != NULL)
		*len = strlen(name);
	return name;
}

static bool record_is_time(const struct record *r, uint32_t slot)
{
	return record_is_special(r, slot, RECORD_TIME) ||
	       (r->reads_labels &&
		record_is_special(r, slot, RECORD_LABEL_TIME));
}

bool record_mark(struct record *r, uint32_t slot)
{
	if (UNLIKELY(slot == RECORD_SLOT_OTHER)) {
		r->n_other++;
		return true;
	}
	if (UNLIKELY(r->seen[slot] == r->stamp))
		return false;
	r->seen[slot] = r->stamp;
	if (UNLIKELY(slot >= r->first_unknown))
		r->pending[r->n_pending++] = slot;
	return true;
}

void record_forget(struct record *r, uint32_t slot)
{
	if (slot < r->n_columns)
		r->n_invalid -= batch_clear(r->batch, slot) ? 1 : 0;
	else if (record_is_special(r, slot, RECORD_ID))
		buf_clear(&r->id);
	else if (record_is_time(r, slot))
		r->has_time = false;
}

bool record_has_seen(const struct record *r, uint32_t column)
{
	/* Stamps of other bodies are older than the first of this one. */
	return r->seen[column] >= r->first_stamp;
}

void record_reject(struct record *r, const char *at, const char *fmt, ...)
{
	va_list ap;

	if (r->is_rejected)
		return;
	r->is_rejected = true;
	r->rejected_at = at;
	va_start(ap, fmt);
	(void)vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
}

/* Bytes of a text that a reason quotes, as an argument of %.*s: cut between
 * characters. */
static int quoted(const char *text, size_t len)
{
	if (len <= RECORD_QUOTE)
		return (int)len;
	len = RECORD_QUOTE;
	while (len > 0 && (text[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}

static void record_invalid(struct record *r, uint32_t column)
{
	batch_set_invalid(r->batch, column);
	r->n_invalid++;
}

static void record_category(struct record *r, uint32_t column, const char *text,
			    size_t len, bool is_number)
{
	if (r->is_rejected)
		return;
	if (batch_set_text(r->batch, column, text, len, is_number) < 0)
		r->is_out_of_memory = true;
}

static void record_numeric(struct record *r, uint32_t column, const char *text,
			   size_t len)
{
	double v;

	if (LIKELY(number_parse(text, len, &v)))
		batch_set_number(r->batch, column, v);
	else
		record_invalid(r, column);
}

static void record_set_id(struct record *r, const char *text, size_t len)
{
	if (len > RECORD_ID_MAX) {
		record_reject(r, r->at, "the id has more than %d bytes",
			      RECORD_ID_MAX);
		return;
	}
	buf_add(&r->id, text, len);
}

static void record_set_time(struct record *r, const char *text, size_t len)
{
	if (!timestamp_parse(text, len, &r->time_us)) {
		record_reject(r, r->at, "\"%.*s\" is no time",
			      quoted(text, len), text);
		return;
	}
	if (r->time_us > r->latest_us) {
		record_reject(r, r->at,
			      "event time \"%.*s\" is too far ahead of the "
			      "clock",
			      quoted(text, len), text);
		return;
	}
	r->has_time = true;
}

static void record_set_version(struct record *r, const char *text, size_t len)
{
	const struct ingest_versions *v = r->versions;

	if (name_is(text, len, r->model->version)) {
		r->owner = RECORD_MINE;
		return;
	}
	for (size_t i = 0; v && i < v->n_others; i++) {
		if (!name_is(text, len, v->others[i]))
			continue;
		r->owner = RECORD_OTHERS;
		return;
	}
	record_reject(r, r->at, "model_version \"%.*s\" is not configured",
		      quoted(text, len), text);
}

/* A text or number that belongs to no column. */
static void record_set_special(struct record *r, uint32_t slot,
			       const char *text, size_t len, bool has_nul)
{
	if (has_nul && slot < r->first_ignored)
		record_reject(r, r->at, "a text holds a NUL character");
	else if (record_is_special(r, slot, RECORD_ID))
		record_set_id(r, text, len);
	else if (record_is_time(r, slot))
		record_set_time(r, text, len);
	else if (record_is_special(r, slot, RECORD_VERSION))
		record_set_version(r, text, len);
}

void record_number(struct record *r, uint32_t slot, const char *text,
		   size_t len)
{
	if (UNLIKELY(slot >= r->n_columns))
		record_set_special(r, slot, text, len, false);
	else if (r->batch->columns[slot].kind == COLUMN_NUMERIC)
		record_numeric(r, slot, text, len);
	else
		record_category(r, slot, text, len, true);
}

void record_text(struct record *r, uint32_t slot, const char *text, size_t len,
		 bool has_nul)
{
	if (len == 0)
		return; /* missing */
	if (slot >= r->n_columns)
		record_set_special(r, slot, text, len, has_nul);
	else if (r->batch->columns[slot].kind == COLUMN_NUMERIC)
		record_numeric(r, slot, text, len);
	else if (has_nul)
		record_reject(r, r->at, "a text holds a NUL character");
	else
		record_category(r, slot, text, len, false);
}

void record_bool(struct record *r, uint32_t slot, bool v)
{
	const char *text = v ? "true" : "false";

	if (slot < r->n_columns) {
		if (r->batch->columns[slot].kind == COLUMN_NUMERIC)
			record_invalid(r, slot);
		else
			record_category(r, slot, text, strlen(text), false);
	} else if (record_is_special(r, slot, RECORD_ID)) {
		record_reject(r, r->at, "the id is neither text nor number");
	} else {
		record_set_special(r, slot, text, strlen(text), false);
	}
}

void record_container(struct record *r, uint32_t slot)
{
	if (slot < r->n_columns)
		record_invalid(r, slot);
	else if (record_is_special(r, slot, RECORD_ID))
		record_reject(r, r->at, "the id is neither text nor number");
	else if (record_is_time(r, slot))
		record_reject(r, r->at, "an array or object is no time");
	else if (record_is_special(r, slot, RECORD_VERSION))
		record_reject(r, r->at,
			      "model_version is neither text nor number");
}

void record_check_label(struct record *r, const char *start)
{
	const struct batch *b = r->batch;
	bool has_value = false, has_invalid = false;

	if (r->is_rejected || r->is_out_of_memory || record_is_skipped(r))
		return;
	if (r->id.len == 0) {
		record_reject(r, start, "the label has no id");
		return;
	}
	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct batch_column *c = &b->columns[i];
		bool missing, invalid;

		if (c->kind == COLUMN_NUMERIC) {
			missing = value_is_missing(c->numbers[b->n_rows]);
			invalid = !missing && isnan(c->numbers[b->n_rows]);
		} else {
			missing = c->codes[b->n_rows] == CODE_MISSING;
			invalid = c->codes[b->n_rows] == CODE_INVALID;
		}
		has_value |= !missing && !invalid;
		has_invalid |= invalid;
	}
	if (has_invalid)
		record_reject(r, start, "the label of id \"%.*s\" is no %s",
			      quoted(buf_str(&r->id), r->id.len),
			      buf_str(&r->id),
			      b->columns[0].kind == COLUMN_NUMERIC ? "number"
								   : "class");
	else if (!has_value)
		record_reject(r, start, "id \"%.*s\" has no label",
			      quoted(buf_str(&r->id), r->id.len),
			      buf_str(&r->id));
}

/* Values under unknown names, by name for the first ones. */
static void record_count_unknown(struct record *r)
{
	struct ingest_report *report = r->report;

	report->n_unknown += r->n_other + r->n_pending;
	for (uint32_t i = 0; i < r->n_pending; i++) {
		uint32_t k = r->pending[i] - r->first_unknown;

		if (k >= INGEST_UNKNOWN_NAMES)
			continue;
		while (report->n_unknown_names <= k) {
			uint32_t n = report->n_unknown_names++;
			size_t len;
			const char *name = dict_text(r->unknown, n, &len);
			char *out = report->unknown[n].name;

			if (len >= sizeof(report->unknown[n].name))
				len = sizeof(report->unknown[n].name) - 1;
			/* Cut between characters. */
			(void)utf8_is_valid(name, len, &len);
			memcpy(out, name, len);
			out[len] = '\0';
			report->unknown[n].count = 0;
		}
		report->unknown[k].count++;
	}
}

int record_end(struct record *r, struct err *e)
{
	if (UNLIKELY(r->is_out_of_memory))
		goto no_memory;
	if (r->is_rejected || record_is_skipped(r))
		return 0;
	if (batch_row_commit(r->batch, r->has_time ? r->time_us : r->now_us,
			     buf_str(&r->id), r->id.len) < 0)
		goto no_memory;
	r->report->n_accepted++;
	r->report->n_invalid += r->n_invalid;
	if (r->n_pending > 0 || r->n_other > 0)
		record_count_unknown(r);
	return 0;

no_memory:
	return err_set(e, ERR_TEMP, "no memory left for events in flight");
}

void report_reject(struct ingest_report *report, unsigned line, unsigned column,
		   const char *reason)
{
	struct ingest_reason *out;
	size_t len = strlen(reason);

	report->n_rejected++;
	if (report->n_reasons == INGEST_REASONS)
		return;
	out = &report->reasons[report->n_reasons++];
	out->line = line;
	out->column = column;
	if (len >= sizeof(out->message))
		len = sizeof(out->message) - 1;
	memcpy(out->message, reason, len);
	out->message[len] = '\0';
}

void place_move(struct place *place, const char *from, const char *to)
{
	const char *newline;

	while ((newline = memchr(from, '\n', (size_t)(to - from))) != NULL) {
		place->line++;
		place->column = 1;
		from = newline + 1;
	}
	place->column += (unsigned)(to - from);
}
