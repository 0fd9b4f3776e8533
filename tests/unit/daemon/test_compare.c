/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Files as columns (dataset): whatever the format, the pieces, the threads and
 * the memory, and with the line of what is wrong; and `driftd compare` over
 * them: chunks, isolation of columns, labels, metrics, exit codes.  Decoding
 * and comparing use pthreads.
 */

#include "daemon/commands/command.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "daemon/ingest/dataset_parts.h"
#include "detectors/special.h"
#include "base/json.h"
#include "tests/unit/daemon/ingest_fixture.h"

#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "id: id\n"
			   "timestamp: ts\n"
			   "label: y\n"
			   "min_rows: 100\n"
			   "features:\n"
			   "  numeric: [x, z]\n"
			   "  categorical: [c, d]\n";
enum { X, Z, C, D, Y }; /* as columns of the model */

/* Paths in a directory of this test's own. */
static char dir[64];
static char paths[8][128];
static uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
	return (unsigned)(random_next() % n);
}

static int setup(void **state)
{
	const char *seed = getenv("SEED");

	(void)state;
	special_init();
	random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)random_state);
	memcpy(dir, "/tmp/driftd-compare-XXXXXX", 27);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i][0])
			(void)unlink(paths[i]);
	return rmdir(dir);
}

/* A file with this text; slots 0 to 7 are used again. */
static const char *put_file(size_t slot, const char *text, size_t len)
{
	char *path = paths[slot];
	FILE *f;

	assert_true(slot < ARRAY_LEN(paths));
	(void)snprintf(path, sizeof(paths[slot]), "%s/%zu", dir, slot);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return path;
}

static const char *put_text(size_t slot, const char *text)
{
	return put_file(slot, text, strlen(text));
}

static struct dataset *read_file(const struct config *config, const char *path,
				 size_t memory, bool with_times,
				 const struct dataset_labels *labels,
				 struct err *e)
{
	const struct dataset_options o = {.model = &config->models[0],
					  .with_times = with_times,
					  .labels = labels,
					  .memory = memory};

	memset(e, 0, sizeof(*e));
	return dataset_read(path, &o, e);
}

/* All values of a column as text, so that sides with other codes compare. */
static char *column_text(const struct dataset *d, size_t column, bool numeric)
{
	size_t n = dataset_n_rows(d), n_texts;
	const struct category_text *texts;
	struct err e;
	struct buf out;
	char *copy;

	buf_init(&out, SIZE_MAX / 4);
	if (numeric) {
		double *v = xcalloc(n, sizeof(*v));

		assert_int_equal(dataset_numbers(d, column, v, &e), 0);
		for (size_t i = 0; i < n; i++)
			buf_printf(&out, "%s|%.17g\n",
				   value_is_missing(v[i]) ? "-" : "", v[i]);
		free(v);
	} else {
		uint32_t *v = xcalloc(n, sizeof(*v));

		assert_int_equal(dataset_codes(d, column, v, &e), 0);
		texts = dataset_texts(d, column, &n_texts);
		for (size_t i = 0; i < n; i++) {
			if (v[i] >= CODE_INVALID) {
				buf_add_str(&out, v[i] == CODE_MISSING
							  ? "missing\n"
							  : "invalid\n");
				continue;
			}
			assert_true(v[i] < n_texts);
			assert_int_equal(texts[v[i]].text[texts[v[i]].len], 0);
			buf_printf(&out, "<%s>\n", texts[v[i]].text);
		}
		free(v);
	}
	copy = xstrdup(buf_str(&out));
	buf_release(&out);
	return copy;
}

static void assert_same_data(const struct dataset *a, const struct dataset *b)
{
	assert_int_equal(dataset_n_rows(a), dataset_n_rows(b));
	for (size_t i = X; i <= Y; i++) {
		char *one = column_text(a, i, i <= Z);
		char *two = column_text(b, i, i <= Z);

		assert_true(strcmp(one, two) == 0);
		free(one);
		free(two);
	}
}

