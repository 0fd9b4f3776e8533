/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The door to libpq against a real server: values there and back, what errors
 * mean, deadlines, interruption, lost connections.
 */
#include "storage/pg.h"

#include "tests/unit/storage/pg_proxy.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>

static struct err e;

#define ok(expression)                                                         \
	do {                                                                   \
		memset(&e, 0, sizeof(e));                                      \
		if ((expression) != 0) {                                       \
			print_error("%s\n", e.message);                        \
			fail();                                                \
		}                                                              \
	} while (0)

static void test_values(void **state)
{
	const char *const texts[] = {"a", NULL, "", "h\xc3\xa9"};
	const void *const blobs[] = {"\0\1", NULL, ""};
	const size_t lens[] = {2, 0, 0};
	const int64_t ints[] = {INT64_MIN, -1, 0, INT64_MAX};
	const double floats[] = {-0.0, (double)NAN, (double)INFINITY, 0.1};
	const int64_t times[] = {0, INT64_MIN, -62135596800000000,
				 253402300799999999};
	struct pg *pg = test_pg(test_dsn());
	struct pg_params p;
	struct pg_result *r;
	size_t len;

	(void)state;
	pg_params_init(&p);
	pg_add_int4(&p, -5);
	pg_add_int8(&p, INT64_MIN);
	pg_add_float8(&p, (double)NAN);
	pg_add_text(&p, NULL);
	pg_add_text_n(&p, "xyz", 2);
	pg_add_bytea(&p, "", 0);
	pg_add_time(&p, 1700000000123456);
	pg_add_time(&p, INT64_MIN);
	pg_add_bool(&p, true);
	pg_add_null(&p, 23);
	ok(pg_exec(pg,
		   "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
		   "extract(epoch FROM $7)::float8, 'infinity'::timestamptz",
		   &p, &r, &e));
	assert_int_equal(pg_rows(r), 1);
	assert_int_equal(pg_get_int(r, 0, 0), -5);
	assert_true(pg_get_int(r, 0, 1) == INT64_MIN);
	assert_true(isnan(pg_get_float8(r, 0, 2)));
	assert_true(pg_is_null(r, 0, 3) && !pg_get_text(r, 0, 3));
	assert_string_equal(pg_get_text(r, 0, 4), "xy");
	assert_non_null(pg_get_bytea(r, 0, 5, &len));
	assert_int_equal(len, 0);
	assert_true(pg_get_time(r, 0, 6) == 1700000000123456);
	assert_true(pg_get_time(r, 0, 7) == INT64_MIN);
	assert_true(pg_get_bool(r, 0, 8));
	assert_true(pg_is_null(r, 0, 9));
	assert_true(fabs(pg_get_float8(r, 0, 10) - 1700000000.123456) < 1e-6);
	assert_true(pg_get_time(r, 0, 11) == INT64_MAX);
	pg_result_free(r);

	pg_params_clear(&p);
	pg_add_text_array(&p, texts, 4);
	ok(pg_exec(pg,
		   "SELECT t FROM unnest($1::text[]) WITH ORDINALITY "
		   "AS u(t, i) ORDER BY i",
		   &p, &r, &e));
	assert_int_equal(pg_rows(r), 4);
	assert_string_equal(pg_get_text(r, 0, 0), "a");
	assert_null(pg_get_text(r, 1, 0));
	assert_string_equal(pg_get_text(r, 2, 0), "");
	assert_string_equal(pg_get_text(r, 3, 0), "h\xc3\xa9");
	pg_result_free(r);

	pg_params_clear(&p);
	pg_add_int8_array(&p, ints, 4);
	pg_add_float8_array(&p, floats, 4);
	pg_add_time_array(&p, times, 4);
	pg_add_bool_array(&p, (const bool[]){true, false, true, false}, 4);
	ok(pg_exec(pg,
		   "SELECT * FROM unnest($1::bigint[], $2::float8[], "
		   "$3::timestamptz[], $4::bool[])",
		   &p, &r, &e));
	for (size_t i = 0; i < 4; i++) {
		double v = pg_get_float8(r, i, 1);

		assert_true(pg_get_int(r, i, 0) == ints[i]);
		assert_true(isnan(v) == isnan(floats[i]));
		assert_true(isnan(v) || memcmp(&v, &floats[i], 8) == 0);
		assert_true(pg_get_time(r, i, 2) == times[i]);
		assert_true(pg_get_bool(r, i, 3) == (i % 2 == 0));
	}
	pg_result_free(r);

	pg_params_clear(&p);
	pg_add_bytea_array(&p, blobs, lens, 3);
	pg_add_int8_array(&p, NULL, 0);
	ok(pg_exec(pg,
		   "SELECT b, cardinality($2) FROM unnest($1::bytea[]) "
		   "AS u(b)",
		   &p, &r, &e));
	assert_memory_equal(pg_get_bytea(r, 0, 0, &len), "\0\1", 2);
	assert_int_equal(len, 2);
	assert_null(pg_get_bytea(r, 1, 0, &len));
	assert_int_equal(pg_get_int(r, 0, 1), 0);
	pg_result_free(r);
	pg_params_release(&p);
	pg_free(pg);
}

