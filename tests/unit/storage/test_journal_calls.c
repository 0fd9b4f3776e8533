/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal when system calls fail, the disk is full, or death comes between
 * two calls.  What was acknowledged is read back, once, in order.
 */
#include "tests/unit/storage/journal_calls.h"

#include "base/clock.h"

#include <sys/wait.h>

/* D09, D10: every call of every kind, once and for good. */
static void test_failing_calls(void **state)
{
	static const int errors[] = {EIO,    ENOSPC,	  EINTR,
				     EAGAIN, SHORT_WRITE, EDQUOT};
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	unsigned n_runs = 0, n_broken = 0;

	(void)state;
	o.segment_bytes = 32 * 1024;
	for (int kind = 0; kind < N_CALLS; kind++) {
		for (size_t k = 0; k < sizeof(errors) / sizeof(*errors); k++) {
			for (int nth = 1;; nth++) {
				bool sticky = nth % 2 == 0;
				struct promises p;

				if (errors[k] == SHORT_WRITE &&
				    kind != CALL_PWRITEV)
					break;
				/* EAGAIN for good is given up slowly. */
				if (errors[k] == EAGAIN ||
				    (errors[k] == EINTR && sticky))
					sticky = false;
				remove_dir(dir);
				fault_set((enum call)kind, nth, errors[k],
					  sticky);
				run_scenario(&o, &p);
				check_promises(&o, &p);
				assert_int_equal(fault.syncs_after_failure, 0);
				n_broken += p.broken;
				n_runs++;
				if (atomic_load(&fault.calls[kind]) < nth) {
					assert_int_equal(p.n_acked, SCENARIO);
					break;
				}
				if (kind == CALL_PWRITEV &&
				    (errors[k] == SHORT_WRITE ||
				     errors[k] == EINTR || errors[k] == EAGAIN))
					assert_int_equal(p.n_acked, SCENARIO);
			}
		}
	}
	print_message("%u runs, %u broke the journal\n", n_runs, n_broken);
	assert_true(n_broken > 10);
	drop_dir(dir);
}

/* A broken journal says so to everybody and does nothing more. */
static void test_broken(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	enum journal_outcome outcome;
	struct err e = {0};
	struct journal *j;
	uint64_t end;
	int n_writes;

	(void)state;
	fault_set(CALL_FDATASYNC, 3, EIO, false);
	j = journal_open_io(&o, &fault_io, NULL, &e);
	assert_non_null(j);
	must_append(j, 1, 0, 100);
	must_append(j, 1, 1, 100);
	end = journal_durable_end(j);
	assert_int_equal(append(j, 1, "12345678", 8, &outcome, &e), 0);
	assert_int_equal(outcome, JOURNAL_FAILED);
	assert_true(journal_is_broken(j));
	n_writes = atomic_load(&fault.calls[CALL_PWRITEV]);
	assert_int_equal(append(j, 1, "12345678", 8, &outcome, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(journal_durable_end(j), end);
	assert_false(journal_wait(j, end, 1000));
	assert_int_equal(journal_renew_source(j, &e), -1);
	journal_close(j);
	assert_int_equal(atomic_load(&fault.calls[CALL_FDATASYNC]), 3);
	assert_int_equal(atomic_load(&fault.calls[CALL_PWRITEV]), n_writes);
	drop_dir(dir);
}

/* SYNC_INTERVAL: what was written and never synced is never readable. */
static void test_interval_failure(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	enum journal_outcome outcome;
	struct reading got;
	struct err e = {0};
	struct journal *j;

	(void)state;
	o.sync = JOURNAL_SYNC_INTERVAL;
	o.sync_interval_us = 10000;
	fault_set(CALL_FDATASYNC, 1, EIO, false);
	j = journal_open_io(&o, &fault_io, NULL, &e);
	assert_non_null(j);
	assert_int_equal(append(j, 1, "12345678", 8, &outcome, &e), 0);
	assert_int_equal(outcome, JOURNAL_WRITTEN);
	assert_false(journal_wait(j, 0, 5 * CLOCK_SECOND_US)); /* woken */
	assert_true(journal_is_broken(j));
	read_all(j, &got);
	assert_int_equal(got.n, 0);
	journal_close(j);
	drop_dir(dir);
}

static atomic_bool disk_is_full;

static int full_fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (atomic_load(&disk_is_full)) {
		errno = ENOSPC;
		return -1;
	}
	return fallocate(fd, mode, offset, len);
}

static int no_fallocate(int fd, int mode, off_t offset, off_t len)
{
	(void)fd;
	(void)mode;
	(void)offset;
	(void)len;
	errno = EOPNOTSUPP;
	return -1;
}

static ssize_t full_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	if (!atomic_load(&disk_is_full))
		return pwritev(fd, iov, n, at);
	if (iov[0].iov_len > 3)
		(void)!pwrite(fd, iov[0].iov_base, 3, at);
	errno = ENOSPC;
	return -1;
}

