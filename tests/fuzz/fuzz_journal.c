/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_journal - a directory somebody has been at: a good journal of a few
 * frames, changed as the input says, is opened and read.  It opens; it ends;
 * and every payload that is handed out is one that was appended, at most once,
 * in order.
 *
 * The input is a list of changes of 8 bytes each: what, where, how much.  With
 * an odd first byte the rest is laid over the frames as it is instead.
 */
#include "base/err.h"
#include "base/log.h"
#include "storage/journal_format.h"
#include "storage/journal_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAMES = 10, PAYLOAD = 96, CHANGE = 8, MAX_SIZE = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];
static char segment[128];
static struct journal_io io;
static uint8_t *good; /* the segment as it was written */
static size_t good_len;
static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static struct journal *open_journal(void)
{
	const struct journal_options o = {
		.dir = dir,
		.max_bytes = 1 << 20,
		.segment_bytes = MAX_SIZE,
		.max_pending_bytes = 1 << 20,
	};
	struct err e;

	return journal_open_io(&o, &io, NULL, &e);
}

static void remove_files_in(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_type == DT_REG)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
}

/* What the last input left, copies of what was bad included. */
static void remove_files(void)
{
	char path[128];

	remove_files_in(dir);
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	remove_files_in(path);
}

static void remove_all(void)
{
	char path[128];

	remove_files();
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	rmdir(path);
	rmdir(dir);
}

static void done(struct journal_entry *entry, enum journal_outcome outcome)
{
	(void)entry;
	if (outcome != JOURNAL_DURABLE)
		abort();
}

static void fill_payload(uint64_t number, uint8_t *out)
{
	memset(out, (int)(number * 17 + 3), PAYLOAD);
	memcpy(out, &number, sizeof(number));
}

static void make_good(void)
{
	static struct journal_entry entries[FRAMES];
	static uint8_t payloads[FRAMES][PAYLOAD];
	struct journal *j;
	struct stat st;
	struct err e;
	int fd;

	log_set_level(LOG_ERROR);
	io = journal_io_system;
	io.fsync = io.fdatasync = no_sync;
	snprintf(dir, sizeof(dir), "/dev/shm/driftd-fuzz-XXXXXX");
	if (!mkdtemp(dir) || atexit(remove_all) != 0)
		abort();
	snprintf(segment, sizeof(segment), "%s/0000000000000000.seg", dir);
	j = open_journal();
	for (uint64_t i = 0; i < FRAMES; i++) {
		fill_payload(i, payloads[i]);
		entries[i] = (struct journal_entry){
			.model_id = 1,
			.payload = payloads[i],
			.len = PAYLOAD,
			.n_events = 1,
			.done = done,
		};
		if (!j || journal_append(j, &entries[i], &e) < 0)
			abort();
	}
	journal_close(j);
	fd = open(segment, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	good_len = (size_t)st.st_size;
	good = malloc(good_len);
	if (!good || read(fd, good, good_len) != (ssize_t)good_len)
		abort();
	close(fd);
}

/* One change: ${what} at ${at}, with ${value}. */
static void change(uint8_t *bytes, size_t *len, const uint8_t *in)
{
	size_t at = ((size_t)in[1] | (size_t)in[2] << 8) % good_len;
	size_t other = ((size_t)in[3] | (size_t)in[4] << 8) % good_len;
	size_t n = ((size_t)in[5] | (size_t)in[6] << 8) % 1024;

	if (n > good_len - at)
		n = good_len - at;
	if (n > good_len - other)
		n = good_len - other;
	switch (in[0] % 5) {
	case 0:
		bytes[at] ^= in[7];
		break;
	case 1:
		memset(bytes + at, 0, n);
		break;
	case 2:
		memmove(bytes + at, bytes + other, n);
		break;
	case 3:
		*len = at;
		break;
	default:
		memset(bytes + at, in[7], n);
		break;
	}
}

static void write_segment(const uint8_t *bytes, size_t len)
{
	int fd = open(segment, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void check_journal(struct journal *j)
{
	struct journal_cursor *c = journal_cursor_new(j);
	uint64_t position = 0, least = 0;
	struct journal_frame f;
	struct err e;
	int r;

	while ((r = journal_next(c, position, &f, &e)) > 0) {
		const uint8_t *payload = journal_payload(c, &f, &e);
		uint8_t expected[PAYLOAD];
		uint64_t number;

		if (f.end <= position)
			abort();
		position = f.end;
		if (!payload)
			continue;
		memcpy(&number, payload, sizeof(number));
		if (f.payload_len != PAYLOAD || number < least ||
		    number >= FRAMES || f.seq != number + 1)
			abort();
		fill_payload(number, expected);
		if (memcmp(payload, expected, PAYLOAD) != 0)
			abort();
		least = number + 1;
	}
	if (r < 0)
		abort();
	journal_cursor_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	size_t len;
	struct journal *j;

	if (!good)
		make_good();
	bytes = malloc(MAX_SIZE);
	if (!bytes)
		return 0;
	memcpy(bytes, good, good_len);
	len = good_len;
	if (size > 0 && data[0] % 2) {
		size_t n = size - 1 < MAX_SIZE - JOURNAL_TABLE_AT
				   ? size - 1
				   : MAX_SIZE - JOURNAL_TABLE_AT;

		memcpy(bytes + JOURNAL_TABLE_AT, data + 1, n);
		if (len < JOURNAL_TABLE_AT + n)
			len = JOURNAL_TABLE_AT + n;
	} else {
		for (size_t i = 1; i + CHANGE <= size; i += CHANGE)
			change(bytes, &len, data + i);
	}
	remove_files();
	write_segment(bytes, len);
	free(bytes);
	j = open_journal();
	if (!j)
		abort();
	check_journal(j);
	journal_close(j);
	return 0;
}
