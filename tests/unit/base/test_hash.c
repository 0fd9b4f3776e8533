/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hash: published vectors, streams in pieces, text encodings. */

#include "base/hash.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "tests/unit/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_hex(const void *data, size_t len, const char *want)
{
	char text[2 * 64 + 1];

	assert_in_range(len, 0, 64);
	hex_encode(data, len, text);
	assert_string_equal(text, want);
}

static void test_sha256(void **state)
{
	uint8_t out[SHA256_SIZE];

	(void)state;
	/* FIPS 180-4 examples. */
	sha256("", 0, out);
	assert_hex(out, sizeof(out),
		   "e3b0c44298fc1c149afbf4c8996fb924"
		   "27ae41e4649b934ca495991b7852b855");
	sha256("abc", 3, out);
	assert_hex(out, sizeof(out),
		   "ba7816bf8f01cfea414140de5dae2223"
		   "b00361a396177a9cb410ff61f20015ad");
	assert_true(hash_id63("abc", 3) ==
		    (int64_t)(UINT64_C(0xba7816bf8f01cfea) >> 1));
}

/* One case of the Wycheproof file: key, message, tag, and whether it holds. */
static void check_hmac(const struct json_value *test, size_t tag_size)
{
	const char *key = json_text(json_get(test, "key"));
	const char *msg = json_text(json_get(test, "msg"));
	const char *tag = json_text(json_get(test, "tag"));
	const char *result = json_text(json_get(test, "result"));
	uint8_t bytes[3][2048], out[SHA256_SIZE];
	bool same;

	assert_true(key && msg && tag && result);
	assert_in_range(strlen(key), 0, 4096);
	assert_in_range(strlen(msg), 0, 4096);
	assert_in_range(strlen(tag), 0, 4096);
	assert_int_equal(hex_decode(key, strlen(key), bytes[0]), 0);
	assert_int_equal(hex_decode(msg, strlen(msg), bytes[1]), 0);
	assert_int_equal(hex_decode(tag, strlen(tag), bytes[2]), 0);
	assert_int_equal(strlen(tag), 2 * tag_size);
	hmac_sha256(bytes[0], strlen(key) / 2, bytes[1], strlen(msg) / 2, out);
	same = bytes_equal_ct(out, bytes[2], tag_size);
	assert_int_equal(same, strcmp(result, "valid") == 0);
}

static void test_hmac_vectors(void **state)
{
	char path[512];
	struct json_value *root;
	const struct json_value *groups;
	size_t len = 0, n = 0;
	struct err e;
	char *text = slurp(corpus("wycheproof/testvectors_v1/"
				  "hmac_sha256_test.json",
				  path),
			   &len);

	(void)state;
	if (!text) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	root = json_parse(text, len, &e);
	assert_non_null(root);
	groups = json_get(root, "testGroups");
	for (size_t g = 0; g < json_count(groups); g++) {
		const struct json_value *group = json_at(groups, g);
		const struct json_value *tests = json_get(group, "tests");
		int64_t bits = json_value_int(json_get(group, "tagSize"), 0);

		for (size_t i = 0; i < json_count(tests); i++, n++)
			check_hmac(json_at(tests, i), (size_t)bits / 8);
	}
	assert_int_equal(n, json_value_int(json_get(root, "numberOfTests"), 0));
	print_message("%zu cases\n", n);
	assert_true(n > 100);
	json_free(root);
	free(text);
}

static void test_xxh3(void **state)
{
	uint8_t out[HASH128_SIZE], whole[HASH128_SIZE];
	struct hash128 *h = hash128_new();
	char data[1000];

	(void)state;
	/* The reference implementation's hashes of nothing. */
	assert_true(hash64("", 0) == UINT64_C(0x2D06800538D394C2));
	hash128_get(h, out);
	assert_hex(out, sizeof(out), "99aa06d3014798d86001c324468d497f");
	/* In pieces of any size, and again after a reset. */
	random_start();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)random_next();
	hash128_add(h, data, sizeof(data));
	hash128_get(h, whole);
	for (int round = 0; round < 20; round++) {
		hash128_reset(h);
		for (size_t at = 0, n; at < sizeof(data); at += n) {
			n = random_below(200);
			n = n < sizeof(data) - at ? n : sizeof(data) - at;
			hash128_add(h, data + at, n);
		}
		hash128_get(h, out);
		assert_memory_equal(out, whole, sizeof(out));
	}
	data[500] ^= 1;
	hash128_reset(h);
	hash128_add(h, data, sizeof(data));
	hash128_get(h, out);
	assert_memory_not_equal(out, whole, sizeof(out));
	hash128_free(h);
	hash128_free(NULL);
}