/* A category with everything that CSV has to quote, as it is and quoted. */
static void add_category(struct buf *csv, struct buf *json)
{
	static const char *const plain[] = {"red",	  "blue", "a\"b", "x,y",
					    "two\nlines", "\"",	  "ü€",	  ""};
	const char *text = plain[below(ARRAY_LEN(plain))];
	bool quote = strpbrk(text, ",\"\n") || below(4) == 0;

	if (quote)
		buf_add_char(csv, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"')
			buf_add_char(csv, '"');
		buf_add_char(csv, *p);
	}
	if (quote)
		buf_add_char(csv, '"');
	buf_add_char(json, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"')
			buf_add_char(json, '\\');
		if (*p == '\n')
			buf_add_str(json, "\\n");
		else
			buf_add_char(json, *p);
	}
	buf_add_char(json, '"');
}

/* The same rows as CSV and as NDJSON. */
static void make_rows(struct buf *csv, struct buf *json, size_t n)
{
	buf_add_str(csv, "id,x,z,\"c\",d,y,ts\r\n");
	for (size_t i = 0; i < n; i++) {
		char x[NUMBER_TEXT_MAX];

		number_format((double)random_next() / 1e12, x);
		buf_printf(csv, "%zu,%s,%u,", i, x, below(10));
		buf_printf(json, "{\"id\": \"%zu\", \"x\": %s, \"z\": %c, ", i,
			   x, csv->data[csv->len - 2]);
		buf_add_str(json, "\"c\": ");
		add_category(csv, json);
		buf_printf(csv, ",k%u,%u,", below(300), below(2));
		buf_add_str(json, ", \"d\": ");
		/* the text of d and y, as it stands in the CSV */
		for (size_t k = csv->len; k-- > 0;) {
			if (csv->data[k] != 'k' || csv->data[k - 1] != ',')
				continue;
			buf_printf(json, "\"%.*s\"", (int)(csv->len - k - 3),
				   csv->data + k);
			break;
		}
		buf_printf(json, ", \"y\": \"%c\", ", csv->data[csv->len - 2]);
		buf_printf(csv, "%zu%s", 1600000000 + 60 * i,
			   below(3) ? "\n" : "\r\n");
		buf_printf(json, "\"ts\": %zu}\n", 1600000000 + 60 * i);
		if (below(50) == 0)
			buf_add_str(csv, below(2) ? "\n" : "\r\n\n");
	}
}

static void pieces_threads_and_memory_make_no_difference(void **state)
{
	struct config *config = fixture_config(yaml);
	struct dataset *a, *b, *c;
	struct buf csv, json;
	struct err e;

	(void)state;
	buf_init(&csv, 1 << 26);
	buf_init(&json, 1 << 26);
	make_rows(&csv, &json, 60000); /* several pieces of CSV */
	assert_true(csv.len > 2 << 20);
	put_file(0, csv.data, csv.len);
	put_file(1, json.data, json.len);
	a = read_file(config, paths[0], 0, true, NULL, &e);
	if (a == NULL)
		fail_msg("%s", e.message);
	/* nearly all of it in the file without a name */
	b = read_file(config, paths[0], 1, true, NULL, &e);
	assert_non_null(b);
	c = read_file(config, paths[1], 1 << 20, true, NULL, &e);
	if (c == NULL)
		fail_msg("%s", e.message);
	assert_int_equal(dataset_n_rows(a), 60000);
	assert_same_data(a, b);
	assert_same_data(a, c);
	dataset_free(a);
	dataset_free(b);
	dataset_free(c);
	buf_release(&csv);
	buf_release(&json);
	config_unref(config);
}

