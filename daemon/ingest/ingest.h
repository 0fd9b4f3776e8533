/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_INGEST_H
#define DRIFTD_DAEMON_INGEST_INGEST_H

#include "base/compress.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct config_model;
struct err;

/*
 * ingest - the bytes of a body, in pieces, to a batch.  One format is one
 * file behind the vtable below; formats.c lists them.
 *
 * Type rules, the same for every format: in a numeric column a number or
 * numeric text is its value; null, absent and empty are missing; NaN,
 * infinities, booleans, containers and other text are invalid values.  In a
 * categorical column text is itself, booleans are "true" and "false", numbers
 * their text as it stood (marked as numbers); null, absent and empty text are
 * missing; containers are invalid.  Columns that the model does not have are
 * counted by name and skipped; so are `ignore`d ones, without being counted.
 * Of a key that comes twice in a record the last value counts.
 */

enum { INGEST_REASONS = 10, INGEST_UNKNOWN_NAMES = 32 };

struct ingest_reason {
	unsigned line, column; /* in the decoded body, 1-based */
	char message[160];
};

/* What became of a body. */
struct ingest_report {
	uint64_t n_accepted;
	uint64_t n_rejected; /* records that could not be read */
	struct ingest_reason reasons[INGEST_REASONS]; /* the first ones */
	uint32_t n_reasons;
	uint64_t n_invalid; /* values */
	uint64_t n_unknown; /* values of columns the model does not have */
	struct {
		char name[128];
		uint64_t count;
	} unknown[INGEST_UNKNOWN_NAMES];
	uint32_t n_unknown_names;
};

struct ingest_limits {
	uint64_t max_body;   /* decoded bytes: ERR_LIMIT */
	uint64_t max_record; /* bytes of one record: it is rejected */
	uint32_t max_depth;  /* of JSON: the record is rejected */
};

/* The formats. */
enum ingest_format { INGEST_JSON, INGEST_CSV };

/*
 * By Content-Type: application/json, application/x-ndjson,
 * application/jsonlines, text/csv and their other spellings, with parameters.
 * JSON covers arrays and NDJSON: which of them shows in the first byte.
 * ${*known} is false, and *out untouched, where it says nothing (NULL,
 * application/octet-stream, text/plain, …): then the first byte decides.
 * ERR_UNSUPPORTED.
 */
int ingest_format_parse(const char *content_type, enum ingest_format *out,
			bool *known, struct err *e);

struct ingest; /* one body being decoded; reused */

struct ingest *ingest_new(void);
void ingest_free(struct ingest *in);

/*
 * Begin a body for ${model} into ${batch} (already reset to the model's
 * columns, in their order; between pieces it may be emptied again).  ${now_us}
 * stamps events without a time and, with model->max_future_us, rejects those
 * too far ahead; TIMESTAMP_MIN: there is no clock, no event is too far ahead,
 * and those without a time get just that.  ${content_type} may be
 * NULL.  The body's hash is computed when ${want_hash}.
 */
int ingest_begin(struct ingest *in, const struct config_model *model,
		 struct batch *batch, const struct ingest_limits *limits,
		 const char *content_type, enum encoding encoding,
		 bool want_hash, int64_t now_us, struct err *e);

/*
 * A body may hold events of several versions of a model: each of their
 * decoders is fed all of it and takes its own by `model_version`.  Records
 * that name none, or a version that is nobody's, or that cannot be read, are
 * the business of the one that ${takes_rest}.  Without this call records that
 * name another version than the model's are rejected.
 */
struct ingest_versions {
	const char *const *others; /* borrowed until the body ends */
	size_t n_others;
	bool takes_rest;
	bool needs_version; /* none is the default: a record must name one */
};

/* Right after ingest_begin; ${v} is borrowed until the body ends. */
void ingest_set_versions(struct ingest *in, const struct ingest_versions *v);

/*
 * Right after ingest_begin for a label_model: the time may also be called
 * `time`.  ${strict}: a record without an id or without a value for the label
 * is rejected.
 */
void ingest_expect_labels(struct ingest *in, bool strict);

/*
 * The next piece.  -1 when the body cannot be read on: ERR_INVALID (with
 * place), ERR_LIMIT (too large, or memory: e->code ERR_TEMP), ERR_UNSUPPORTED.
 */
int ingest_feed(struct ingest *in, const char *data, size_t len, struct err *e);

/* The body is whole. */
int ingest_end(struct ingest *in, struct err *e);

/* Any record had the model's column ${column}, so far. */
bool ingest_has_seen(const struct ingest *in, uint32_t column);

const struct ingest_report *ingest_get_report(const struct ingest *in);
void ingest_get_hash(const struct ingest *in, uint8_t out[HASH128_SIZE]);

/*
 * Bytes of memory it holds for itself now: at most about 2 * max_record and
 * 2 MiB, between bodies some 200 KiB.
 */
size_t ingest_memory(const struct ingest *in);

/* A decoder of one format, behind ingest.c: pieces of decoded bytes. */
struct ingest_decoder {
	const char *name;
	size_t state_size;
	void (*begin)(void *state, struct ingest *in);
	int (*feed)(void *state, struct ingest *in, const char *data,
		    size_t len, struct err *e);
	int (*end)(void *state, struct ingest *in, struct err *e);
	void (*release)(void *state);	     /* also of one that never began */
	size_t (*memory)(const void *state); /* bytes held */
};

#endif