static void test_settings(void **state)
{
	static const char *const wanted[][2] = {
		{"timezone", "UTC"},
		{"jit", "off"},
		{"statement_timeout", "20s"},
		{"lock_timeout", "10s"},
		{"idle_in_transaction_session_timeout", "40s"},
		{"default_transaction_isolation", "read committed"},
		{"synchronous_commit", "on"},
		{"application_name", "test"},
	};
	struct pg *pg = test_pg(test_dsn());
	struct pg_params p;
	struct pg_result *r;

	(void)state;
	pg_params_init(&p);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		pg_params_clear(&p);
		pg_add_text(&p, wanted[i][0]);
		ok(pg_exec(pg, "SELECT current_setting($1)", &p, &r, &e));
		assert_string_equal(pg_get_text(r, 0, 0), wanted[i][1]);
		pg_result_free(r);
	}
	pg_params_release(&p);
	pg_free(pg);
}

/* What an SQLSTATE means to the caller. */
static void test_errors(void **state)
{
	static const struct {
		const char *sql;
		enum err_code code;
		const char *sqlstate;
	} cases[] = {
		{"SELECT 1/0", ERR_INVALID, "22012"},
		{"SELECT chr(0)", ERR_INVALID, "54000"},
		{"SELECT * FROM no_such_table", ERR_INVALID, "42P01"},
		{"SELECT pg_sleep(0) FROM driftd_none.x", ERR_INVALID, "42P01"},
		{"DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", ERR_TEMP,
		 "40001"},
		{"DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", ERR_TEMP,
		 "55P03"},
		{"DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", ERR_TEMP,
		 "53100"},
		{"DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", ERR_TEMP,
		 "25006"},
		{"DO $$ BEGIN RAISE SQLSTATE '42501'; END $$", ERR_TEMP,
		 "42501"},
		{"DO $$ BEGIN RAISE SQLSTATE '23505'; END $$", ERR_INVALID,
		 "23505"},
	};
	struct pg *pg = test_pg(test_dsn());

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memset(&e, 0, sizeof(e));
		assert_int_equal(pg_exec(pg, cases[i].sql, NULL, NULL, &e), -1);
		assert_int_equal(e.code, cases[i].code);
		assert_string_equal(e.sqlstate, cases[i].sqlstate);
		assert_null(strchr(e.message, '\n'));
		assert_true(pg_is_connected(pg));
	}
	pg_free(pg);
}

