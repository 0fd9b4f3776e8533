/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flusher when things go wrong: answers to COMMIT that never come,
 * backends that are killed, an older database, cloned journals, journals that
 * lost something, schemas from the future.  Whatever happens, every frame is
 * counted exactly once and the counters add up.
 */
#include "storage/flush.h"

#include "tests/unit/storage/flush_fixture.h"

#include <dirent.h>
#include <fcntl.h>

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0600);
	char data[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, data, sizeof(data))) > 0)
		assert_int_equal(write(out, data, (size_t)n), n);
	close(in);
	close(out);
}

static void copy_dir(const char *from, const char *to)
{
	DIR *d = opendir(from);
	struct dirent *it;
	char a[512], b[512];

	mkdir(to, 0700);
	assert_non_null(d);
	while ((it = readdir(d))) {
		struct stat st;

		snprintf(a, sizeof(a), "%s/%s", from, it->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, it->d_name);
		if (lstat(a, &st) == 0 && S_ISREG(st.st_mode))
			copy_file(a, b);
	}
	closedir(d);
}

/* Frames number [from, to) with marks of their own and ${n} events. */
static void append_marked(struct world *w, int from, int to, uint32_t n,
			  bool with_keys)
{
	for (int i = from; i < to; i++) {
		char mark[16];

		snprintf(mark, sizeof(mark), "f%d", i);
		append(w, &(struct frame){
				  .mark = mark,
				  .key = with_keys && i % 2 ? mark : NULL,
				  .time_us = T0 + (i % 5) * HOUR,
				  .n = n,
			  });
	}
}

static void assert_marked(struct world *w, int from, int to, uint64_t n)
{
	struct profile_set set;
	char mark[16];

	read_profile(w, w->model_id, INT64_MIN, &set);
	for (int i = from; i < to; i++) {
		snprintf(mark, sizeof(mark), "f%d", i);
		assert_int_equal(count_mark(&set, mark), n);
	}
	profile_set_release(&set);
}

/* COMMIT done and the answer lost, COMMIT never sent, and cuts anywhere. */
static void test_unknown_commit(void **state)
{
	struct pg_proxy proxy;
	struct world w;
	uint32_t seed;
	int n = 0;

	(void)state;
	world_init(&w);
	proxy_start(&proxy);
	world_open_journal(&w);
	random_bytes(&seed, sizeof(seed));
	print_message("seed %u\n", seed);
	srand(seed);
	world_start(&w, proxy.dsn, true);
	for (int round = 0; round < 60; round++) {
		atomic_store(&proxy.bytes, rand() % 6000);
		atomic_store(&proxy.cut, round % 3 == 0   ? CUT_AFTER_COMMIT
					 : round % 3 == 1 ? CUT_BEFORE_COMMIT
							  : CUT_AFTER_BYTES);
		append_marked(&w, n, n + 3, 2, true);
		n += 3;
		drain(&w);
		assert_int_equal(read_sums(&w, w.model_id).applied, 2 * n);
	}
	assert_true(atomic_load(&proxy.n_cuts) > 40);
	assert_marked(&w, 0, n, 2);
	assert_int_equal(read_sums(&w, w.model_id).duplicate, 0);
	world_release(&w);
	proxy_stop(&proxy);
}

struct killer {
	atomic_bool stop;
	unsigned seed;
	int n_killed;
};

static void *kill_backends(void *arg)
{
	struct killer *k = arg;
	struct pg *pg = test_pg(getenv("DRIFTD_TEST_DSN"));
	struct pg_result *r;
	struct err e;

	while (!atomic_load(&k->stop)) {
		clock_sleep_us(2000 + rand_r(&k->seed) % 20000);
		if (pg_exec(pg, "SELECT count(pg_terminate_backend(pid)) "
				"FROM pg_stat_activity WHERE "
				"application_name = 'flush'", NULL, &r, &e))
			continue;
		k->n_killed += (int)pg_get_int(r, 0, 0);
		pg_result_free(r);
	}
	pg_free(pg);
	return NULL;
}