/* The definition, bit by bit. */
static uint32_t slow_crc32c(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return ~crc;
}

static void test_crc32c(void **state)
{
	enum { SIZE = 10000 };
	uint8_t *data = malloc(SIZE);
	uint8_t ones[32], zeros[32] = {0};

	(void)state;
	assert_non_null(data);
	/* RFC 3720 B.4. */
	memset(ones, 0xFF, sizeof(ones));
	assert_int_equal(crc32c(0, zeros, 32), 0x8A9136AA);
	assert_int_equal(crc32c(0, ones, 32), 0x62A8AB43);
	assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
	random_start();
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)random_next();
	for (int round = 0; round < 300; round++) {
		size_t at = random_below(100);
		size_t len = random_below(SIZE - 99);
		size_t cut = random_below(len + 1);
		uint32_t want = slow_crc32c(0, data + at, len);

		assert_int_equal(crc32c(0, data + at, len), want);
		assert_int_equal(crc32c(crc32c(0, data + at, cut),
					data + at + cut, len - cut),
				 want);
	}
	free(data);
}

static void test_hex(void **state)
{
	uint8_t out[4] = {9, 9, 9, 9};
	char text[9];

	(void)state;
	hex_encode("\x00\x7f\x80\xff", 4, text);
	assert_string_equal(text, "007f80ff");
	assert_int_equal(hex_decode("00F", 3, out), -1);
	assert_int_equal(hex_decode("0g", 2, out), -1);
	assert_int_equal(hex_decode("00ff0x", 6, out), -1);
	assert_int_equal(out[0], 9);
	assert_int_equal(hex_decode("aAfF", 4, out), 0);
	assert_int_equal(out[0], 0xAA);
	assert_int_equal(out[1], 0xFF);
	assert_int_equal(out[2], 9);
}

static void test_base64(void **state)
{
	/* RFC 4648 section 10. */
	static const char *const plain[] = {"",	    "f",     "fo",    "foo",
					    "foob", "fooba", "foobar"};
	static const char *const coded[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
	static const char *const bad[] = {
		"Z",	"Zg=",	    "Zg",   "Zh==", "Zm9=", "====",
		"=Zg=", "Zg==Zg==", "Zm 9", "Zm-_", "Z===", "Zm\n9"};
	struct buf b;
	struct err e;

	(void)state;
	buf_init(&b, 8);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		buf_clear(&b);
		base64_encode(plain[i], strlen(plain[i]), &b);
		assert_string_equal(buf_str(&b), coded[i]);
		buf_clear(&b);
		assert_int_equal(
			base64_decode(coded[i], strlen(coded[i]), &b, &e), 0);
		assert_string_equal(buf_str(&b), plain[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_clear(&b);
		buf_add_str(&b, "x");
		if (base64_decode(bad[i], strlen(bad[i]), &b, &e) == 0)
			fail_msg("\"%s\" is bad base64", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(buf_str(&b), "x");
	}
	buf_clear(&b);
	assert_int_equal(base64_decode("AAAAAAAAAAAA", 12, &b, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_release(&b);
}

static void test_base64_round_trip(void **state)
{
	struct buf text, back;
	uint8_t data[64];
	struct err e;

	(void)state;
	random_start();
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	for (int round = 0; round < 500; round++) {
		size_t len = random_below(sizeof(data) + 1);

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)random_next();
		buf_clear(&text);
		buf_clear(&back);
		base64_encode(data, len, &text);
		assert_int_equal(
			base64_decode(buf_str(&text), text.len, &back, &e), 0);
		assert_int_equal(back.len, len);
		if (len > 0)
			assert_memory_equal(back.data, data, len);
	}
	buf_release(&text);
	buf_release(&back);
}

static void test_random(void **state)
{
	uint8_t a[512], b[512];
	unsigned ones = 0;

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		ones += (unsigned)__builtin_popcount(a[i]);
	/* 4096 coins: ten standard deviations are 320. */
	assert_in_range(ones, 2048 - 320, 2048 + 320);
	random_bytes(a, 0);
}

static void test_constant_time(void **state)
{
	(void)state;
	assert_true(bytes_equal_ct("abc", "abc", 3));
	assert_false(bytes_equal_ct("abc", "abd", 3));
	assert_false(bytes_equal_ct("xbc", "abc", 3));
	assert_true(bytes_equal_ct("abc", "abd", 2));
	assert_true(bytes_equal_ct("a", "b", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac_vectors),
		cmocka_unit_test(test_xxh3),
		cmocka_unit_test(test_crc32c),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_round_trip),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_constant_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
