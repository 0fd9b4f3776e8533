/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_span - collecting durable frames into one span per stream.
 *
 * The main pass reads what is behind `scan`, of all streams, up to a bound,
 * and applies each stream's span.  A stream whose span could not be applied
 * lags: the main pass leaves it out from then on, and it is read by a pass of
 * its own, with a back-off, until it has come as far as `scan`.  So one model
 * never holds up the others, and nothing is read twice while all is well.
 */
#include "storage/flush_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void flush_span_clear(struct flush_span *span)
{
	span->n = 0;
	span->n_parts = 0;
	span->n_planned = 0;
	span->bytes = 0;
	span->reaches_end = false;
}

void flush_span_release(struct flush_span *span)
{
	free(span->frames);
	free(span->parts);
	memset(span, 0, sizeof(*span));
}

static void span_add(struct flush_span *span, const struct journal_frame *h,
		     uint64_t from)
{
	if (span->n == span->cap) {
		span->cap = span->cap ? 2 * span->cap : 16;
		span->frames = xrealloc_array(span->frames, span->cap,
					      sizeof(*span->frames));
	}
	span->frames[span->n++] = (struct flush_frame){
		.header = *h,
		.from = from,
	};
	span->bytes += h->payload_len;
}

bool flush_error_stops(const struct err *e)
{
	/* A standby, or a server without room: no model will do better. */
	return e->code == ERR_UNAVAILABLE || e->code == ERR_FENCED ||
	       e->code == ERR_IO || strcmp(e->sqlstate, "25006") == 0 ||
	       strncmp(e->sqlstate, "53", 2) == 0;
}

/* Put the frame into its stream's span unless it has been applied. */
static int accept(struct flusher *f, struct flush_stream *s,
		  const struct journal_frame *h, uint64_t from, struct err *e)
{
	if (!s->is_known && flush_stream_load(f, s, e))
		return -1;
	if (flush_stream_verify(f, s, h, e))
		return -1;
	if (h->seq > s->done.seq && !s->is_closed)
		span_add(&s->span, h, from);
	return 0;
}

static void fall_behind(struct flush_stream *s, uint64_t from,
			const struct err *why)
{
	int64_t wait = FLUSH_RETRY_MIN_US;

	for (unsigned i = 0; i < s->n_failures && wait < FLUSH_RETRY_MAX_US;
	     i++)
		wait *= 2;
	if (wait > FLUSH_RETRY_MAX_US)
		wait = FLUSH_RETRY_MAX_US;
	if (!s->is_lagging)
		s->lag_from = from;
	s->is_lagging = true;
	s->retry_at_us = clock_monotonic_us() + wait;
	s->n_failures++;
	log_warn("flush", "model \"%s\" is held back: %s",
		 s->model ? s->model : "?", why->message);
}

static void clear_spans(struct flusher *f)
{
	for (size_t i = 0; i < f->n_streams; i++)
		flush_span_clear(&f->streams[i]->span);
}

/*
 * Apply one stream's span.  -1: all must stop, ${e} says why; a failure of
 * this stream alone makes it lag.
 */
static int apply_span(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct err why = {.code = ERR_NONE};
	uint64_t from = s->span.frames[0].from;
	bool caught_up = s->span.reaches_end;
	int rc = flush_apply(f, s, &why);

	flush_span_clear(&s->span);
	if (rc == FLUSH_DONE) {
		s->n_failures = 0;
		s->heartbeat_at_us = 0;
		if (caught_up)
			s->heartbeat_at_us =
				clock_monotonic_us() + FLUSH_HEARTBEAT_US;
		return 0;
	}
	if (rc == FLUSH_RELOAD)
		err_set(&why, ERR_TEMP, "its position moved without us");
	if (f->saw_older || flush_error_stops(&why)) {
		*e = why;
		return -1;
	}
	fall_behind(s, from, &why);
	return 0;
}

/* Frames from `scan` on into spans, up to the bounds; where it ended. */
static int collect(struct flusher *f, uint64_t *reached, struct err *e)
{
	uint64_t position = f->scan;
	struct journal_frame h;
	size_t n = 0, bytes = 0;

	while (position < f->end && n < FLUSH_SPAN_FRAMES &&
	       bytes < FLUSH_SPAN_BYTES) {
		int rc = journal_next(f->cursor, position, &h, e);
		struct flush_stream *s;

		if (rc < 0)
			return -1;
		if (rc == 0 || h.position >= f->end) {
			position = f->end;
			break;
		}
		s = flush_stream_get(f, h.model_id, h.source_id);
		if (!s->is_lagging) {
			size_t before = s->span.n;
			struct err why = {.code = ERR_NONE};

			if (accept(f, s, &h, position, &why)) {
				if (f->saw_older || flush_error_stops(&why)) {
					*e = why;
					return -1;
				}
				fall_behind(s, position, &why);
			}
			if (s->span.n > before) {
				n++;
				bytes += h.payload_len;
			}
		}
		position = h.end;
	}
	*reached = position;
	return 0;
}

int flush_main_pass(struct flusher *f, struct err *e)
{
	uint64_t reached = f->scan;

	clear_spans(f);
	if (collect(f, &reached, e)) {
		clear_spans(f);
		return -1;
	}
	/* New streams may be found on the way: by index, not by pointer. */
	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		if (s->span.n == 0)
			continue;
		s->span.reaches_end = reached >= f->end;
		if (apply_span(f, s, e)) {
			clear_spans(f);
			return -1;
		}
	}
	f->scan = reached;
	return reached < f->end;
}

/* A pass of one lagging stream's own, up to `scan`. */
static int catch_up(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct err why = {.code = ERR_NONE};
	uint64_t position = s->lag_from;
	struct journal_frame h;
	int rc;

	flush_span_clear(&s->span);
	while (position < f->scan && s->span.n < FLUSH_SPAN_FRAMES &&
	       s->span.bytes < FLUSH_SPAN_BYTES) {
		rc = journal_next(f->cursor, position, &h, e);
		if (rc < 0)
			return -1;
		if (rc == 0 || h.position >= f->scan) {
			position = f->scan;
			break;
		}
		if (h.model_id == s->model_id && h.source_id == s->source_id &&
		    accept(f, s, &h, position, &why)) {
			if (f->saw_older || flush_error_stops(&why)) {
				*e = why;
				return -1;
			}
			fall_behind(s, position, &why);
			return 0;
		}
		position = h.end;
	}
	s->span.reaches_end = position >= f->end;
	if (s->span.n > 0) {
		unsigned failures = s->n_failures;

		if (apply_span(f, s, e))
			return -1;
		if (s->n_failures > failures)
			return 0;
	}
	s->n_failures = 0;
	s->lag_from = position;
	if (position >= f->scan)
		s->is_lagging = false;
	return 0;
}

int flush_laggards(struct flusher *f, struct err *e)
{
	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		if (!s->is_lagging || clock_monotonic_us() < s->retry_at_us)
			continue;
		if (catch_up(f, s, e)) {
			flush_span_clear(&s->span);
			return -1;
		}
	}
	return 0;
}