static void test_killed_backends(void **state)
{
	struct killer k = {.n_killed = 0};
	pthread_t thread;
	struct world w;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	random_bytes(&k.seed, sizeof(k.seed));
	print_message("seed %u\n", k.seed);
	pthread_create(&thread, NULL, kill_backends, &k);
	for (int i = 0; i < 150; i++) {
		append_marked(&w, 2 * i, 2 * i + 2, 3, true);
		clock_sleep_us(5000);
	}
	atomic_store(&k.stop, true);
	pthread_join(thread, NULL);
	drain(&w);
	assert_true(k.n_killed > 5);
	assert_int_equal(read_sums(&w, w.model_id).applied, 900);
	assert_marked(&w, 0, 300, 3);
	world_release(&w);
}

/* The same keyed bodies through two journals at once: each counts once. */
static void test_two_sources(void **state)
{
	struct world a, b;
	struct sums s;

	(void)state;
	world_init(&a);
	world_init(&b);
	memcpy(b.model, a.model, sizeof(a.model));
	b.model_id = a.model_id;
	world_open_journal(&a);
	world_open_journal(&b);
	world_start(&a, test_dsn(), true);
	world_start(&b, test_dsn(), true);
	for (int i = 0; i < 60; i++) {
		char mark[16];

		for (int j = 0; j < 2; j++) {
			int frame = j ? 60 - i : i + 1;

			snprintf(mark, sizeof(mark), "f%d", frame);
			append(j ? &b : &a,
			       &(struct frame){.mark = mark, .key = mark,
					       .time_us = T0, .n = 2});
		}
	}
	drain(&a);
	drain(&b);
	s = read_sums(&a, a.model_id);
	assert_int_equal(s.n_rows, 2);
	assert_int_equal(s.applied, 120);
	assert_int_equal(s.duplicate, 120);
	assert_marked(&a, 1, 61, 2);
	world_release(&a);
	world_release(&b);
}

static void wait_fenced(struct world *w)
{
	struct flush_status status;

	for (int i = 0; i < WAIT_S * 100; i++) {
		flusher_get_status(w->flusher, &status);
		if (status.fenced)
			return;
		clock_sleep_us(10000);
	}
	fail_msg("not fenced: %s", status.message);
}

/* A copy of the journal that went on by itself must not flush. */
static void test_clone_same_epoch(void **state)
{
	struct world a, b;

	(void)state;
	world_init(&a);
	world_init(&b);
	memcpy(b.model, a.model, sizeof(a.model));
	b.model_id = a.model_id;
	world_open_journal(&a);
	append_marked(&a, 0, 5, 2, false);
	world_close(&a);
	copy_dir(a.dir, b.dir);
	/* Both in their second life, with other frames at the same seq. */
	world_open_journal(&a);
	append_marked(&a, 5, 8, 2, false);
	world_open_journal(&b);
	append_marked(&b, 105, 109, 2, false);
	world_start(&a, test_dsn(), true);
	drain(&a);
	world_start(&b, test_dsn(), true);
	wait_fenced(&b);
	assert_int_equal(read_sums(&a, a.model_id).applied, 16);
	assert_marked(&a, 0, 8, 2);
	assert_marked(&a, 105, 109, 0);
	/* The original goes on. */
	append_marked(&a, 8, 9, 2, false);
	drain(&a);
	assert_int_equal(read_sums(&a, a.model_id).applied, 18);
	world_release(&a);
	world_release(&b);
}

static void test_clone_higher_epoch(void **state)
{
	struct world a, b;

	(void)state;
	world_init(&a);
	world_init(&b);
	memcpy(b.model, a.model, sizeof(a.model));
	b.model_id = a.model_id;
	world_open_journal(&a);
	append_marked(&a, 0, 5, 2, false);
	world_start(&a, test_dsn(), true);
	drain(&a);
	copy_dir(a.dir, b.dir);
	world_open_journal(&b); /* a later life of the same identity */
	append_marked(&b, 5, 7, 2, false);
	world_start(&b, test_dsn(), true);
	drain(&b);
	append_marked(&a, 105, 106, 2, false);
	wait_fenced(&a);
	assert_int_equal(read_sums(&a, a.model_id).applied, 14);
	assert_marked(&a, 0, 7, 2);
	assert_marked(&a, 105, 106, 0);
	world_release(&a);
	world_release(&b);
}

static const char *const tables[] = {
	"model", "source_position", "batch_key", "window_state", "dirty",
	"delta", "baseline", "baseline_version",
};

