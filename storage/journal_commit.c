/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_commit - the committer thread: group commit.
 *
 * It takes the whole queue, writes it in runs (one pwritev each), syncs once,
 * publishes the new end and answers every entry.  While it syncs, the next
 * group gathers; waiting on purpose gained nothing in measurements.
 *
 * What a failure means:
 *	write or fdatasync fails      the journal is broken: after a failed
 *	                              sync the kernel may have dropped the
 *	                              pages, so a later success says nothing
 *	no room for a new segment     nothing was written: the entries fail, the
 *	                              queue goes on, and new entries are refused
 *	                              for a second
 *	no room within a segment      only on file systems that cannot
 *	                              preallocate: the run is cut off again, its
 *	                              states are undone, its entries fail, the
 *	                              segment is closed; broken if even the
 *	                              cutting fails
 */
#include "storage/journal_private.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { RUN_FRAMES = 256, IOV_PER_FRAME = 3, SHORTAGE_US = 1000000 };

struct entries {
	struct journal_entry *head, *tail;
	size_t pending; /* bytes of them in the queue's account */
};

static void entries_add(struct entries *list, struct journal_entry *entry)
{
	entry->next = NULL;
	if (list->tail)
		list->tail->next = entry;
	else
		list->head = entry;
	list->tail = entry;
}

/* An entry is its owner's again once done() was called. */
static void answer(struct journal *j, struct entries *list,
		   enum journal_outcome outcome)
{
	struct journal_entry *entry = list->head;

	pthread_mutex_lock(&j->mutex);
	j->pending_bytes -= list->pending;
	pthread_mutex_unlock(&j->mutex);
	while (entry) {
		struct journal_entry *next = entry->next;

		entry->done(entry, outcome);
		entry = next;
	}
	*list = (struct entries){0};
}

static void break_journal(struct journal *j, const char *what, const char *why)
{
	log_error("journal", "journal \"%s\" is broken: %s: %s", j->dir, what,
		  why);
	pthread_mutex_lock(&j->mutex);
	atomic_store(&j->broken, true);
	j->woken = true;
	pthread_cond_broadcast(&j->durable);
	pthread_mutex_unlock(&j->mutex);
}

int journal_sync_now(struct journal *j)
{
	if (j->io->fdatasync(j->w.fd) < 0) {
		break_journal(j, "fdatasync", io_why(errno));
		return -1;
	}
	j->w.unsynced = false;
	pthread_mutex_lock(&j->mutex);
	atomic_store(&j->durable_end, j->w.end);
	pthread_cond_broadcast(&j->durable);
	pthread_mutex_unlock(&j->mutex);
	return 0;
}

static void fill_header(struct journal *j, const struct journal_entry *entry,
			uint64_t position, struct frame_header *h)
{
	struct state_record before;

	states_get(j->states, entry->model_id, &before);
	*h = (struct frame_header){
		.magic = FRAME_MAGIC,
		.version = JOURNAL_VERSION,
		.position = position,
		.salt = j->w.salt,
		.durable_before = atomic_load(&j->durable_end),
		.model_id = entry->model_id,
		.seq = before.seq + 1,
		.chain_before = before.chain,
		.n_events_before = before.n_events,
		.n_events = entry->n_events,
		.n_rejected = entry->n_rejected,
		.payload_len = (uint32_t)entry->len,
		.payload_crc = entry->payload_crc,
	};
	frame_header_seal(h);
	states_apply(j->states, h);
}

static int add_iov(struct iovec *iov, const struct frame_header *h,
		   const struct journal_entry *entry)
{
	static const char zeros[JOURNAL_ALIGN];
	size_t used = sizeof(*h) + entry->len;
	size_t pad = (size_t)frame_bytes(entry->len) - used;

	iov[0] = (struct iovec){(void *)(uintptr_t)h, sizeof(*h)};
	iov[1] = (struct iovec){(void *)(uintptr_t)entry->payload, entry->len};
	iov[2] = (struct iovec){(void *)(uintptr_t)zeros, pad};
	return IOV_PER_FRAME;
}

/* The run that was just written does not count: no room for it. */
static int cut_run(struct journal *j, int n_frames, int error)
{
	while (n_frames > 0)
		states_undo(j->states, &j->w.headers[--n_frames]);
	if (!io_is_shortage(error) ||
	    j->io->ftruncate(j->w.fd, (off_t)(j->w.end - j->w.base)) < 0) {
		break_journal(j, "write", io_why(error));
		return -1;
	}
	j->w.limit = j->w.end;
	log_warn("journal", "cannot write to \"%s\": %s", j->dir,
		 io_why(error));
	pthread_mutex_lock(&j->mutex);
	j->room = 0;
	j->shortage_until_us = clock_monotonic_us() + SHORTAGE_US;
	pthread_mutex_unlock(&j->mutex);
	return -1;
}

static void note_written(struct journal *j, uint64_t end)
{
	uint64_t n = end - j->w.end;

	if (!j->w.unsynced)
		j->w.sync_due_us = clock_monotonic_us() + j->sync_interval_us;
	j->w.unsynced = true;
	j->w.end = end;
	atomic_store(&j->written_end, end);
	pthread_mutex_lock(&j->mutex);
	j->segments[j->n_segments - 1].end = end;
	j->segments[j->n_segments - 1].last_write_us = clock_wall_us();
	j->room = j->w.limit - end;
	j->pending_bytes -= (size_t)n;
	pthread_mutex_unlock(&j->mutex);
}

/*
 * Write what fits into the segment from ${queue}, one run, and move it to
 * ${written}.  The first entry fits.
 */