static void without_a_place_for_files_all_stays_in_memory(void **state)
{
	struct config *config = fixture_config(yaml);
	struct dataset *d;
	struct err e;

	(void)state;
	put_text(0, "x,z,c,d\n1,2,a,b\n3,4,e,f\n");
	assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
	d = read_file(config, paths[0], 1, false, NULL, &e);
	assert_int_equal(unsetenv("TMPDIR"), 0);
	assert_non_null(d);
	assert_int_equal(dataset_n_rows(d), 2);
	assert_true(dataset_has(d, X));
	assert_false(dataset_has(d, Y));
	dataset_free(d);
	config_unref(config);
}

/* The message of a file that is refused. */
static void assert_refused(const struct config *config, const char *text,
			   bool with_times, const char *message)
{
	struct dataset *d;
	struct err e;
	char want[256];

	put_text(0, text);
	(void)snprintf(want, sizeof(want), "%s%s", paths[0], message);
	d = read_file(config, paths[0], 0, with_times, NULL, &e);
	assert_null(d);
	assert_string_equal(e.message, want);
	assert_int_equal(err_exit_code(&e), EX_DATAERR);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	struct config *config = fixture_config(yaml);
	struct buf csv;
	struct err e;

	(void)state;
	assert_refused(config, "x,z,c,d,ts\n1,2,a,b,1\n1,2,a\n", false,
		       ":3:1: the record cannot be read: the row has 3 "
		       "fields, the header 5");
	assert_refused(config, "x,c,ts\n1,\"a\nb\",2\n\n1,a,1\n", true,
		       ":5: the record " DATASET_UNORDERED);
	assert_refused(config, "x,c,ts\n1,a,2\n1,a,\n", true,
		       ":3: the record has no event time");
	assert_refused(config, "{\"x\": 1, \"ts\": 9}\n{\"x\": 1, \"ts\": 8}\n",
		       true, ": record 2 " DATASET_UNORDERED);
	assert_refused(config, "", false, ": there is no record");
	assert_refused(config, "x,c\n", false, ": there is no record");
	assert_refused(config, "p,q\n1,2\n", false,
		       ":1:1: the first row names no column of model \"m\": "
		       "it must be the header");
	/* far into the file, in a piece of its own; and the first of two */
	buf_init(&csv, 1 << 26);
	buf_add_str(&csv, "x,c,ts\n");
	for (int i = 0; i < 300000; i++)
		buf_printf(&csv, "%d,\"a\nb\",%d\n", i, i == 250000 ? 0 : i);
	put_file(0, csv.data, csv.len);
	assert_null(read_file(config, paths[0], 0, true, NULL, &e));
	assert_int_equal(e.line, 2 + 2 * 250000);
	buf_add_str(&csv, "1,2,3,4\n");
	csv.data[strlen("x,c,ts\n0,\"a\nb\",")] = '"';
	put_file(0, csv.data, csv.len);
	assert_null(read_file(config, paths[0], 0, false, NULL, &e));
	assert_int_equal(e.line, 4);
	buf_release(&csv);
	config_unref(config);
}

static void random_bytes_do_no_harm(void **state)
{
	static const char alphabet[] = "x,c\n\"\r1 {}[]:\\\xff";
	struct config *config = fixture_config(yaml);
	struct err e;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[64] = "x,c\n";
		size_t n = 4 * below(2) + below(50);

		for (size_t i = 4; i < n; i++)
			text[i] = alphabet[below(sizeof(alphabet) - 1)];
		put_file(0, text, n);
		dataset_free(
			read_file(config, paths[0], 0, below(2), NULL, &e));
	}
	config_unref(config);
}