static void test_transactions(void **state)
{
	struct pg *pg = test_pg(test_dsn());
	struct pg_result *r;

	(void)state;
	ok(pg_exec(pg, "CREATE TEMP TABLE t (x int)", NULL, NULL, &e));
	ok(pg_begin(pg, &e));
	ok(pg_exec(pg, "INSERT INTO t VALUES (1)", NULL, &r, &e));
	assert_int_equal(pg_affected(r), 1);
	pg_result_free(r);
	pg_rollback(pg);
	ok(pg_begin(pg, &e));
	assert_int_equal(pg_exec(pg, "SELECT 1/0", NULL, NULL, &e), -1);
	/* An error that nobody looked at must not look like a commit. */
	assert_int_equal(pg_commit(pg, &e), -1);
	assert_int_equal(e.code, ERR_TEMP);
	ok(pg_begin(pg, &e));
	ok(pg_exec_script(pg,
			  "INSERT INTO t VALUES (2); "
			  "INSERT INTO t VALUES (3)",
			  &e));
	ok(pg_commit(pg, &e));
	ok(pg_exec(pg, "SELECT count(*) FROM t", NULL, &r, &e));
	assert_int_equal(pg_get_int(r, 0, 0), 2);
	pg_result_free(r);
	pg_free(pg);
}

/* More statements than have names, each of them twice. */
static void test_statement_cache(void **state)
{
	struct pg *pg = test_pg(test_dsn());
	struct buf sql;

	(void)state;
	buf_init(&sql, 256);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 600; i++) {
			struct pg_result *r;

			buf_clear(&sql);
			buf_printf(&sql, "SELECT %d", i);
			ok(pg_exec(pg, buf_str(&sql), NULL, &r, &e));
			assert_int_equal(pg_get_int(r, 0, 0), i);
			pg_result_free(r);
		}
	}
	buf_release(&sql);
	pg_free(pg);
}

/* A plan whose result type changed heals with the next connection. */
static void test_stale_plan(void **state)
{
	struct pg *pg = test_pg(test_dsn()), *other = test_pg(test_dsn());
	int rc = -1;

	(void)state;
	ok(pg_exec(other, "DROP TABLE IF EXISTS public.test_pg_stale; ", NULL,
		   NULL, &e));
	ok(pg_exec(other, "CREATE TABLE public.test_pg_stale (x int)", NULL,
		   NULL, &e));
	ok(pg_exec(pg, "SELECT * FROM public.test_pg_stale", NULL, NULL, &e));
	ok(pg_exec(other, "ALTER TABLE public.test_pg_stale ADD y text", NULL,
		   NULL, &e));
	assert_int_equal(pg_exec(pg, "SELECT * FROM public.test_pg_stale", NULL,
				 NULL, &e),
			 -1);
	assert_int_equal(e.code, ERR_TEMP);
	for (int i = 0; i < 500 && rc; i++) {
		rc = pg_exec(pg, "SELECT * FROM public.test_pg_stale", NULL,
			     NULL, &e);
		clock_sleep_us(10000);
	}
	assert_int_equal(rc, 0);
	ok(pg_exec(other, "DROP TABLE public.test_pg_stale", NULL, NULL, &e));
	pg_free(other);
	pg_free(pg);
}

static void test_deadline(void **state)
{
	const struct pg_options o = {
		.dsn = test_dsn(),
		.connect_timeout_us = 2 * CLOCK_SECOND_US,
		.statement_timeout_us = 300000,
	};
	struct pg *pg = pg_new(&o), *other = test_pg(test_dsn());
	struct pg_params p;
	struct pg_result *r;
	int64_t began, pid;

	(void)state;
	/* The server's own timeout keeps the connection. */
	began = clock_monotonic_us();
	memset(&e, 0, sizeof(e));
	assert_int_equal(pg_exec(pg, "SELECT pg_sleep(10)", NULL, NULL, &e),
			 -1);
	assert_int_equal(e.code, ERR_TEMP);
	assert_string_equal(e.sqlstate, "57014");
	assert_true(clock_monotonic_us() - began < CLOCK_SECOND_US);
	assert_true(pg_is_connected(pg));
	/* A backend that does not answer at all: ours. */
	ok(pg_exec(pg, "SELECT pg_backend_pid()", NULL, &r, &e));
	pid = pg_get_int(r, 0, 0);
	pg_result_free(r);
	if (kill((pid_t)pid, SIGSTOP)) {
		print_message("cannot stop a backend: left out\n");
		goto out;
	}
	began = clock_monotonic_us();
	memset(&e, 0, sizeof(e));
	assert_int_equal(pg_exec(pg, "SELECT 1", NULL, NULL, &e), -1);
	kill((pid_t)pid, SIGCONT);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_true(clock_monotonic_us() - began < 2 * CLOCK_SECOND_US);
	assert_false(pg_is_connected(pg));
out:
	pg_params_init(&p);
	pg_add_int4(&p, (int32_t)pid);
	pg_exec(other, "SELECT pg_terminate_backend($1)", &p, NULL, NULL);
	pg_params_release(&p);
	pg_free(other);
	pg_free(pg);
}

