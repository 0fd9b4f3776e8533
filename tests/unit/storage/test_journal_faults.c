/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal when the disk lies: cut, flipped, zeroed, moved and foreign
 * bytes.  What was not itself destroyed is read back, once, in order; nothing
 * is read back that was not appended.
 */
#include "tests/unit/storage/journal_damage.h"

/* D05: cut at every byte of the last three frames. */
static void test_truncate_everywhere(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct image image;
	struct file *seg;
	size_t whole;

	(void)state;
	make_image(&o, &image);
	seg = image_segment(&image);
	whole = seg->len;
	assert_int_equal(whole, frame_at(FRAMES));
	for (size_t len = frame_at(FRAMES - 3); len <= whole; len++) {
		size_t n_whole = (len - JOURNAL_TABLE_AT) /
				 (size_t)frame_bytes(FRAME_LEN);
		char path[2 * FIXTURE_PATH];
		struct journal_recovery r;
		struct reading got;
		uint64_t n_corrupt;

		seg->len = len;
		open_and_read(&o, &image, &r, &got, &n_corrupt);
		assert_int_equal(got.n, n_whole);
		for (size_t i = 0; i < got.n; i++)
			assert_int_equal(got.numbers[i], i);
		assert_int_equal(n_corrupt, 0);
		assert_false(r.new_identity);
		assert_int_equal(r.n_frames, n_whole);
		assert_int_equal(got.seqs[got.n - 1], n_whole);
		/* The torn bytes are kept aside, unless they were zeros. */
		snprintf(path, sizeof(path), "%s/quarantine", dir);
		assert_int_equal(count_files(path, "-torn.bin"),
				 r.torn_bytes > 0);
		assert_true(r.torn_bytes <= len - frame_at(n_whole));
	}
	seg->len = whole;
	image_free(&image);
	drop_dir(dir);
}

static void check_one_lost(const struct reading *got, size_t lost)
{
	assert_int_equal(got->n, FRAMES - 1);
	for (size_t i = 0; i < got->n; i++) {
		size_t expected = i < lost ? i : i + 1;

		assert_int_equal(got->numbers[i], expected);
		assert_int_equal(got->seqs[i], expected + 1); /* the gap */
	}
}

/* D06: every bit of a header in the middle, random bits of its payload. */
static void test_flip_bits(void **state)
{
	enum { VICTIM = 5, PAYLOAD_FLIPS = 300 };
	const size_t header_bits = 8 * sizeof(struct frame_header);
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	uint64_t seed = test_seed();
	struct image image;
	struct file *seg;

	(void)state;
	make_image(&o, &image);
	seg = image_segment(&image);
	for (size_t i = 0; i < header_bits + PAYLOAD_FLIPS; i++) {
		size_t bit = i;
		char path[2 * FIXTURE_PATH];
		struct journal_recovery r;
		struct reading got;
		uint64_t n_corrupt;
		char *byte;

		if (i >= header_bits)
			bit = header_bits +
			      next_random(&seed) % (8 * FRAME_LEN);
		byte = seg->data + frame_at(VICTIM) + bit / 8;
		*byte = (char)(*byte ^ (1 << bit % 8));
		open_and_read(&o, &image, &r, &got, &n_corrupt);
		*byte = (char)(*byte ^ (1 << bit % 8));
		check_one_lost(&got, VICTIM);
		assert_int_equal(got.n_bad_payloads, bit >= header_bits);
		assert_int_equal(n_corrupt, 1);
		assert_int_equal(r.n_corrupt_runs, 1);
		assert_int_equal(r.corrupt_bytes, frame_bytes(FRAME_LEN));
		assert_int_equal(r.torn_bytes, 0);
		/* Without its header nobody knows whose frame it was. */
		assert_int_equal(r.new_identity, bit < header_bits);
		snprintf(path, sizeof(path), "%s/quarantine", dir);
		assert_int_equal(count_files(path, "-corrupt.bin"), 1);
	}
	image_free(&image);
	drop_dir(dir);
}

/* The same while it is open: met by the cursor, not by recovery. */
static void test_flip_while_open(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct journal *j = must_open(&o, &io, NULL);
	struct reading got;
	struct image image;
	struct file *seg;

	(void)state;
	for (uint64_t i = 0; i < FRAMES; i++)
		must_append(j, 1, i, FRAME_LEN);
	image_read(dir, &image);
	seg = image_segment(&image);
	seg->data[frame_at(3) + 20] ^= 4; /* header */
	seg->data[frame_at(8) + sizeof(struct frame_header) + 3] ^=
		4; /* payload */
	file_write(dir, seg->name, seg->data, seg->len);
	for (unsigned i = 0; i < 3; i++) {
		read_all(j, &got);
		assert_int_equal(got.n, FRAMES - 2);
		assert_int_equal(got.n_bad_payloads, 1);
		assert_int_equal(journal_corrupt_count(j), 2);
	}
	image_free(&image);
	journal_close(j);
	drop_dir(dir);
}

