/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_JOURNAL_FIXTURE_H
#define DRIFTD_TESTS_JOURNAL_FIXTURE_H

/*
 * journal_fixture - directories, entries and files for the tests of the
 * journal.  Payload number i is always the same bytes, so whatever is read
 * back can be checked against its number.
 */

#include "base/err.h"
#include "storage/journal_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIXTURE_PATH = 512, FIXTURE_FILES = 64 };

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* SEED in the environment repeats a run; it is printed. */
static inline uint64_t test_seed(void)
{
	const char *text = getenv("SEED");
	uint64_t seed = (uint64_t)getpid();

	if (text)
		seed = (uint64_t)strtoull(text, NULL, 0);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static inline char *make_dir(void)
{
	static const char *const places[] = {"/dev/shm", "/tmp"};

	for (size_t i = 0; i < 2; i++) {
		char *path = malloc(FIXTURE_PATH);

		snprintf(path, FIXTURE_PATH, "%s/driftd-journal-XXXXXX",
			 places[i]);
		if (mkdtemp(path))
			return path;
		free(path);
	}
	fail_msg("no place for a directory");
	return NULL;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_dir(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void drop_dir(char *path)
{
	remove_dir(path);
	free(path);
}

static inline struct journal_options default_options(const char *dir)
{
	return (struct journal_options){
		.dir = dir,
		.sync = JOURNAL_SYNC_ALWAYS,
		.sync_interval_us = 20000,
		.max_bytes = 64 << 20,
		.segment_bytes = 1 << 20,
		.retain_us = 0,
		.max_pending_bytes = 16 << 20,
	};
}

/* System calls that do everything but wait for the disk. */
static inline int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static inline struct journal_io fast_io(void)
{
	struct journal_io io = journal_io_system;

	io.fdatasync = no_sync;
	io.fsync = no_sync;
	return io;
}

static inline struct journal *must_open(const struct journal_options *o,
					const struct journal_io *io,
					struct journal_recovery *r)
{
	struct err e = {0};
	struct journal *j =
		journal_open_io(o, io ? io : &journal_io_system, r, &e);

	if (!j)
		fail_msg("%s", e.message);
	return j;
}

/* An entry somebody waits for. */
struct waiter {
	struct journal_entry entry;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool is_done;
	enum journal_outcome outcome;
};

static inline void waiter_done(struct journal_entry *entry,
			       enum journal_outcome outcome)
{
	struct waiter *w = entry->arg;

	pthread_mutex_lock(&w->mutex);
	w->is_done = true;
	w->outcome = outcome;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

static inline void waiter_init(struct waiter *w, int64_t model_id,
			       const void *payload, size_t len)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->cond, NULL);
	w->entry.model_id = model_id;
	w->entry.payload = payload;
	w->entry.len = len;
	w->entry.n_events = (uint32_t)(len % 100);
	w->entry.n_rejected = (uint32_t)(len % 7);
	w->entry.done = waiter_done;
	w->entry.arg = w;
}

static inline enum journal_outcome waiter_wait(struct waiter *w)
{
	pthread_mutex_lock(&w->mutex);
	while (!w->is_done)
		pthread_cond_wait(&w->cond, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->cond);
	return w->outcome;
}

/* 0 and the outcome, or -1: refused. */
static inline int append(struct journal *j, int64_t model_id,
			 const void *payload, size_t len,
			 enum journal_outcome *outcome, struct err *e)
{
	struct waiter w;

	waiter_init(&w, model_id, payload, len);
	if (journal_append(j, &w.entry, e) < 0) {
		pthread_mutex_destroy(&w.mutex);
		pthread_cond_destroy(&w.cond);
		return -1;
	}
	*outcome = waiter_wait(&w);
	return 0;
}

/* Payload ${number}: its number, then bytes made from it; 8 <= len. */
static inline size_t make_payload(uint64_t number, size_t len, char *out)
{
	uint64_t state = number;

	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word = i == 0 ? number : next_random(&state);
		size_t n = len - i < sizeof(word) ? len - i : sizeof(word);

		memcpy(out + i, &word, n);
	}
	return len;
}

static inline uint64_t payload_number(const void *payload, size_t len)
{
	char *expected = malloc(len + 1);
	uint64_t number;

	assert_true(len >= sizeof(number));
	memcpy(&number, payload, sizeof(number));
	make_payload(number, len, expected);
	assert_memory_equal(payload, expected, len);
	free(expected);
	return number;
}

static inline void must_append(struct journal *j, int64_t model_id,
			       uint64_t number, size_t len)
{
	char *payload = malloc(len + 1);
	enum journal_outcome outcome;
	struct err e = {0};

	make_payload(number, len, payload);
	if (append(j, model_id, payload, len, &outcome, &e) < 0)
		fail_msg("%s", e.message);
	assert_int_equal(outcome, JOURNAL_DURABLE);
	free(payload);
}

/* Read everything from 0; each payload is checked against its number. */
static inline size_t read_numbers(struct journal *j, uint64_t *numbers,
				  size_t max)
{
	struct journal_cursor *c = journal_cursor_new(j);
	struct journal_frame f;
	uint64_t position = 0;
	struct err e = {0};
	size_t n = 0;
	int r;

	while ((r = journal_next(c, position, &f, &e)) > 0) {
		const void *payload = journal_payload(c, &f, &e);

		if (!payload)
			fail_msg("%s", e.message);
		assert_int_equal((uintptr_t)payload % 8, 0);
		assert_true(f.position >= position && f.end > f.position);
		assert_true(n < max);
		numbers[n++] = payload_number(payload, f.payload_len);
		position = f.end;
	}
	if (r < 0)
		fail_msg("%s", e.message);
	assert_true(position <= journal_durable_end(j));
	journal_cursor_free(c);
	return n;
}

/* Whole files in memory. */
struct file {
	char name[256];
	char *data;
	size_t len;
};

static inline void file_read(const char *dir, const char *name, struct file *f)
{
	char path[2 * FIXTURE_PATH];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(f->name, sizeof(f->name), "%s", name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	f->len = (size_t)st.st_size;
	f->data = malloc(f->len + 1);
	assert_int_equal(read(fd, f->data, f->len), (ssize_t)f->len);
	close(fd);
}

static inline void file_write(const char *dir, const char *name,
			      const void *data, size_t len)
{
	char path[2 * FIXTURE_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

/* The files of a journal, sorted by name; not those in quarantine. */
struct image {
	struct file files[FIXTURE_FILES];
	size_t n;
};

static inline int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name,
		      ((const struct file *)b)->name);
}

static inline void image_read(const char *dir, struct image *image)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	image->n = 0;
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_type != DT_REG)
			continue;
		assert_true(image->n < FIXTURE_FILES);
		file_read(dir, entry->d_name, &image->files[image->n++]);
	}
	closedir(d);
	qsort(image->files, image->n, sizeof(*image->files), compare_files);
}

static inline void image_write(const char *dir, const struct image *image)
{
	remove_dir(dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < image->n; i++)
		file_write(dir, image->files[i].name, image->files[i].data,
			   image->files[i].len);
}

static inline void image_free(struct image *image)
{
	for (size_t i = 0; i < image->n; i++)
		free(image->files[i].data);
	image->n = 0;
}

/* The newest segment of an image. */
static inline struct file *image_segment(struct image *image)
{
	size_t found = FIXTURE_FILES;

	for (size_t i = 0; i < image->n; i++) {
		if (strstr(image->files[i].name, ".seg"))
			found = i;
	}
	assert_true(found < FIXTURE_FILES);
	return &image->files[found];
}

static inline size_t count_files(const char *dir, const char *ending)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	size_t n = 0;

	if (!d)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name), tail = strlen(ending);

		n += len >= tail &&
		     strcmp(entry->d_name + len - tail, ending) == 0;
	}
	closedir(d);
	return n;
}

#endif
