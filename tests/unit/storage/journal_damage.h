/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_JOURNAL_DAMAGE_H
#define DRIFTD_TESTS_JOURNAL_DAMAGE_H

/*
 * journal_damage - a journal of known frames as an image of its files, and
 * what a reader gets of it after somebody changed the image.
 */

#include "tests/unit/storage/journal_fixture.h"

#include "storage/journal.h"
#include "storage/journal_format.h"

enum { FRAMES = 12, FRAME_LEN = 120, MAX_READ = 256 };

/* What a reader got of a journal. */
struct reading {
	uint64_t numbers[MAX_READ];
	uint64_t seqs[MAX_READ];
	size_t n;
	size_t n_bad_payloads;
};

static inline void read_all(struct journal *j, struct reading *out)
{
	struct journal_cursor *c = journal_cursor_new(j);
	struct journal_frame f;
	uint64_t position = 0;
	struct err e = {0};
	int r;

	memset(out, 0, sizeof(*out));
	while ((r = journal_next(c, position, &f, &e)) > 0) {
		const void *payload = journal_payload(c, &f, &e);

		assert_true(f.end > position);
		position = f.end;
		if (!payload) {
			assert_int_equal(e.code, ERR_INVALID);
			out->n_bad_payloads++;
			continue;
		}
		assert_true(out->n < MAX_READ);
		out->seqs[out->n] = f.seq;
		out->numbers[out->n++] = payload_number(payload, f.payload_len);
	}
	if (r < 0)
		fail_msg("%s", e.message);
	journal_cursor_free(c);
}

/* A journal of FRAMES frames of one model: payload i has seq i + 1. */
static inline void make_image(const struct journal_options *o,
			      struct image *image)
{
	struct journal_io io = fast_io();
	struct journal *j = must_open(o, &io, NULL);

	for (uint64_t i = 0; i < FRAMES; i++)
		must_append(j, 1, i, FRAME_LEN);
	journal_close(j);
	image_read(o->dir, image);
}

/* Where frame ${i} begins in the file. */
static inline size_t frame_at(size_t i)
{
	return JOURNAL_TABLE_AT + i * (size_t)frame_bytes(FRAME_LEN);
}

/* Open what the image holds, read it, append one, read again. */
static inline void open_and_read(const struct journal_options *o,
				 const struct image *image,
				 struct journal_recovery *r,
				 struct reading *out, uint64_t *n_corrupt)
{
	struct journal_io io = fast_io();
	struct reading again;
	struct journal *j;

	image_write(o->dir, image);
	j = must_open(o, &io, r);
	read_all(j, out);
	/* What is bad is counted once, however often it is met. */
	*n_corrupt = journal_corrupt_count(j);
	must_append(j, 1, 1000, FRAME_LEN);
	read_all(j, &again);
	assert_int_equal(again.n, out->n + 1);
	assert_int_equal(again.numbers[out->n], 1000);
	assert_int_equal(journal_corrupt_count(j), *n_corrupt);
	journal_close(j);
	/* And the next life finds the same. */
	j = must_open(o, &io, NULL);
	read_all(j, &again);
	assert_int_equal(again.n, out->n + 1);
	journal_close(j);
}

#endif
