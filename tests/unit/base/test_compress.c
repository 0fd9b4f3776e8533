/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compress: streams cut anywhere, members one after the other, bombs, what is
 * cut short, and files.  The compressed data comes from gzip(1) and zstd_pack.
 */

#include "base/compress.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "tests/unit/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* printf 'hello, driftd\n' | gzip -n */
static const unsigned char gzip_hello[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48,
	0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0x48, 0x29, 0xca, 0x4c, 0x2b, 0x49, 0xe1,
	0x02, 0x00, 0x11, 0x16, 0xea, 0xb6, 0x0e, 0x00, 0x00, 0x00};

/* printf '' | gzip -n */
static const unsigned char gzip_empty[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};

static int collect(void *arg, const char *data, size_t len, struct err *e)
{
	struct buf *out = arg;

	(void)e;
	assert_in_range(len, 1, 65536);
	buf_add(out, data, len);
	return 0;
}

/* All of ${data} in pieces of at most ${piece} bytes, then the end. */
static int inflate_all(enum encoding encoding, const void *data, size_t len,
		       size_t piece, uint64_t max, struct buf *out,
		       struct err *e)
{
	struct inflater *z = inflater_new(encoding, max);
	const char *p = data;
	int status = 0;

	while (len > 0 && status == 0) {
		size_t n = len < piece ? len : piece;
		/* A copy, so that reads beyond the piece are seen. */
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, p, n);
		status = inflater_feed(z, copy, n, collect, out, e);
		free(copy);
		p += n;
		len -= n;
	}
	if (status == 0)
		status = inflater_end(z, e);
	else /* Broken for good. */
		assert_int_equal(inflater_end(z, NULL), -1);
	inflater_free(z);
	return status;
}

static void check_stream(enum encoding encoding, const struct buf *packed,
			 const char *want, size_t want_len)
{
	static const size_t pieces[] = {1, 3, 17, 1000, SIZE_MAX};
	struct buf out;
	struct err e = {0};

	buf_init(&out, 64 << 20);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		buf_clear(&out);
		if (inflate_all(encoding, packed->data, packed->len, pieces[i],
				want_len, &out, &e) < 0)
			fail_msg("%s", e.message);
		assert_int_equal(out.len, want_len);
		if (want_len > 0)
			assert_memory_equal(out.data, want, want_len);
	}
	/* Every end but the true one is too early. */
	for (size_t cut = 0; cut < packed->len && packed->len < 200; cut++) {
		buf_clear(&out);
		/* The end of a member is an end. */
		if (inflate_all(encoding, packed->data, cut, 7, UINT64_MAX,
				&out, &e) == 0)
			assert_true(out.len < want_len && cut > 0);
	}
	/* One byte too many. */
	buf_clear(&out);
	if (want_len > 0) {
		assert_int_equal(inflate_all(encoding, packed->data,
					     packed->len, SIZE_MAX,
					     want_len - 1, &out, &e),
				 -1);
		assert_int_equal(e.code, ERR_LIMIT);
		assert_true(out.len < want_len);
	}
	buf_release(&out);
}

static void test_gzip_members(void **state)
{
	struct buf packed;

	(void)state;
	buf_init(&packed, 1000);
	buf_add(&packed, gzip_hello, sizeof(gzip_hello));
	check_stream(ENCODING_GZIP, &packed, "hello, driftd\n", 14);
	buf_add(&packed, gzip_empty, sizeof(gzip_empty));
	buf_add(&packed, gzip_hello, sizeof(gzip_hello));
	check_stream(ENCODING_GZIP, &packed, "hello, driftd\nhello, driftd\n",
		     28);
	buf_clear(&packed);
	buf_add(&packed, gzip_empty, sizeof(gzip_empty));
	check_stream(ENCODING_GZIP, &packed, "", 0);
	buf_release(&packed);
}

static void test_zstd_members(void **state)
{
	static const char skippable[] = "\x50\x2A\x4D\x18\x03\0\0\0abc";
	struct buf packed;

	(void)state;
	buf_init(&packed, 1000);
	zstd_pack("hello, ", 7, &packed);
	check_stream(ENCODING_ZSTD, &packed, "hello, ", 7);
	buf_add(&packed, skippable, sizeof(skippable) - 1);
	zstd_pack("", 0, &packed);
	zstd_pack("driftd", 6, &packed);
	check_stream(ENCODING_ZSTD, &packed, "hello, driftd", 13);
	buf_release(&packed);
}

static void fill_text(struct buf *b, size_t len)
{
	random_start();
	while (b->len < len)
		buf_printf(b, "{\"id\": \"%llu\", \"x\": 0.%u}\n",
			   (unsigned long long)random_below(100000),
			   (unsigned)random_below(50));
}