static void snapshot(struct world *w, bool restore)
{
	char sql[512];

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (restore) {
			snprintf(sql, sizeof(sql),
				 "BEGIN; DELETE FROM driftd.%s WHERE model_id "
				 "= %" PRId64 "; INSERT INTO driftd.%s "
				 "SELECT * FROM old_%s; COMMIT", tables[i],
				 w->model_id, tables[i], tables[i]);
		} else {
			snprintf(sql, sizeof(sql),
				 "DROP TABLE IF EXISTS old_%s; CREATE TEMP "
				 "TABLE old_%s AS SELECT * FROM driftd.%s "
				 "WHERE model_id = %" PRId64, tables[i],
				 tables[i], tables[i], w->model_id);
		}
		run_script(w->pg, sql);
	}
}

/* The database goes back to an older state, once to before the first flush;
 * what was applied meanwhile is applied again from the journal. */
static void test_older_database(void **state)
{
	enum baseline_put_outcome outcome;
	struct baseline *b;
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	b = make_baseline(0);
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	snapshot(&w, false);
	append_marked(&w, 0, 10, 2, true);
	drain(&w);
	snapshot(&w, true);
	append_marked(&w, 10, 12, 2, true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 24);
	assert_int_equal(s.duplicate + s.lost + s.corrupt, 0);
	assert_marked(&w, 0, 12, 2);
	snapshot(&w, false);
	append_marked(&w, 12, 20, 2, true);
	drain(&w);
	snapshot(&w, true);
	append_marked(&w, 20, 22, 2, true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 44);
	assert_int_equal(s.duplicate + s.lost + s.corrupt, 0);
	assert_marked(&w, 0, 22, 2);
	/* It also lost the content of a baseline that is pinned. */
	fixture_ok(baseline_store_put(w.pg, w.model_id, w.model, "1", "b", b,
				      false, &outcome, &fixture_e));
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	snapshot(&w, false);
	run_script(w.pg, "DELETE FROM old_baseline");
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	snapshot(&w, true);
	append(&w, &(struct frame){.time_us = T0 + 30 * HOUR, .n = 1});
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 47);
	{
		struct baseline *got = NULL;

		fixture_ok(baseline_store_get(w.pg, w.model_id, "b", &got,
					      NULL, &fixture_e));
		baseline_free(got);
	}
	world_release(&w);
	baseline_free(b);
}

/* A journal from a backup: the database is ahead of it. */
static void test_lost_tail(void **state)
{
	struct world w;
	struct sums s;
	char backup[80];
	int64_t before;

	(void)state;
	world_init(&w);
	snprintf(backup, sizeof(backup), "%s.backup", w.dir);
	world_open_journal(&w);
	append_marked(&w, 0, 5, 2, false);
	world_close(&w);
	copy_dir(w.dir, backup);
	world_open_journal(&w);
	append_marked(&w, 5, 10, 2, false);
	world_start(&w, test_dsn(), true);
	drain(&w);
	before = journal_source_id(w.journal);
	world_close(&w);
	remove_tree(w.dir);
	copy_dir(backup, w.dir);
	world_open_journal(&w);
	assert_true(journal_source_id(w.journal) == before);
	world_start(&w, test_dsn(), true);
	for (int i = 0; journal_source_id(w.journal) == before; i++) {
		assert_true(i < 1000);
		clock_sleep_us(10000);
	}
	append_marked(&w, 10, 13, 2, false);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.n_rows, 2);
	assert_int_equal(s.applied, 26);
	assert_marked(&w, 0, 13, 2);
	world_close(&w);
	/* And once more: the two identities stay apart. */
	world_open_journal(&w);
	append_marked(&w, 13, 14, 2, false);
	world_start(&w, test_dsn(), true);
	drain(&w);
	assert_int_equal(read_sums(&w, w.model_id).applied, 28);
	assert_marked(&w, 0, 14, 2);
	remove_tree(backup);
	world_release(&w);
}

/* The same, but frames were acknowledged before the flusher could look: they
 * stand at places that count as applied, and are applied nevertheless. */
