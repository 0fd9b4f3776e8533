/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal when all is well: appending, reading, rotation, identity, and
 * the directories it refuses.
 */
#include "tests/unit/storage/journal_fixture.h"

#include "base/clock.h"
#include "storage/journal.h"
#include "storage/journal_format.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

static void test_append_and_read(void **state)
{
	static const size_t lens[] = {8, 9, 15, 16, 100, 4096, 300000, 700000};
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_cursor *c = journal_cursor_new(j);
	uint64_t position = 0, chain = 0, n_events = 0;
	struct journal_model_state model;
	struct journal_frame f;
	struct err e = {0};

	(void)state;
	assert_int_equal(journal_next(c, 0, &f, &e), 0);
	assert_int_equal(journal_durable_end(j), 0);
	assert_false(journal_wait(j, 0, 1000));
	for (uint64_t i = 0; i < 8; i++) {
		must_append(j, 7, i, lens[i]);
		assert_true(journal_wait(j, position, 0));
		assert_int_equal(journal_next(c, position, &f, &e), 1);
		assert_int_equal(f.model_id, 7);
		assert_int_equal(f.seq, i + 1);
		assert_int_equal(f.chain_before, chain);
		assert_int_equal(f.n_events_before, n_events);
		assert_int_equal(f.n_events, lens[i] % 100);
		assert_int_equal(f.n_rejected, lens[i] % 7);
		assert_int_equal(f.payload_len, lens[i]);
		assert_int_equal(f.source_id, journal_source_id(j));
		assert_int_equal(payload_number(journal_payload(c, &f, &e),
						f.payload_len),
				 i);
		chain = f.chain_after;
		n_events += f.n_events;
		position = f.end;
		assert_int_equal(position, journal_durable_end(j));
		assert_int_equal(journal_next(c, position, &f, &e), 0);
	}
	journal_model_state(j, 7, &model);
	assert_int_equal(model.seq, 8);
	assert_int_equal(model.chain, chain);
	assert_int_equal(model.n_events, n_events);
	journal_model_state(j, 8, &model);
	assert_int_equal(model.seq, 0);
	assert_int_equal(journal_corrupt_count(j), 0);
	journal_cursor_free(c);
	journal_close(j);
	drop_dir(dir);
}

static void test_empty_payload(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_cursor *c = journal_cursor_new(j);
	enum journal_outcome outcome;
	struct journal_frame f;
	struct err e = {0};

	(void)state;
	assert_int_equal(append(j, 1, "", 0, &outcome, &e), 0);
	assert_int_equal(journal_next(c, 0, &f, &e), 1);
	assert_int_equal(f.payload_len, 0);
	assert_non_null(journal_payload(c, &f, &e));
	journal_cursor_free(c);
	journal_close(j);
	drop_dir(dir);
}

static void test_reopen(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_model_state before, after;
	uint64_t numbers[16], end = 0;
	int64_t source = 0;

	(void)state;
	for (uint64_t life = 1; life <= 4; life++) {
		struct journal_recovery r;
		struct journal *j = must_open(&o, NULL, &r);

		assert_int_equal(journal_epoch(j), life == 1 ? 1 : life - 0);
		assert_int_equal(r.torn_bytes, 0);
		assert_int_equal(r.n_corrupt_runs, 0);
		assert_false(r.new_identity);
		if (life > 1) {
			assert_int_equal(journal_source_id(j), source);
			journal_model_state(j, 1, &after);
			assert_memory_equal(&before, &after, sizeof(after));
		}
		assert_int_equal(journal_durable_end(j), end);
		assert_int_equal(read_numbers(j, numbers, 16), 2 * (life - 1));
		must_append(j, 1, 2 * life - 2, 1000);
		must_append(j, 2, 2 * life - 1, 1000);
		source = journal_source_id(j);
		end = journal_durable_end(j);
		journal_model_state(j, 1, &before);
		assert_int_equal(before.seq, life);
		assert_int_equal(read_numbers(j, numbers, 16), 2 * life);
		for (uint64_t i = 0; i < 2 * life; i++)
			assert_int_equal(numbers[i], i);
		journal_close(j);
	}
	drop_dir(dir);
}

static void test_rotation(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	static uint64_t numbers[400];
	struct journal *j;
	uint64_t bytes = 0;

	(void)state;
	o.segment_bytes = 64 * 1024;
	j = must_open(&o, &io, NULL);
	/* Every fourth frame is larger than a segment. */
	for (uint64_t i = 0; i < 200; i++)
		must_append(j, (int64_t)(i % 5), i,
			    i % 40 == 7 ? 200000 : 100 + 37 * (i % 300));
	assert_true(count_files(dir, ".seg") > 10);
	assert_int_equal(read_numbers(j, numbers, 400), 200);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(numbers[i], i);
	bytes = journal_bytes(j);
	journal_close(j);
	j = must_open(&o, &io, NULL);
	/* The rest of the last segment was cut. */
	assert_true(journal_bytes(j) < bytes);
	assert_int_equal(read_numbers(j, numbers, 400), 200);
	journal_close(j);
	drop_dir(dir);
}

