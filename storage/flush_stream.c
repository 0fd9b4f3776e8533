/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_stream - what the flusher believes of each row of source_position,
 * and step 1 of every transaction: the row, locked, must be what it believes.
 *
 * What a row can say (all of it behind its lock, never from a plain read):
 *
 *	no row           the first flush, or the database went back: seq 0
 *	as believed      go on
 *	ahead of it      a COMMIT without an answer had worked: read again
 *	behind it        the database went back to an older state: forget
 *	                 everything and apply again from the journal
 *	another chain    at the same seq, or a higher epoch: the journal was
 *	                 cloned, and this is not the copy that goes on: fenced
 *	beyond the end   of the journal's own current identity: the journal lost
 *	                 its tail; it takes a new identity (flush_salvage.c)
 */
#include "storage/flush_internal.h"

#include "base/clock.h"
#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct flush_stream *flush_stream_get(struct flusher *f, int64_t model_id,
				      int64_t source_id)
{
	int64_t key[2] = {model_id, source_id};
	uint32_t i = dict_add(f->index, (const char *)key, sizeof(key));
	struct flush_stream *s;

	if (i < f->n_streams)
		return f->streams[i];
	if (f->n_streams == f->cap_streams) {
		f->cap_streams = f->cap_streams ? 2 * f->cap_streams : 16;
		f->streams = xrealloc_array(f->streams, f->cap_streams,
					    sizeof(struct flush_stream *));
	}
	s = xcalloc(1, sizeof(*s));
	s->model_id = model_id;
	s->source_id = source_id;
	f->streams[f->n_streams++] = s;
	return s;
}

void flush_streams_free(struct flusher *f)
{
	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		flush_span_release(&s->span);
		free(s->model);
		free(s->version);
		free(s);
	}
	free(f->streams);
}

void flush_streams_forget(struct flusher *f)
{
	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		flush_span_clear(&s->span);
		s->is_known = false;
		s->is_verified = false;
		s->is_closed = false;
		s->has_model_row = false;
		s->is_lagging = false;
		s->done = (struct flush_row){.seq = 0};
		s->heartbeat_at_us = 0;
		memset(s->checked, 0, sizeof(s->checked));
	}
	f->scan = 0;
	f->has_sources = false;
}

uint64_t flush_streams_position(const struct flusher *f)
{
	uint64_t least = f->scan;

	for (size_t i = 0; i < f->n_streams; i++) {
		const struct flush_stream *s = f->streams[i];

		if (s->is_lagging && s->lag_from < least)
			least = s->lag_from;
	}
	return least;
}

static int fenced(const struct flush_stream *s, const char *why, struct err *e)
{
	return err_set(e, ERR_FENCED,
		       "journal %016llx: %s: another copy of this journal is "
		       "in use; stop one of them, and move the directory of "
		       "the one that is to start afresh out of the way",
		       (unsigned long long)s->source_id, why);
}

int flush_stream_verify(const struct flusher *f, struct flush_stream *s,
			const struct journal_frame *h, struct err *e)
{
	uint64_t chain;

	if (s->is_verified)
		return 0;
	if (s->done.seq == 0) {
		s->is_verified = true;
		return 0;
	}
	if (h->seq == s->done.seq)
		chain = h->chain_after;
	else if (h->seq == s->done.seq + 1)
		chain = h->chain_before;
	else
		return 0; /* older, or beyond a gap: nothing to compare */
	if (chain != s->done.chain &&
	    s->source_id == journal_source_id(f->options.journal))
		return fenced(s,
			      "its frames are not those that the database "
			      "has applied",
			      e);
	/* Under an identity that was given up they were salvaged. */
	s->is_closed = chain != s->done.chain;
	s->is_verified = true;
	return 0;
}

/* A row just read, against the end of the journal. */
static int check_end(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct journal_model_state mine;

	if (f->renewed_from != 0 && s->source_id == f->renewed_from)
		return flush_salvage(f, s, e);
	if (s->source_id != journal_source_id(f->options.journal))
		return 0;
	journal_model_state(f->options.journal, s->model_id, &mine);
	if (s->done.seq > mine.seq)
		return flush_renew(f, s, &mine, e);
	if (s->done.seq == mine.seq && s->done.seq > 0) {
		if (s->done.chain != mine.chain)
			return fenced(s,
				      "its last frame is not the one that "
				      "the database has applied",
				      e);
		s->is_verified = true;
	}
	return 0;
}

static int check_epoch(const struct flusher *f, const struct flush_stream *s,
		       const struct flush_row *row, struct err *e)
{
	const struct journal *j = f->options.journal;

	if (s->source_id == journal_source_id(j) &&
	    row->epoch > (int64_t)journal_epoch(j))
		return fenced(s, "it was opened later elsewhere", e);
	return 0;
}