static void labels_join_by_id_and_the_newest_counts(void **state)
{
	struct config *config = fixture_config(yaml);
	struct dataset_labels *l;
	struct dataset *d;
	struct err e = {0};
	char *text;

	(void)state;
	put_text(1, "id,label,time\n"
		    "7,old,2026-01-02\n"
		    "7,new,2026-01-03\n"
		    "7,older,2026-01-01\n"
		    "8,first,\n"
		    "8,last,\n"
		    "9,\"never asked\",\n");
	l = dataset_labels_read(paths[1], &config->models[0], &e);
	if (l == NULL)
		fail_msg("%s", e.message);
	put_text(0, "id,x,z,c,d,y\n6,1,1,a,b,own\n7,1,1,a,b,own\n"
		    "8,1,1,a,b,own\n5,1,1,a,b,\n");
	d = read_file(config, paths[0], 0, false, l, &e);
	if (d == NULL)
		fail_msg("%s", e.message);
	assert_true(dataset_has(d, Y));
	text = column_text(d, Y, false);
	assert_string_equal(text, "<own>\n<new>\n<last>\nmissing\n");
	free(text);
	dataset_free(d);
	dataset_labels_free(l);
	put_text(1, "id,y\n1,a\n,b\n");
	assert_null(dataset_labels_read(paths[1], &config->models[0], &e));
	assert_non_null(strstr(e.message, "label 2 has no id"));
	put_text(1, "id,x\n1,a\n");
	assert_null(dataset_labels_read(paths[1], &config->models[0], &e));
	config_unref(config);
}

static void cuts_are_at_the_ends_of_records(void **state)
{
	const char *text = "a,\"b\nc\"\nd\n\n\"e\"\"\n\",f\nrest \"\n";

	(void)state;
	assert_int_equal(dataset_cut_first(text, strlen(text)), 8);
	assert_int_equal(dataset_cut_last(text, strlen(text)), 20);
	assert_int_equal(dataset_cut_skip(text, strlen(text), 0), 0);
	assert_int_equal(dataset_cut_skip(text, strlen(text), 1), 8);
	assert_int_equal(dataset_cut_skip(text, strlen(text), 2), 11);
	assert_int_equal(dataset_cut_lines(text, strlen(text)), 7);
	assert_int_equal(dataset_cut_first("no end", 6), 0);
	assert_int_equal(dataset_cut_last("\"a\nb", 4), 0);
}

/* ---- the command ---- */

