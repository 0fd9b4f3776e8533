/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_client: statuses, bounds against bad servers, the address guard. */

#include "alerts/http_client.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/unit/alerts/test_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct test_server *server;
	struct http_client *http;
	char url[64];
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct buf url;

	f->server = test_server_new();
	f->http = http_client_new();
	buf_init(&url, sizeof(f->url) - 1);
	buf_printf(&url, "http://127.0.0.1:%d/hook", f->server->port);
	memcpy(f->url, buf_str(&url), url.len + 1);
	buf_release(&url);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_client_free(f->http);
	test_server_free(f->server);
	free(f);
	return 0;
}

static struct http_call post(const struct fixture *f)
{
	return (struct http_call){
		.method = "POST",
		.url = f->url,
		.body = "{}",
		.body_len = 2,
		.timeout_us = 5 * CLOCK_SECOND_US,
		.max_answer = 1024,
	};
}

static void test_statuses(void **state)
{
	static const int statuses[] = {200, 204, 301, 302, 307, 400, 401, 404,
				       408, 410, 425, 429, 500, 502, 503, 504};
	struct fixture *f = *state;
	struct http_call call = post(f);

	memcpy(f->server->extra, "Location: /elsewhere\r\n", 23);
	test_server_say(f->server, statuses, ARRAY_LEN(statuses));
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct http_answer a;
		struct err e = {0};

		assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
		assert_int_equal(a.status, statuses[i]);
		assert_int_equal(a.retry_after_us, -1);
		assert_string_equal(buf_str(&a.body),
				    statuses[i] == 204 ? "" : "ok");
		http_answer_release(&a);
	}
	/* No redirect was followed, and one connection did for all. */
	assert_int_equal(test_server_count(f->server), ARRAY_LEN(statuses));
	assert_int_equal(atomic_load(&f->server->n_connections), 1);
}

static void test_request_is_sent_whole(void **state)
{
	static const char *const headers[] = {"Content-Type: text/x",
					      "webhook-id: msg_1", NULL};
	struct fixture *f = *state;
	struct http_call call = post(f);
	struct http_answer a;
	struct err e = {0};
	char *body = xcalloc(1, 300001), *value;

	memset(body, 'b', 300000);
	call.headers = headers;
	call.body = body;
	call.body_len = 300000;
	assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
	http_answer_release(&a);
	assert_string_equal(f->server->requests[0].body, body);
	assert_memory_equal(f->server->requests[0].head, "POST /hook HTTP", 15);
	value = test_header(f->server->requests[0].head, "webhook-id");
	assert_string_equal(value, "msg_1");
	free(value);
	assert_null(test_header(f->server->requests[0].head, "Expect"));
	call.method = "GET";
	call.body = NULL;
	assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
	http_answer_release(&a);
	assert_memory_equal(f->server->requests[1].head, "GET /hook HTTP", 14);
	assert_string_equal(f->server->requests[1].body, "");
	free(body);
}

static void test_retry_after(void **state)
{
	/* At 2026-01-01T00:00:00Z. */
	static const struct {
		const char *header;
		int64_t us;
	} cases[] = {
		{"Retry-After: 120\r\n", 120 * CLOCK_SECOND_US},
		{"retry-after:\t7 \r\n", 7 * CLOCK_SECOND_US},
		{"Retry-After: 0\r\n", 0},
		{"Retry-After: -1\r\n", -1},
		{"Retry-After: 1000000000\r\n", 1000000000 * CLOCK_SECOND_US},
		{"Retry-After: 99999999999999999999\r\n", -1},
		{"Retry-After: soon\r\n", -1},
		{"Retry-After:\r\n", -1},
		{"Retry-After: Thu, 01 Jan 2026 00:01:00 GMT\r\n",
		 CLOCK_MINUTE_US},
		{"Retry-After: Wed, 31 Dec 2025 00:00:00 GMT\r\n", 0},
	};
	static const int status = 503;
	struct fixture *f = *state;
	struct http_call call = post(f);

	clock_set_wall(INT64_C(1767225600000000));
	test_server_say(f->server, &status, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_answer a;
		struct err e = {0};

		pthread_mutex_lock(&f->server->lock);
		memcpy(f->server->extra, cases[i].header,
		       strlen(cases[i].header) + 1);
		pthread_mutex_unlock(&f->server->lock);
		assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
		if (a.retry_after_us != cases[i].us)
			fail_msg("%s: %lld", cases[i].header,
				 (long long)a.retry_after_us);
		http_answer_release(&a);
	}
	clock_set_wall(INT64_MIN);
}

/* Calls in ${mode} end with ${code}, within a second of ${timeout_us}. */
static void expect_failure(struct fixture *f, enum test_mode mode,
			   struct http_call *call, enum err_code code)
{
	int64_t start = clock_monotonic_us();
	struct http_answer a;
	struct err e = {0};

	atomic_store(&f->server->mode, (int)mode);
	assert_int_equal(http_client_call(f->http, call, &a, &e), -1);
	if (e.code != code)
		fail_msg("mode %d: %d, %s", (int)mode, (int)e.code, e.message);
	assert_true(clock_monotonic_us() - start <
		    call->timeout_us + CLOCK_SECOND_US);
}

