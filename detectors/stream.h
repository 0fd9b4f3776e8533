/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_STREAM_H
#define DRIFTD_DETECTORS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct json_out;
struct option;
struct reader;

/*
 * stream - sequential detectors: they are shown one value after the other and
 * say after each whether the process has changed.  Unlike those of detector.h
 * they have memory; the memory can be stored and taken up again.
 *
 * One detector is one file, stream_NAME.c, and a line in stream.c.
 */

enum stream_signal { STREAM_NONE, STREAM_WARNING, STREAM_DRIFT };

enum stream_field_type {
	STREAM_COUNT, /* uint64_t, at most STREAM_COUNT_MAX */
	STREAM_NUMBER /* double, always finite */
};

/* Counts stay whole numbers as doubles. */
#define STREAM_COUNT_MAX (UINT64_C(1) << 53)

/* A larger value could make sums of squares overflow. */
#define STREAM_VALUE_MAX 1e100

/* A member of the state: stored, read back and shown under its name. */
struct stream_field {
	const char *name;
	enum stream_field_type type;
	size_t offset;
	size_t n; /* elements of an array; 0: not one */
};

struct stream_detector {
	const char *name;
	const char *summary;	/* one line */
	uint32_t state_version; /* changes with the members or their meaning */

	/* A row without a default must be set, unless it is a text. */
	const struct option *options;
	size_t n_options;
	size_t options_size;

	const struct stream_field *fields;
	size_t n_fields;
	size_t state_size;

	double min, max; /* of the values it can be shown */

	/* After a drift it goes on with what it has; else it starts anew. */
	bool keeps_state;

	/* The rest of a state that is all zeros; NULL: there is none. */
	void (*init)(void *state, const void *options);

	/* ${x} is within [min, max].  Does not allocate. */
	enum stream_signal (*step)(void *state, const void *options, double x);

	/*
	 * Whether the members of a state that was read fit together: step
	 * must be safe on it.  The fields are within their types already.
	 * NULL: they always do.
	 */
	bool (*is_valid)(const void *state, const void *options);

	/* What the fields cannot hold; each NULL: nothing. */
	void (*encode)(const void *state, struct buf *out);
	bool (*decode)(void *state, struct reader *r);
	void (*show)(const void *state, struct json_out *w); /* members */
};

/* All of them; ${n} gets their number. */
const struct stream_detector *const *stream_detector_list(size_t *n);

/* NULL when there is none. */
const struct stream_detector *stream_detector_find(const char *name);

/* A key and its value as text: "delta", "0.002". */
struct stream_setting {
	const char *key, *value;
};

/* A detector at work on one series. */
struct stream;

/*
 * NULL and ERR_INVALID for an unknown key (with a suggestion), a value out of
 * range, or one that is needed and not given.
 */
struct stream *stream_new(const struct stream_detector *d,
			  const struct stream_setting *settings, size_t n,
			  struct err *e);
void stream_free(struct stream *s);

/*
 * Show it the next value.  -1 when it is not finite or not one that the
 * detector can be shown: the value is not counted, the state stays as it was,
 * and it is the caller who decides whether the series goes on.  What the state
 * is at a drift can be seen until the next step.
 */
int stream_step(struct stream *s, double x, enum stream_signal *out,
		struct err *e);

/* Values shown since stream_new, over all resets. */
uint64_t stream_n_seen(const struct stream *s);

/* The state's members, readable, as one JSON object. */
void stream_show(const struct stream *s, struct json_out *w);

/* The state as bytes (at most STREAM_ENCODED_MAX), to be stored. */
enum { STREAM_ENCODED_MAX = 32 * 1024 };
void stream_encode(const struct stream *s, struct buf *out);

/*
 * Take up a state that was stored by the same detector: what follows is as if
 * it had never stopped.  ERR_CONFLICT when it belongs to another detector,
 * version or other options, ERR_INVALID when the bytes are no state; ${s} is
 * then unchanged.  The bytes may be hostile.
 */
int stream_decode(struct stream *s, const void *data, size_t len,
		  struct err *e);

#endif
