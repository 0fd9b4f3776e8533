/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config as its users see it: loading, looking up, reloading, bounds. */
#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "detectors/baseline.h"

#include "tests/unit/config/scratch.h"

#include <dirent.h>
#include <math.h>

static struct config *load(const char *text)
{
	struct err e = {0};
	struct config *c = config_load(scratch_file("a.yaml", text), &e);

	if (!c)
		fail_msg("%s", e.message);
	return c;
}

static void load_fails(const char *text, unsigned line, unsigned column,
		       const char *message)
{
	struct err e = {0};

	assert_null(config_load(scratch_file("a.yaml", text), &e));
	assert_int_equal(e.code, ERR_INVALID);
	if (!strstr(e.message, message))
		fail_msg("\"%s\" does not say \"%s\"", e.message, message);
	assert_int_equal(e.line, line);
	assert_int_equal(e.column, column);
}

static void test_defaults(void **state)
{
	struct config *c = load("# nothing\n");

	(void)state;
	assert_string_equal(c->server.listen, "127.0.0.1:8717");
	assert_string_equal(c->server.external_url, "http://127.0.0.1:8717");
	assert_null(c->server.tokens_file);
	assert_int_equal(c->server.workers, 2);
	assert_int_equal(c->server.max_body, 32 << 20);
	assert_int_equal(c->server.max_record, 1 << 20);
	assert_int_equal(c->server.max_columns, 4096);
	assert_int_equal(c->server.max_connections, 1024);
	assert_int_equal(c->server.ingest_memory, 256 << 20);
	assert_int_equal(c->server.request_timeout_us, 30000000);
	assert_int_equal(c->server.idle_timeout_us, 60000000);
	assert_int_equal(c->server.idempotency_ttl_us, INT64_C(86400000000));
	assert_string_equal(c->storage.dsn, "");
	assert_true(c->storage.migrate);
	assert_int_equal(c->storage.retention_results_us,
			 400 * INT64_C(86400000000));
	assert_string_equal(c->journal.dir, "/var/lib/driftd");
	assert_int_equal(c->journal.sync, 0);
	assert_int_equal(c->journal.max_bytes, UINT64_C(8) << 30);
	assert_int_equal(c->journal.retain_us, INT64_C(3600000000));
	assert_int_equal(c->journal.flush_interval_us, 5000000);
	assert_int_equal(c->n_models, 0);
	assert_int_equal(c->n_rules, 0);
	config_unref(c);
}

static void test_model_defaults(void **state)
{
	struct config *c = load("models:\n"
				"  - name: m\n"
				"    features: {numeric: [a]}\n"
				"alerts:\n"
				"  rules:\n"
				"    - {name: r, signal: input, "
				"receivers: []}\n");
	const struct config_model *m = &c->models[0];
	const struct config_rule *r = &c->rules[0];

	(void)state;
	assert_string_equal(m->version, "1");
	assert_int_equal(m->task, TASK_NONE);
	assert_int_equal(m->window.unit, WINDOW_FIXED);
	assert_int_equal(m->window.n, INT64_C(86400000000));
	assert_int_equal(m->lateness_us, INT64_C(600000000));
	assert_int_equal(m->idle_timeout_us, INT64_C(900000000));
	assert_int_equal(m->source_timeout_us, INT64_C(3600000000));
	assert_int_equal(m->max_future_us, INT64_C(300000000));
	assert_int_equal(m->min_rows, 500);
	assert_true(m->alpha == 0.01);
	assert_int_equal(m->resolution, 256);
	assert_int_equal(m->max_categories, 1000);
	assert_int_equal(m->n_missing, 1);
	assert_string_equal(m->missing[0], "");
	assert_false(m->labels);
	assert_int_equal(m->dedupe, 0);
	assert_true(isnan(m->columns[0].importance));
	assert_int_equal(r->k, 1);
	assert_int_equal(r->m, 1);
	assert_int_equal(r->severity, SEVERITY_WARNING);
	assert_true(r->send_resolved);
	assert_true(r->share == 0);
	assert_int_equal(r->repeat_interval_us, INT64_C(86400000000));
	config_unref(c);
}

static void check_column(const struct config_model *m, size_t i,
			 const char *name, enum column_kind kind,
			 enum column_role role)
{
	assert_true(i < m->n_columns);
	assert_string_equal(m->columns[i].name, name);
	assert_int_equal(m->columns[i].kind, kind);
	assert_int_equal(m->columns[i].role, role);
}