static void test_large_zstd(void **state)
{
	struct buf text, packed;

	(void)state;
	buf_init(&text, 8 << 20);
	buf_init(&packed, 8 << 20);
	fill_text(&text, 300000);
	zstd_pack(text.data, text.len, &packed);
	assert_true(packed.len < text.len / 3);
	check_stream(ENCODING_ZSTD, &packed, text.data, text.len);
	buf_release(&text);
	buf_release(&packed);
}

static void test_identity(void **state)
{
	struct buf plain;

	(void)state;
	buf_init(&plain, 1 << 20);
	fill_text(&plain, 200000);
	check_stream(ENCODING_IDENTITY, &plain, plain.data, plain.len);
	buf_release(&plain);
}

static void test_garbage(void **state)
{
	static const enum encoding both[] = {ENCODING_GZIP, ENCODING_ZSTD};
	struct buf packed, out;
	struct err e;

	(void)state;
	buf_init(&packed, 1000);
	buf_init(&out, 1000);
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		e.code = ERR_NONE;
		assert_int_equal(inflate_all(both[i], "no such format", 14, 5,
					     1000, &out, &e),
				 -1);
		assert_int_equal(e.code, ERR_INVALID);
		/* Nothing at all is no member either. */
		assert_int_equal(inflate_all(both[i], "", 0, 5, 1000, &out, &e),
				 -1);
		buf_clear(&packed);
		if (both[i] == ENCODING_GZIP)
			buf_add(&packed, gzip_hello, sizeof(gzip_hello));
		else
			zstd_pack("hello, driftd\n", 14, &packed);
		buf_add_str(&packed, "trailer");
		for (size_t piece = 1; piece < 60; piece++) {
			e.code = ERR_NONE;
			assert_int_equal(inflate_all(both[i], packed.data,
						     packed.len, piece, 1000,
						     &out, &e),
					 -1);
			assert_int_equal(e.code, ERR_INVALID);
		}
	}
	/* A flipped bit is noticed by the checksum. */
	buf_clear(&packed);
	buf_add(&packed, gzip_hello, sizeof(gzip_hello));
	packed.data[sizeof(gzip_hello) - 6] ^= 1;
	assert_int_equal(inflate_all(ENCODING_GZIP, packed.data, packed.len, 99,
				     1000, &out, &e),
			 -1);
	buf_release(&packed);
	buf_release(&out);
}

