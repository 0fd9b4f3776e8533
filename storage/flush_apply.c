/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_apply - the transaction of a span, and what to do when it fails.
 *
 *	40001, 40P01     at once again, a few times
 *	22, 23, 54, P0   data that the database refuses for good: the span is
 *	and ERR_LIMIT    halved until one frame is left; that one goes to
 *	                 quarantine/ and is counted corrupt
 *	anything else    the stream waits (class 42 too: a missing table or
 *	                 column is a fault of the schema, and no frame is to be
 *	                 thrown away for it)
 *
 * A COMMIT without an answer decides nothing: the row is read again behind
 * its lock, which the old backend holds until it has decided.
 */
#include "storage/flush_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static bool is_deadlock(const struct err *e)
{
	return strcmp(e->sqlstate, "40001") == 0 ||
	       strcmp(e->sqlstate, "40P01") == 0;
}

static bool is_poison(const struct err *e)
{
	static const char *const classes[] = {"22", "23", "54", "P0"};

	if (e->code == ERR_LIMIT)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strncmp(e->sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

/*
 * Events between the frame and the one before it that the journal does not
 * have any more: `lost` with a segment, or `corrupt` inside one.
 */
static void count_gap(const struct flusher *f, struct flush_counts *c,
		      uint64_t n_before, uint64_t end_before,
		      const struct journal_frame *h)
{
	uint64_t gap;

	if (h->n_events_before <= n_before)
		return;
	gap = h->n_events_before - n_before;
	if (end_before < journal_oldest(f->options.journal))
		c->lost += gap;
	else
		c->corrupt += gap;
}

static void count_frame(const struct flush_span *span,
			const struct flush_frame *it, struct flush_sums *sums)
{
	struct flush_counts *c = &sums->counts;
	uint64_t folded = 0;

	c->rejected += it->header.n_rejected;
	sums->has_events |= !it->is_labels;
	if (it->fate == FATE_CORRUPT) {
		c->corrupt += it->header.n_events;
		return;
	}
	if (it->fate == FATE_DUPLICATE) {
		c->duplicate += it->header.n_events;
		return;
	}
	/* A label is in no window of its own and moves no watermark. */
	if (it->is_labels)
		folded = it->header.n_events;
	for (size_t j = 0; j < it->n_parts; j++) {
		const struct flush_part *p = &span->parts[it->first_part + j];

		if (p->is_late)
			continue;
		folded += p->n_rows;
		if (p->max_us > sums->max_event_time_us)
			sums->max_event_time_us = p->max_us;
	}
	c->applied += folded;
	c->late += it->header.n_events - folded;
	if (it->is_conflict)
		c->key_conflict += folded;
}

static void count_span(const struct flusher *f, const struct flush_stream *s,
		       size_t first, size_t n, struct flush_sums *sums)
{
	uint64_t n_before = s->done.n_events, end_before = s->done.position;

	*sums = (struct flush_sums){.max_event_time_us = INT64_MIN};
	for (size_t i = first; i < first + n; i++) {
		const struct flush_frame *it = &s->span.frames[i];

		count_gap(f, &sums->counts, n_before, end_before, &it->header);
		count_frame(&s->span, it, sums);
		n_before = it->header.n_events_before + it->header.n_events;
		end_before = it->header.end;
	}
}

/* Where the row is to stand after frame ${h}. */
static struct flush_row row_after(const struct flusher *f,
				  const struct flush_stream *s,
				  const struct journal_frame *h)
{
	const struct journal *j = f->options.journal;
	struct flush_row row = {
		.epoch = s->done.epoch,
		.position = h->end,
		.seq = h->seq,
		.chain = h->chain_after,
		.n_events = h->n_events_before + h->n_events,
	};

	if (s->source_id == journal_source_id(j))
		row.epoch = (int64_t)journal_epoch(j);
	return row;
}

/* The steps without the COMMIT; what it moves to and what it counted. */
static int run_steps(struct flusher *f, struct flush_stream *s, size_t first,
		     size_t n, struct flush_sums *sums, struct err *e)
{
	size_t last = first + n - 1;
	bool caught_up = s->span.reaches_end && last == s->span.n - 1;
	struct flush_row to = row_after(f, s, &s->span.frames[last].header);
	int rc = flush_stream_lock(f, s, e);

	if (rc != FLUSH_DONE)
		return rc;
	if (!s->has_model_row && s->model && flush_sql_add_model(f, s, e))
		return -1;
	if (flush_win_keys(f, s, first, n, e) ||
	    flush_pin_windows(f, s, first, n, e) ||
	    flush_fold(f, s, first, n, e) || flush_outcomes(f, s, first, n, e))
		return -1;
	count_span(f, s, first, n, sums);
	return flush_sql_move(f, s, &to, sums, caught_up, e);
}

static int attempt(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e)
{
	const struct flush_frame *last = &s->span.frames[first + n - 1];
	struct flush_sums sums;
	int rc;

	if (pg_begin(f->pg, e))
		return -1;
	rc = run_steps(f, s, first, n, &sums, e);
	if (rc != FLUSH_DONE) {
		pg_rollback(f->pg);
		return rc;
	}
	if (pg_commit(f->pg, e)) {
		/* It may have worked: what is believed is worth nothing. */
		s->is_known = false;
		return -1;
	}
	s->done = row_after(f, s, &last->header);
	s->is_verified = true;
	s->has_model_row = s->model != NULL;
	if (f->options.on_commit)
		f->options.on_commit(f->options.arg, s->model_id, &sums.counts,
				     sums.max_event_time_us);
	return FLUSH_DONE;
}

/* The same with deadlocks tried again; the fold is kept for that. */
static int persist(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e)
{
	int rc;

	f->deltas.is_whole = false;
	for (int i = 0; i < FLUSH_ATTEMPTS; i++) {
		rc = attempt(f, s, first, n, e);
		if (rc >= 0 || !is_deadlock(e))
			return rc;
		clock_sleep_us((i + 1) * INT64_C(1000));
	}
	return rc;
}

static int set_aside(struct flusher *f, struct flush_stream *s,
		     struct flush_frame *frame, const struct err *why,
		     struct err *e)
{
	log_error("flush",
		  "frame %llu of model \"%s\" is refused by the database and "
		  "set aside: %s",
		  (unsigned long long)frame->header.seq,
		  s->model ? s->model : "?", why->message);
	frame->is_bad = true;
	return journal_quarantine(f->options.journal, &frame->header, "refused",
				  e);
}

int flush_apply(struct flusher *f, struct flush_stream *s, struct err *e)
{
	size_t first = 0, n = s->span.n;
	int rc;

	if (flush_plan(f, s, e))
		return -1;
	while (first < s->span.n) {
		struct err why = {.code = ERR_NONE};

		if (n > s->span.n - first)
			n = s->span.n - first;
		rc = persist(f, s, first, n, &why);
		if (rc == FLUSH_DONE) {
			first += n;
			n *= 2;
			continue;
		}
		if (rc == FLUSH_RELOAD)
			return rc;
		if (is_poison(&why) && n > 1) {
			n /= 2;
			continue;
		}
		if (is_poison(&why) && !s->span.frames[first].is_bad) {
			if (set_aside(f, s, &s->span.frames[first], &why, e))
				return -1;
			continue;
		}
		*e = why;
		return -1;
	}
	return FLUSH_DONE;
}