static int write_run(struct journal *j, struct entries *queue,
		     struct entries *written)
{
	struct journal_entry *entry = queue->head;
	uint64_t at = j->w.end;
	int n_iov = 0, n = 0;

	while (entry && n < RUN_FRAMES &&
	       frame_bytes(entry->len) <= j->w.limit - at) {
		fill_header(j, entry, at, &j->w.headers[n]);
		n_iov += add_iov(j->w.iov + n_iov, &j->w.headers[n], entry);
		at += frame_bytes(entry->len);
		entry = entry->next;
		n++;
	}
	if (io_write(j->io, j->w.fd, j->w.iov, n_iov, j->w.end - j->w.base) < 0)
		return cut_run(j, n, errno);
	note_written(j, at);
	for (; n > 0; n--) {
		entry = queue->head;
		queue->head = entry->next;
		queue->pending -= (size_t)frame_bytes(entry->len);
		entries_add(written, entry);
	}
	return 0;
}

/* A segment with room for the entry is open. */
static int make_room(struct journal *j, const struct journal_entry *entry)
{
	uint64_t frame = frame_bytes(entry->len);
	bool shortage;
	struct err e;

	if (j->w.fd >= 0 && frame <= j->w.limit - j->w.end)
		return 0;
	if (segment_start(j, frame, &shortage, &e) == 0)
		return 0;
	if (!shortage && !atomic_load(&j->broken)) {
		break_journal(j, "new segment", e.message);
	} else if (shortage) {
		log_warn("journal", "%s", e.message);
		pthread_mutex_lock(&j->mutex);
		if (e.code == ERR_LIMIT)
			j->full = true;
		else
			j->shortage_until_us =
				clock_monotonic_us() + SHORTAGE_US;
		pthread_mutex_unlock(&j->mutex);
	}
	return -1;
}

static void commit_group(struct journal *j, struct entries *queue)
{
	struct entries written = {0};
	bool durable = j->sync == JOURNAL_SYNC_ALWAYS;
	enum journal_outcome outcome =
		durable ? JOURNAL_DURABLE : JOURNAL_WRITTEN;

	while (queue->head && !atomic_load(&j->broken)) {
		if (make_room(j, queue->head) < 0 ||
		    write_run(j, queue, &written) < 0)
			break;
	}
	if (durable && j->w.unsynced && !atomic_load(&j->broken))
		journal_sync_now(j);
	answer(j, &written, atomic_load(&j->broken) ? JOURNAL_FAILED : outcome);
	answer(j, queue, JOURNAL_FAILED);
}

/* What is written has its old identity: close it, then change. */
static void renew(struct journal *j)
{
	struct err e = {0};
	int result = -1;

	if (j->w.unsynced && !atomic_load(&j->broken))
		journal_sync_now(j);
	if (atomic_load(&j->broken)) {
		err_set(&e, ERR_IO, "journal \"%s\" is broken", j->dir);
	} else if (journal_new_identity(j, &e) == 0) {
		segment_finish(j);
		states_clear(j->states);
		result = journal_raise_epoch(j, &e);
	}
	pthread_mutex_lock(&j->mutex);
	j->renewing = false;
	j->renew_result = result;
	j->renew_err = e;
	pthread_cond_broadcast(&j->durable);
	pthread_mutex_unlock(&j->mutex);
}

static bool is_sync_due(const struct journal *j)
{
	return j->w.unsynced && !atomic_load(&j->broken) &&
	       clock_monotonic_us() >= j->w.sync_due_us;
}

/* Until there is work: entries, a renewal, a sync that is due, or the end. */
static void wait_for_work(struct journal *j)
{
	while (!j->head && !j->stopping && !j->renewing && !is_sync_due(j)) {
		struct timespec until;

		if (!j->w.unsynced || atomic_load(&j->broken)) {
			pthread_cond_wait(&j->work, &j->mutex);
			continue;
		}
		until.tv_sec = j->w.sync_due_us / CLOCK_SECOND_US;
		until.tv_nsec = j->w.sync_due_us % CLOCK_SECOND_US * 1000;
		pthread_cond_timedwait(&j->work, &j->mutex, &until);
	}
}

/* The whole queue; it stays in the account until it is written or fails. */
static struct entries take_queue(struct journal *j)
{
	struct entries queue = {.head = j->head, .tail = j->tail};

	for (struct journal_entry *p = j->head; p; p = p->next)
		queue.pending += (size_t)frame_bytes(p->len);
	j->head = j->tail = NULL;
	return queue;
}

void *journal_commit_thread(void *journal)
{
	struct journal *j = journal;
	bool stop = false;

	while (!stop) {
		struct entries queue;
		bool renewing;

		pthread_mutex_lock(&j->mutex);
		wait_for_work(j);
		queue = take_queue(j);
		renewing = j->renewing;
		stop = j->stopping && !queue.head && !renewing;
		pthread_mutex_unlock(&j->mutex);

		if (renewing)
			renew(j);
		if (queue.head)
			commit_group(j, &queue);
		if (j->w.unsynced && !atomic_load(&j->broken) &&
		    (stop || is_sync_due(j)))
			journal_sync_now(j);
	}
	return NULL;
}

void writer_init(struct writer *w)
{
	w->fd = -1;
	w->headers = xrealloc_array(NULL, RUN_FRAMES, sizeof(*w->headers));
	w->iov = xrealloc_array(NULL, (size_t)RUN_FRAMES * IOV_PER_FRAME,
				sizeof(*w->iov));
}