static void test_lost_tail_then_frames(void **state)
{
	struct pg_proxy proxy;
	struct world w;
	struct sums s;
	char backup[80], other[32];
	int64_t before, other_id;

	(void)state;
	world_init(&w);
	proxy_start(&proxy);
	random_name(other);
	other_id = hash_id63(other, strlen(other));
	snprintf(backup, sizeof(backup), "%s.backup", w.dir);
	world_open_journal(&w);
	append_marked(&w, 0, 5, 2, false);
	for (int i = 0; i < 2; i++)
		append(&w, &(struct frame){.model = other, .time_us = T0,
					   .n = 1});
	world_close(&w);
	copy_dir(w.dir, backup);
	world_open_journal(&w);
	append_marked(&w, 5, 10, 2, false);
	for (int i = 0; i < 4; i++)
		append(&w, &(struct frame){.model = other, .time_us = T0,
					   .n = 1});
	world_start(&w, test_dsn(), true);
	drain(&w);
	world_close(&w);
	remove_tree(w.dir);
	copy_dir(backup, w.dir);
	world_open_journal(&w);
	atomic_store(&proxy.cut, STALL);
	world_start(&w, proxy.dsn, true);
	append_marked(&w, 105, 108, 2, false);
	append(&w, &(struct frame){.model = other, .time_us = T0, .n = 10});
	before = journal_source_id(w.journal);
	atomic_store(&proxy.cut, CUT_NEVER);
	for (int i = 0; journal_source_id(w.journal) == before; i++) {
		assert_true(i < 1000);
		clock_sleep_us(10000);
	}
	append_marked(&w, 21, 23, 2, false);
	drain(&w);
	drain(&w);
	for (int life = 0; life < 2; life++) {
		s = read_sums(&w, w.model_id);
		assert_int_equal(s.applied, 20 + 6 + 4);
		assert_int_equal(s.lost + s.corrupt + s.duplicate, 0);
		assert_int_equal(read_sums(&w, other_id).applied, 16);
		assert_marked(&w, 0, 10, 2);
		assert_marked(&w, 105, 108, 2);
		assert_marked(&w, 21, 23, 2);
		world_close(&w);
		world_open_journal(&w);
		world_start(&w, test_dsn(), true);
		drain(&w);
	}
	remove_tree(backup);
	world_release(&w);
	proxy_stop(&proxy);
}

/* Bytes of the journal go bad while nobody looks: once in a payload, once in
 * a header. */
static void test_damaged_journal(void **state)
{
	struct journal_cursor *c;
	struct journal_frame h;
	struct world w;
	struct sums s;
	uint64_t position = 0, at[20];
	char path[512];
	int fd = -1, n = 0;
	DIR *d;
	struct dirent *it;

	(void)state;
	world_init(&w);
	world_open_journal(&w);
	append_marked(&w, 0, 12, 2, false);
	c = journal_cursor_new(w.journal);
	while (n < 20 &&
	       journal_next(c, position, &h, &fixture_e) == 1) {
		at[n++] = h.position;
		position = h.end;
	}
	assert_int_equal(n, 12);
	journal_cursor_free(c);
	d = opendir(w.dir);
	while ((it = readdir(d)))
		if (strstr(it->d_name, ".seg")) {
			snprintf(path, sizeof(path), "%s/%s", w.dir,
				 it->d_name);
			fd = open(path, O_RDWR);
		}
	closedir(d);
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++) {
		off_t where = (off_t)(at[i ? 7 : 3] + (i ? 16 : 120));
		char byte;

		assert_int_equal(pread(fd, &byte, 1, where), 1);
		byte = (char)(byte ^ 0x40);
		assert_int_equal(pwrite(fd, &byte, 1, where), 1);
	}
	close(fd);
	world_start(&w, test_dsn(), true);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_int_equal(s.applied, 20);
	assert_int_equal(s.corrupt, 4);
	assert_int_equal(s.lost, 0);
	assert_marked(&w, 0, 3, 2);
	assert_marked(&w, 3, 4, 0);
	assert_marked(&w, 4, 7, 2);
	assert_marked(&w, 7, 8, 0);
	assert_marked(&w, 8, 12, 2);
	world_release(&w);
}

