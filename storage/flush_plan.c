/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_plan - read each payload of a span once and note what the transaction
 * has to know before it folds: key, window width and horizon, and how many
 * events lie in which window.  A payload that cannot be read makes its frame
 * bad: it is in quarantine/ and counts as corrupt.
 */
#include "storage/flush_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void flush_hash128(struct flusher *f, const void *data, size_t len,
		   uint8_t out[HASH128_SIZE])
{
	hash128_reset(f->hash);
	hash128_add(f->hash, data, len);
	hash128_get(f->hash, out);
}

static int compare_times(const void *a, const void *b)
{
	int64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void add_part(struct flush_span *span, const struct flush_part *part)
{
	if (span->n_parts == span->cap_parts) {
		span->cap_parts = span->cap_parts ? 2 * span->cap_parts : 64;
		span->parts = xrealloc_array(span->parts, span->cap_parts,
					     sizeof(*span->parts));
	}
	span->parts[span->n_parts++] = *part;
}

/* Runs of ascending times are the parts, in order of their windows. */
static void cut_parts(struct flush_span *span, uint32_t frame,
		      const int64_t *times, uint32_t n,
		      struct window_width width)
{
	struct flush_part part;
	uint32_t i = 0;

	while (i < n) {
		uint32_t first = i;
		int64_t start = window_start(width, times[i]);
		int64_t end = window_end(width, start);

		while (i < n && times[i] < end)
			i++;
		part = (struct flush_part){
			.start_us = start,
			.end_us = end,
			.min_us = times[first],
			.max_us = times[i - 1],
			.frame = frame,
			.n_rows = i - first,
		};
		add_part(span, &part);
	}
}

static bool is_ascending(const int64_t *times, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (times[i] < times[i - 1])
			return false;
	return true;
}

static void plan_windows(struct flush_span *span, uint32_t frame,
			 const struct batch_view *v)
{
	size_t bytes = v->n_rows * sizeof(int64_t);
	int64_t *sorted;

	if (is_ascending(v->event_time_us, v->n_rows)) {
		cut_parts(span, frame, v->event_time_us, v->n_rows,
			  v->meta.window);
		return;
	}
	sorted = xmalloc(bytes);
	memcpy(sorted, v->event_time_us, bytes);
	qsort(sorted, v->n_rows, sizeof(*sorted), compare_times);
	cut_parts(span, frame, sorted, v->n_rows, v->meta.window);
	free(sorted);
}

static void plan_view(struct flusher *f, struct flush_stream *s, uint32_t i)
{
	struct flush_frame *frame = &s->span.frames[i];
	const struct batch_meta *m = &f->view.meta;

	frame->has_key = m->key != NULL;
	if (m->key) {
		flush_hash128(f, m->key, m->key_len, frame->key_hash);
		memcpy(frame->body_hash, m->body_hash, HASH128_SIZE);
	}
	frame->revise_horizon_us = m->revise_horizon_us;
	frame->max_categories = m->max_categories;
	frame->n_columns = f->view.n_columns;
	frame->is_labels = m->kind == BATCH_LABELS;
	frame->outcome_sample = m->outcome_sample;
	if (!frame->is_labels)
		plan_windows(&s->span, i, &f->view);
	if (!s->model) {
		s->model = xstrdup(m->model);
		s->version = xstrdup(m->version);
	}
}

/* Well-formed, and about what the header says it is about. */
static int open_payload(struct flusher *f, const struct journal_frame *h,
			const void *payload, struct err *e)
{
	if (batch_view_open(&f->view, payload, h->payload_len, e))
		return -1;
	if (f->view.meta.model_id != h->model_id ||
	    f->view.n_rows != h->n_events)
		return err_set(e, ERR_INVALID,
			       "the payload is not of this frame");
	return 0;
}

static int plan_frame(struct flusher *f, struct flush_stream *s, uint32_t i,
		      struct err *e)
{
	struct flush_frame *frame = &s->span.frames[i];
	struct err why = {.code = ERR_NONE};
	const void *payload;

	frame->first_part = s->span.n_parts;
	payload = journal_payload(f->cursor, &frame->header, &why);
	if (payload && open_payload(f, &frame->header, payload, &why) == 0) {
		plan_view(f, s, i);
	} else if (why.code == ERR_INVALID) {
		frame->is_bad = true;
		/* One with a wrong CRC the journal has put there itself. */
		if (payload && journal_quarantine(f->options.journal,
						  &frame->header, "payload", e))
			return -1;
		log_error("flush", "frame %llu of model \"%s\" is corrupt: %s",
			  (unsigned long long)frame->header.seq,
			  s->model ? s->model : "?", why.message);
	} else {
		if (e)
			*e = why;
		return -1;
	}
	frame->n_parts = s->span.n_parts - frame->first_part;
	frame->is_planned = true;
	return 0;
}

int flush_plan(struct flusher *f, struct flush_stream *s, struct err *e)
{
	for (size_t i = 0; i < s->span.n; i++)
		if (!s->span.frames[i].is_planned &&
		    plan_frame(f, s, (uint32_t)i, e))
			return -1;
	s->span.n_planned = s->span.n;
	return 0;
}
