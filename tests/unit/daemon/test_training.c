/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Training data to baselines: the same from every format and in any pieces,
 * and what is refused. */

#include "daemon/ingest/training.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "tests/unit/daemon/ingest_fixture.h"

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "id: id\n"
			   "timestamp: ts\n"
			   "latency: latency_ms\n"
			   "features:\n"
			   "  numeric: [x]\n"
			   "  categorical: [c]\n";

enum { N_ROWS = 1000 };

struct training_test {
	struct config *config;
	const struct config_model *model;
	struct buf csv, ndjson, array;
};

static int setup(void **state)
{
	struct training_test *t = xcalloc(1, sizeof(*t));

	t->config = fixture_config(yaml);
	t->model = &t->config->models[0];
	buf_init(&t->csv, 1 << 20);
	buf_init(&t->ndjson, 1 << 20);
	buf_init(&t->array, 1 << 20);
	buf_add_str(&t->csv, "x,c,ts,other\n");
	buf_add_char(&t->array, '[');
	for (int i = 0; i < N_ROWS; i++) {
		const char *color = i % 3 ? "red" : "blue";
		int day = 1 + i % 28;

		buf_printf(&t->csv, "%d.5,%s,2026-01-%02d,z\n", i, color, day);
		buf_printf(&t->ndjson,
			   "{\"x\": %d.5, \"c\": \"%s\", \"ts\": "
			   "\"2026-01-%02d\"}\n",
			   i, color, day);
		buf_printf(&t->array,
			   "%s{\"c\": \"%s\", \"ts\": \"2026-01-%02dT00:00:"
			   "00Z\", \"x\": %d.5}",
			   i > 0 ? ",\n" : "", color, day, i);
	}
	buf_add_char(&t->array, ']');
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct training_test *t = *state;

	buf_release(&t->csv);
	buf_release(&t->ndjson);
	buf_release(&t->array);
	config_unref(t->config);
	free(t);
	return 0;
}

static struct baseline *train(const struct training_test *t, const char *data,
			      size_t len, size_t piece, size_t max_bytes,
			      struct err *e)
{
	struct training *training = training_begin(t->model, max_bytes, e);
	struct baseline *b = NULL;
	int rc = 0;

	assert_non_null(training);
	while (len > 0 && rc == 0) {
		size_t n = piece < len ? piece : len;

		rc = training_feed(training, data, n, e);
		data += n;
		len -= n;
	}
	if (rc == 0)
		b = training_end(training, e);
	training_free(training);
	return b;
}

static void test_formats_agree(void **state)
{
	const struct training_test *t = *state;
	const struct buf *bodies[] = {&t->csv, &t->ndjson, &t->array};
	struct err e = {0};
	struct baseline *first =
		train(t, t->csv.data, t->csv.len, SIZE_MAX, 0, &e);

	assert_non_null(first);
	assert_int_equal(first->n_rows, N_ROWS);
	assert_true(first->first_us == INT64_C(1767225600000000));
	/* Without the latency, which no record names. */
	assert_int_equal(first->n_columns, 2);
	assert_null(baseline_find(first, "latency_ms", 10));
	assert_non_null(baseline_find(first, "x", 1));
	assert_int_equal(baseline_find(first, "c", 1)->kind,
			 COLUMN_CATEGORICAL);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		for (size_t piece = 1; piece < 5000; piece *= 9) {
			struct baseline *b =
				train(t, bodies[i]->data, bodies[i]->len, piece,
				      0, &e);

			if (b == NULL)
				fail_msg("%s", e.message);
			assert_memory_equal(b->hash, first->hash, SHA256_SIZE);
			baseline_free(b);
		}
	}
	baseline_free(first);
}

