/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the journal keeps and what it refuses: retention, the bound on the
 * disk with its hysteresis, the bound on what waits to be written.
 */
#include "tests/unit/storage/journal_fixture.h"

#include "base/clock.h"
#include "storage/journal.h"
#include "storage/journal_format.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

/* Deleting forgets no state, spares what is young or not applied. */
static void test_applied(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_model_state before, after;
	struct journal_io io = fast_io();
	uint64_t oldest, position;
	struct journal_recovery r;
	struct journal *j;
	int64_t now = 1700000000 * CLOCK_SECOND_US;

	(void)state;
	o.segment_bytes = 64 * 1024;
	o.retain_us = CLOCK_HOUR_US;
	clock_set_wall(now);
	j = must_open(&o, &io, NULL);
	must_append(j, 99, 0, 1000);
	journal_model_state(j, 99, &before);
	for (uint64_t i = 1; i < 20; i++)
		must_append(j, 1, i, 30000);
	position = journal_durable_end(j);
	assert_int_equal(journal_oldest(j), 0);
	journal_applied(j, position);
	assert_int_equal(journal_oldest(j), 0); /* too young */
	clock_set_wall(now + CLOCK_HOUR_US);
	journal_applied(j, 70000);
	oldest = journal_oldest(j);
	assert_true(oldest > 0 && oldest <= 70000);
	journal_applied(j, position);
	assert_true(journal_oldest(j) > oldest);
	assert_int_equal(count_files(dir, ".seg"), 1);
	journal_model_state(j, 99, &after);
	assert_memory_equal(&before, &after, sizeof(after));
	journal_close(j);
	clock_set_wall(INT64_MIN);
	j = must_open(&o, &io, &r);
	assert_int_equal(r.n_segments, 1);
	journal_model_state(j, 99, &after);
	assert_memory_equal(&before, &after, sizeof(after));
	assert_int_equal(journal_durable_end(j), position);
	/* A position whose segment is gone means the oldest one. */
	must_append(j, 99, 20, 100);
	journal_model_state(j, 99, &after);
	assert_int_equal(after.seq, 2);
	journal_close(j);
	drop_dir(dir);
}

static void test_pressure(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct journal *j;

	(void)state;
	o.max_bytes = 1 << 20;
	o.segment_bytes = 64 * 1024;
	o.retain_us = CLOCK_DAY_US;
	j = must_open(&o, &io, NULL);
	for (uint64_t i = 0; i < 20; i++)
		must_append(j, 1, i, 30000);
	assert_true(journal_bytes(j) > o.max_bytes / 2);
	journal_applied(j, journal_durable_end(j));
	/* Those beyond half are gone in spite of `retain`, no more. */
	assert_true(journal_bytes(j) <= o.max_bytes / 2);
	assert_true(journal_bytes(j) > o.max_bytes / 2 - 2 * o.segment_bytes);
	journal_close(j);
	drop_dir(dir);
}

static uint64_t fill_up(struct journal *j, uint64_t number, uint64_t *max)
{
	enum journal_outcome outcome;
	char payload[5000];
	struct err e = {0};

	for (;; number++) {
		make_payload(number, sizeof(payload), payload);
		if (append(j, 1, payload, sizeof(payload), &outcome, &e) < 0)
			break;
		assert_int_equal(outcome, JOURNAL_DURABLE);
		if (journal_bytes(j) > *max)
			*max = journal_bytes(j);
		assert_true(number < 100000);
	}
	assert_int_equal(e.code, ERR_LIMIT);
	assert_non_null(strstr(e.message, "is full"));
	return number;
}

static void test_disk_bound(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	static uint64_t numbers[1000];
	enum journal_outcome outcome;
	uint64_t n, more, max = 0;
	struct err e = {0};
	struct journal *j;
	char *big = calloc(1, 600000);

	(void)state;
	o.max_bytes = 1 << 20;
	o.segment_bytes = 64 * 1024;
	o.retain_us = 0;
	j = must_open(&o, &io, NULL);
	assert_int_equal(append(j, 1, big, 600000, &outcome, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	n = fill_up(j, 0, &max);
	assert_true(max <= o.max_bytes && max > o.max_bytes * 8 / 10);
	assert_int_equal(read_numbers(j, numbers, 1000), n);
	/* One segment freed is above 90 %: still full. */
	journal_applied(j, 65 * 1024);
	assert_true(journal_oldest(j) > 0);
	assert_int_equal(append(j, 1, big, 10, &outcome, &e), -1);
	journal_applied(j, journal_durable_end(j));
	more = fill_up(j, n, &max);
	assert_true(more > n && max <= o.max_bytes);
	journal_close(j);
	free(big);
	drop_dir(dir);
}

/* A frame as large as a frame may be, then more: it must not get stuck. */
static void test_disk_bound_large(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct journal *j;

	(void)state;
	o.max_bytes = 1 << 20;
	o.segment_bytes = 1 << 20;
	o.retain_us = 0;
	j = must_open(&o, &io, NULL);
	for (uint64_t i = 0; i < 20; i++) {
		must_append(j, 1, i, i % 2 ? 400000 : 100);
		assert_true(journal_bytes(j) <= o.max_bytes);
		journal_applied(j, journal_durable_end(j));
	}
	journal_close(j);
	drop_dir(dir);
}

/* A gate in fdatasync keeps the committer where the test wants it. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int gated_sync(int fd)
{
	(void)fd;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return 0;
}

static void test_pending_bound(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct waiter w[64];
	static char payload[10000];
	struct err e = {0};
	struct journal *j;
	int n = 0;

	(void)state;
	io.fdatasync = gated_sync;
	o.max_pending_bytes = 50000;
	j = must_open(&o, &io, NULL);
	pthread_mutex_lock(&gate);
	while (n < 64) {
		waiter_init(&w[n], 1, payload, sizeof(payload));
		if (journal_append(j, &w[n].entry, &e) < 0)
			break;
		n++;
	}
	/* Nothing is durable; some runs may have been written. */
	assert_int_equal(journal_durable_end(j), 0);
	assert_true(n >= 4 && n < 12);
	assert_int_equal(e.code, ERR_LIMIT);
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < n; i++)
		assert_int_equal(waiter_wait(&w[i]), JOURNAL_DURABLE);
	must_append(j, 1, 1, 60000); /* larger than the bound, but alone */
	journal_close(j);
	drop_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_applied),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_disk_bound),
		cmocka_unit_test(test_disk_bound_large),
		cmocka_unit_test(test_pending_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
