/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal - opening, closing, and the side of those who append and wait.
 *
 * Admission: an append is refused when the bytes that wait or the segments
 * they will need would pass a bound, before anything is queued; once full,
 * the journal stays so until it would be 90 % full, so that it does not flap
 * with every deleted segment.  The committer checks again where it makes a
 * file: the estimate here may be off by a segment, the bound is not.
 *
 * A segment is made by the first append of a life, not at opening: a daemon
 * that is restarted in a loop leaves no files, and one that starts with a full
 * disk can still drain it.
 */
#include "storage/journal.h"

#include "storage/journal_private.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/number.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MIN_MAX_BYTES = 128 * 1024, SEGMENTS_AT_LEAST = 4 };

static int check_options(const struct journal_options *o, struct err *e)
{
	if (o->max_bytes < MIN_MAX_BYTES)
		return err_set(e, ERR_INVALID,
			       "journal \"%s\": a bound of %" PRIu64
			       " bytes is too small, %d is the least",
			       o->dir, o->max_bytes, MIN_MAX_BYTES);
	if (o->segment_bytes == 0 || o->max_pending_bytes == 0)
		return err_set(e, ERR_INVALID, "journal \"%s\": a bound is 0",
			       o->dir);
	return 0;
}

static struct journal *new_journal(const struct journal_options *o,
				   const struct journal_io *io)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	pthread_condattr_t attr;

	j->io = io;
	j->dir = xstrdup(o->dir);
	j->dir_fd = j->lock_fd = -1;
	j->sync = o->sync;
	j->sync_interval_us = o->sync_interval_us;
	j->retain_us = o->retain_us;
	j->max_bytes = o->max_bytes;
	j->segment_bytes = o->segment_bytes;
	if (j->segment_bytes > o->max_bytes / SEGMENTS_AT_LEAST)
		j->segment_bytes = o->max_bytes / SEGMENTS_AT_LEAST;
	j->max_pending_bytes = o->max_pending_bytes;
	j->states = states_new();
	writer_init(&j->w);
	pthread_mutex_init(&j->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->work, &attr);
	pthread_cond_init(&j->durable, &attr);
	pthread_condattr_destroy(&attr);
	return j;
}

static void free_journal(struct journal *j)
{
	if (j->w.fd >= 0)
		close(j->w.fd);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	pthread_mutex_destroy(&j->mutex);
	pthread_cond_destroy(&j->work);
	pthread_cond_destroy(&j->durable);
	states_free(j->states);
	free(j->w.headers);
	free(j->w.iov);
	free(j->segments);
	free(j->bad);
	free(j->dir);
	free(j);
}

/* Signals are for other threads. */
static int start_thread(struct journal *j, struct err *e)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&j->thread, NULL, journal_commit_thread, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return err_set(e, ERR_IO, "cannot start a thread: %s",
			       io_why(error));
	j->has_thread = true;
	return 0;
}

struct journal *journal_open_io(const struct journal_options *o,
				const struct journal_io *io,
				struct journal_recovery *recovery,
				struct err *e)
{
	struct journal_recovery found = {0};
	struct journal *j;
	bool is_new;

	if (check_options(o, e) < 0)
		return NULL;
	j = new_journal(o, io);
	if (journal_lock_dir(j, e) < 0 ||
	    journal_load_identity(j, &is_new, e) < 0 ||
	    journal_recover(j, &found, e) < 0 ||
	    journal_raise_epoch(j, e) < 0 || start_thread(j, e) < 0) {
		free_journal(j);
		return NULL;
	}
	if (is_new && found.n_segments > 0)
		found.new_identity = true;
	if (recovery)
		*recovery = found;
	return j;
}

struct journal *journal_open(const struct journal_options *o,
			     struct journal_recovery *recovery, struct err *e)
{
	return journal_open_io(o, &journal_io_system, recovery, e);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->stopping = true;
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->mutex);
	if (j->has_thread)
		pthread_join(j->thread, NULL);
	if (!atomic_load(&j->broken))
		segment_finish(j);
	free_journal(j);
}

int64_t journal_source_id(const struct journal *j)
{
	return atomic_load(&j->source_id);
}

uint64_t journal_epoch(const struct journal *j)
{
	return atomic_load(&j->epoch);
}

uint64_t journal_written_end(const struct journal *j)
{
	return atomic_load(&j->written_end);
}

uint64_t journal_durable_end(const struct journal *j)
{
	return atomic_load(&j->durable_end);
}

uint64_t journal_oldest(const struct journal *j)
{
	return atomic_load(&j->oldest);
}

uint64_t journal_bytes(const struct journal *j)
{
	return atomic_load(&j->bytes);
}

bool journal_is_broken(const struct journal *j)
{
	return atomic_load(&j->broken);
}

uint64_t journal_corrupt_count(const struct journal *j)
{
	return atomic_load(&j->corrupt_count);
}

