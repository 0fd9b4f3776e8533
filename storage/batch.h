/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_BATCH_H
#define DRIFTD_STORAGE_BATCH_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/window.h"
#include "detectors/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;
struct dict;
struct err;

/*
 * batch - events of one model, stored by column: what every decoder produces,
 * and, encoded, the payload of a journal frame.
 *
 * A frame holds all that the fold needs (types, window width, horizon): the
 * configuration may be another one when it is folded.
 */

struct batch_column {
	const char *name; /* borrowed from the schema or from the frame */
	uint32_t name_len;
	enum column_kind kind;
	enum column_role role;
	double *numbers; /* numeric: n_rows, see detectors/column.h */
	uint32_t *codes; /* categorical: n_rows */
	struct category_text *texts; /* categorical: what the codes index */
	uint32_t n_texts;
	struct dict *dict; /* building only: owned, texts by arrival */
	uint32_t cap_texts;
	uint32_t *memo;	   /* building only: owned, guesses of codes */
	size_t dict_bytes; /* building only: counted for the dictionary */
};

/*
 * Building.  Rows are appended one at a time; a row that turns out bad is
 * abandoned without a trace (but texts it added may stay in the dictionary).
 * Memory grows with use, is counted in the shared budget, and is kept by
 * batch_reset for the next body.
 */
struct batch {
	uint32_t n_rows;
	uint32_t n_columns;
	struct batch_column *columns; /* owned, in the schema's order */
	int64_t *event_time_us;	      /* owned, n_rows */
	struct buf ids;		      /* length-prefixed texts, one a row */
	uint32_t cap_rows;	      /* private */
	struct budget *budget;	      /* shared, counted */
	size_t taken;		      /* from the budget */
	bool out_of_memory;	      /* the budget was refused; until reset */
	uint32_t filled_rows;	      /* private: rows set to missing so far */
	bool row_open;		      /* private */
	struct buf key;		      /* private: scratch */
};

struct batch_schema_column {
	const char *name; /* outlives the batch */
	enum column_kind kind;
	enum column_role role;
};

/* ${budget} may be NULL: not bounded. */
void batch_init(struct batch *b, struct budget *budget);
void batch_release(struct batch *b);

/*
 * Empty it and give it this schema.  The memory is kept for a schema of the
 * same kinds, unless it is more than ${keep} bytes.  -1: the budget is used up.
 */
int batch_reset(struct batch *b, const struct batch_schema_column *columns,
		uint32_t n_columns, size_t keep);

/* All columns of a new row are missing, its time 0, its id empty. */
int batch_row_begin(struct batch *b);
static inline void batch_set_number(struct batch *b, uint32_t column, double v)
{
	/* a row that could not begin has no room, and is abandoned */
	if (b->n_rows < b->cap_rows)
		b->columns[column].numbers[b->n_rows] = v;
}

/*
 * -1 when the budget is used up (the row must then be abandoned).  The same
 * text as a number and as a text are two categories here.
 */
int batch_set_text(struct batch *b, uint32_t column, const char *text,
		   size_t len, bool is_number);
void batch_set_invalid(struct batch *b, uint32_t column);

/* Missing again; true when the value was invalid. */
bool batch_clear(struct batch *b, uint32_t column);

/*
 * -1, and no row: the budget is used up, or the time is outside
 * [TIMESTAMP_MIN, TIMESTAMP_MAX].
 */
int batch_row_commit(struct batch *b, int64_t event_time_us, const char *id,
		     size_t id_len);
/* Abandoning needs no call: begin again. */

/*
 * Labels are a batch of their own: the columns are the label, under one name
 * or two (the first that has a value counts), the event time is the label's.
 */
enum batch_kind { BATCH_EVENTS, BATCH_LABELS };

/* Every id's outcome is kept. */
#define BATCH_SAMPLE_ALL UINT32_MAX

/* What a frame says beside the columns. */
struct batch_meta {
	int64_t model_id;
	const char *model;   /* borrowed */
	const char *version; /* borrowed */
	const char *key;     /* Idempotency-Key; NULL = none */
	uint32_t key_len;
	uint8_t body_hash[HASH128_SIZE]; /* of the decoded body, when key */
	int64_t received_at_us;		 /* by the daemon's clock */
	struct window_width window;
	int64_t revise_horizon_us;
	uint32_t max_categories;
	uint32_t n_rejected; /* records of the body that could not be read */
	enum batch_kind kind;
	/* Predictions (or labels) of ids whose hash is not above it are kept,
	 * to be joined; 0: none are. */
	uint32_t outcome_sample;
};

/*
 * Versioned, 8-byte aligned, zero-copy readable.  ${out} is empty before;
 * out->failed on overflow.
 */
void batch_encode(const struct batch *b, const struct batch_meta *meta,
		  struct buf *out);

/*
 * Reading.  Every pointer of a view leads into the payload (which must be
 * 8-byte aligned) or into arrays owned by the view; opening checks all
 * lengths, codes and texts, so that a fold can trust them.  A view is reused
 * from frame to frame.
 */
struct batch_view {
	struct batch_meta meta;
	uint32_t n_rows;
	uint32_t n_columns;
	struct batch_column *columns; /* owned array */
	const int64_t *event_time_us; /* n_rows */
	const char *ids;	      /* length-prefixed, as in struct batch */
	size_t ids_len;
	uint32_t cap_columns;	     /* private */
	struct category_text *texts; /* owned; private */
	size_t cap_texts;
};

void batch_view_init(struct batch_view *v);
void batch_view_release(struct batch_view *v);
int batch_view_open(struct batch_view *v, const void *payload, size_t len,
		    struct err *e);

#endif