typedef void damage(struct file *seg);

static void zero_sector(struct file *seg)
{
	memset(seg->data + frame_at(2) + 40, 0, 512);
}

static void zero_page(struct file *seg)
{
	memset(seg->data + JOURNAL_TABLE_AT, 0, 1024);
}

static void duplicate_frame(struct file *seg)
{
	memcpy(seg->data + frame_at(6), seg->data + frame_at(3),
	       (size_t)frame_bytes(FRAME_LEN));
}

static void swap_frames(struct file *seg)
{
	const size_t n = (size_t)frame_bytes(FRAME_LEN);
	char temp[512];

	assert_true(n <= sizeof(temp));
	memcpy(temp, seg->data + frame_at(4), n);
	memcpy(seg->data + frame_at(4), seg->data + frame_at(7), n);
	memcpy(seg->data + frame_at(7), temp, n);
}

/* D07: each is told by position, salt or CRC; the others are read. */
static void test_damage(void **state)
{
	static const struct {
		damage *apply;
		unsigned lost; /* bits: these frames */
	} cases[] = {
		{zero_sector, 1U << 2 | 1U << 3 | 1U << 4},
		{zero_page, 1U << 0 | 1U << 1 | 1U << 2 | 1U << 3 | 1U << 4},
		{duplicate_frame, 1U << 6},
		{swap_frames, 1U << 4 | 1U << 7},
	};
	char *dir = make_dir();
	struct journal_options o = default_options(dir);

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		struct journal_recovery r;
		struct reading got;
		struct image image;
		uint64_t n_corrupt;
		size_t n = 0;

		remove_dir(dir);
		make_image(&o, &image);
		cases[k].apply(image_segment(&image));
		open_and_read(&o, &image, &r, &got, &n_corrupt);
		for (size_t i = 0; i < FRAMES; i++) {
			if (cases[k].lost & 1U << i)
				continue;
			assert_true(n < got.n);
			assert_int_equal(got.numbers[n], i);
			assert_int_equal(got.seqs[n], i + 1);
			n++;
		}
		assert_int_equal(got.n, n);
		assert_true(n_corrupt >= 1);
		assert_true(r.new_identity);
		image_free(&image);
	}
	drop_dir(dir);
}

/* D07: a frame of another journal at its own position. */
static void test_splice(void **state)
{
	char *dir = make_dir(), *other_dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_options other = default_options(other_dir);
	struct image image, foreign;
	struct journal_recovery r;
	struct reading got;
	uint64_t n_corrupt;

	(void)state;
	make_image(&o, &image);
	make_image(&other, &foreign);
	memcpy(image_segment(&image)->data + frame_at(5),
	       image_segment(&foreign)->data + frame_at(5),
	       (size_t)frame_bytes(FRAME_LEN));
	open_and_read(&o, &image, &r, &got, &n_corrupt);
	check_one_lost(&got, 5);
	assert_int_equal(n_corrupt, 1);
	image_free(&image);
	image_free(&foreign);
	drop_dir(dir);
	drop_dir(other_dir);
}

/* D08: valid frames of an earlier use of the file behind the tail. */
static void test_stale_frames(void **state)
{
	char *dir = make_dir(), *old_dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_options old = default_options(old_dir);
	struct image image, stale;
	struct journal_recovery r;
	struct reading got;
	struct file *seg;
	uint64_t n_corrupt;
	size_t len;

	(void)state;
	make_image(&o, &image);
	make_image(&old, &stale);
	seg = image_segment(&image);
	len = seg->len;
	seg->data = realloc(seg->data, 2 * len);
	/* At their own places, and moved behind the end. */
	memcpy(seg->data + frame_at(8),
	       image_segment(&stale)->data + frame_at(8),
	       frame_at(FRAMES) - frame_at(8));
	memcpy(seg->data + len, seg->data + frame_at(0), len - frame_at(0));
	seg->len = 2 * len - frame_at(0);
	open_and_read(&o, &image, &r, &got, &n_corrupt);
	assert_int_equal(got.n, 8);
	assert_int_equal(n_corrupt, 0);
	assert_true(r.torn_bytes > 0);
	image_free(&image);
	image_free(&stale);
	drop_dir(dir);
	drop_dir(old_dir);
}

static void read_recovered(const struct journal_options *o,
			   const struct image *image,
			   struct journal_recovery *r, struct reading *got,
			   struct journal_model_state *model)
{
	struct journal_io io = fast_io();
	struct journal *j;

	image_write(o->dir, image);
	j = must_open(o, &io, r);
	read_all(j, got);
	journal_model_state(j, 1, model);
	journal_close(j);
}