/* What the journal does not have any more when the database goes back. */
static void test_lost_segments(void **state)
{
	struct world w;
	struct sums s;

	(void)state;
	world_init(&w);
	w.retain_us = 0;
	world_open_journal(&w);
	world_start(&w, test_dsn(), true);
	snapshot(&w, false);
	for (int i = 0; i < 30; i++) {
		append_marked(&w, i, i + 1, 9000, false);
		drain(&w);
	}
	drain(&w);
	assert_true(journal_oldest(w.journal) > 0);
	snapshot(&w, true);
	append_marked(&w, 30, 31, 9000, false);
	drain(&w);
	s = read_sums(&w, w.model_id);
	assert_true(s.lost > 0);
	assert_int_equal(s.corrupt, 0);
	assert_int_equal(s.applied + s.lost, 31 * 9000);
	assert_marked(&w, 30, 31, 9000);
	world_release(&w);
}

/* A newer schema: journal only, until it is ours again. */
static void test_newer_schema(void **state)
{
	struct flush_status status = {.paused = false};
	struct world w;
	struct pg *pg;
	char sql[128], dsn[512];

	(void)state;
	world_init(&w);
	snprintf(sql, sizeof(sql), "CREATE DATABASE driftd_%s", w.model);
	run_script(w.pg, sql);
	snprintf(dsn, sizeof(dsn), "%s dbname=driftd_%s", test_dsn(), w.model);
	pg = test_pg(dsn);
	world_open_journal(&w);
	append_marked(&w, 0, 3, 2, false);
	/* An empty database and nobody who may migrate it. */
	world_start(&w, dsn, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_true(status.paused);
	world_stop(&w);
	world_start(&w, dsn, true);
	drain(&w);
	run_script(pg, "INSERT INTO driftd.schema_migration "
		       "VALUES (1000, 'future', now())");
	append_marked(&w, 3, 5, 2, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_true(status.paused && status.connected && !status.fenced);
	assert_non_null(strstr(status.message, "1000"));
	run_script(pg, "DELETE FROM driftd.schema_migration "
		       "WHERE version = 1000");
	drain(&w);
	flusher_get_status(w.flusher, &status);
	assert_false(status.paused);
	assert_string_equal(status.message, "");
	pg_free(w.pg);
	w.pg = pg;
	assert_int_equal(read_sums(&w, w.model_id).applied, 10);
	world_close(&w);
	pg_free(w.pg);
	w.pg = test_pg(test_dsn());
	snprintf(sql, sizeof(sql), "DROP DATABASE driftd_%s WITH (FORCE)",
		 w.model);
	run_script(w.pg, sql);
	world_release(&w);
}

/* No database at first, then one: a drain at the end waits for it. */
static void test_late_database(void **state)
{
	struct flush_status status;
	struct pg_proxy proxy;
	struct world w;
	int64_t began;

	(void)state;
	world_init(&w);
	proxy_start(&proxy);
	atomic_store(&proxy.cut, STALL);
	world_open_journal(&w);
	world_start(&w, proxy.dsn, true);
	append_marked(&w, 0, 4, 2, false);
	assert_false(flusher_flush(w.flusher, CLOCK_SECOND_US / 2));
	flusher_get_status(w.flusher, &status);
	assert_false(status.connected);
	/* Without a drain a stop does not wait for anything. */
	began = clock_monotonic_us();
	world_stop(&w);
	assert_true(clock_monotonic_us() - began < CLOCK_SECOND_US);
	world_start(&w, proxy.dsn, true);
	atomic_store(&proxy.cut, CUT_NEVER);
	flusher_stop(w.flusher, true, WAIT_S * CLOCK_SECOND_US);
	pthread_join(w.thread, NULL);
	flusher_free(w.flusher);
	w.flusher = NULL;
	assert_int_equal(read_sums(&w, w.model_id).applied, 8);
	world_release(&w);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_commit),
		cmocka_unit_test(test_killed_backends),
		cmocka_unit_test(test_two_sources),
		cmocka_unit_test(test_clone_same_epoch),
		cmocka_unit_test(test_clone_higher_epoch),
		cmocka_unit_test(test_older_database),
		cmocka_unit_test(test_lost_tail),
		cmocka_unit_test(test_lost_tail_then_frames),
		cmocka_unit_test(test_damaged_journal),
		cmocka_unit_test(test_lost_segments),
		cmocka_unit_test(test_newer_schema),
		cmocka_unit_test(test_late_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
