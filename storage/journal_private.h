/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_JOURNAL_PRIVATE_H
#define DRIFTD_STORAGE_JOURNAL_PRIVATE_H

#include "base/err.h"
#include "storage/journal.h"
#include "storage/journal_format.h"
#include "storage/journal_io.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/*
 * What the files of the journal share.  `mutex` guards the queue, the segment
 * list and what is known to be bad; the models' states have a lock of their
 * own (journal_state.c), taken last.  Everything that writes is done by the
 * committer thread; others ask it to.
 */

struct segment {
	uint64_t base;
	uint64_t end;	     /* of its frames; of the last one written */
	uint64_t file_bytes; /* on disk, preallocation included */
	uint32_t header_bytes;
	int64_t source_id;
	uint64_t salt;
	int64_t last_write_us; /* wall clock */
};

/* A stretch that is no frame, or a frame whose payload is not its own. */
struct bad_run {
	uint64_t start, end;
	bool is_payload;
};

/* The committer's own. */
struct writer {
	int fd; /* of the newest segment, -1: none is open */
	uint64_t base;
	uint64_t salt;
	uint64_t limit;	     /* position where the segment is full */
	uint64_t end;	     /* position of the next frame */
	bool unsynced;	     /* written since the last fdatasync */
	int64_t sync_due_us; /* SYNC_INTERVAL: monotonic, while unsynced */
	struct frame_header *headers; /* owned, of one run */
	struct iovec *iov;	      /* owned, of one run */
};

struct journal {
	const struct journal_io *io;
	char *dir; /* owned */
	int dir_fd, lock_fd;
	enum journal_sync sync;
	int64_t sync_interval_us, retain_us;
	uint64_t max_bytes, segment_bytes;
	size_t max_pending_bytes;
	pthread_t thread;
	bool has_thread;

	struct writer w;
	struct journal_states *states; /* owned, has its own lock */

	pthread_mutex_t mutex;
	pthread_cond_t work;	/* for the committer */
	pthread_cond_t durable; /* for journal_wait */
	struct journal_entry *head, *tail;
	size_t pending_bytes; /* queued or being written */
	uint64_t room;	      /* bytes left in the newest segment */
	bool stopping;
	bool woken;
	bool renewing;	  /* asked for and not yet done */
	int renew_result; /* of the last one */
	struct err renew_err;
	bool full;		   /* until below 90 % again */
	int64_t shortage_until_us; /* monotonic: the disk was full */
	struct segment *segments;  /* owned, ascending */
	size_t n_segments, cap_segments;
	struct bad_run *bad; /* owned */
	size_t n_bad, cap_bad;
	uint64_t quarantine_bytes;

	_Atomic int64_t source_id;
	_Atomic uint64_t epoch, written_end, durable_end, oldest, bytes;
	_Atomic uint64_t corrupt_count;
	atomic_bool broken;
};

/* journal_identity.c: `lock`, `source` and `epoch`. */
int journal_lock_dir(struct journal *j, struct err *e);
int journal_load_identity(struct journal *j, bool *is_new, struct err *e);
int journal_new_identity(struct journal *j, struct err *e);
int journal_raise_epoch(struct journal *j, struct err *e);

/* journal_state.c */
struct journal_states;
struct journal_states *states_new(void);
void states_free(struct journal_states *s);
void states_clear(struct journal_states *s);
uint32_t states_count(struct journal_states *s);
void states_get(struct journal_states *s, int64_t model_id,
		struct state_record *out);
void states_set(struct journal_states *s, const struct state_record *record);
void states_copy(struct journal_states *s, struct buf *out);

/* The state after this frame, or back to the one before it. */
void states_apply(struct journal_states *s, const struct frame_header *h);
void states_undo(struct journal_states *s, const struct frame_header *h);

/* journal_segment.c */
void segment_name(uint64_t base, char out[24]);
void segment_add(struct journal *j, const struct segment *s);
void segment_count_bytes(struct journal *j); /* under mutex */
uint64_t segment_overhead(const struct journal *j);

/*
 * A new segment behind w.end with room for ${frame} bytes; the one before is
 * cut and closed.  ${shortage}: -1, but nothing is in doubt.
 */
int segment_start(struct journal *j, uint64_t frame, bool *shortage,
		  struct err *e);

/* Cut the preallocated rest off and close; the frames are synced already. */
void segment_finish(struct journal *j);

/* journal_commit.c */
void *journal_commit_thread(void *journal);
void writer_init(struct writer *w);
int journal_sync_now(struct journal *j);

/* journal_quarantine.c */
void quarantine_init(struct journal *j);
int quarantine_range(struct journal *j, int fd, uint64_t base, uint64_t start,
		     uint64_t end, const char *reason, struct err *e);
int quarantine_segment(struct journal *j, uint64_t base, struct err *e);

/* Count and copy it unless it is known. */
void quarantine_note(struct journal *j, int fd, uint64_t base,
		     const struct bad_run *run);

/* The end of a known stretch without frames that starts here, or 0. */
uint64_t quarantine_known_end(struct journal *j, uint64_t start);

/*
 * journal_scan.c: reading one segment through a window of bytes.
 */
struct scan {
	int fd; /* owned, -1: none */
	uint64_t base, salt;
	uint64_t first; /* position of the first frame */
	char *data;	/* owned, aligned */
	uint64_t at;	/* position of data[0] */
	size_t len;
};

void scan_init(struct scan *s);
void scan_release(struct scan *s);
int scan_open(struct scan *s, struct journal *j, const struct segment *seg,
	      struct err *e);

/* 1: a valid header is there and its frame ends within ${limit}; 0; -1. */
int scan_header(struct scan *s, uint64_t position, uint64_t limit,
		struct frame_header *out, struct err *e);

/* The first valid header in [from, limit), else ${limit}. */
int scan_resync(struct scan *s, uint64_t from, uint64_t limit, uint64_t *out,
		struct err *e);

/* 1: the payload has its CRC; 0; -1. */
int scan_payload(struct scan *s, const struct frame_header *h, struct err *e);

/* ${len} bytes in the window, or NULL when it must be read on its own. */
const char *scan_bytes(struct scan *s, uint64_t position, uint64_t len,
		       uint64_t limit);

/* Behind the last byte in [from, to) that is not zero. */
int scan_data_end(struct scan *s, uint64_t from, uint64_t to, uint64_t *out,
		  struct err *e);

/* journal_recover.c */
int journal_recover(struct journal *j, struct journal_recovery *found,
		    struct err *e);

#endif
