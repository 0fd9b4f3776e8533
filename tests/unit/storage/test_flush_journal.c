/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flusher when the journal goes wrong: copies of it in use elsewhere, one
 * that came from a backup, damaged bytes, segments that are gone.
 */
#include "storage/flush.h"

#include "tests/unit/storage/flush_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>

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
		append(&w,
		       &(struct frame){.model = other, .time_us = T0, .n = 1});
	world_close(&w);
	copy_dir(w.dir, backup);
	world_open_journal(&w);
	append_marked(&w, 5, 10, 2, false);
	for (int i = 0; i < 4; i++)
		append(&w,
		       &(struct frame){.model = other, .time_us = T0, .n = 1});
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
	while (n < 20 && journal_next(c, position, &h, &fixture_e) == 1) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clone_same_epoch),
		cmocka_unit_test(test_clone_higher_epoch),
		cmocka_unit_test(test_lost_tail),
		cmocka_unit_test(test_lost_tail_then_frames),
		cmocka_unit_test(test_damaged_journal),
		cmocka_unit_test(test_lost_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
