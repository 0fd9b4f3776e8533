/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_FLUSH_INTERNAL_H
#define DRIFTD_STORAGE_FLUSH_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/window.h"
#include "storage/batch.h"
#include "storage/flush.h"
#include "storage/journal.h"
#include "storage/pg.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * flush_internal - what the files of storage/flush*.c share.
 *
 *	flush.c        the thread, its rounds, its status
 *	flush_stream.c streams: what is believed of each position row, step 1
 *	flush_salvage.c the journal lost its tail
 *	flush_span.c   collecting frames into spans; the main pass, laggards
 *	flush_plan.c   what a span's payloads say: keys, windows
 *	flush_apply.c  the transaction, retries, halving
 *	flush_context.c steps 2 and 3: keys, lateness, pins
 *	flush_fold.c   step 4
 *	flush_outcome.c predictions and labels to be joined
 *	flush_sql.c    statements
 *	flush_outcome_sql.c those of outcomes
 */

enum {
	FLUSH_SPAN_FRAMES = 4096,
	FLUSH_SPAN_BYTES = 64 << 20,
	FLUSH_DELTA_BYTES = 16 << 20,	/* held back before they are inserted */
	FLUSH_OUTCOME_ROWS = 20000,	/* in one statement */
	FLUSH_OUTCOME_BYTES = 16 << 20, /* of their texts */
	FLUSH_ATTEMPTS = 5,		/* after deadlocks */
	FLUSH_PRUNE_ROWS = 1000
};

#define FLUSH_HEARTBEAT_US (60 * INT64_C(1000000))
#define FLUSH_PRUNE_US	   (60 * INT64_C(1000000))
#define FLUSH_RETRY_MIN_US INT64_C(500000)
#define FLUSH_RETRY_MAX_US (30 * INT64_C(1000000))

/* A source that did not catch up for so long does not hold back pruning. */
#define FLUSH_SOURCE_DEAD_US (INT64_C(7) * 24 * 3600 * 1000000)

/* The row of source_position, as far as the flusher thinks about it. */
struct flush_row {
	int64_t epoch;
	uint64_t position, seq, chain, n_events;
};

enum flush_fate { FATE_FOLD, FATE_DUPLICATE, FATE_CORRUPT };

/* The events of one frame that lie in one window. */
struct flush_part {
	int64_t start_us, end_us; /* of the window, by the frame's width */
	int64_t min_us, max_us;	  /* of the events */
	uint32_t frame;		  /* index in the span */
	uint32_t n_rows;
	bool is_late;
};

struct flush_frame {
	struct journal_frame header;
	uint64_t from; /* where the cursor was asked to find it */
	enum flush_fate fate;
	bool is_planned;
	bool is_bad; /* its payload cannot be folded */
	bool has_key;
	bool is_conflict; /* won, but its key is known with another body */
	bool is_labels;	  /* no events: it has no parts */
	uint32_t outcome_sample;
	uint8_t key_hash[HASH128_SIZE], body_hash[HASH128_SIZE];
	int64_t revise_horizon_us;
	uint32_t max_categories;
	uint32_t n_columns;
	size_t first_part, n_parts;
};

/* Frames of one stream, in order; what the plan found out about them. */
struct flush_span {
	struct flush_frame *frames; /* owned */
	size_t n, cap;
	struct flush_part *parts; /* owned */
	size_t n_parts, cap_parts;
	size_t n_planned;
	size_t bytes;
	bool reaches_end; /* it holds all that was durable at the round's start */
};

/*
 * A stream is the frames of one model written under one identity of the
 * journal: what a row of source_position is about.
 */
struct flush_stream {
	int64_t model_id, source_id;
	bool is_known;	       /* done was read behind the lock, or committed */
	bool is_verified;      /* its chain was compared with the journal's */
	bool is_closed;	       /* its journal lost its tail: nothing to apply */
	bool is_salvaged;      /* what this life wrote of it was looked after */
	bool has_model_row;    /* driftd.model was seen to have one */
	struct flush_row done; /* as of the last commit or reading */
	struct flush_span span;
	char *model, *version; /* owned; of the first frame planned */

	bool is_lagging;   /* the main pass leaves it out */
	uint64_t lag_from; /* its first frame not applied is not before */
	int64_t retry_at_us;
	unsigned n_failures;
	int64_t heartbeat_at_us, prune_at_us;
	uint8_t checked[SHA256_SIZE]; /* baseline that is in the database */
};