static void test_roles(void **state)
{
	struct config *c = load("models:\n"
				"  - name: m\n"
				"    task: multiclass\n"
				"    prediction: y\n"
				"    score: {one: p1, two: p2}\n"
				"    label: t\n"
				"    latency: took_ms\n"
				"    status: code\n"
				"    features:\n"
				"      categorical: [b]\n"
				"      numeric: [a]\n"
				"  - name: n\n"
				"    task: regression\n"
				"    prediction: y\n"
				"    label: t\n");
	const struct config_model *m = &c->models[0];

	(void)state;
	assert_int_equal(m->n_columns, 8);
	check_column(m, 0, "a", COLUMN_NUMERIC, ROLE_FEATURE);
	check_column(m, 1, "b", COLUMN_CATEGORICAL, ROLE_FEATURE);
	check_column(m, 2, "y", COLUMN_CATEGORICAL, ROLE_PREDICTION);
	check_column(m, 3, "p1", COLUMN_NUMERIC, ROLE_SCORE);
	check_column(m, 4, "p2", COLUMN_NUMERIC, ROLE_SCORE);
	check_column(m, 5, "t", COLUMN_CATEGORICAL, ROLE_LABEL);
	check_column(m, 6, "took_ms", COLUMN_NUMERIC, ROLE_LATENCY);
	check_column(m, 7, "code", COLUMN_CATEGORICAL, ROLE_STATUS);
	assert_string_equal(m->columns[4].class_name, "two");
	assert_null(m->score);
	m = &c->models[1];
	check_column(m, 0, "y", COLUMN_NUMERIC, ROLE_PREDICTION);
	check_column(m, 1, "t", COLUMN_NUMERIC, ROLE_LABEL);
	config_unref(c);
}

static void test_override(void **state)
{
	struct config *c;

	(void)state;
	scratch_file("model.yaml", "name: m\n"
				   "window: 1h\n"
				   "min_rows: 7\n"
				   "features: {numeric: [a]}\n");
	c = load("models:\n"
		 "  - {file: model.yaml}\n"
		 "  - {file: model.yaml, version: \"2\", window: 1mo}\n");
	assert_int_equal(c->n_models, 2);
	assert_int_equal(c->models[0].window.unit, WINDOW_FIXED);
	assert_int_equal(c->models[1].window.unit, WINDOW_MONTH);
	assert_int_equal(c->models[1].min_rows, 7);
	assert_string_equal(c->models[1].name, "m");
	assert_true(c->models[0].model_id >= 0);
	assert_true(c->models[0].model_id != c->models[1].model_id);
	config_unref(c);
	load_fails("models:\n  - {file: model.yaml, min_rows: none}\n", 2, 34,
		   "min_rows");
}

static void test_expansion(void **state)
{
	struct config *c;

	(void)state;
	setenv("DRIFTD_TEST_WORKERS", "7", 1);
	unsetenv("DRIFTD_TEST_UNSET");
	c = load("server: {workers: \"${DRIFTD_TEST_WORKERS}\"}\n"
		 "storage: {dsn: \"a$$b ${DRIFTD_TEST_UNSET:-c d} $e\"}\n");
	assert_int_equal(c->server.workers, 7);
	assert_string_equal(c->storage.dsn, "a$b c d $e");
	config_unref(c);
	load_fails("storage:\n  dsn: ${DRIFTD_TEST_UNSET}\n", 2, 8,
		   "\"DRIFTD_TEST_UNSET\" is not set");
	/* What a variable holds is a value, never structure. */
	setenv("DRIFTD_TEST_WORKERS", "3\nlisten: \"0.0.0.0:1\"", 1);
	load_fails("server:\n  workers: ${DRIFTD_TEST_WORKERS}\n", 2, 12,
		   "whole number");
}

static void test_secret_file(void **state)
{
	struct config *c;

	(void)state;
	scratch_file("secret", "top secret\r\n");
	c = load("alerts: {receivers: [{name: a, url: \"https://h/\", "
		 "secret_file: secret}]}\n");
	assert_string_equal(c->receivers[0].secret, "top secret");
	config_unref(c);
	scratch_file("secret", "two\nlines\n");
	load_fails("storage: {dsn_file: secret}\n", 1, 21, "one line");
}

/* Both are wrong; the reader of the journal runs before that of models. */
static void test_first_problem(void **state)
{
	(void)state;
	load_fails("models:\n  - name: 7\n    min_rows: 0\n"
		   "    features: {numeric: [a]}\n"
		   "journal: {sync: never}\n",
		   3, 15, "min_rows");
	load_fails("journal: {sync: never}\n"
		   "models:\n  - name: 7\n    min_rows: 0\n",
		   1, 17, "journal.sync");
}

static void test_find_model(void **state)
{
	struct config *c =
		load("models:\n"
		     "  - {name: one, features: {numeric: [a]}}\n"
		     "  - {name: two, version: a, features: {numeric: [a]}}\n"
		     "  - {name: two, version: b, features: {numeric: [a]}}\n"
		     "  - {name: three, version: a, features: {numeric: [a]}}\n"
		     "  - {name: three, version: b, default: true, "
		     "features: {numeric: [a]}}\n");

	(void)state;
	assert_ptr_equal(config_find_model(c, "one", NULL), &c->models[0]);
	assert_ptr_equal(config_find_model(c, "one", "1"), &c->models[0]);
	assert_null(config_find_model(c, "one", "2"));
	assert_null(config_find_model(c, "two", NULL));
	assert_ptr_equal(config_find_model(c, "two", "b"), &c->models[2]);
	assert_ptr_equal(config_find_model(c, "three", NULL), &c->models[4]);
	assert_ptr_equal(config_find_model(c, "three", "a"), &c->models[3]);
	assert_null(config_find_model(c, "four", NULL));
	assert_true(config_has_model(c, "two"));
	assert_false(config_has_model(c, "four"));
	config_unref(c);
}

