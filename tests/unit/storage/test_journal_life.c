/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal under many threads at once, and under kill -9.
 */
#include "tests/unit/storage/journal_fixture.h"

#include "base/clock.h"
#include "storage/journal.h"
#include "storage/journal_format.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { THREADS = 4, PER_THREAD = 150 };

struct appender {
	struct journal *j;
	uint64_t first;
	pthread_t thread;
};

static void *append_many(void *arg)
{
	struct appender *a = arg;
	char payload[2000];

	for (uint64_t i = 0; i < PER_THREAD; i++) {
		size_t len = 8 + (a->first + i) * 7 % 1900;
		enum journal_outcome outcome;
		struct err e = {0};

		make_payload(a->first + i, len, payload);
		while (append(a->j, (int64_t)(i % 3), payload, len, &outcome,
			      &e) < 0)
			clock_sleep_us(1000);
		if (outcome != JOURNAL_DURABLE)
			abort();
	}
	return NULL;
}

/* Readers, writers, deletion and the states, all at once. */
static void test_threads(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct appender a[THREADS];
	struct journal_io io = fast_io();
	struct journal *j;
	struct journal_cursor *c;
	static uint8_t seen[THREADS * PER_THREAD];
	uint64_t position = 0, seq[3] = {0}, chain[3] = {0};
	struct journal_model_state model;
	struct journal_frame f;
	struct err e = {0};
	size_t n = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	o.segment_bytes = 32 * 1024;
	o.max_pending_bytes = 6000;
	j = must_open(&o, &io, NULL);
	c = journal_cursor_new(j);
	for (uint64_t i = 0; i < THREADS; i++) {
		a[i] = (struct appender){.j = j, .first = i * PER_THREAD};
		pthread_create(&a[i].thread, NULL, append_many, &a[i]);
	}
	while (n < THREADS * PER_THREAD) {
		int r = journal_next(c, position, &f, &e);
		const void *payload;

		assert_true(r >= 0);
		if (r == 0) {
			journal_wait(j, position, 100000);
			continue;
		}
		payload = journal_payload(c, &f, &e);
		assert_non_null(payload);
		seen[payload_number(payload, f.payload_len)]++;
		assert_int_equal(f.seq, ++seq[f.model_id]);
		assert_int_equal(f.chain_before, chain[f.model_id]);
		chain[f.model_id] = f.chain_after;
		position = f.end;
		n++;
		journal_applied(j, position);
		journal_model_state(j, f.model_id, &model);
		assert_true(model.seq >= f.seq);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(a[i].thread, NULL);
	for (size_t i = 0; i < THREADS * PER_THREAD; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(count_files(dir, ".seg"), 1);
	journal_cursor_free(c);
	journal_close(j);
	drop_dir(dir);
}

/* A process that appends and tells the pipe what was acknowledged. */
static void run_victim(const char *dir, uint64_t first, int out)
{
	struct journal_options o = default_options(dir);
	struct err e = {0};
	struct journal *j;
	char payload[600];

	o.segment_bytes = 64 * 1024;
	j = journal_open(&o, NULL, &e);
	if (!j)
		_exit(1);
	for (uint64_t i = first;; i++) {
		size_t len = 8 + i * 977 % 590;
		enum journal_outcome outcome;

		make_payload(i, len, payload);
		if (append(j, 1, payload, len, &outcome, &e) < 0 ||
		    outcome != JOURNAL_DURABLE ||
		    write(out, &i, sizeof(i)) != sizeof(i))
			_exit(2);
	}
}

/* Everything acknowledged is there, once, in order, and at most one more. */
static void check_victim(const char *dir, uint64_t *n)
{
	struct journal_options o = default_options(dir);
	static uint64_t numbers[100000];
	struct journal *j = must_open(&o, NULL, NULL);
	size_t found = read_numbers(j, numbers, 100000);

	assert_true(found == *n || found == *n + 1);
	for (size_t i = 0; i < found; i++)
		assert_int_equal(numbers[i], i);
	assert_int_equal(journal_corrupt_count(j), 0);
	*n = found;
	journal_close(j);
}

static void test_kill(void **state)
{
	char *dir = make_dir();
	uint64_t seed = test_seed(), n = 0;

	(void)state;
	for (int life = 0; life < 15; life++) {
		int64_t lives_us = (int64_t)(next_random(&seed) % 60000);
		int pipes[2], status;
		uint64_t i;
		pid_t pid;

		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		if (pid == 0) {
			close(pipes[0]);
			run_victim(dir, n, pipes[1]);
		}
		close(pipes[1]);
		clock_sleep_us(lives_us);
		kill(pid, SIGKILL);
		while (read(pipes[0], &i, sizeof(i)) == sizeof(i)) {
			assert_int_equal(i, n);
			n++;
		}
		close(pipes[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		check_victim(dir, &n);
	}
	print_message("%llu frames survived\n", (unsigned long long)n);
	drop_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