/* A window of the span being applied: its pin and its accumulator. */
struct flush_window {
	int64_t start_us, end_us;
	uint64_t n_events;
	uint32_t max_categories;
	uint32_t n_columns;
	bool has_baseline, is_pruned, is_found;
	uint8_t hash[SHA256_SIZE];
};

/* A folded window, packed, not yet inserted. */
struct flush_delta {
	int64_t start_us;
	int64_t n_events;
	size_t offset, len; /* in the buf of packed bytes */
};

struct flush_deltas {
	struct flush_delta *items; /* owned */
	size_t n, cap;
	struct buf bytes;
	bool is_whole; /* all of the fold is here: it can be used again */
	uint8_t context[HASH128_SIZE]; /* of the fold */
};

/* The counters of a span; n_events is what they have to add up to. */
struct flush_sums {
	struct flush_counts counts;
	int64_t max_event_time_us; /* of applied events; INT64_MIN: none */
	bool has_events;	   /* any frame is not of labels */
};

struct flusher {
	struct flush_options options;
	struct pg *pg;
	struct journal_cursor *cursor;
	struct baseline_cache *baselines;
	struct batch_view view;
	struct hash128 *hash;
	struct pg_params params; /* scratch of flush_sql.c */

	struct flush_stream **streams; /* owned */
	size_t n_streams, cap_streams;
	struct dict *index; /* (model, source) -> stream */

	uint64_t opened;      /* the end of the journal when it was opened */
	int64_t renewed_from; /* the identity given up in this life; 0: none */
	uint64_t scan;	      /* the main pass has examined everything before */
	int64_t now_us;	      /* the database's clock at the round's start */
	uint64_t end;	      /* what was durable after that */
	bool has_sources;     /* rows of this journal were listed */
	bool saw_older;	      /* the database went back: all is read again */

	struct flush_window *windows; /* owned; of the span being applied */
	size_t n_windows, cap_windows;
	struct flush_deltas deltas;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t wake;   /* to the thread: there is something to do */
	pthread_cond_t news;   /* from the thread: a round is over */
	bool is_running, stop, drain, requested;
	int64_t drain_until_us;
	int64_t interval_us;
	int64_t oldest_received_us; /* of the first frame not applied */
	struct flush_status status;
};

/* How applying a span ended; -1 is an error of the stream, in ${e}. */
enum flush_end {
	FLUSH_DONE,
	FLUSH_RELOAD, /* the row is not what was believed: collect again */
};

/* flush_stream.c */
struct flush_stream *flush_stream_get(struct flusher *f, int64_t model_id,
				      int64_t source_id);
void flush_streams_free(struct flusher *f);
/* Forget what was believed, of all of them: the database went back. */
void flush_streams_forget(struct flusher *f);
/* Everything before it is applied. */
uint64_t flush_streams_position(const struct flusher *f);
/* Read the row behind its lock, in a transaction of its own. */
int flush_stream_load(struct flusher *f, struct flush_stream *s, struct err *e);
/* Step 1, in the caller's transaction: FLUSH_DONE or FLUSH_RELOAD or -1. */
int flush_stream_lock(struct flusher *f, struct flush_stream *s, struct err *e);
/* Compare what the journal says of seq with what the row says. */
int flush_stream_verify(const struct flusher *f, struct flush_stream *s,
			const struct journal_frame *h, struct err *e);
int flush_list_sources(struct flusher *f, struct err *e);
int flush_heartbeats(struct flusher *f, struct err *e);
int flush_prune(struct flusher *f, struct err *e);

/* flush_salvage.c: the row of ${s} is ahead of the journal's end ${mine} */
int flush_salvage(struct flusher *f, struct flush_stream *s, struct err *e);
int flush_renew(struct flusher *f, struct flush_stream *s,
		const struct journal_model_state *mine, struct err *e);

/* flush_span.c */
void flush_span_clear(struct flush_span *span);
void flush_span_release(struct flush_span *span);
/* One pass over what is new, applied: 1 when there is more, 0, -1. */
int flush_main_pass(struct flusher *f, struct err *e);
/* Those that are due; an error that stops all of them is returned. */
int flush_laggards(struct flusher *f, struct err *e);

