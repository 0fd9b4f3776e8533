/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * bench_journal - from journal_append to a durable answer, by size and number
 * of appenders, beside what the disk can do at best: one thread that writes
 * the same bytes to a preallocated file and syncs.
 *
 * Each figure is the median of ROUNDS rounds, bare and journal by turns.  The
 * directory is the first argument (default "."): it should be on the disk the
 * journal would be on.  One line a combination:
 *
 *	bytes appenders  bare p50 p99 us  journal p50 p99 us  ratio of p50
 *	answers a second: bare, journal, ratio
 */

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIR_BYTES = 1024, PATH_BYTES = 2048 };

enum { ROUNDS = 5, ROUND_US = 400000, MAX_APPENDERS = 16, MAX_SAMPLES = 20000 };

#define SEGMENT_BYTES (UINT64_C(64) << 20)
#define JOURNAL_BYTES (UINT64_C(1) << 30)

struct samples {
	int64_t us[MAX_SAMPLES];
	size_t n;
};

struct figures {
	double p50_us, p99_us, per_second;
};

struct appender {
	struct journal *j;
	size_t len;
	int64_t until_us;
	struct samples samples;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool is_done;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void done(struct journal_entry *entry, enum journal_outcome outcome)
{
	struct appender *a = entry->arg;

	if (outcome != JOURNAL_DURABLE)
		exit(1);
	pthread_mutex_lock(&a->mutex);
	a->is_done = true;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->mutex);
}

static void *append_until(void *arg)
{
	struct appender *a = arg;
	char *payload = xcalloc(1, a->len);
	int64_t start = clock_monotonic_us(), now;
	struct err e;

	memset(payload, 'x', a->len);
	do {
		struct journal_entry entry = {
			.model_id = 1,
			.payload = payload,
			.len = a->len,
			.n_events = 1,
			.done = done,
			.arg = a,
		};

		a->is_done = false;
		if (journal_append(a->j, &entry, &e) < 0) {
			fprintf(stderr, "bench_journal: %s\n", e.message);
			exit(1);
		}
		pthread_mutex_lock(&a->mutex);
		while (!a->is_done)
			pthread_cond_wait(&a->cond, &a->mutex);
		pthread_mutex_unlock(&a->mutex);
		now = clock_monotonic_us();
		a->samples.us[a->samples.n++] = now - start;
		start = now;
	} while (now < a->until_us && a->samples.n < MAX_SAMPLES);
	free(payload);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	int64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static struct figures summarise(int64_t *us, size_t n, int64_t took_us)
{
	qsort(us, n, sizeof(*us), compare);
	return (struct figures){
		.p50_us = (double)us[n / 2],
		.p99_us = (double)us[n - 1 - n / 100],
		.per_second = (double)n * 1e6 / (double)took_us,
	};
}

static struct figures run_bare(const char *dir, size_t len)
{
	static struct samples s;
	char path[PATH_BYTES], *payload = xcalloc(1, len);
	int64_t begin, start, now;
	uint64_t at = 0;
	int fd;

	memset(payload, 'x', len);
	snprintf(path, sizeof(path), "%s/bench_journal.bare", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)SEGMENT_BYTES) != 0 ||
	    fsync(fd) < 0)
		die(path);
	s.n = 0;
	begin = start = clock_monotonic_us();
	do {
		if (at + len > SEGMENT_BYTES)
			at = 0;
		if (pwrite(fd, payload, len, (off_t)at) != (ssize_t)len ||
		    fdatasync(fd) < 0)
			die(path);
		at += len;
		now = clock_monotonic_us();
		s.us[s.n++] = now - start;
		start = now;
	} while (now < begin + ROUND_US && s.n < MAX_SAMPLES);
	close(fd);
	unlink(path);
	free(payload);
	return summarise(s.us, s.n, now - begin);
}

static struct figures run_journal(struct journal *j, size_t len, unsigned n)
{
	static struct appender a[MAX_APPENDERS];
	static int64_t all[MAX_APPENDERS * MAX_SAMPLES];
	int64_t begin = clock_monotonic_us(), took;
	size_t n_all = 0;

	for (unsigned i = 0; i < n; i++) {
		a[i].j = j;
		a[i].len = len;
		a[i].until_us = begin + ROUND_US;
		a[i].samples.n = 0;
		pthread_mutex_init(&a[i].mutex, NULL);
		pthread_cond_init(&a[i].cond, NULL);
		pthread_create(&a[i].thread, NULL, append_until, &a[i]);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(a[i].thread, NULL);
	took = clock_monotonic_us() - begin;
	for (unsigned i = 0; i < n; i++) {
		memcpy(all + n_all, a[i].samples.us,
		       a[i].samples.n * sizeof(*all));
		n_all += a[i].samples.n;
		pthread_mutex_destroy(&a[i].mutex);
		pthread_cond_destroy(&a[i].cond);
	}
	journal_applied(j, journal_durable_end(j));
	return summarise(all, n_all, took);
}

static int compare_double(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double median(const struct figures *f, size_t offset)
{
	double v[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++)
		memcpy(&v[i], (const char *)&f[i] + offset, sizeof(v[i]));
	qsort(v, ROUNDS, sizeof(*v), compare_double);
	return v[ROUNDS / 2];
}

static struct figures medians(const struct figures *f)
{
	return (struct figures){
		.p50_us = median(f, offsetof(struct figures, p50_us)),
		.p99_us = median(f, offsetof(struct figures, p99_us)),
		.per_second = median(f, offsetof(struct figures, per_second)),
	};
}

static void run(const char *dir, struct journal *j, size_t len, unsigned n)
{
	struct figures bare[ROUNDS], ours[ROUNDS], b, o;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bare[i] = run_bare(dir, len);
		ours[i] = run_journal(j, len, n);
	}
	b = medians(bare);
	o = medians(ours);
	printf("%8zu %9u %10.0f %9.0f %10.0f %9.0f %7.2f %10.0f %9.0f %7.2f\n",
	       len, n, b.p50_us, b.p99_us, o.p50_us, o.p99_us,
	       o.p50_us / b.p50_us, b.per_second, o.per_second,
	       o.per_second / b.per_second);
	fflush(stdout);
}

static void remove_journal(const char *dir)
{
	char path[PATH_BYTES];
	static const char *const names[] = {"source", "epoch", "lock"};

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(int argc, char **argv)
{
	static const size_t lens[] = {512, 256 * 1024};
	static const unsigned appenders[] = {1, MAX_APPENDERS};
	char dir[DIR_BYTES];
	struct journal_options o = {
		.dir = dir,
		.sync = JOURNAL_SYNC_ALWAYS,
		.max_bytes = JOURNAL_BYTES,
		.segment_bytes = SEGMENT_BYTES,
		.max_pending_bytes = 64 << 20,
	};
	struct journal *j;
	struct err e;
	char segment[PATH_BYTES];

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/bench_journal.XXXXXX",
		 argc > 1 ? argv[1] : ".");
	if (!mkdtemp(dir))
		die(dir);
	j = journal_open(&o, NULL, &e);
	if (!j) {
		fprintf(stderr, "bench_journal: %s\n", e.message);
		return 1;
	}
	printf("   bytes appenders   bare p50       p99  "
	       "journal p50   p99   ratio     bare/s journal/s   ratio\n");
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 2; k++)
			run(dir, j, lens[i], appenders[k]);
	/* The one segment that is left begins at the oldest position. */
	snprintf(segment, sizeof(segment), "%s/%016llx.seg", dir,
		 (unsigned long long)journal_oldest(j));
	journal_close(j);
	unlink(segment);
	remove_journal(dir);
	return 0;
}
