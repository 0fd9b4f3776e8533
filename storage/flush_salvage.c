/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_salvage - the database has applied more of this journal than the
 * journal has: its directory came from a backup, or a disk lied.
 *
 * The journal takes a new identity, so that no seq is used twice.  Of the
 * frames it has of the old one, those from before it was opened were applied.
 * Those acknowledged since stand at places that the row counts as applied:
 * their payloads are appended again, under the new identity.  The same is
 * looked after for the journal's other models as each of them is met.  What was
 * acknowledged after the row's seq and is in no copy nobody can count: the
 * warning is all there is.
 */
#include "storage/flush_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct append {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool is_done;
	enum journal_outcome outcome;
};

static void appended(struct journal_entry *entry, enum journal_outcome outcome)
{
	struct append *a = entry->arg;

	pthread_mutex_lock(&a->mutex);
	a->is_done = true;
	a->outcome = outcome;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->mutex);
}

static int append_and_wait(struct journal *j, struct journal_entry *entry,
			   struct err *e)
{
	struct append a = {.is_done = false};
	int rc;

	pthread_mutex_init(&a.mutex, NULL);
	pthread_cond_init(&a.cond, NULL);
	entry->done = appended;
	/* cppcheck-suppress autoVariables; it is waited for below */
	entry->arg = &a;
	rc = journal_append(j, entry, e);
	if (rc == 0) {
		pthread_mutex_lock(&a.mutex);
		while (!a.is_done)
			pthread_cond_wait(&a.cond, &a.mutex);
		pthread_mutex_unlock(&a.mutex);
		if (a.outcome == JOURNAL_FAILED)
			rc = err_set(e, ERR_IO, "the journal did not take it");
	}
	pthread_cond_destroy(&a.cond);
	pthread_mutex_destroy(&a.mutex);
	return rc;
}

static int append_again(struct flusher *f, const struct journal_frame *h,
			struct err *e)
{
	const void *payload = journal_payload(f->cursor, h, e);
	struct journal_entry entry = {
		.model_id = h->model_id,
		.len = h->payload_len,
		.n_events = h->n_events,
		.n_rejected = h->n_rejected,
	};
	void *copy;
	int rc;

	if (!payload)
		return -1;
	copy = xmalloc(h->payload_len + 1);
	memcpy(copy, payload, h->payload_len);
	entry.payload = copy;
	rc = append_and_wait(f->options.journal, &entry, e);
	free(copy);
	return rc;
}

/* Frames of this life under the old identity; the events that found no room
 * are in quarantine/ and are returned. */
static int salvage(struct flusher *f, const struct flush_stream *s,
		   uint64_t *n_lost, struct err *e)
{
	uint64_t position = f->opened;
	uint64_t end = journal_durable_end(f->options.journal);
	struct err why = {.code = ERR_NONE};
	struct journal_frame h;
	unsigned n = 0;

	while (position < end) {
		int rc = journal_next(f->cursor, position, &h, e);

		if (rc < 0)
			return -1;
		if (rc == 0 || h.position >= end)
			break;
		position = h.end;
		if (h.model_id != s->model_id || h.source_id != s->source_id)
			continue;
		n++;
		if (append_again(f, &h, &why) == 0)
			continue;
		log_error("flush", "frame %llu cannot be appended again: %s",
			  (unsigned long long)h.seq, why.message);
		*n_lost += h.n_events;
		if (journal_quarantine(f->options.journal, &h, "salvage", e))
			return -1;
	}
	if (n > 0)
		log_warn("flush",
			 "%u frames of this life are applied under "
			 "the new identity",
			 n);
	return 0;
}

/* The last frame of this life under the old identity; 0: none. */
static int last_of_life(struct flusher *f, const struct flush_stream *s,
			uint64_t *seq, struct err *e)
{
	uint64_t position = f->opened;
	struct journal_frame h;
	int rc;

	*seq = 0;
	while ((rc = journal_next(f->cursor, position, &h, e)) == 1) {
		if (h.model_id == s->model_id && h.source_id == s->source_id)
			*seq = h.seq;
		position = h.end;
	}
	return rc;
}

int flush_salvage(struct flusher *f, struct flush_stream *s, struct err *e)
{
	uint64_t last, n_lost = 0;

	if (s->is_salvaged)
		return 0;
	if (last_of_life(f, s, &last, e))
		return -1;
	/* Once, also when the database goes back later. */
	s->is_salvaged = true;
	if (last == 0 || s->done.seq <= last)
		return 0;
	s->is_closed = true;
	if (salvage(f, s, &n_lost, e))
		return -1;
	return n_lost ? flush_sql_lost(f, s, n_lost, e) : 0;
}

int flush_renew(struct flusher *f, struct flush_stream *s,
		const struct journal_model_state *mine, struct err *e)
{
	if (journal_renew_source(f->options.journal, e))
		return -1;
	log_warn("flush",
		 "journal %016llx ends at seq %llu of a model, the database "
		 "has applied seq %llu: the journal lost its tail, and with "
		 "it what was acknowledged after that; it goes on as %016llx",
		 (unsigned long long)s->source_id,
		 (unsigned long long)mine->seq, (unsigned long long)s->done.seq,
		 (unsigned long long)journal_source_id(f->options.journal));
	f->renewed_from = s->source_id;
	f->has_sources = false;
	return flush_salvage(f, s, e);
}