/* Run it; ${*out} gets what it wrote, owned. */
static int compare(const char *const *words, char **out)
{
	char *argv[24] = {xstrdup("compare")};
	int argc = 1, status;
	FILE *f;
	long len;

	put_text(7, "");
	for (; *words; words++)
		argv[argc++] = xstrdup(*words);
	argv[argc++] = xstrdup("-o");
	argv[argc++] = xstrdup(paths[7]);
	optind = 0; /* getopt begins anew */
	status = command_compare.run(argc, argv);
	while (argc > 0)
		free(argv[--argc]);
	if (!out)
		return status;
	f = fopen(paths[7], "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	rewind(f);
	*out = xcalloc((size_t)len + 1, 1);
	assert_int_equal(fread(*out, 1, (size_t)len, f), len);
	fclose(f);
	return status;
}

#define COMPARE(out, ...)                                                      \
	compare((const char *const[]){"--model", paths[6], "--reference",      \
				      paths[0], "--current", paths[1],         \
				      __VA_ARGS__, NULL},                      \
		out)

static double normal(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += (double)(random_next() >> 11) * 0x1p-53;
	return sum - 6;
}

enum spoil { SPOIL_NOTHING, SPOIL_EMPTY, SPOIL_TEXT };

/* ${n} rows, the same for the same seed whatever is done to z. */
static void put_data(size_t slot, size_t n, double shift, enum spoil spoil,
		     uint64_t seed)
{
	uint64_t before = random_state;
	struct buf csv;

	random_state = seed;
	buf_init(&csv, 1 << 26);
	buf_add_str(&csv, "id,x,z,c,d,y,ts\n");
	for (size_t i = 0; i < n; i++) {
		double x = normal() + shift, z = normal();

		buf_printf(&csv, "%zu,%.6f,", i, x);
		if (spoil == SPOIL_NOTHING)
			buf_printf(&csv, "%.6f", z);
		else if (spoil == SPOIL_TEXT)
			buf_add_str(&csv, "oops");
		buf_printf(&csv, ",c%u,d%u,%u,%zu\n", below(3),
			   below(5) * below(5), below(2),
			   1609459200 + 3600 * i);
	}
	put_file(slot, csv.data, csv.len);
	buf_release(&csv);
	random_state = before;
}

static void put_model(void)
{
	put_text(6, yaml);
}

/* Lines without those of column z. */
static char *without_z(const char *text)
{
	struct buf out;
	char *copy;

	buf_init(&out, SIZE_MAX / 4);
	while (*text) {
		size_t len = strcspn(text, "\n") + 1;
		char *line = xstrndup(text, len);

		if (!strstr(line, ",z,"))
			buf_add_str(&out, line);
		free(line);
		text += len;
	}
	copy = xstrdup(buf_str(&out));
	buf_release(&out);
	return copy;
}

static void a_broken_column_changes_no_other(void **state)
{
	static const enum spoil spoils[] = {SPOIL_EMPTY, SPOIL_TEXT};
	static const char *const expected[] = {"\"empty\"", "\"type_changed\""};
	char *good, *good_rest, *bad, *bad_rest;

	(void)state;
	put_model();
	put_data(0, 3000, 0, SPOIL_NOTHING, 1);
	put_data(1, 2000, 0.1, SPOIL_NOTHING, 2);
	assert_int_equal(
		COMPARE(&good, "--format", "long", "--chunk", "rows:700"), 0);
	good_rest = without_z(good);
	assert_true(strlen(good_rest) < strlen(good));
	for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
		char *json;

		put_data(1, 2000, 0.1, spoils[i], 2);
		assert_int_equal(COMPARE(&bad, "--format", "long", "--chunk",
					 "rows:700"),
				 0);
		bad_rest = without_z(bad);
		assert_string_equal(bad_rest, good_rest);
		assert_string_not_equal(bad, good);
		assert_int_equal(COMPARE(&json, "--format", "json"), 0);
		assert_non_null(strstr(json, expected[i]));
		assert_null(strstr(json, "nan"));
		free(json);
		free(bad);
		free(bad_rest);
	}
	free(good);
	free(good_rest);
}

/* Verdicts of the other columns, too: alpha is shared by a number of columns
 * that the window cannot change. */
static void a_broken_column_changes_no_other_verdict(void **state)
{
	struct json_value *before, *after;
	size_t n = 0;
	struct err e;
	char *text;

	(void)state;
	put_model();
	put_data(0, 3000, 0, SPOIL_NOTHING, 1);
	put_data(1, 2000, 0.1, SPOIL_NOTHING, 2);
	assert_int_equal(COMPARE(&text, "--format", "json"), 0);
	before = json_parse(text, strlen(text), &e);
	free(text);
	put_data(1, 2000, 0.1, SPOIL_TEXT, 2);
	assert_int_equal(COMPARE(&text, "--format", "json"), 0);
	after = json_parse(text, strlen(text), &e);
	free(text);
	assert_int_equal(json_count(before), json_count(after));
	for (size_t i = 0; i < json_count(before); i++) {
		static const char *const keys[] = {"value", "bound",
						   "threshold"};
		const struct json_value *a = json_at(before, i);
		const struct json_value *b = json_at(after, i);
		const char *column = json_text(json_get(a, "column"));

		assert_string_equal(column, json_text(json_get(b, "column")));
		if (!strcmp(column, "z") || !strcmp(column, "__model__"))
			continue;
		n++;
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			assert_true(
				json_value_number(json_get(a, keys[k]), -7) ==
				json_value_number(json_get(b, keys[k]), -7));
	}
	assert_true(n > 10);
	json_free(before);
	json_free(after);
}

