/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_JOURNAL_CALLS_H
#define DRIFTD_TESTS_JOURNAL_CALLS_H

/*
 * journal_calls - system calls that fail where a test says so, and a scenario
 * of appends whose promises can be checked afterwards.
 */

#include "tests/unit/storage/journal_damage.h"

#include <stdatomic.h>

/*
 * System calls that fail: the ${nth} call of ${kind}, and, when sticky, all
 * that follow.  Counted over all threads.
 */
enum call {
	CALL_PWRITEV,
	CALL_FDATASYNC,
	CALL_FSYNC,
	CALL_FALLOCATE,
	CALL_FTRUNCATE,
	N_CALLS
};
enum { SHORT_WRITE = -1, DIE = -2 };

static struct {
	enum call kind;
	int nth;   /* 0: never */
	int error; /* errno, SHORT_WRITE or DIE */
	bool sticky;
	atomic_int calls[N_CALLS];
	atomic_int syncs_after_failure;
	atomic_bool sync_failed;
} fault;

static inline void fault_set(enum call kind, int nth, int error, bool sticky)
{
	fault.kind = kind;
	fault.nth = nth;
	fault.error = error;
	fault.sticky = sticky;
	for (int i = 0; i < N_CALLS; i++)
		atomic_store(&fault.calls[i], 0);
	atomic_store(&fault.syncs_after_failure, 0);
	atomic_store(&fault.sync_failed, false);
}

/* True: this call shall fail, errno is set. */
static inline bool fails(enum call kind)
{
	int n = atomic_fetch_add(&fault.calls[kind], 1) + 1;

	if (fault.nth == 0 || kind != fault.kind || n < fault.nth ||
	    (n > fault.nth && !fault.sticky))
		return false;
	if (fault.error == DIE)
		_exit(9);
	errno = fault.error;
	return true;
}

static inline ssize_t fault_pwritev(int fd, const struct iovec *iov, int n,
				    off_t at)
{
	if (!fails(CALL_PWRITEV))
		return pwritev(fd, iov, n, at);
	if (fault.error == SHORT_WRITE) {
		size_t len = iov[0].iov_len > 5 ? 5 : iov[0].iov_len;

		return pwrite(fd, iov[0].iov_base, len, at);
	}
	/* A part may have got there before it failed. */
	if (fault.error != EINTR && fault.error != EAGAIN && n > 2)
		(void)!pwritev(fd, iov, 2, at);
	errno = fault.error;
	return -1;
}

static inline int fault_fdatasync(int fd)
{
	(void)fd;
	if (atomic_load(&fault.sync_failed))
		atomic_fetch_add(&fault.syncs_after_failure, 1);
	if (!fails(CALL_FDATASYNC))
		return 0;
	atomic_store(&fault.sync_failed, true);
	return -1;
}

static inline int fault_fsync(int fd)
{
	(void)fd;
	return fails(CALL_FSYNC) ? -1 : 0;
}

static inline int fault_fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (fails(CALL_FALLOCATE))
		return -1;
	return fallocate(fd, mode, offset, len);
}

static inline int fault_ftruncate(int fd, off_t len)
{
	return fails(CALL_FTRUNCATE) ? -1 : ftruncate(fd, len);
}

static const struct journal_io fault_io = {
	.pwritev = fault_pwritev,
	.fdatasync = fault_fdatasync,
	.fsync = fault_fsync,
	.fallocate = fault_fallocate,
	.ftruncate = fault_ftruncate,
};

enum { SCENARIO = 40 };

/* What was promised of SCENARIO appends, two at a time. */
struct promises {
	bool acked[SCENARIO];
	bool opened, broken;
	size_t n_acked;
};

static inline size_t scenario_len(uint64_t i)
{
	return 8 + i * 733 % 5000;
}

static inline void run_scenario(const struct journal_options *o,
				struct promises *p)
{
	static char payload[2][6000];
	struct err e = {0};
	struct journal *j = journal_open_io(o, &fault_io, NULL, &e);

	memset(p, 0, sizeof(*p));
	p->opened = j != NULL;
	for (uint64_t i = 0; j && i < SCENARIO; i += 2) {
		struct waiter w[2];
		bool queued[2];

		for (uint64_t k = 0; k < 2; k++) {
			size_t len = scenario_len(i + k);

			make_payload(i + k, len, payload[k]);
			waiter_init(&w[k], (int64_t)k, payload[k], len);
			queued[k] = journal_append(j, &w[k].entry, &e) == 0;
		}
		for (uint64_t k = 0; k < 2; k++) {
			p->acked[i + k] = queued[k] &&
					  waiter_wait(&w[k]) == JOURNAL_DURABLE;
			p->n_acked += p->acked[i + k];
		}
	}
	p->broken = j && journal_is_broken(j);
	journal_close(j);
}

/* Everything acknowledged, each once, seq without a gap, nothing invented. */
static inline void check_promises(const struct journal_options *o,
				  const struct promises *p)
{
	unsigned seen[SCENARIO] = {0};
	uint64_t seq[2] = {0};
	struct journal_io io = fast_io();
	struct journal_recovery r;
	struct journal *j = must_open(o, &io, &r);
	struct reading got;

	read_all(j, &got);
	for (size_t i = 0; i < got.n; i++) {
		assert_true(got.numbers[i] < SCENARIO);
		seen[got.numbers[i]]++;
		assert_int_equal(got.seqs[i], ++seq[got.numbers[i] % 2]);
	}
	for (size_t i = 0; i < SCENARIO; i++) {
		assert_true(seen[i] <= 1);
		if (p->acked[i])
			assert_int_equal(seen[i], 1);
	}
	assert_int_equal(got.n_bad_payloads, 0);
	assert_int_equal(r.n_corrupt_runs, 0);
	journal_close(j);
}

#endif
