/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Baselines in PostgreSQL: versions, activation, conflicts, damage, and the
 * cache of decoded ones.
 */
#include "storage/baseline_store.h"

#include "tests/unit/storage/pg_proxy.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "detectors/baseline.h"
#include "storage/baseline_internal.h"
#include "storage/schema.h"

static struct err e;

static int set_up(void **state)
{
	const char *dsn = getenv("DRIFTD_TEST_DSN");
	struct pg *pg;
	int rc;

	if (!dsn) {
		*state = NULL;
		return 0;
	}
	pg = test_pg(dsn);
	rc = schema_migrate(pg, &e);
	if (rc)
		print_error("%s\n", e.message);
	*state = pg;
	return rc;
}

static int tear_down(void **state)
{
	pg_free(*state);
	return 0;
}

static int64_t new_model(char name[32])
{
	uint64_t r;

	random_bytes(&r, sizeof(r));
	snprintf(name, 32, "m%016llx", (unsigned long long)r);
	return hash_id63(name, strlen(name));
}

static struct baseline *make(double shift)
{
	const struct baseline_spec_column spec = {
		.name = "x",
		.kind = COLUMN_NUMERIC,
		.role = ROLE_FEATURE,
	};
	struct baseline_builder *b = baseline_builder_new(&spec, 1, 64, 100, 0);
	struct baseline *out;
	double values[500];

	for (int i = 0; i < 500; i++)
		values[i] = shift + (double)((i * 7919) % 500);
	assert_int_equal(baseline_builder_numbers(b, 0, values, 500, &e), 0);
	assert_int_equal(baseline_builder_rows(b, NULL, 500, &e), 0);
	out = baseline_builder_finish(b, &e);
	assert_non_null(out);
	baseline_builder_free(b);
	return out;
}

static int put(struct pg *pg, int64_t id, const char *name, const char *version,
	       const struct baseline *b, bool activate,
	       enum baseline_put_outcome *outcome)
{
	int rc = baseline_store_put(pg, id, name, "1", version, b, activate,
				    outcome, &e);

	if (rc)
		print_message("%s\n", e.message);
	return rc;
}