int flush_stream_load(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct flush_row row = {.seq = 0};
	int found;

	if (pg_begin(f->pg, e))
		return -1;
	found = flush_sql_lock(f, s, &row, e);
	pg_rollback(f->pg);
	if (found < 0)
		return -1;
	if (check_epoch(f, s, &row, e))
		return -1;
	if (row.seq < s->done.seq) {
		f->saw_older = true;
		return err_set(e, ERR_TEMP,
			       "the database went back to an older state");
	}
	s->done = row;
	s->is_verified = row.seq == 0;
	if (check_end(f, s, e))
		return -1;
	s->is_known = true;
	return 0;
}

int flush_stream_lock(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct flush_row row;
	int found = flush_sql_lock(f, s, &row, e);

	if (found == 0) {
		/* Of two that insert it, the second waits for the first. */
		if (flush_sql_add_position(f, s, e))
			return -1;
		found = flush_sql_lock(f, s, &row, e);
		if (found == 0)
			return err_set(e, ERR_TEMP,
				       "the position's row cannot be seen");
	}
	if (found < 0 || check_epoch(f, s, &row, e))
		return -1;
	if (row.seq < s->done.seq) {
		f->saw_older = true;
		return err_set(e, ERR_TEMP,
			       "the database went back to an older state");
	}
	if (row.seq > s->done.seq) {
		s->is_known = false;
		return FLUSH_RELOAD;
	}
	if (row.seq > 0 && row.chain != s->done.chain)
		return fenced(s,
			      "other frames were applied under its "
			      "identity",
			      e);
	return FLUSH_DONE;
}

int flush_list_sources(struct flusher *f, struct err *e)
{
	int64_t source = journal_source_id(f->options.journal);
	struct pg_result *r;

	if (f->has_sources)
		return 0;
	if (flush_sql_sources(f, source, &r, e))
		return -1;
	for (size_t i = 0; i < pg_rows(r); i++)
		flush_stream_get(f, pg_get_int(r, i, 0), source);
	pg_result_free(r);
	f->has_sources = true;
	return 0;
}

/* A silent stream says that it is caught up, and notices what happened to its
 * row meanwhile. */
static int heartbeat(struct flusher *f, struct flush_stream *s, struct err *e)
{
	struct journal_model_state mine;
	int rc;

	if (!s->is_known && flush_stream_load(f, s, e))
		return -1;
	if (s->done.seq == 0 ||
	    s->source_id != journal_source_id(f->options.journal))
		return 0;
	journal_model_state(f->options.journal, s->model_id, &mine);
	if (mine.seq != s->done.seq)
		return 0; /* frames of it came since: they are next */
	if (pg_begin(f->pg, e))
		return -1;
	rc = flush_stream_lock(f, s, e);
	if (rc == FLUSH_DONE && flush_sql_heartbeat(f, s, e))
		rc = -1;
	if (rc == FLUSH_DONE)
		return pg_commit(f->pg, e);
	pg_rollback(f->pg);
	return rc < 0 ? -1 : 0;
}

int flush_heartbeats(struct flusher *f, struct err *e)
{
	int64_t now = clock_monotonic_us();
	struct err why = {.code = ERR_NONE};

	if (f->scan < f->end)
		return 0;
	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		if (s->is_lagging || now < s->heartbeat_at_us)
			continue;
		s->heartbeat_at_us = now + FLUSH_HEARTBEAT_US;
		if (heartbeat(f, s, &why) == 0)
			continue;
		if (f->saw_older || flush_error_stops(&why)) {
			*e = why;
			return -1;
		}
		log_warn("flush", "heartbeat: %s", why.message);
	}
	return 0;
}

int flush_prune(struct flusher *f, struct err *e)
{
	int64_t now = clock_monotonic_us(), deleted;
	struct err why = {.code = ERR_NONE};

	for (size_t i = 0; i < f->n_streams; i++) {
		struct flush_stream *s = f->streams[i];

		if (!s->is_known || now < s->prune_at_us)
			continue;
		s->prune_at_us = now + FLUSH_PRUNE_US;
		if (flush_sql_prune_keys(f, s->model_id, &deleted, &why)) {
			if (flush_error_stops(&why)) {
				*e = why;
				return -1;
			}
			log_warn("flush", "pruning keys: %s", why.message);
			continue;
		}
		if (deleted == FLUSH_PRUNE_ROWS)
			s->prune_at_us = now; /* there are more */
	}
	return 0;
}