/* The disk is full, then it is not: no restart, no human, nothing lost. */
static void check_full_disk(const struct journal_io *io)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct reading got;
	struct err e = {0};
	struct journal *j;
	uint64_t n = 0;
	int64_t give_up;
	char payload[4000];
	enum journal_outcome outcome = JOURNAL_DURABLE;

	o.segment_bytes = 32 * 1024;
	atomic_store(&disk_is_full, false);
	j = must_open(&o, io, NULL);
	must_append(j, 1, n++, sizeof(payload));
	atomic_store(&disk_is_full, true);
	while (n < 20) {
		make_payload(n, sizeof(payload), payload);
		if (append(j, 1, payload, sizeof(payload), &outcome, &e) < 0 ||
		    outcome != JOURNAL_DURABLE)
			break;
		n++;
	}
	assert_int_equal(outcome, JOURNAL_FAILED);
	assert_true(n < 20);
	assert_false(journal_is_broken(j));
	/* For a second, new ones are refused at once. */
	assert_int_equal(append(j, 1, payload, sizeof(payload), &outcome, &e),
			 -1);
	assert_int_equal(e.code, ERR_LIMIT);
	atomic_store(&disk_is_full, false);
	give_up = clock_monotonic_us() + 10 * CLOCK_SECOND_US;
	make_payload(n, sizeof(payload), payload);
	while (append(j, 1, payload, sizeof(payload), &outcome, &e) < 0) {
		assert_true(clock_monotonic_us() < give_up);
		clock_sleep_us(20000);
	}
	assert_int_equal(outcome, JOURNAL_DURABLE);
	n++;
	read_all(j, &got);
	assert_int_equal(got.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got.numbers[i], i);
		assert_int_equal(got.seqs[i], i + 1);
	}
	assert_int_equal(journal_corrupt_count(j), 0);
	journal_close(j);
	j = must_open(&o, io, NULL);
	read_all(j, &got);
	assert_int_equal(got.n, n);
	journal_close(j);
	drop_dir(dir);
}

static void test_full_disk(void **state)
{
	struct journal_io io = fast_io();

	(void)state;
	io.fallocate = full_fallocate;
	check_full_disk(&io);
}

/* The same on a file system that cannot preallocate. */
static void test_full_disk_in_segment(void **state)
{
	struct journal_io io = fast_io();

	(void)state;
	io.fallocate = no_fallocate;
	io.pwritev = full_pwritev;
	check_full_disk(&io);
}

/* One frame torn, one corrupt, one segment more: much to recover. */
static void make_wreck(const struct journal_options *o, struct image *image)
{
	struct journal_io io = fast_io();
	struct journal *j;
	struct file *seg;

	make_image(o, image);
	image_free(image);
	j = must_open(o, &io, NULL);
	for (uint64_t i = 0; i < 6; i++)
		must_append(j, 1, FRAMES + i, FRAME_LEN);
	journal_close(j);
	image_read(o->dir, image);
	seg = image_segment(image);
	seg->data[seg->len - 3 * (size_t)frame_bytes(FRAME_LEN) + 5] ^= 1;
	seg->len -= 50;
}

/* D13: death at every call of a recovery, then recovered after all. */
static void test_die_in_recovery(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct reading expected, got;
	struct journal_recovery r;
	struct image wreck;
	uint64_t n_corrupt;
	unsigned n_deaths = 0;

	(void)state;
	make_wreck(&o, &wreck);
	open_and_read(&o, &wreck, &r, &expected, &n_corrupt);
	assert_int_equal(expected.n, FRAMES + 4);
	assert_int_equal(n_corrupt, 1);
	for (int kind = 0; kind < N_CALLS; kind++) {
		for (int nth = 1;; nth++) {
			struct image after;
			int status;
			pid_t pid;

			image_write(dir, &wreck);
			pid = fork();
			if (pid == 0) {
				struct err e = {0};

				fault_set((enum call)kind, nth, DIE, false);
				_exit(journal_open_io(&o, &fault_io, NULL, &e)
					      ? 0
					      : 1);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			assert_true(WEXITSTATUS(status) == 0 ||
				    WEXITSTATUS(status) == 9);
			n_deaths += WEXITSTATUS(status) == 9;
			image_read(dir, &after);
			open_and_read(&o, &after, &r, &got, &n_corrupt);
			image_free(&after);
			assert_memory_equal(&got, &expected, sizeof(got));
			if (WEXITSTATUS(status) == 0)
				break;
		}
	}
	print_message("died %u times in recovery\n", n_deaths);
	assert_true(n_deaths > 5);
	image_free(&wreck);
	drop_dir(dir);
}

/* Death at every call while appending: what was acknowledged is there. */
static void test_die_while_appending(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	unsigned n_deaths = 0;

	(void)state;
	o.segment_bytes = 32 * 1024;
	for (int kind = 0; kind < N_CALLS; kind++) {
		for (int nth = 1;; nth += 3) {
			struct promises p = {0};
			int pipes[2], status;
			pid_t pid;
			uint64_t i;

			remove_dir(dir);
			assert_int_equal(pipe(pipes), 0);
			pid = fork();
			if (pid == 0) {
				struct err e = {0};
				struct journal *j;

				fault_set((enum call)kind, nth, DIE, false);
				j = journal_open_io(&o, &fault_io, NULL, &e);
				for (i = 0; i < SCENARIO; i++) {
					char payload[6000];
					size_t len = scenario_len(i);
					enum journal_outcome outcome;

					make_payload(i, len, payload);
					if (append(j, (int64_t)(i % 2), payload,
						   len, &outcome, &e) == 0 &&
					    outcome == JOURNAL_DURABLE)
						(void)!write(pipes[1], &i,
							     sizeof(i));
				}
				_exit(0);
			}
			close(pipes[1]);
			while (read(pipes[0], &i, sizeof(i)) == sizeof(i))
				p.acked[i] = true;
			close(pipes[0]);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			check_promises(&o, &p);
			if (WEXITSTATUS(status) == 0)
				break;
			n_deaths++;
		}
	}
	print_message("died %u times while appending\n", n_deaths);
	assert_true(n_deaths > 10);
	drop_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_interval_failure),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_full_disk_in_segment),
		cmocka_unit_test(test_die_in_recovery),
		cmocka_unit_test(test_die_while_appending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
