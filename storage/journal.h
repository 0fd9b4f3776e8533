/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_JOURNAL_H
#define DRIFTD_STORAGE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * journal - the durable log of acknowledged batches: a directory of
 * preallocated, append-only segment files.  What was reported durable is there
 * after kill -9 and after power loss.
 *
 * On disk: `source` (the journal's random identity), `epoch` (raised at each
 * open), `lock` (flock: one process a journal), segments
 * `<first position in hex, 16 digits>.seg`, and `quarantine/`.  A position is a
 * byte offset in the endless log; a segment starts with a header (kept twice:
 * identity, a random salt of its own) and a state table: for every model seen
 * so far {seq, chain, n_events}, so that deleting old segments forgets
 * nothing.  A segment begins where the last frame of the one before ended; a
 * frame never spans two, one that is larger has a segment to itself.
 *
 * A frame: header {magic, version, position, salt, durable_before, model_id,
 * seq, chain_before, n_events_before, n_events, n_rejected, length, payload
 * CRC32C, header CRC32C}, payload, padding to 8 bytes.  seq counts a model's
 * frames from 1; chain_after = hash64(chain_before, payload CRC, seq,
 * n_events) is the running hash of a model's frames.  Position and salt in
 * the header make stale, moved, copied and foreign frames invalid.
 *
 * Invariants
 *	(1) done() with success is called only after the bytes of the frame
 *	    and of all frames before it are on disk (SYNC_ALWAYS), or written
 *	    to the file (SYNC_INTERVAL).
 *	(2) a reader never sees a byte beyond the last successful fdatasync.
 *	(3) after a failed write or fdatasync nothing is written again: the
 *	    journal is broken, waiters are told so, and a new process recovers.
 *	    A full disk is no such failure: what had not been acknowledged is
 *	    cut off again, its entries fail, later ones may succeed.
 *	(4) a torn tail is cut; a corrupt frame before a good one is copied to
 *	    quarantine/ and skipped; both are counted.
 *	(5) where recovery cannot tell a model's last seq, because frames that
 *	    had been durable are gone, the journal takes a new identity.
 */

enum journal_sync { JOURNAL_SYNC_ALWAYS, JOURNAL_SYNC_INTERVAL };

struct journal_options {
	const char *dir;
	enum journal_sync sync;
	int64_t sync_interval_us; /* SYNC_INTERVAL: between fdatasyncs */
	uint64_t max_bytes;	  /* of all segments; beyond it ERR_LIMIT */
	uint64_t segment_bytes;	  /* of a file; at most max_bytes / 4 is used */
	int64_t retain_us;	  /* keep applied segments this long */
	size_t max_pending_bytes; /* appended and not yet written */
};

/* What opening found. */
struct journal_recovery {
	uint64_t n_segments;
	uint64_t n_frames;	 /* good, in the segments that were scanned */
	uint64_t torn_bytes;	 /* cut from the tail */
	uint64_t n_corrupt_runs; /* bad stretches before a good frame */
	uint64_t corrupt_bytes;
	bool new_identity; /* invariant 5, or `source` was not there */
};

struct journal; /* opaque */

/*
 * Open or create.  ERR_FENCED when another process holds it, ERR_IO when the
 * directory cannot be used, ERR_INVALID when it is of a newer version.
 * Starts the committer thread.
 */
struct journal *journal_open(const struct journal_options *o,
			     struct journal_recovery *recovery, struct err *e);

/* Commit what is pending, stop the committer, close.  NULL is fine. */
void journal_close(struct journal *j);

/* The journal's identity (63 bits) and how often it was opened. */
int64_t journal_source_id(const struct journal *j);
uint64_t journal_epoch(const struct journal *j);

/*
 * Give up this identity: a new random source id, epoch 1, and seq from 1 for
 * frames from now on (after the database was found ahead of this journal).
 * Frames of the old one stay readable: struct journal_frame names its source.
 */
int journal_renew_source(struct journal *j, struct err *e);

enum journal_outcome { JOURNAL_DURABLE, JOURNAL_WRITTEN, JOURNAL_FAILED };