/* A segment's own header: one copy is enough; without both it is set aside. */
static void test_segment_header(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_model_state model;
	struct journal_recovery r;
	char path[2 * FIXTURE_PATH];
	struct reading got;
	struct image image;
	struct file *seg;

	(void)state;
	make_image(&o, &image);
	seg = image_segment(&image);
	memset(seg->data, 0, JOURNAL_PAGE);
	read_recovered(&o, &image, &r, &got, &model);
	assert_int_equal(got.n, FRAMES);
	assert_int_equal(model.seq, FRAMES);
	assert_false(r.new_identity);

	memset(seg->data, 0xA5, 2 * JOURNAL_PAGE);
	read_recovered(&o, &image, &r, &got, &model);
	assert_int_equal(got.n, 0);
	assert_int_equal(r.n_corrupt_runs, 1);
	assert_int_equal(r.corrupt_bytes, seg->len);
	assert_true(r.new_identity);
	assert_int_equal(model.seq, 0);
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	assert_int_equal(count_files(path, ".seg"), 1);
	image_free(&image);
	drop_dir(dir);
}

/* A bad state table is made good from the segment before. */
static void test_state_table(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct journal_model_state model;
	struct journal_recovery r;
	struct reading got;
	struct image image;
	struct journal *j;

	(void)state;
	make_image(&o, &image);
	image_free(&image);
	j = must_open(&o, &io, NULL);
	must_append(j, 2, 50, FRAME_LEN);
	journal_close(j);
	image_read(dir, &image);
	image_segment(&image)->data[JOURNAL_TABLE_AT + 9] ^= 1;
	read_recovered(&o, &image, &r, &got, &model);
	assert_int_equal(got.n, FRAMES + 1);
	assert_int_equal(model.seq, FRAMES);
	assert_int_equal(r.n_corrupt_runs, 1);
	assert_false(r.new_identity);
	/* Without that segment the states are lost: a new identity. */
	free(image.files[0].data);
	memmove(image.files, image.files + 1,
		(image.n - 1) * sizeof(*image.files));
	image.n--;
	read_recovered(&o, &image, &r, &got, &model);
	assert_int_equal(got.n, 1);
	assert_true(r.new_identity);
	image_free(&image);
	drop_dir(dir);
}

/* A segment in the middle that is gone costs its own frames alone. */
static void test_missing_segment(void **state)
{
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	struct journal_io io = fast_io();
	struct journal_model_state model;
	struct journal_recovery r;
	struct reading got;
	struct image image;

	(void)state;
	for (uint64_t life = 0; life < 3; life++) {
		struct journal *j = must_open(&o, &io, NULL);

		must_append(j, 1, life, FRAME_LEN);
		journal_close(j);
	}
	image_read(dir, &image);
	free(image.files[1].data);
	memmove(image.files + 1, image.files + 2,
		(image.n - 2) * sizeof(*image.files));
	image.n--;
	read_recovered(&o, &image, &r, &got, &model);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.seqs[0], 1);
	assert_int_equal(got.seqs[1], 3);
	assert_int_equal(model.seq, 3);
	image_free(&image);
	drop_dir(dir);
}

/* Random damage of random kinds: never invents, never hangs, never dies. */
static void test_random_damage(void **state)
{
	enum { ROUNDS = 400 };
	char *dir = make_dir();
	struct journal_options o = default_options(dir);
	uint64_t seed = test_seed();
	struct image wreck;

	(void)state;
	make_image(&o, &wreck);
	for (int round = 0; round < ROUNDS; round++) {
		struct file *seg = image_segment(&wreck);
		char *saved = malloc(seg->len);
		unsigned n = 1 + (unsigned)(next_random(&seed) % 6);
		struct journal_recovery r;
		struct reading got;
		uint64_t n_corrupt, last = 0;

		memcpy(saved, seg->data, seg->len);
		for (unsigned i = 0; i < n; i++) {
			size_t at = next_random(&seed) % seg->len;
			size_t len = next_random(&seed) % 300;
			size_t from = next_random(&seed) % seg->len;

			if (len > seg->len - at)
				len = seg->len - at;
			if (len > seg->len - from)
				len = seg->len - from;
			if (next_random(&seed) % 2)
				memmove(seg->data + at, seg->data + from, len);
			else
				seg->data[at] = (char)next_random(&seed);
		}
		open_and_read(&o, &wreck, &r, &got, &n_corrupt);
		for (size_t i = 0; i < got.n; i++) {
			assert_true(got.numbers[i] < FRAMES);
			assert_int_equal(got.seqs[i], got.numbers[i] + 1);
			assert_true(got.seqs[i] > last);
			last = got.seqs[i];
		}
		memcpy(seg->data, saved, seg->len);
		free(saved);
	}
	image_free(&wreck);
	drop_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncate_everywhere),
		cmocka_unit_test(test_flip_bits),
		cmocka_unit_test(test_flip_while_open),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_splice),
		cmocka_unit_test(test_stale_frames),
		cmocka_unit_test(test_segment_header),
		cmocka_unit_test(test_state_table),
		cmocka_unit_test(test_missing_segment),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