/* flush_plan.c */
int flush_plan(struct flusher *f, struct flush_stream *s, struct err *e);
void flush_hash128(struct flusher *f, const void *data, size_t len,
		   uint8_t out[HASH128_SIZE]);

/* flush_apply.c */
int flush_apply(struct flusher *f, struct flush_stream *s, struct err *e);
/* It concerns the connection, the journal or the whole, not one stream. */
bool flush_error_stops(const struct err *e);

/* flush_context.c: for the frames [first, first + n) */
int flush_win_keys(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e);
int flush_pin_windows(struct flusher *f, struct flush_stream *s, size_t first,
		      size_t n, struct err *e);
struct flush_window *flush_window_find(struct flusher *f, int64_t start_us);

/* flush_fold.c: fold and insert what was won; max event time in ${sums} */
int flush_fold(struct flusher *f, struct flush_stream *s, size_t first,
	       size_t n, struct err *e);

/* flush_outcome.c: the halves of outcomes in what was won */
int flush_outcomes(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e);

/* One half of an outcome; texts are offsets into the bytes beside them. */
struct flush_half {
	size_t id, text; /* SIZE_MAX: no text */
	double value;	 /* NaN: none */
	double score;	 /* NaN: none */
	int64_t window_us;
	int64_t time_us;     /* of the event, or of the label */
	int64_t received_us; /* labels */
	size_t order;	     /* of arrival */
};

struct flush_halves {
	struct flush_half *items; /* owned */
	size_t n, cap;
	struct buf bytes; /* NUL-terminated texts */
};

struct flush_outcome_counts {
	int64_t predictions, repeated, labels, superseded;
};

/* flush_outcome_sql.c: by id, each id once */
int flush_sql_predictions(struct flusher *f, const struct flush_stream *s,
			  uint64_t seq, const struct flush_halves *h,
			  struct flush_outcome_counts *counts, struct err *e);
int flush_sql_labels(struct flusher *f, const struct flush_stream *s,
		     uint64_t seq, const struct flush_halves *h,
		     struct flush_outcome_counts *counts, struct err *e);
int flush_sql_outcome_counts(struct flusher *f, const struct flush_stream *s,
			     const struct flush_outcome_counts *counts,
			     struct err *e);

/* flush_sql.c */
int flush_sql_hello(struct flusher *f, int64_t *now_us, int *version,
		    struct err *e);
int flush_sql_lock(struct flusher *f, const struct flush_stream *s,
		   struct flush_row *out, struct err *e); /* 1, 0 none, -1 */
int flush_sql_add_position(struct flusher *f, const struct flush_stream *s,
			   struct err *e);
int flush_sql_add_model(struct flusher *f, const struct flush_stream *s,
			struct err *e);
int flush_sql_newest(struct flusher *f, int64_t model_id, int64_t *out,
		     struct err *e);
/* Sorted, distinct identities; rows {key, body, conflict} of those won. */
int flush_sql_keys(struct flusher *f, int64_t model_id, const void *const *keys,
		   const void *const *bodies, size_t n, struct pg_result **out,
		   struct err *e);
int flush_sql_pin(struct flusher *f, int64_t model_id, const int64_t *starts,
		  const int64_t *ends, size_t n, struct err *e);
/* Rows {start, baseline, pruned}. */
int flush_sql_pins(struct flusher *f, int64_t model_id, const int64_t *starts,
		   size_t n, struct pg_result **out, struct err *e);
int flush_sql_has_baseline(struct flusher *f, int64_t model_id,
			   const uint8_t hash[SHA256_SIZE], bool *out,
			   struct err *e);
int flush_sql_deltas(struct flusher *f, const struct flush_stream *s,
		     uint64_t seq, const struct flush_deltas *d, struct err *e);
int flush_sql_move(struct flusher *f, const struct flush_stream *s,
		   const struct flush_row *to, const struct flush_sums *sums,
		   bool caught_up, struct err *e);
int flush_sql_heartbeat(struct flusher *f, const struct flush_stream *s,
			struct err *e);
/* Count ${n} events more, as lost. */
int flush_sql_lost(struct flusher *f, const struct flush_stream *s, uint64_t n,
		   struct err *e);
/* Rows {model_id} of a source. */
int flush_sql_sources(struct flusher *f, int64_t source_id,
		      struct pg_result **out, struct err *e);
int flush_sql_prune_keys(struct flusher *f, int64_t model_id, int64_t *deleted,
			 struct err *e);

#endif