static void test_versions(void **state)
{
	struct pg *pg = *state;
	struct baseline *a, *b, *got = NULL;
	struct baseline_info *list, info;
	enum baseline_put_outcome outcome;
	char name[32];
	int64_t id = new_model(name);
	size_t n;

	test_dsn();
	a = make(0);
	b = make(1000);
	assert_int_equal(baseline_store_get(pg, id, NULL, &got, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(put(pg, id, name, "v1", a, false, &outcome), 0);
	assert_int_equal(outcome, BASELINE_CREATED);
	assert_int_equal(put(pg, id, name, "v1", a, false, &outcome), 0);
	assert_int_equal(outcome, BASELINE_EXISTED);
	assert_int_equal(put(pg, id, name, "v1", b, false, &outcome), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(put(pg, id, name, "v2", b, false, &outcome), 0);
	assert_int_equal(outcome, BASELINE_CREATED);
	/* The first is active, the second waits. */
	assert_int_equal(baseline_store_get(pg, id, NULL, &got, &info, &e), 0);
	assert_string_equal(info.version, "v1");
	assert_memory_equal(got->hash, a->hash, SHA256_SIZE);
	assert_true(info.active && info.activated_at_us != INT64_MIN);
	assert_int_equal(info.n_rows, 500);
	assert_int_equal(info.n_columns, 1);
	baseline_free(got);
	assert_int_equal(baseline_store_activate(pg, id, "v3", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(baseline_store_activate(pg, id, "v2", &e), 0);
	assert_int_equal(baseline_store_list(pg, id, &list, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].version, "v2");
	assert_true(list[0].active && !list[1].active);
	assert_memory_equal(list[1].hash, a->hash, SHA256_SIZE);
	free(list);
	assert_int_equal(baseline_store_get(pg, id, "v2", &got, &info, &e), 0);
	assert_memory_equal(got->hash, b->hash, SHA256_SIZE);
	baseline_free(got);
	/* Equal content under a third name, made active at once. */
	assert_int_equal(put(pg, id, name, "v3", a, true, &outcome), 0);
	assert_int_equal(baseline_store_get(pg, id, NULL, &got, &info, &e), 0);
	assert_string_equal(info.version, "v3");
	baseline_free(got);
	baseline_free(a);
	baseline_free(b);
}

struct putter {
	int64_t id;
	const char *name;
	const struct baseline *b;
	int rc;
	enum baseline_put_outcome outcome;
};

static void *put_in_thread(void *arg)
{
	struct putter *p = arg;
	struct pg *pg = test_pg(getenv("DRIFTD_TEST_DSN"));
	struct err mine;

	p->rc = baseline_store_put(pg, p->id, p->name, "1", "v", p->b, false,
				   &p->outcome, &mine);
	pg_free(pg);
	return NULL;
}

static void test_together(void **state)
{
	struct baseline *b;
	struct putter p[4];
	pthread_t threads[4];
	char name[32];
	int64_t id = new_model(name);
	int created = 0;

	(void)state;
	test_dsn();
	b = make(0);
	for (int i = 0; i < 4; i++) {
		p[i] = (struct putter){.id = id, .name = name, .b = b};
		pthread_create(&threads[i], NULL, put_in_thread, &p[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(p[i].rc, 0);
		created += p[i].outcome == BASELINE_CREATED;
	}
	assert_int_equal(created, 1);
	baseline_free(b);
}

static void run(struct pg *pg, const char *sql, int64_t id)
{
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, id);
	if (pg_exec(pg, sql, &p, NULL, &e)) {
		print_error("%s\n", e.message);
		fail();
	}
	pg_params_release(&p);
}

static void test_damage(void **state)
{
	struct pg *pg = *state;
	enum baseline_put_outcome outcome;
	struct baseline *a, *got;
	struct baseline_cache *cache;
	char name[32];
	int64_t id = new_model(name);

	test_dsn();
	a = make(0);
	cache = baseline_cache_new(1 << 20);
	assert_int_equal(put(pg, id, name, "v1", a, false, &outcome), 0);
	run(pg,
	    "UPDATE driftd.baseline SET content = "
	    "set_byte(content, length(content) / 2, "
	    "get_byte(content, length(content) / 2) # 85) "
	    "WHERE model_id = $1",
	    id);
	assert_int_equal(baseline_store_get(pg, id, "v1", &got, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_null(baseline_cache_get(cache, pg, id, a->hash, false, &e));
	/* Content that is gone comes back with the same upload. */
	run(pg, "DELETE FROM driftd.baseline WHERE model_id = $1", id);
	assert_int_equal(baseline_store_get(pg, id, "v1", &got, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(baseline_cache_get(cache, pg, id, a->hash, false, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(put(pg, id, name, "v1", a, false, &outcome), 0);
	assert_int_equal(outcome, BASELINE_EXISTED);
	assert_non_null(baseline_cache_get(cache, pg, id, a->hash, false, &e));
	/* What the cache has is there without the database. */
	run(pg, "DELETE FROM driftd.baseline WHERE model_id = $1", id);
	assert_non_null(baseline_cache_get(cache, pg, id, a->hash, false, &e));
	assert_int_equal(baseline_store_restore(pg, id, a, &e), 0);
	assert_int_equal(baseline_store_get(pg, id, "v1", &got, NULL, &e), 0);
	baseline_free(got);
	baseline_cache_free(cache);
	baseline_free(a);
}

static void test_cache_bound(void **state)
{
	struct pg *pg = *state;
	enum baseline_put_outcome outcome;
	const struct baseline *kept;
	struct baseline_cache *cache;
	struct baseline *b[8];
	char name[32], version[16];
	int64_t id = new_model(name);

	test_dsn();
	for (int i = 0; i < 8; i++) {
		b[i] = make(i * 1e4);
		snprintf(version, sizeof(version), "v%d", i);
		assert_int_equal(
			put(pg, id, name, version, b[i], false, &outcome), 0);
	}
	/* Room for about two. */
	cache = baseline_cache_new(b[0]->memory * 5 / 2);
	kept = baseline_cache_get(cache, pg, id, b[0]->hash, true, &e);
	assert_non_null(kept);
	for (int round = 0; round < 2; round++)
		for (int i = 1; i < 8; i++) {
			const struct baseline *got = baseline_cache_get(
				cache, pg, id, b[i]->hash, false, &e);

			assert_non_null(got);
			assert_memory_equal(got->hash, b[i]->hash, SHA256_SIZE);
		}
	/* Pinned: it was not evicted, and not read again. */
	run(pg, "DELETE FROM driftd.baseline WHERE model_id = $1", id);
	assert_ptr_equal(
		kept, baseline_cache_get(cache, pg, id, b[0]->hash, false, &e));
	assert_null(baseline_cache_get(cache, pg, id, b[1]->hash, false, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	baseline_cache_unpin(cache);
	baseline_cache_free(cache);
	for (int i = 0; i < 8; i++)
		baseline_free(b[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_cache_bound),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