/* Batches that are handed on one after the other make one baseline. */
static void test_many_batches(void **state)
{
	const struct training_test *t = *state;
	struct err e = {0};
	struct baseline *b;
	struct buf body;
	enum { N = 400000 };

	buf_init(&body, 1 << 26);
	buf_add_str(&body, "x,c\n");
	for (int i = 0; i < N; i++)
		buf_printf(&body, "%d,k%d\n", i % 100, i % 7);
	b = train(t, body.data, body.len, 1 << 20, 0, &e);
	if (b == NULL)
		fail_msg("%s", e.message);
	assert_int_equal(b->n_rows, N);
	assert_true(b->first_us == INT64_MIN);
	assert_true(b->last_us == INT64_MIN);
	baseline_free(b);
	buf_release(&body);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *body;
		enum err_code code;
		unsigned line;
		const char *reason;
	} rows[] = {
		{"", ERR_INVALID, 0, "no record"},
		{"x,c\n", ERR_INVALID, 0, "no record"},
		{"x,d\n1,a\n", ERR_INVALID, 0,
		 "feature \"c\" is not in the training data"},
		{"{\"c\": \"a\"}\n", ERR_INVALID, 0, "feature \"x\""},
		{"x,c\n1,a\n2\n", ERR_INVALID, 3,
		 "1 of 2 records cannot be read: the row has"},
		{"{\"x\": 1, \"c\": 2}\n{\"x\": }\n{\"x\": }\n", ERR_INVALID, 2,
		 "2 of 3 records"},
		{"[{\"x\": 1, \"c\": 2}", ERR_INVALID, 1, "ends within"},
		{"x,c,ts\n1,a,never\n", ERR_INVALID, 2, "is no time"},
	};
	const struct training_test *t = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};

		assert_null(
			train(t, rows[i].body, strlen(rows[i].body), 4, 0, &e));
		assert_int_equal(e.code, rows[i].code);
		assert_int_equal(e.line, rows[i].line);
		if (strstr(e.message, rows[i].reason) == NULL)
			fail_msg("%s: %s", rows[i].body, e.message);
	}
}

static void test_memory_limit(void **state)
{
	const struct training_test *t = *state;
	struct err e = {0};

	assert_null(train(t, t->csv.data, t->csv.len, SIZE_MAX, 4096, &e));
	assert_int_equal(e.code, ERR_LIMIT);
}

struct progress {
	uint64_t done, total;
	int n;
};

static void count_progress(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;

	assert_true(done >= p->done);
	p->done = done;
	p->total = total;
	p->n++;
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
	const struct training_test *t = *state;
	char path[] = "/tmp/driftd-training-XXXXXX";
	int fd = mkstemp(path);
	struct progress p = {0};
	struct baseline *plain, *packed;
	struct err e = {0};
	struct buf z;

	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, t->csv.data, t->csv.len);
	plain = training_read(path, t->model, count_progress, &p, 0, &e);
	assert_non_null(plain);
	assert_true(p.n > 0);
	assert_int_equal(p.done, t->csv.len);
	assert_int_equal(p.total, t->csv.len);

	buf_init(&z, 1 << 20);
	zstd_pack(t->ndjson.data, t->ndjson.len, &z);
	write_file(path, z.data, z.len);
	packed = training_read(path, t->model, NULL, NULL, 0, &e);
	assert_non_null(packed);
	assert_memory_equal(plain->hash, packed->hash, SHA256_SIZE);

	write_file(path, z.data, z.len - 5);
	assert_null(training_read(path, t->model, NULL, NULL, 0, &e));
	assert_int_equal(e.code, ERR_INVALID);

	write_file(path, "x,c\n1,a\n2\n", 10);
	assert_null(training_read(path, t->model, NULL, NULL, 0, &e));
	assert_non_null(strstr(e.message, path));
	assert_non_null(strstr(e.message, ":3:1: "));
	(void)unlink(path);
	assert_null(training_read(path, t->model, NULL, NULL, 0, &e));
	assert_int_equal(e.code, ERR_IO);
	baseline_free(plain);
	baseline_free(packed);
	buf_release(&z);
}

/* The shared data sets read as their README says. */
static void test_shared_data(void **state)
{
	static const struct {
		const char *name;
		uint64_t n_rows;
	} sets[] = {
		{"titanic", 891},
		{"elec2", 8640},
		{"car_loan", 50000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		char dir[512], path[1024];
		struct err e = {0};
		struct config *c;
		struct baseline *b;

		(void)snprintf(path, sizeof(path), "data/%s", sets[i].name);
		(void)snprintf(dir, sizeof(dir), "%s", fixture_shared(path));
		(void)snprintf(path, sizeof(path), "%s/model.yaml", dir);
		c = config_load_model(path, &e);
		if (c == NULL)
			fail_msg("%s", e.message);
		(void)snprintf(path, sizeof(path), "%s/reference.csv.gz", dir);
		b = training_read(path, &c->models[0], NULL, NULL, 0, &e);
		if (b == NULL)
			fail_msg("%s", e.message);
		assert_int_equal(b->n_rows, sets[i].n_rows);
		assert_int_equal(b->n_columns, c->models[0].n_columns);
		baseline_free(b);
		config_unref(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats_agree),
		cmocka_unit_test(test_many_batches),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_memory_limit),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_shared_data),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