static void asked_metrics_are_those_of_all(void **state)
{
	char *all, *some;
	size_t n = 0;

	(void)state;
	put_model();
	put_data(0, 3000, 0, SPOIL_NOTHING, 3);
	put_data(1, 2000, 0.1, SPOIL_NOTHING, 4);
	assert_int_equal(COMPARE(&all, "--format", "long"), 0);
	assert_int_equal(COMPARE(&some, "--format", "long", "--metrics",
				 "psi, ks,wasserstein,chi2_dof,mean"),
			 0);
	for (const char *p = some; *p; n++) {
		size_t len = strcspn(p, "\n") + 1;
		char *line = xstrndup(p, len);

		assert_non_null(strstr(all, line));
		free(line);
		p += len;
	}
	/* header; psi 5, ks and wasserstein 2 each, chi2 3, mean 2 * 2 */
	assert_int_equal(n, 1 + 5 + 4 + 3 + 4);
	free(all);
	free(some);
}

static void chunks_cover_every_row_once(void **state)
{
	char *text;

	(void)state;
	put_model();
	put_data(0, 1000, 0, SPOIL_NOTHING, 5);
	put_data(1, 1000, 0, SPOIL_NOTHING, 6); /* 2021-01-01 on, hourly */
	assert_int_equal(COMPARE(&text, "--format", "long", "--metrics", "n",
				 "--chunk", "rows:300"),
			 0);
	assert_non_null(strstr(text, "\n-1,-1,x,n,1000\n0,300,x,n,300\n"
				     "300,600,x,n,300\n600,900,x,n,300\n"
				     "900,1000,x,n,100\n-1,-1,z,"));
	free(text);
	assert_int_equal(COMPARE(&text, "--format", "long", "--metrics", "n",
				 "--chunk", "month"),
			 0);
	assert_non_null(strstr(text, "\n0,744,x,n,744\n744,1000,x,n,256\n-1"));
	free(text);
	assert_int_equal(COMPARE(&text, "--format", "long", "--metrics", "n",
				 "--chunk", "year"),
			 0);
	assert_non_null(strstr(text, "\n-1,-1,x,n,1000\n0,1000,x,n,1000\n-1"));
	free(text);
	assert_int_equal(COMPARE(&text, "--format", "json", "--chunk", "day"),
			 0);
	assert_non_null(strstr(text,
			       "\"chunk_start\":984,\"chunk_end\":1000,"
			       "\"window_start\":\"2021-02-11T00:00:00Z\""
			       ",\"window_end\":\"2021-02-12T00:00:00Z\""));
	free(text);
}

static void json_numbers_meet_the_texts_of_csv(void **state)
{
	char *text;

	(void)state;
	put_model();
	put_text(0, "x,z,c,d\n1,1,1,01\n1,1,2.0,a\n2,1,1,a\n");
	put_text(1, "{\"x\": 1, \"z\": 1, \"c\": 1.0, \"d\": 1}\n"
		    "{\"x\": 1, \"z\": 1, \"c\": 2, \"d\": \"1\"}\n");
	assert_int_equal(COMPARE(&text, "--format", "long", "--metrics",
				 "n_new_categories"),
			 0);
	assert_non_null(strstr(text, "0,2,c,n_new_categories,0\n"));
	/* a text is a text: "1" is not 01 */
	assert_non_null(strstr(text, "0,2,d,n_new_categories,1\n"));
	free(text);
}

static void tables_fit_and_tell_what_drifted_first(void **state)
{
	char *text;
	const char *x, *z;

	(void)state;
	put_model();
	put_data(0, 5000, 0, SPOIL_NOTHING, 7);
	put_data(1, 5000, 1.5, SPOIL_NOTHING, 8);
	assert_int_equal(COMPARE(&text, "--chunk", "whole", "--exit-code"), 1);
	x = strstr(text, "\n! x ");
	z = strstr(text, "\n  z ");
	assert_non_null(x);
	assert_non_null(z);
	assert_true(x < z);
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		assert_true(strcspn(p, "\n") <= 100);
	free(text);
	assert_int_equal(COMPARE(&text, "--chunk", "rows:900"), 0);
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		assert_true(strcspn(p, "\n") <= 100);
	free(text);
	put_data(1, 5000, 0, SPOIL_NOTHING, 8);
	assert_int_equal(COMPARE(&text, "--exit-code", "--format", "long"), 0);
	free(text);
}