static void *interrupt_soon(void *arg)
{
	clock_sleep_us(100000);
	pg_interrupt(arg);
	return NULL;
}

static void test_interrupt(void **state)
{
	struct pg *pg = test_pg(test_dsn());
	int64_t began;
	pthread_t thread;

	(void)state;
	ok(pg_connect(pg, &e));
	began = clock_monotonic_us();
	pthread_create(&thread, NULL, interrupt_soon, pg);
	assert_int_equal(pg_exec(pg, "SELECT pg_sleep(15)", NULL, NULL, &e),
			 -1);
	pthread_join(thread, NULL);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_true(clock_monotonic_us() - began < 2 * CLOCK_SECOND_US);
	pg_free(pg);
}

/* Nobody there: the first call says why, the ones before the back-off is
 * over say the same at once. */
static void test_backoff(void **state)
{
	struct pg *pg = test_pg("host=/nonexistent/driftd dbname=x");
	int64_t began = clock_monotonic_us();
	char first[ERR_MESSAGE_MAX];
	unsigned n = 0;

	(void)state;
	assert_int_equal(pg_connect(pg, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.message, "cannot connect"));
	memcpy(first, e.message, sizeof(first));
	while (clock_monotonic_us() - began < 300000) {
		assert_int_equal(pg_connect(pg, &e), -1);
		assert_int_equal(e.code, ERR_UNAVAILABLE);
		assert_string_equal(e.message, first);
		n++;
		clock_sleep_us(100);
	}
	assert_true(n > 500);
	pg_free(pg);
	pg = test_pg("host=x port=1 password=\"secret");
	assert_int_equal(pg_connect(pg, &e), -1);
	assert_null(strstr(e.message, "secret"));
	pg_free(pg);
}

static void test_lost_in_transaction(void **state)
{
	struct pg_proxy proxy;
	struct pg *pg;
	int rc = -1;

	(void)state;
	proxy_start(&proxy);
	pg = test_pg(proxy.dsn);
	ok(pg_begin(pg, &e));
	atomic_store(&proxy.bytes, 1);
	atomic_store(&proxy.cut, CUT_AFTER_BYTES);
	assert_int_equal(pg_exec(pg, "SELECT 1", NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	/* No statement may slip out of its transaction. */
	clock_sleep_us(150000);
	assert_int_equal(pg_exec(pg, "SELECT 1", NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_int_equal(pg_commit(pg, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	for (int i = 0; i < 500 && rc; i++) {
		rc = pg_exec(pg, "SELECT 1", NULL, NULL, &e);
		clock_sleep_us(10000);
	}
	assert_int_equal(rc, 0);
	/* A server that accepts and says nothing. */
	pg_disconnect(pg);
	pg_free(pg);
	proxy_stop(&proxy);
}

static void test_stalled_server(void **state)
{
	struct pg_proxy proxy;
	struct pg_options o = {
		.connect_timeout_us = 300000,
		.statement_timeout_us = 300000,
	};
	struct pg *pg;
	int64_t began;

	(void)state;
	proxy_start(&proxy);
	o.dsn = proxy.dsn;
	pg = pg_new(&o);
	atomic_store(&proxy.cut, STALL);
	began = clock_monotonic_us();
	assert_int_equal(pg_connect(pg, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_true(clock_monotonic_us() - began < CLOCK_SECOND_US);
	atomic_store(&proxy.cut, CUT_NEVER);
	pg_free(pg);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_statement_cache),
		cmocka_unit_test(test_stale_plan),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_lost_in_transaction),
		cmocka_unit_test(test_stalled_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
