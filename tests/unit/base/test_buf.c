/* SPDX-License-Identifier: GPL-3.0-or-later */
/* buf and reader: ceilings, what is refused, and the way back. */

#include "base/buf.h"

#include "tests/unit/base/random.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_string_equal(buf_str(&b), "");
	buf_add_str(&b, "ab");
	buf_add_char(&b, 'c');
	buf_printf(&b, "%d-%s", 42, "x");
	buf_add(&b, "", 0);
	assert_string_equal(buf_str(&b), "abc42-x");
	assert_int_equal(b.len, 7);
	buf_printf(&b, "%500s", "y");
	assert_int_equal(b.len, 507);
	assert_int_equal(b.data[b.len], '\0');
	assert_false(b.failed);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
}

static void test_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_add_str(&b, "0123456789");
	assert_false(b.failed);
	assert_int_equal(b.len, 10);
	buf_add_char(&b, 'x');
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "0123456789");
	/* Failed is failed, also for what would fit. */
	b.len = 3;
	buf_add_char(&b, 'x');
	assert_int_equal(b.len, 3);
	buf_clear(&b);
	assert_false(b.failed);
	buf_printf(&b, "%s", "12345678901");
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
	buf_printf(&b, "%s", "1234567890");
	assert_false(b.failed);
	assert_string_equal(buf_str(&b), "1234567890");
	buf_clear(&b);
	/* A length is not left behind without its text. */
	buf_add_string(&b, "1234567890", 10);
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	buf_release(&b);

	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_true(b.failed);
	buf_release(&b);

	buf_init(&b, 0);
	assert_int_equal(buf_reserve(&b, 0), 0);
	buf_add_char(&b, 'x');
	assert_true(b.failed);
	buf_release(&b);
}

static void test_layout(void **state)
{
	static const unsigned char want[] = {0x01, 0x04, 0x03, 0x02, 0x01, 0x08,
					     0x07, 0x06, 0x05, 0x04, 0x03, 0x02,
					     0x01, 0xAC, 0x02, 0x03, 0x02, 'h',
					     'i',  0,	 0,    0,    0,	   0};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_u8(&b, 1);
	buf_add_u32(&b, 0x01020304);
	buf_add_u64(&b, UINT64_C(0x0102030405060708));
	buf_add_varint(&b, 300);
	buf_add_zigzag(&b, -2);
	buf_add_string(&b, "hi", 2);
	buf_pad(&b, 8);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	buf_pad(&b, 8);
	assert_int_equal(b.len, sizeof(want));
	buf_release(&b);
}

static void write_value(struct buf *b, unsigned kind, uint64_t v)
{
	double real;

	memcpy(&real, &v, sizeof(real));
	switch (kind) {
	case 0:
		buf_add_u8(b, (uint8_t)v);
		break;
	case 1:
		buf_add_u32(b, (uint32_t)v);
		break;
	case 2:
		buf_add_u64(b, v);
		break;
	case 3:
		buf_add_f64(b, real);
		break;
	case 4:
		buf_add_varint(b, v);
		break;
	case 5:
		buf_add_zigzag(b, (int64_t)v);
		break;
	case 6:
		buf_add_string(b, (const char *)&v, v % 9);
		break;
	default:
		buf_pad(b, 8);
	}
}

static void check_value(struct reader *r, unsigned kind, uint64_t v)
{
	double real;
	uint64_t back;
	size_t len;
	const char *s;

	switch (kind) {
	case 0:
		assert_int_equal(reader_u8(r), (uint8_t)v);
		break;
	case 1:
		assert_int_equal(reader_u32(r), (uint32_t)v);
		break;
	case 2:
		assert_true(reader_u64(r) == v);
		break;
	case 3:
		real = reader_f64(r);
		memcpy(&back, &real, sizeof(back));
		assert_true(back == v);
		break;
	case 4:
		assert_true(reader_varint(r) == v);
		break;
	case 5:
		assert_true(reader_zigzag(r) == (int64_t)v);
		break;
	case 6:
		s = reader_string(r, &len);
		assert_non_null(s);
		assert_int_equal(len, v % 9);
		assert_memory_equal(s, &v, len);
		break;
	default:
		reader_align(r, 8);
	}
}

/* Whatever is written is read; every shorter input fails and stays safe. */
static void test_round_trip(void **state)
{
	enum { N = 40 };
	unsigned kinds[N];
	uint64_t values[N];
	struct reader r;
	struct buf b;

	(void)state;
	random_start();
	buf_init(&b, 1 << 20);
	for (unsigned round = 0; round < 200; round++) {
		buf_clear(&b);
		for (unsigned i = 0; i < N; i++) {
			kinds[i] = (unsigned)random_below(8);
			values[i] = random_next() >> random_below(64);
			write_value(&b, kinds[i], values[i]);
		}
		buf_add_u8(&b, 7);
		assert_false(b.failed);
		reader_init(&r, b.data, b.len);
		for (unsigned i = 0; i < N; i++)
			check_value(&r, kinds[i], values[i]);
		assert_false(reader_is_done(&r));
		assert_int_equal(reader_u8(&r), 7);
		assert_true(reader_is_done(&r));
		assert_int_equal(reader_u8(&r), 0);
		assert_true(r.failed);
	}
	buf_release(&b);
}

static void test_extremes(void **state)
{
	static const int64_t values[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
	struct reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		buf_add_zigzag(&b, values[i]);
	buf_add_varint(&b, UINT64_MAX);
	reader_init(&r, b.data, b.len);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		assert_true(reader_zigzag(&r) == values[i]);
	assert_true(reader_varint(&r) == UINT64_MAX);
	assert_true(reader_is_done(&r));
	buf_release(&b);
}

static void test_hostile(void **state)
{
	static const char too_long[] =
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";
	static const char too_big[] =
		"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02";
	static const char huge_string[] =
		"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01x";
	struct reader r;
	size_t len = 99;

	(void)state;
	reader_init(&r, too_long, sizeof(too_long) - 1);
	assert_int_equal(reader_varint(&r), 0);
	assert_true(r.failed);
	reader_init(&r, too_big, sizeof(too_big) - 1);
	assert_int_equal(reader_varint(&r), 0);
	assert_true(r.failed);
	reader_init(&r, huge_string, sizeof(huge_string) - 1);
	assert_null(reader_string(&r, &len));
	assert_true(r.failed);
	assert_int_equal(len, 99);
	reader_init(&r, NULL, 0);
	assert_non_null(reader_bytes(&r, 0));
	assert_true(reader_is_done(&r));
	assert_null(reader_bytes(&r, 1));
	reader_init(&r, "abc", 3);
	assert_int_equal(reader_u8(&r), 'a');
	assert_null(reader_bytes(&r, SIZE_MAX));
	assert_int_equal(r.pos, 3);
	assert_null(reader_bytes(&r, 0));
	/* Padding that is cut off is an error too. */
	reader_init(&r, "abc", 3);
	(void)reader_u8(&r);
	reader_align(&r, 8);
	assert_true(r.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