/*
 * One append.  Owned by the caller and left alone by it, payload included,
 * until done() has been called, which happens exactly once, on the committer
 * thread; it must not block.
 */
struct journal_entry {
	int64_t model_id;
	const void *payload;
	size_t len;
	uint32_t payload_crc; /* filled by journal_append */
	uint32_t n_events;
	uint32_t n_rejected;
	void (*done)(struct journal_entry *entry, enum journal_outcome outcome);
	void *arg;
	struct journal_entry *next; /* private */
};

/*
 * Hand an entry to the committer; any thread.  0: done() will be called.
 * -1, and done() will not be: ERR_LIMIT (disk bound or pending bound), or
 * ERR_TEMP (closing), or ERR_IO (broken).
 */
int journal_append(struct journal *j, struct journal_entry *entry,
		   struct err *e);

/* End of what is durable.  Any thread. */
uint64_t journal_durable_end(const struct journal *j);

/* End of what was answered for: with SYNC_INTERVAL it may be ahead of that by
 * what one interval brings.  Any thread. */
uint64_t journal_written_end(const struct journal *j);

/* Start of the oldest segment that is still there. */
uint64_t journal_oldest(const struct journal *j);

/* Bytes of all segment files, and whether the journal broke. */
uint64_t journal_bytes(const struct journal *j);
bool journal_is_broken(const struct journal *j);

/*
 * Wait until journal_durable_end() > ${position}, until ${timeout_us} is over
 * or until journal_wake() (one that came while nobody waited counts for the
 * next wait).  True when there is more.
 */
bool journal_wait(struct journal *j, uint64_t position, int64_t timeout_us);
void journal_wake(struct journal *j);

/* The last frame of a model, also of one whose segments are gone. */
struct journal_model_state {
	uint64_t seq;	   /* 0: none yet */
	uint64_t chain;	   /* chain_after of that frame */
	uint64_t n_events; /* in all frames up to it */
};
void journal_model_state(const struct journal *j, int64_t model_id,
			 struct journal_model_state *out);

/*
 * Reading.  A cursor belongs to one thread; any number may exist beside the
 * committer.  Frames come in order of position; corrupt stretches are skipped
 * (and quarantined once), so gaps show as jumps in seq.
 */
struct journal_frame {
	uint64_t position; /* of the header */
	uint64_t end;	   /* where the next one begins */
	int64_t source_id; /* the identity it was written under */
	int64_t model_id;
	uint64_t seq;
	uint64_t chain_before, chain_after;
	uint64_t n_events_before; /* of this model, before this frame */
	uint32_t n_events;
	uint32_t n_rejected;
	uint32_t payload_len;
};

struct journal_cursor;
struct journal_cursor *journal_cursor_new(struct journal *j);
void journal_cursor_free(struct journal_cursor *c);

/*
 * The first frame at or after ${position} (0 or a frame's end; positions
 * before the oldest segment mean its start).  1: ${out} is filled; 0: no more
 * durable frames; -1: ${e}.  Only the header is verified here.
 */
int journal_next(struct journal_cursor *c, uint64_t position,
		 struct journal_frame *out, struct err *e);

/*
 * The payload, verified by its CRC, 8-byte aligned in the cursor's buffer:
 * valid until the next call with this cursor.  NULL and ${e}: ERR_INVALID when
 * it is corrupt (quarantined and counted), ERR_IO.
 */
const void *journal_payload(struct journal_cursor *c,
			    const struct journal_frame *frame, struct err *e);

/* Copy a frame into quarantine/, named by position and ${reason}. */
int journal_quarantine(struct journal *j, const struct journal_frame *frame,
		       const char *reason, struct err *e);

/* Corrupt stretches and payloads met since opening, recovery included. */
uint64_t journal_corrupt_count(const struct journal *j);

/*
 * Everything before ${position} is applied: segments wholly before it whose
 * last write is older than `retain_us` are deleted, and those beyond half of
 * max_bytes at once, oldest first.  Called by the flusher.
 */
void journal_applied(struct journal *j, uint64_t position);

#endif