/* A frame that wants a window of 128 MiB. */
static void test_zstd_window(void **state)
{
	static const char frame[] = "\x28\xB5\x2F\xFD\x00\x88\x01\x00\x00";
	struct buf out;
	struct err e = {0};

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(inflate_all(ENCODING_ZSTD, frame, sizeof(frame) - 1,
				     100, 1000, &out, &e),
			 -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_release(&out);
}

static int stop_at_once(void *arg, const char *data, size_t len, struct err *e)
{
	int *calls = arg;

	(void)data;
	(void)len;
	(*calls)++;
	return err_set(e, ERR_CONFLICT, "enough");
}

static void test_sink_stops(void **state)
{
	struct inflater *z = inflater_new(ENCODING_IDENTITY, 1 << 30);
	struct buf data;
	struct err e;
	int calls = 0;

	(void)state;
	buf_init(&data, 1 << 20);
	fill_text(&data, 300000);
	assert_int_equal(
		inflater_feed(z, data.data, data.len, stop_at_once, &calls, &e),
		-1);
	assert_int_equal(calls, 1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(e.message, "enough");
	assert_int_equal(inflater_feed(z, "x", 1, stop_at_once, &calls, &e),
			 -1);
	assert_int_equal(calls, 1);
	inflater_free(z);
	inflater_free(NULL);
	buf_release(&data);
}

static void test_bomb(void **state)
{
	struct buf zeros, packed, out;
	struct err e = {0};

	(void)state;
	buf_init(&zeros, 32 << 20);
	buf_init(&packed, 32 << 20);
	buf_init(&out, 32 << 20);
	assert_int_equal(buf_reserve(&zeros, 16 << 20), 0);
	memset(zeros.data, 0, 16 << 20);
	zeros.len = 16 << 20;
	zstd_pack(zeros.data, zeros.len, &packed);
	assert_true(packed.len < 4000);
	assert_int_equal(inflate_all(ENCODING_ZSTD, packed.data, packed.len,
				     packed.len, 1 << 20, &out, &e),
			 -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_true(out.len <= 1 << 20);
	buf_release(&zeros);
	buf_release(&packed);
	buf_release(&out);
}

static void test_whole_buffers(void **state)
{
	struct buf packed, out;
	struct err e = {0};

	(void)state;
	buf_init(&packed, 10000);
	buf_init(&out, 100);
	buf_add_str(&out, "before ");
	zstd_pack("hello", 5, &packed);
	assert_int_equal(zstd_unpack(packed.data, packed.len, &out, &e), 0);
	assert_string_equal(buf_str(&out), "before hello");
	/* Cut, or with something behind. */
	for (size_t cut = 0; cut < packed.len; cut++) {
		assert_int_equal(zstd_unpack(packed.data, cut, &out, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(buf_str(&out), "before hello");
	}
	buf_add_char(&packed, 'x');
	assert_int_equal(zstd_unpack(packed.data, packed.len, &out, &e), -1);
	assert_string_equal(buf_str(&out), "before hello");
	buf_clear(&packed);
	zstd_pack(buf_str(&(struct buf){0}), 0, &packed);
	assert_int_equal(zstd_unpack(packed.data, packed.len, &out, &e), 0);
	assert_string_equal(buf_str(&out), "before hello");
	/* Beyond the ceiling of the output. */
	buf_clear(&packed);
	zstd_pack((char[200]){0}, 200, &packed);
	assert_int_equal(zstd_unpack(packed.data, packed.len, &out, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_false(out.failed);
	buf_release(&packed);
	buf_release(&out);
}

static void test_names(void **state)
{
	enum encoding got = ENCODING_ZSTD;

	(void)state;
	assert_int_equal(encoding_parse("", &got), 0);
	assert_int_equal(got, ENCODING_IDENTITY);
	assert_int_equal(encoding_parse("GZip", &got), 0);
	assert_int_equal(got, ENCODING_GZIP);
	assert_int_equal(encoding_parse("x-gzip", &got), 0);
	assert_int_equal(encoding_parse("zstd", &got), 0);
	assert_int_equal(got, ENCODING_ZSTD);
	assert_int_equal(encoding_parse("Identity", &got), 0);
	assert_int_equal(encoding_parse("br", &got), -1);
	assert_int_equal(encoding_parse("gzip, zstd", &got), -1);
	assert_int_equal(got, ENCODING_IDENTITY);
	assert_int_equal(encoding_sniff("\x1f\x8b\x08\0", 4), ENCODING_GZIP);
	assert_int_equal(encoding_sniff("\x28\xb5\x2f\xfd", 4), ENCODING_ZSTD);
	assert_int_equal(encoding_sniff("\x5f\x2a\x4d\x18", 4), ENCODING_ZSTD);
	assert_int_equal(encoding_sniff("a,b\n", 4), ENCODING_IDENTITY);
	assert_int_equal(encoding_sniff("\x28\xb5", 2), ENCODING_IDENTITY);
	assert_int_equal(encoding_sniff("", 0), ENCODING_IDENTITY);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static long read_file(const char *path, size_t step, struct buf *out,
		      struct err *e)
{
	struct input *in = input_open(path, e);
	char *piece = malloc(step);
	uint64_t done, total;
	long n = -1;

	assert_non_null(piece);
	while (in && (n = input_read(in, piece, step, e)) > 0)
		buf_add(out, piece, (size_t)n);
	if (n == 0) {
		assert_int_equal(input_read(in, piece, step, e), 0);
		input_progress(in, &done, &total);
		assert_true(done == total);
	}
	input_close(in);
	free(piece);
	return n;
}

static void test_files(void **state)
{
	static const size_t steps[] = {1, 100, 4096, 1 << 20};
	char dir[] = "/tmp/driftd-test-XXXXXX", path[64];
	struct buf text, packed, out;
	struct err e = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x", dir);
	buf_init(&text, 1 << 20);
	buf_init(&packed, 1 << 20);
	buf_init(&out, 1 << 20);
	fill_text(&text, 200000);
	zstd_pack(text.data, text.len, &packed);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		write_file(path, packed.data, packed.len);
		buf_clear(&out);
		assert_int_equal(read_file(path, steps[i], &out, &e), 0);
		assert_int_equal(out.len, text.len);
		assert_memory_equal(out.data, text.data, text.len);
		write_file(path, text.data, text.len);
		buf_clear(&out);
		assert_int_equal(read_file(path, steps[i], &out, &e), 0);
		assert_int_equal(out.len, text.len);
		assert_memory_equal(out.data, text.data, text.len);
		write_file(path, gzip_hello, sizeof(gzip_hello));
		buf_clear(&out);
		assert_int_equal(read_file(path, steps[i], &out, &e), 0);
		assert_string_equal(buf_str(&out), "hello, driftd\n");
		for (size_t len = 0; len < 4; len++) {
			write_file(path, "abc", len);
			buf_clear(&out);
			assert_int_equal(read_file(path, steps[i], &out, &e),
					 0);
			assert_int_equal(out.len, len);
		}
		write_file(path, packed.data, packed.len / 2);
		assert_int_equal(read_file(path, steps[i], &out, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.message, path));
	}
	(void)unlink(path);
	assert_int_equal(read_file(path, 1, &out, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(read_file(dir, 1, &out, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	(void)rmdir(dir);
	buf_release(&text);
	buf_release(&packed);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_members),
		cmocka_unit_test(test_zstd_members),
		cmocka_unit_test(test_large_zstd),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_zstd_window),
		cmocka_unit_test(test_sink_stops),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_whole_buffers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
