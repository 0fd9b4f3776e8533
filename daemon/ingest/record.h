/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_RECORD_H
#define DRIFTD_DAEMON_INGEST_RECORD_H

#include "base/buf.h"
#include "daemon/ingest/ingest.h"
#include "storage/batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_model;
struct dict;

/*
 * record - one record of any format becoming a row of the batch: which name
 * is which column, the type rules of ingest.h, and why a record is rejected.
 *
 * A name is looked up once and is a slot from then on: a column of the model,
 * one of the few other names below, an ignored name, or an unknown one.  A
 * record that was rejected can be read on (its values go nowhere), so that
 * the decoder finds its end.
 */

enum record_special {
	RECORD_ID,
	RECORD_TIME,
	RECORD_VERSION,
	RECORD_LABEL_TIME, /* belongs to labels: skipped of events */
	RECORD_INPUTS,	   /* {"inputs": {…}} */
	RECORD_OUTPUTS,
	RECORD_SPECIALS
};

enum {
	RECORD_UNKNOWN_MAX = 1024, /* unknown names told apart */
	RECORD_ID_MAX = 1024	   /* bytes: ids are keys of the database */
};

/* One of more unknown names than are told apart. */
#define RECORD_SLOT_OTHER UINT32_MAX

/* Whose the record at hand is, by its model_version. */
enum record_owner { RECORD_UNSAID, RECORD_MINE, RECORD_OTHERS };

struct record {
	const struct config_model *model; /* borrowed */
	struct batch *batch;		  /* borrowed */
	struct ingest_report *report;	  /* borrowed */
	int64_t now_us;
	int64_t latest_us; /* an event beyond it is too far ahead */
	uint32_t n_columns;
	uint32_t first_ignored; /* slots in order: columns, specials, */
	uint32_t first_unknown; /* ignored names, unknown names */
	const char *special[RECORD_SPECIALS]; /* names; NULL: none */
	struct dict *unknown;		      /* owned */
	/* By slot, owned. */
	uint32_t *seen; /* the stamp of the last record that had it */
	uint32_t *next; /* the slot after it in the last record: a guess */
	uint32_t n_slots;
	uint32_t first_stamp;			/* of this body */
	const struct ingest_versions *versions; /* borrowed; NULL: only mine */
	bool reads_labels;			/* not events */
	bool needs_label;			/* of each record, and an id */
	/* The record at hand. */
	uint32_t stamp;
	enum record_owner owner;
	int64_t time_us;
	bool has_time;
	struct buf id;
	uint64_t n_invalid;
	uint32_t *pending; /* owned; unknown slots it has */
	uint32_t n_pending;
	uint64_t n_other; /* values under names that are not told apart */
	const char *at;	  /* set by the decoder: the value at hand */
	bool is_rejected;
	bool is_out_of_memory; /* the batch can take no more */
	const char *rejected_at;
	char reason[160];
};

void record_init(struct record *r);
void record_release(struct record *r);
size_t record_memory(const struct record *r);

/* A new body.  ${now_us} as in ingest_begin. */
void record_begin_body(struct record *r, const struct config_model *model,
		       struct batch *batch, struct ingest_report *report,
		       int64_t now_us);

/* Right after it: ingest_expect_labels. */
void record_expect_labels(struct record *r, bool strict);

void record_begin(struct record *r);

/*
 * The slot of a name.  ${nested}: inside "inputs" or "outputs", which have no
 * such meaning there.
 */
uint32_t record_slot(struct record *r, const char *name, size_t len,
		     bool nested);

/* As unknown, whatever it is: "inputs" that holds no object. */
uint32_t record_slot_unknown(struct record *r, const char *name, size_t len);

/* The name of a slot below n_slots, or NULL when it has none now. */
const char *record_slot_name(const struct record *r, uint32_t slot,
			     size_t *len);

static inline bool record_is_special(const struct record *r, uint32_t slot,
				     enum record_special which)
{
	return slot == r->n_columns + (uint32_t)which;
}

/* Reject the record because of what is at ${at}; the first reason stays. */
void record_reject(struct record *r, const char *at, const char *fmt, ...)
	ATTR_PRINTF(3, 4);

/* The record at hand is for another decoder to take or to reject. */
static inline bool record_is_skipped(const struct record *r)
{
	return r->versions &&
	       (r->owner == RECORD_OTHERS ||
		(r->owner == RECORD_UNSAID && !r->versions->takes_rest));
}

/* Reject a label that says nothing. */
void record_check_label(struct record *r, const char *start);

/* The record at hand, which begins at ${start}, is read: whose is it? */
static inline void record_settle(struct record *r, const char *start)
{
	if (r->needs_label)
		record_check_label(r, start);
	if (r->versions && r->versions->needs_version &&
	    r->owner == RECORD_UNSAID)
		record_reject(r, start,
			      "the record names no model_version, and no "
			      "version is the default");
}

/* The slot is a numeric column. */
static inline bool record_is_numeric(const struct record *r, uint32_t slot)
{
	return slot < r->n_columns &&
	       r->batch->columns[slot].kind == COLUMN_NUMERIC;
}

/* The record at hand has ${slot}.  False when it had it already. */
bool record_mark(struct record *r, uint32_t slot);

/* The same key comes again in the record at hand: what was said of ${slot}
 * before is forgotten, so that the last one counts, as in most readers. */
void record_forget(struct record *r, uint32_t slot);

/* Any record of this body had the model's column ${column}. */
bool record_has_seen(const struct record *r, uint32_t column);

/* The value of a slot.  A missing one needs no call. */
void record_number(struct record *r, uint32_t slot, const char *text,
		   size_t len); /* a JSON number as it stands */
void record_text(struct record *r, uint32_t slot, const char *text, size_t len,
		 bool has_nul);
void record_bool(struct record *r, uint32_t slot, bool v);
void record_container(struct record *r, uint32_t slot);

/*
 * The record is whole: append the row, or, when it was rejected, do nothing.
 * -1 (ERR_TEMP) when the batch can take no more.
 */
int record_end(struct record *r, struct err *e);

/* Count a rejection, with its reason while there is room for it. */
void report_reject(struct ingest_report *report, unsigned line, unsigned column,
		   const char *reason);

/* A place in the decoded body, and how it moves. */
struct place {
	unsigned line, column; /* 1-based; the column in bytes */
};
void place_move(struct place *place, const char *from, const char *to);

#endif
