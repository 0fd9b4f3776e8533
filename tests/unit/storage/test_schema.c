/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Migrations, in databases of their own: from nothing, twice, two at once,
 * interrupted anywhere, and a schema that is newer than this driftd.
 */
#include "storage/schema.h"

#include "tests/unit/storage/pg_proxy.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "storage/migrations.h"

struct database {
	char name[64], dsn[512];
};

static struct err e;

static void run(const char *dsn, const char *sql)
{
	struct pg *pg = test_pg(dsn);

	if (pg_exec_script(pg, sql, &e)) {
		print_error("%s\n", e.message);
		fail();
	}
	pg_free(pg);
}

static void database_create(struct database *d)
{
	const char *dsn = test_dsn();
	char sql[128];
	uint32_t r;

	random_bytes(&r, sizeof(r));
	snprintf(d->name, sizeof(d->name), "driftd_schema_%08x", r);
	snprintf(d->dsn, sizeof(d->dsn), "%s dbname=%s", dsn, d->name);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s", d->name);
	run(dsn, sql);
}

static void database_drop(const struct database *d)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", d->name);
	run(test_dsn(), sql);
}

static void assert_state(struct pg *pg, enum schema_state wanted)
{
	enum schema_state state;
	int version, rc = -1;

	for (int i = 0; i < 500 && rc; i++) {
		rc = schema_check(pg, &state, &version, &e);
		if (rc)
			clock_sleep_us(10000);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(state, wanted);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_migrations; i++) {
		assert_int_equal(migrations[i].version, i + 1);
		assert_true(migrations[i].end > migrations[i].begin);
		assert_int_equal(*migrations[i].end, '\0');
		assert_int_equal(strlen(migrations[i].begin),
				 migrations[i].end - migrations[i].begin);
	}
	assert_int_equal(schema_version(), n_migrations);
}

static void test_from_nothing(void **state)
{
	struct database d;
	struct pg *pg;
	struct pg_result *r;

	(void)state;
	database_create(&d);
	pg = test_pg(d.dsn);
	assert_state(pg, SCHEMA_OLDER);
	assert_int_equal(schema_migrate(pg, &e), 0);
	assert_state(pg, SCHEMA_CURRENT);
	assert_int_equal(schema_migrate(pg, &e), 0);
	assert_int_equal(pg_exec(pg,
				 "SELECT count(*), max(version) "
				 "FROM driftd.schema_migration",
				 NULL, &r, &e),
			 0);
	assert_int_equal(pg_get_int(r, 0, 0), schema_version());
	assert_int_equal(pg_get_int(r, 0, 1), schema_version());
	pg_result_free(r);
	/* A newer driftd was here. */
	run(d.dsn, "INSERT INTO driftd.schema_migration "
		   "VALUES (1000, 'future', now())");
	assert_state(pg, SCHEMA_NEWER);
	assert_int_equal(schema_migrate(pg, &e), -1);
	assert_int_equal(e.code, ERR_FENCED);
	pg_free(pg);
	database_drop(&d);
}

struct migrator {
	const char *dsn;
	int rc;
	struct err e;
};

static void *migrate(void *arg)
{
	struct migrator *m = arg;
	struct pg *pg = test_pg(m->dsn);

	m->rc = schema_migrate(pg, &m->e);
	pg_free(pg);
	return NULL;
}

static void test_together(void **state)
{
	struct migrator m[4];
	pthread_t threads[4];
	struct database d;
	struct pg *pg;

	(void)state;
	database_create(&d);
	for (size_t i = 0; i < ARRAY_LEN(m); i++) {
		m[i] = (struct migrator){.dsn = d.dsn};
		pthread_create(&threads[i], NULL, migrate, &m[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(m); i++) {
		pthread_join(threads[i], NULL);
		if (m[i].rc)
			print_error("%s\n", m[i].e.message);
		assert_int_equal(m[i].rc, 0);
	}
	pg = test_pg(d.dsn);
	assert_state(pg, SCHEMA_CURRENT);
	pg_free(pg);
	database_drop(&d);
}

/* Cut after so many bytes, further each time: n or n + 1, and it goes on. */
static void test_interrupted(void **state)
{
	struct pg_proxy proxy;
	struct database d;
	unsigned n_cut = 0;

	(void)state;
	proxy_start(&proxy);
	for (long bytes = 40; bytes < 40000; bytes = bytes * 5 / 4) {
		struct pg *pg;
		char dsn[512];
		int rc;

		database_create(&d);
		snprintf(dsn, sizeof(dsn), "%s dbname=%s host=%s", test_dsn(),
			 d.name, proxy.dir);
		atomic_store(&proxy.bytes, bytes);
		atomic_store(&proxy.cut, CUT_AFTER_BYTES);
		pg = test_pg(dsn);
		rc = schema_migrate(pg, &e);
		if (rc)
			n_cut++;
		for (int i = 0; i < 500 && rc; i++) {
			clock_sleep_us(10000);
			rc = schema_migrate(pg, &e);
		}
		assert_int_equal(rc, 0);
		assert_state(pg, SCHEMA_CURRENT);
		pg_free(pg);
		atomic_store(&proxy.cut, CUT_NEVER);
		database_drop(&d);
	}
	assert_true(n_cut > 5);
	proxy_stop(&proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