static void test_reload_rule(void **state)
{
	struct config *before = load("server: {workers: 2}\n");
	struct config *after;

	(void)state;
	after = load("server: {workers: 2, limits: {max_body: 1MiB}}\n"
		     "journal: {flush_interval: 1s}\n"
		     "models: [{name: m, features: {numeric: [a]}}]\n");
	assert_null(config_needs_restart(before, after));
	config_unref(after);
	after = load("server: {workers: 3}\njournal: {dir: /x}\n");
	assert_string_equal(config_needs_restart(before, after),
			    "server.workers");
	assert_string_equal(config_needs_restart(after, before),
			    "server.workers");
	config_unref(after);
	after = load("server: {metrics_listen: \"127.0.0.1:1\"}\n");
	assert_string_equal(config_needs_restart(before, after),
			    "server.metrics_listen");
	config_unref(after);
	config_unref(before);
}

static void test_bounds(void **state)
{
	struct config *c = load("");
	struct config_bounds empty, one, two;
	uint64_t least;

	(void)state;
	config_bounds(c, &empty);
	config_unref(c);
	assert_int_equal(empty.ingest_bytes, UINT64_C(256) << 20);
	assert_int_equal(empty.journal_pending_bytes,
			 CONFIG_JOURNAL_PENDING_MAX);
	assert_int_equal(empty.flush_bytes, 16 << 20);
	assert_int_equal(empty.baseline_bytes, 0);
	assert_int_equal(empty.disk_bytes, UINT64_C(8) << 30);

	c = load("models: [{name: m, features: {numeric: [a, b]}}]\n");
	config_bounds(c, &one);
	config_unref(c);
	least = 2 * UINT64_C(256) * 24 * (1 + BASELINE_BLOCKS);
	assert_true(one.baseline_bytes >= least);
	assert_true(one.baseline_bytes < 2 * least);
	assert_int_equal(one.memory_bytes - empty.memory_bytes,
			 one.baseline_bytes + one.evaluate_bytes);

	c = load("models:\n"
		 "  - {name: m, features: {numeric: [a, b]}}\n"
		 "  - {name: n, features: {numeric: [a, b]}}\n");
	config_bounds(c, &two);
	config_unref(c);
	assert_int_equal(two.baseline_bytes, 2 * one.baseline_bytes);
	assert_int_equal(two.evaluate_bytes, one.evaluate_bytes);
}

static void test_references(void **state)
{
	struct config *c = load("server: {workers: 5}\n");

	(void)state;
	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	assert_int_equal(c->server.workers, 5);
	config_unref(c);
	config_unref(NULL);
}

static void check_data_set(const char *path)
{
	char *absolute = realpath(path, NULL);
	struct config *c;
	struct err e = {0};
	struct buf text;

	c = config_load_model(path, &e);
	if (!c)
		fail_msg("%s", e.message);
	assert_int_equal(c->n_models, 1);
	config_unref(c);

	assert_non_null(absolute);
	buf_init(&text, 8192);
	buf_printf(&text,
		   "models: [{file: \"%s\", window: 1mo, min_rows: 1}]\n",
		   absolute);
	c = load(buf_str(&text));
	assert_int_equal(c->models[0].min_rows, 1);
	assert_int_equal(c->models[0].window.unit, WINDOW_MONTH);
	config_unref(c);
	buf_release(&text);
	free(absolute);
}

/* The models that come with the data sets. */
static void test_data_sets(void **state)
{
	const char *shared = getenv("SHARED");
	struct dirent *entry;
	struct buf path;
	size_t n = 0;
	DIR *dir;

	(void)state;
	if (!shared)
		shared = "../shared";
	buf_init(&path, 8192);
	buf_printf(&path, "%s/data", shared);
	dir = opendir(buf_str(&path));
	if (!dir) {
		print_message("no data sets at %s\n", buf_str(&path));
		buf_release(&path);
		skip();
	}
	while ((entry = readdir(dir))) {
		buf_clear(&path);
		buf_printf(&path, "%s/data/%s/model.yaml", shared,
			   entry->d_name);
		if (access(buf_str(&path), R_OK) == 0) {
			check_data_set(buf_str(&path));
			n++;
		}
	}
	closedir(dir);
	buf_release(&path);
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_model_defaults),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_override),
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_secret_file),
		cmocka_unit_test(test_first_problem),
		cmocka_unit_test(test_find_model),
		cmocka_unit_test(test_reload_rule),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_data_sets),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