static void test_bad_servers(void **state)
{
	struct fixture *f = *state;
	struct http_call call = post(f);
	struct http_answer a;
	struct err e = {0};

	call.timeout_us = 300000;
	expect_failure(f, MODE_SILENT, &call, ERR_TEMP);
	expect_failure(f, MODE_DRIP, &call, ERR_TEMP);
	call.timeout_us = 5 * CLOCK_SECOND_US;
	expect_failure(f, MODE_ENDLESS_BODY, &call, ERR_LIMIT);
	expect_failure(f, MODE_ENDLESS_HEADERS, &call, ERR_LIMIT);
	expect_failure(f, MODE_CUT, &call, ERR_UNAVAILABLE);
	expect_failure(f, MODE_PARTIAL, &call, ERR_UNAVAILABLE);
	/* And the client is none the worse for it. */
	atomic_store(&f->server->mode, MODE_ANSWER);
	assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
	http_answer_release(&a);
}

static void test_long_answer_is_cut(void **state)
{
	struct fixture *f = *state;
	struct http_call call = post(f);
	struct http_answer a;
	struct err e = {0};

	atomic_store(&f->server->mode, MODE_ENDLESS_BODY);
	call.cut_answer = true;
	assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, 1024);
	http_answer_release(&a);
}

static void expect_code(struct fixture *f, const struct http_call *call,
			enum err_code code)
{
	struct http_answer a;
	struct err e = {0};

	assert_int_equal(http_client_call(f->http, call, &a, &e), -1);
	if (e.code != code)
		fail_msg("%s: %d, %s", call->url, (int)e.code, e.message);
}

static void test_bad_calls(void **state)
{
	static const char *const urls[] = {"",
					   "file:///etc/passwd",
					   "gopher://127.0.0.1/",
					   "ftp://x/",
					   "http://",
					   "http://a b/",
					   "127.0.0.1",
					   "http://x:99999/",
					   "dict://127.0.0.1:11211/stat",
					   "http://127.0.0.1\r\nX: y/"};
	static const char *const headers[] = {"X: a\r\nInjected: b", NULL};
	struct fixture *f = *state;
	struct http_call call = post(f);

	call.headers = headers;
	expect_code(f, &call, ERR_INVALID);
	call.headers = NULL;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		call.url = urls[i];
		expect_code(f, &call, ERR_INVALID);
	}
	assert_int_equal(test_server_count(f->server), 0);
	call.url = "http://127.0.0.1:1/";
	expect_code(f, &call, ERR_UNAVAILABLE);
}

/* Every spelling of this host: nothing is connected, as the listener saw. */
static void test_guard(void **state)
{
	static const char *const hosts[] = {"127.0.0.1",
					    "127.1",
					    "0x7f000001",
					    "2130706433",
					    "localhost",
					    "0177.0.0.1",
					    "[::1]",
					    "[::ffff:127.0.0.1]",
					    "[64:ff9b::7f00:1]",
					    "[2002:7f00:1::]",
					    "[fd00::1]",
					    "100.64.0.1",
					    "169.254.169.254",
					    "0.0.0.0",
					    "0",
					    "[fd00:ec2::254]"};
	static const char *const always[] = {"169.254.169.254",
					     "[fd00:ec2::254]", "0.0.0.0",
					     "[::]", "[fe80::1]"};
	struct fixture *f = *state;
	struct http_call call = post(f);
	struct http_answer a;
	struct err e = {0};
	struct buf url;

	buf_init(&url, 256);
	call.guard = true;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		buf_clear(&url);
		buf_printf(&url, "http://%s:%d/", hosts[i], f->server->port);
		call.url = buf_str(&url);
		expect_code(f, &call, ERR_CONFLICT);
	}
	call.allow_private = true;
	for (size_t i = 0; i < ARRAY_LEN(always); i++) {
		buf_clear(&url);
		buf_printf(&url, "http://%s:%d/", always[i], f->server->port);
		call.url = buf_str(&url);
		expect_code(f, &call, ERR_CONFLICT);
	}
	assert_int_equal(atomic_load(&f->server->n_connections), 0);
	call.url = f->url;
	assert_int_equal(http_client_call(f->http, &call, &a, &e), 0);
	http_answer_release(&a);
	/* A kept connection is no way around a guard that became stricter. */
	call.allow_private = false;
	expect_code(f, &call, ERR_CONFLICT);
	assert_int_equal(test_server_count(f->server), 1);
	buf_release(&url);
}

struct abort_later {
	struct http_client *http;
};

static void *abort_main(void *arg)
{
	struct abort_later *a = arg;

	clock_sleep_us(100000);
	http_client_abort(a->http);
	return NULL;
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct abort_later later = {f->http};
	struct http_call call = post(f);
	int64_t start = clock_monotonic_us();
	pthread_t thread;

	atomic_store(&f->server->mode, MODE_SILENT);
	assert_int_equal(pthread_create(&thread, NULL, abort_main, &later), 0);
	call.timeout_us = 30 * CLOCK_SECOND_US;
	expect_code(f, &call, ERR_UNAVAILABLE);
	assert_true(clock_monotonic_us() - start < CLOCK_SECOND_US);
	pthread_join(thread, NULL);
	expect_code(f, &call, ERR_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_statuses),
		T(test_request_is_sent_whole),
		T(test_retry_after),
		T(test_bad_servers),
		T(test_long_answer_is_cut),
		T(test_bad_calls),
		T(test_guard),
		T(test_abort),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