static void test_renew(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_model_state model;
	struct journal_cursor *c;
	struct journal_frame f;
	struct err e = {0};
	int64_t first, second;
	uint64_t position = 0;

	(void)state;
	must_append(j, 1, 0, 100);
	must_append(j, 1, 1, 100);
	first = journal_source_id(j);
	assert_int_equal(journal_renew_source(j, &e), 0);
	second = journal_source_id(j);
	assert_true(first != second);
	assert_int_equal(journal_epoch(j), 1);
	journal_model_state(j, 1, &model);
	assert_int_equal(model.seq, 0);
	/* Dies before anything is written under the new one. */
	journal_close(j);
	j = must_open(&o, NULL, NULL);
	assert_int_equal(journal_source_id(j), second);
	assert_int_equal(journal_epoch(j), 2);
	journal_model_state(j, 1, &model);
	assert_int_equal(model.seq, 0);
	must_append(j, 1, 2, 100);
	c = journal_cursor_new(j);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(journal_next(c, position, &f, &e), 1);
		assert_int_equal(f.source_id, i < 2 ? first : second);
		assert_int_equal(f.seq, i < 2 ? i + 1 : 1);
		position = f.end;
	}
	assert_int_equal(f.chain_before, 0);
	assert_int_equal(f.n_events_before, 0);
	journal_cursor_free(c);
	journal_close(j);
	j = must_open(&o, NULL, NULL);
	assert_int_equal(journal_source_id(j), second);
	journal_model_state(j, 1, &model);
	assert_int_equal(model.seq, 1);
	journal_close(j);
	drop_dir(dir);
}

static void expect_refusal(const struct journal_options *o, enum err_code code,
			   const char *says)
{
	struct journal_recovery r;
	struct err e = {0};

	assert_null(journal_open(o, &r, &e));
	if (!strstr(e.message, says))
		fail_msg("\"%s\" does not say \"%s\"", e.message, says);
	assert_int_equal(e.code, code);
}