static void wrong_usage_is_64_and_wrong_data_65(void **state)
{
	(void)state;
	put_model();
	put_data(0, 10, 0, SPOIL_NOTHING, 9);
	put_data(1, 10, 0, SPOIL_NOTHING, 10);
	assert_int_equal(COMPARE(NULL, "--format", "html"), EX_USAGE);
	assert_int_equal(COMPARE(NULL, "--format", "xml"), EX_USAGE);
	assert_int_equal(COMPARE(NULL, "--chunk", "rows:0"), EX_USAGE);
	assert_int_equal(COMPARE(NULL, "--metrics", "psy"), EX_USAGE);
	assert_int_equal(COMPARE(NULL, "--metrics", ","), EX_USAGE);
	assert_int_equal(COMPARE(NULL, "more"), EX_USAGE);
	assert_int_equal(
		compare((const char *const[]){"--model", "x", NULL}, NULL),
		EX_USAGE);
	assert_int_equal(COMPARE(NULL, "--labels", "/nowhere"), EX_IOERR);
	put_text(1, "x,z,c,d,ts\n1,1,a,b,5\n1,1,a,b,4\n");
	assert_int_equal(COMPARE(NULL, "--chunk", "day"), EX_DATAERR);
	put_text(0, "x,c,d\n1,1,a\n");
	assert_int_equal(COMPARE(NULL, "--format", "long"), EX_DATAERR);
	put_text(6, "name: m\nfeatures: {numeric: [x}\n");
	assert_int_equal(COMPARE(NULL, "--format", "long"), EX_CONFIG);
}

static void tiny_and_empty_sides_are_no_crash(void **state)
{
	static const char *const bodies[] = {
		"x,z,c,d\n1,1,a,b\n",
		"x,z,c,d\n,,,\n",
		"x,z,c,d\n1,,a,\n,2,,b\n",
		"x,z,c,d\noops,nan,a,b\n",
		"x,z,c,d\n1e300,-0.0,a,a\n-1e300,0,a,a\n5e-324,0,b,b\n",
	};

	(void)state;
	put_model();
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		for (size_t k = 0; k < ARRAY_LEN(bodies); k++) {
			struct json_value *v;
			struct err e;
			char *text;

			put_text(0, bodies[i]);
			put_text(1, bodies[k]);
			assert_int_equal(COMPARE(&text, "--format", "long"), 0);
			free(text);
			assert_int_equal(COMPARE(&text, "--format", "json"), 0);
			v = json_parse(text, strlen(text), &e);
			assert_non_null(v);
			json_free(v);
			free(text);
			assert_int_equal(COMPARE(&text, "--format", "table"),
					 0);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_threads_and_memory_make_no_difference),
		cmocka_unit_test(without_a_place_for_files_all_stays_in_memory),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(labels_join_by_id_and_the_newest_counts),
		cmocka_unit_test(cuts_are_at_the_ends_of_records),
		cmocka_unit_test(a_broken_column_changes_no_other),
		cmocka_unit_test(a_broken_column_changes_no_other_verdict),
		cmocka_unit_test(asked_metrics_are_those_of_all),
		cmocka_unit_test(chunks_cover_every_row_once),
		cmocka_unit_test(json_numbers_meet_the_texts_of_csv),
		cmocka_unit_test(tables_fit_and_tell_what_drifted_first),
		cmocka_unit_test(wrong_usage_is_64_and_wrong_data_65),
		cmocka_unit_test(tiny_and_empty_sides_are_no_crash),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