int journal_renew_source(struct journal *j, struct err *e)
{
	int result;

	pthread_mutex_lock(&j->mutex);
	j->renewing = true;
	pthread_cond_signal(&j->work);
	while (j->renewing)
		pthread_cond_wait(&j->durable, &j->mutex);
	result = j->renew_result;
	if (result < 0)
		*e = j->renew_err;
	pthread_mutex_unlock(&j->mutex);
	return result;
}

/* Bytes of new files that ${waiting} bytes of frames will take. */
static uint64_t files_for(const struct journal *j, uint64_t waiting,
			  uint64_t overhead)
{
	uint64_t unit = j->segment_bytes, n;

	if (waiting <= j->room)
		return 0;
	waiting -= j->room;
	if (unit < 2 * overhead)
		unit = 2 * overhead;
	n = (waiting + unit - overhead - 1) / (unit - overhead);
	return n * unit;
}

/* Under mutex. */
static int admit_to_disk(struct journal *j, uint64_t frame, struct err *e)
{
	uint64_t overhead = segment_overhead(j);
	uint64_t files = files_for(j, j->pending_bytes + frame, overhead);
	uint64_t limit = j->full ? j->max_bytes / 10 * 9 : j->max_bytes;
	char used[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];

	if (frame + overhead > j->max_bytes / 2)
		return err_set(e, ERR_LIMIT,
			       "an entry of %" PRIu64 " bytes is more than "
			       "half of journal \"%s\"",
			       frame, j->dir);
	if (atomic_load(&j->bytes) + files > limit) {
		j->full = true;
		size_format(atomic_load(&j->bytes), used);
		size_format(j->max_bytes, max);
		return err_set(e, ERR_LIMIT,
			       "journal \"%s\" is full: %s of %s are in use",
			       j->dir, used, max);
	}
	j->full = false;
	if (files > 0 && j->shortage_until_us > 0) {
		if (clock_monotonic_us() < j->shortage_until_us)
			return err_set(e, ERR_LIMIT,
				       "the disk of journal \"%s\" is full",
				       j->dir);
		j->shortage_until_us = 0;
	}
	return 0;
}

/* Under mutex. */
static int admit(struct journal *j, uint64_t frame, struct err *e)
{
	if (atomic_load(&j->broken))
		return err_set(e, ERR_IO, "journal \"%s\" is broken", j->dir);
	if (j->stopping)
		return err_set(e, ERR_TEMP, "journal \"%s\" is closing",
			       j->dir);
	/* One that is larger than the bound goes when it is alone. */
	if (j->pending_bytes > 0 &&
	    (frame > j->max_pending_bytes ||
	     j->pending_bytes > j->max_pending_bytes - frame))
		return err_set(e, ERR_LIMIT,
			       "journal \"%s\" has %zu bytes waiting to be "
			       "written",
			       j->dir, j->pending_bytes);
	return admit_to_disk(j, frame, e);
}

int journal_append(struct journal *j, struct journal_entry *entry,
		   struct err *e)
{
	uint64_t frame = frame_bytes(entry->len);
	int result;

	if (entry->len > JOURNAL_MAX_PAYLOAD)
		return err_set(e, ERR_LIMIT,
			       "an entry of %zu bytes is too large for a "
			       "journal",
			       entry->len);
	entry->payload_crc = crc32c(0, entry->payload, entry->len);
	entry->next = NULL;
	pthread_mutex_lock(&j->mutex);
	result = admit(j, frame, e);
	if (result == 0) {
		if (j->tail)
			j->tail->next = entry;
		else
			j->head = entry;
		if (!j->tail)
			pthread_cond_signal(&j->work);
		j->tail = entry;
		j->pending_bytes += (size_t)frame;
	}
	pthread_mutex_unlock(&j->mutex);
	return result;
}

bool journal_wait(struct journal *j, uint64_t position, int64_t timeout_us)
{
	int64_t until_us =
		clock_monotonic_us() +
		(timeout_us < CLOCK_DAY_US ? timeout_us : CLOCK_DAY_US);
	struct timespec until = {
		.tv_sec = until_us / CLOCK_SECOND_US,
		.tv_nsec = until_us % CLOCK_SECOND_US * 1000,
	};
	bool more;

	pthread_mutex_lock(&j->mutex);
	for (;;) {
		more = atomic_load(&j->durable_end) > position;
		if (more || j->woken)
			break;
		if (pthread_cond_timedwait(&j->durable, &j->mutex, &until) != 0)
			break;
	}
	if (!more)
		j->woken = false;
	pthread_mutex_unlock(&j->mutex);
	return more;
}

void journal_wake(struct journal *j)
{
	pthread_mutex_lock(&j->mutex);
	j->woken = true;
	pthread_cond_broadcast(&j->durable);
	pthread_mutex_unlock(&j->mutex);
}

void journal_model_state(const struct journal *j, int64_t model_id,
			 struct journal_model_state *out)
{
	struct state_record record;

	states_get(j->states, model_id, &record);
	*out = (struct journal_model_state){record.seq, record.chain,
					    record.n_events};
}