static void test_second_process(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	int status;
	pid_t pid;

	(void)state;
	expect_refusal(&o, ERR_FENCED, "held by another process");
	pid = fork();
	if (pid == 0) {
		struct err e = {0};
		struct journal *other = journal_open(&o, NULL, &e);

		_exit(!other && e.code == ERR_FENCED ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	must_append(j, 1, 0, 100); /* the first one is not disturbed */
	journal_close(j);
	j = must_open(&o, NULL, NULL);
	journal_close(j);
	drop_dir(dir);
}

static void test_unusable_directories(void **state)
{
	char *dir = make_dir();
	char path[FIXTURE_PATH];
	struct journal_options o = default_options(path);
	struct journal *j;
	struct file f;

	(void)state;
	snprintf(path, sizeof(path), "%s/missing/journal", dir);
	expect_refusal(&o, ERR_IO, "No such file");
	file_write(dir, "plain", "x", 1);
	snprintf(path, sizeof(path), "%s/plain", dir);
	expect_refusal(&o, ERR_IO, "Not a directory");
	if (geteuid() != 0) {
		snprintf(path, sizeof(path), "%s/readonly", dir);
		assert_int_equal(mkdir(path, 0500), 0);
		expect_refusal(&o, ERR_IO, "Permission denied");
	} else {
		snprintf(path, sizeof(path), "/proc/self");
		expect_refusal(&o, ERR_IO, "cannot write to journal");
	}
	snprintf(path, sizeof(path), "%s/journal", dir);
	o.max_bytes = 1000;
	expect_refusal(&o, ERR_INVALID, "too small");
	o.max_bytes = 64 << 20;
	j = must_open(&o, NULL, NULL);
	must_append(j, 1, 0, 100);
	journal_close(j);

	file_read(path, "source", &f);
	f.data[8] = 2;
	file_write(path, "source", f.data, f.len);
	expect_refusal(&o, ERR_INVALID, "newer than this program");
	f.data[8] = 1;
	f.data[17] ^= 1;
	file_write(path, "source", f.data, f.len);
	expect_refusal(&o, ERR_INVALID, "damaged");
	free(f.data);
	drop_dir(dir);
}

/* The way out that the message about a damaged `source` names. */
static void test_lost_source(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_model_state model;
	struct journal_recovery r;
	int64_t first = journal_source_id(j);
	char path[FIXTURE_PATH];
	uint64_t numbers[4];

	(void)state;
	must_append(j, 1, 0, 100);
	journal_close(j);
	snprintf(path, sizeof(path), "%s/source", dir);
	assert_int_equal(unlink(path), 0);
	j = must_open(&o, NULL, &r);
	assert_true(r.new_identity);
	assert_true(journal_source_id(j) != first);
	assert_int_equal(journal_epoch(j), 1);
	journal_model_state(j, 1, &model);
	assert_int_equal(model.seq, 0);
	assert_int_equal(read_numbers(j, numbers, 4), 1);
	journal_close(j);
	drop_dir(dir);
}

static void test_interval(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j;
	enum journal_outcome outcome;
	uint64_t numbers[8];
	char payload[100];
	struct err e = {0};

	(void)state;
	o.sync = JOURNAL_SYNC_INTERVAL;
	o.sync_interval_us = 200000;
	j = must_open(&o, NULL, NULL);
	make_payload(0, sizeof(payload), payload);
	assert_int_equal(append(j, 1, payload, 100, &outcome, &e), 0);
	assert_int_equal(outcome, JOURNAL_WRITTEN);
	/* Written is not durable: no reader sees it yet. */
	assert_int_equal(read_numbers(j, numbers, 8), 0);
	assert_true(journal_wait(j, 0, 5 * CLOCK_SECOND_US));
	assert_int_equal(read_numbers(j, numbers, 8), 1);
	make_payload(1, sizeof(payload), payload);
	assert_int_equal(append(j, 1, payload, 100, &outcome, &e), 0);
	journal_close(j); /* syncs */
	j = must_open(&o, NULL, NULL);
	assert_int_equal(read_numbers(j, numbers, 8), 2);
	journal_close(j);
	drop_dir(dir);
}

static void *wake_later(void *arg)
{
	clock_sleep_us(50000);
	journal_wake(arg);
	return NULL;
}

static void test_wake(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	int64_t start = clock_monotonic_us();
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, wake_later, j);
	assert_false(journal_wait(j, 0, 30 * CLOCK_SECOND_US));
	pthread_join(thread, NULL);
	journal_wake(j); /* nobody waits: it is kept */
	assert_false(journal_wait(j, 0, 30 * CLOCK_SECOND_US));
	assert_true(clock_monotonic_us() - start < 10 * CLOCK_SECOND_US);
	assert_false(journal_wait(j, 0, 1000)); /* and used up */
	journal_close(j);
	drop_dir(dir);
}

/* A position within a frame is answered with the next one, not as damage. */
static void test_odd_positions(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_cursor *c = journal_cursor_new(j);
	struct journal_frame first, f;
	struct err e = {0};

	(void)state;
	must_append(j, 1, 0, 1000);
	must_append(j, 1, 1, 1000);
	assert_int_equal(journal_next(c, 0, &first, &e), 1);
	for (uint64_t p = first.position + 1; p <= first.end; p++) {
		assert_int_equal(journal_next(c, p, &f, &e), 1);
		assert_int_equal(f.seq, 2);
	}
	assert_int_equal(journal_next(c, UINT64_MAX, &f, &e), 0);
	assert_int_equal(journal_corrupt_count(j), 0);
	journal_cursor_free(c);
	journal_close(j);
	drop_dir(dir);
}

static void test_quarantine(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal *j = must_open(&o, NULL, NULL);
	struct journal_cursor *c = journal_cursor_new(j);
	char path[FIXTURE_PATH];
	struct journal_frame f;
	struct err e = {0};
	struct file copy;

	(void)state;
	must_append(j, 1, 5, 1000);
	assert_int_equal(journal_next(c, 0, &f, &e), 1);
	assert_int_equal(journal_quarantine(j, &f, "../22P02", &e), 0);
	assert_int_equal(journal_quarantine(j, &f, "../22P02", &e), 0);
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	assert_int_equal(count_files(path, ".bin"), 1);
	file_read(path, "0000000000002000----22-02.bin", &copy);
	assert_int_equal(copy.len, f.end - f.position);
	assert_int_equal(
		payload_number(copy.data + sizeof(struct frame_header), 1000),
		5);
	free(copy.data);
	journal_cursor_free(c);
	journal_close(j);
	drop_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_read),
		cmocka_unit_test(test_empty_payload),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_renew),
		cmocka_unit_test(test_second_process),
		cmocka_unit_test(test_unusable_directories),
		cmocka_unit_test(test_lost_source),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_odd_positions),
		cmocka_unit_test(test_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
