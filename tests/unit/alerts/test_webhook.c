/* SPDX-License-Identifier: GPL-3.0-or-later */
/* webhook: what statuses mean, and signatures that others can verify. */

#include "alerts/receiver.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_outcomes(void **state)
{
	(void)state;
	for (long s = 100; s < 600; s++) {
		enum receiver_outcome want = RECEIVER_RETRY;

		if (s >= 200 && s < 300)
			want = RECEIVER_DELIVERED;
		else if (s == 410)
			want = RECEIVER_GONE;
		else if (s >= 400 && s < 500 && s != 408 && s != 425 &&
			 s != 429)
			want = RECEIVER_DEAD;
		assert_int_equal(webhook_outcome(s), want);
	}
}

static void test_types(void **state)
{
	(void)state;
	assert_string_equal(receiver_type_at(0)->name, "webhook");
	assert_null(receiver_type_at(1));
	assert_null(receiver_type_at(-1));
}

/*
 * The example of the Standard Webhooks specification's reference libraries;
 * and the formula done by hand on the pieces.
 */
static void test_known_example(void **state)
{
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
	static const char body[] = "{\"test\": 2432232314}";
	struct buf value;
	struct err e = {0};

	(void)state;
	buf_init(&value, 1024);
	assert_int_equal(webhook_sign(secret, id, 1614265330, body,
				      strlen(body), &value, &e),
			 0);
	assert_string_equal(buf_str(&value), "v1,g0hM9SsE+OTPJTGt/"
					     "tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	buf_release(&value);
}

static void expect_signature(const char *text, const char *key, size_t key_len,
			     const char *content)
{
	uint8_t mac[SHA256_SIZE];
	struct buf want;

	hmac_sha256(key, key_len, content, strlen(content), mac);
	buf_init(&want, 256);
	buf_add_str(&want, "v1,");
	base64_encode(mac, sizeof(mac), &want);
	assert_int_equal(strncmp(text, buf_str(&want), want.len), 0);
	buf_release(&want);
}

static void test_rotation(void **state)
{
	/* "first key, 24 bytes long" and "second key, 25 bytes long" */
	static const char secrets[] =
		"whsec_Zmlyc3Qga2V5LCAyNCBieXRlcyBsb25n "
		" whsec_c2Vjb25kIGtleSwgMjUgYnl0ZXMgbG9uZw==";
	static const char content[] = "msg_1.1700000000.{\"a\":1}";
	const char *second;
	struct buf value;
	struct err e = {0};

	(void)state;
	buf_init(&value, 1024);
	assert_int_equal(webhook_sign(secrets, "msg_1", 1700000000, "{\"a\":1}",
				      7, &value, &e),
			 0);
	expect_signature(buf_str(&value), "first key, 24 bytes long", 24,
			 content);
	second = strchr(buf_str(&value), ' ');
	assert_non_null(second);
	expect_signature(second + 1, "second key, 25 bytes long", 25, content);
	assert_null(strchr(second + 1, ' '));
	buf_clear(&value);
	assert_int_equal(webhook_sign("whsec_!!", "m", 1, "", 0, &value, &e),
			 -1);
	assert_int_equal(e.code, ERR_INVALID);
	/* The secret is not told. */
	assert_null(strstr(e.message, "!!"));
	buf_release(&value);
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	struct buf data;
	char chunk[4096];
	size_t n;

	if (!f)
		return NULL;
	buf_init(&data, 1 << 24);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&data, chunk, n);
	fclose(f);
	*len = data.len;
	return data.data;
}

static size_t unhex(const char *text, uint8_t out[4096])
{
	assert_true(strlen(text) <= 8192);
	assert_int_equal(hex_decode(text, strlen(text), out), 0);
	return strlen(text) / 2;
}

static void check_vector(const struct json_value *t, size_t tag_size)
{
	uint8_t key[4096], message[4096], tag[4096], mac[SHA256_SIZE];
	size_t key_len = unhex(json_text(json_get(t, "key")), key);
	size_t len = unhex(json_text(json_get(t, "msg")), message);
	bool is_valid = strcmp(json_text(json_get(t, "result")), "valid") == 0;

	assert_int_equal(unhex(json_text(json_get(t, "tag")), tag), tag_size);
	hmac_sha256(key, key_len, message, len, mac);
	if (bytes_equal_ct(mac, tag, tag_size) != is_valid)
		fail_msg("vector %lld",
			 (long long)json_value_int(json_get(t, "tcId"), -1));
}

static void test_wycheproof(void **state)
{
	const char *shared = getenv("SHARED");
	struct json_value *root;
	const struct json_value *groups;
	struct buf path;
	struct err e = {0};
	size_t len = 0, n = 0;
	char *text;

	(void)state;
	buf_init(&path, 4096);
	buf_printf(&path,
		   "%s/corpora/wycheproof/testvectors_v1/hmac_sha256_test.json",
		   shared ? shared : "../shared");
	text = read_file(buf_str(&path), &len);
	buf_release(&path);
	if (!text) {
		print_message("SKIPPED: the Wycheproof vectors are absent\n");
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
			check_vector(json_at(tests, i), (size_t)bits / 8);
	}
	assert_int_equal(n, 174);
	json_free(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_known_example),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_wycheproof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
