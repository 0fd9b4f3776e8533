/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Foreign corpora through the decoders: JSONTestSuite, csv-spectrum, the list
 * of naughty strings and the UTF-8 tests.
 */

#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/unit/daemon/ingest_fixture.h"

#include <dirent.h>

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "id: id\n"
			   "features:\n"
			   "  numeric: [x]\n"
			   "  categorical: [c]\n";

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, yaml);
	f->type = "application/json";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

/* Every record that was rejected was only no object. */
static bool only_no_objects(const struct ingest_report *r)
{
	for (uint32_t i = 0; i < r->n_reasons; i++)
		if (strcmp(r->reasons[i].message, "the record is no object") !=
		    0)
			return false;
	return true;
}

/* A text of the suite as a whole body. */
static void check_suite_body(struct fixture *f, const char *name,
			     const struct buf *text, size_t piece)
{
	const struct ingest_report *r = ingest_get_report(f->in);
	int result = fixture_decode(f, text->data, text->len, piece);
	bool is_array = text->len > 0 && text->data[0] == '[';

	if (name[0] == 'y') {
		if (result < 0 || !only_no_objects(r))
			fail_msg("%s: %s", name,
				 result < 0 ? f->err.message
					    : r->reasons[0].message);
	} else if (name[0] == 'n') {
		if (result == 0 && r->n_accepted > 0)
			fail_msg("%s was read", name);
		/* Elements that are no objects are rejected anyway: it has to
		 * be the array that is refused. */
		if (is_array && result == 0)
			fail_msg("%s was read as an array", name);
	}
}

/* The same text as a value that is skipped: true when it was accepted. */
static bool suite_value_is_read(struct fixture *f, const struct buf *text)
{
	struct buf body;
	bool read;

	buf_init(&body, 1 << 22);
	buf_add_str(&body, "[{\"q\": ");
	buf_add(&body, text->data, text->len);
	buf_add_str(&body, "}]");
	(void)fixture_decode(f, body.data, body.len, 0);
	read = f->result == 0 && f->batch.n_rows == 1;
	buf_release(&body);
	return read;
}

static void test_json_suite(void **state)
{
	struct fixture *f = *state;
	char dir_path[512];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	(void)snprintf(dir_path, sizeof(dir_path), "%s",
		       fixture_shared("corpora/JSONTestSuite/test_parsing"));
	dir = opendir(dir_path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		char path[1024];
		struct buf text;

		if (strchr("yni", name[0]) == NULL || name[1] != '_')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir_path, name);
		fixture_read_file(path, &text);
		for (size_t piece = 0; piece < 8; piece += 3)
			if (text.len < 100000 || piece == 0)
				check_suite_body(f, name, &text, piece);
		if (name[0] == 'y')
			assert_true(suite_value_is_read(f, &text));
		else if (name[0] == 'n' && suite_value_is_read(f, &text))
			fail_msg("%s was read as a value", name);
		buf_release(&text);
		n++;
	}
	(void)closedir(dir);
	assert_in_range(n, 300, 400);
}

/* ${names}: those of the header, with commas between. */
static void check_spectrum_row(const struct fixture *f, uint32_t row,
			       const char *names,
			       const struct json_value *expected)
{
	while (*names != '\0') {
		size_t len = strcspn(names, ",");
		char *name = xstrndup(names, len);
		const char *text = json_text(json_get(expected, name));

		assert_non_null(text);
		fixture_expect(f, row, name, *text ? text : "missing");
		free(name);
		names += len + (names[len] == ',');
	}
}

/* One of csv-spectrum: the cells are those of its JSON twin. */
static void check_spectrum(const char *csv_path, const char *json_path)
{
	struct fixture f;
	struct buf csv, json, model;
	struct json_value *root;
	struct err e = {0};
	size_t header;
	char *names;

	fixture_read_file(csv_path, &csv);
	fixture_read_file(json_path, &json);
	root = json_parse(json.data, json.len, &e);
	assert_non_null(root);
	/* No header of these has a quote in it. */
	header = strcspn(csv.data, "\r\n");
	names = xstrndup(csv.data, header);
	buf_init(&model, 4096);
	buf_printf(&model,
		   "name: m\ntask: none\nfeatures:\n  numeric: []\n"
		   "  categorical: [%s]\n",
		   names);
	fixture_init(&f, buf_str(&model));
	f.type = "text/csv";
	for (size_t piece = 0; piece < 10; piece++) {
		assert_int_equal(fixture_decode(&f, csv.data, csv.len, piece),
				 0);
		assert_int_equal(f.batch.n_rows, json_count(root));
		assert_int_equal(ingest_get_report(f.in)->n_rejected, 0);
		for (uint32_t row = 0; row < f.batch.n_rows; row++)
			check_spectrum_row(&f, row, names, json_at(root, row));
	}
	fixture_release(&f);
	json_free(root);
	free(names);
	buf_release(&model);
	buf_release(&csv);
	buf_release(&json);
}

static void test_csv_spectrum(void **state)
{
	char base[512];
	char csvs[1024];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	(void)state;
	(void)snprintf(base, sizeof(base), "%s",
		       fixture_shared("corpora/csv-spectrum"));
	(void)snprintf(csvs, sizeof(csvs), "%s/csvs", base);
	dir = opendir(csvs);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char csv[2048], json[2048];
		size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 4, ".csv") != 0)
			continue;
		(void)snprintf(csv, sizeof(csv), "%s/%s", csvs, entry->d_name);
		(void)snprintf(json, sizeof(json), "%s/json/%.*s.json", base,
			       (int)(len - 4), entry->d_name);
		check_spectrum(csv, json);
		n++;
	}
	(void)closedir(dir);
	assert_in_range(n, 10, 20);
}

static void add_csv_field(struct buf *b, const char *text, size_t len)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			buf_add_char(b, '"');
		buf_add_char(b, text[i]);
	}
	buf_add_char(b, '"');
}

/* The category of row 0 is ${text} to the byte. */
static void expect_category(const struct fixture *f, const char *text,
			    size_t len)
{
	const struct batch_column *c =
		&f->batch.columns[fixture_column(f, "c")];

	assert_int_equal(f->batch.n_rows, 1);
	if (len == 0) {
		assert_int_equal(c->codes[0], CODE_MISSING);
		return;
	}
	assert_int_equal(c->codes[0], 0);
	assert_int_equal(c->texts[0].len, len);
	assert_memory_equal(c->texts[0].text, text, len);
	assert_false(c->texts[0].is_number);
}

static void expect_id(const struct fixture *f, const char *text, size_t len)
{
	size_t got;
	const char *id = fixture_id(f, 0, &got);

	assert_int_equal(got, len);
	assert_memory_equal(id, text, len);
}

/* As a value, an id and an unknown name, in both formats. */
static void check_naughty(struct fixture *f, const char *text, size_t len)
{
	const struct ingest_report *r = ingest_get_report(f->in);
	struct json_out w;
	struct buf body;

	buf_init(&body, 1 << 20);
	json_out_init(&w, &body);
	json_object_begin(&w);
	json_key(&w, "c");
	json_string_n(&w, text, len);
	json_key(&w, "id");
	json_string_n(&w, text, len);
	json_key(&w, "x");
	json_string_n(&w, text, len);
	json_object_end(&w);
	f->type = "application/json";
	assert_int_equal(fixture_decode(f, body.data, body.len, 5), 0);
	expect_category(f, text, len);
	expect_id(f, text, len);

	buf_clear(&body);
	buf_add_str(&body, "c,id,x\n");
	for (int i = 0; i < 3; i++) {
		add_csv_field(&body, text, len);
		buf_add_char(&body, i < 2 ? ',' : '\n');
	}
	f->type = "text/csv";
	assert_int_equal(fixture_decode(f, body.data, body.len, 5), 0);
	expect_category(f, text, len);
	expect_id(f, text, len);

	/* As an unknown name it is named in the report, cut at its end. */
	buf_clear(&body);
	buf_add_str(&body, "c,");
	add_csv_field(&body, text, len);
	buf_add_str(&body, "\na,1\n");
	assert_int_equal(fixture_decode(f, body.data, body.len, 5), 0);
	assert_int_equal(r->n_unknown, 1);
	assert_int_equal(
		strncmp(r->unknown[0].name, text, strlen(r->unknown[0].name)),
		0);
	assert_true(strlen(r->unknown[0].name) == len ||
		    strlen(r->unknown[0].name) > 100);
	buf_release(&body);
	f->type = "application/json";
}

static void test_naughty_strings(void **state)
{
	struct fixture *f = *state;
	struct buf file, text;
	struct json_value *root;
	struct err e = {0};
	size_t n;

	fixture_read_file(fixture_shared("corpora/big-list-of-naughty-strings/"
					 "blns.base64.json"),
			  &file);
	root = json_parse(file.data, file.len, &e);
	assert_non_null(root);
	n = json_count(root);
	assert_in_range(n, 400, 1000);
	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < n; i++) {
		const char *encoded = json_text(json_at(root, i));

		buf_clear(&text);
		assert_int_equal(
			base64_decode(encoded, strlen(encoded), &text, &e), 0);
		if (utf8_is_valid(buf_str(&text), text.len, NULL) &&
		    memchr(buf_str(&text), '\0', text.len) == NULL)
			check_naughty(f, buf_str(&text), text.len);
	}
	json_free(root);
	buf_release(&text);
	buf_release(&file);
}

/* A naughty string as the name of a column is found again by its bytes. */
static void test_naughty_columns(void **state)
{
	struct buf file, text, model, body;
	struct json_value *root;
	struct err e = {0};
	size_t n;

	(void)state;
	fixture_read_file(fixture_shared("corpora/big-list-of-naughty-strings/"
					 "blns.base64.json"),
			  &file);
	root = json_parse(file.data, file.len, &e);
	assert_non_null(root);
	n = json_count(root);
	buf_init(&text, 1 << 20);
	buf_init(&model, 1 << 20);
	buf_init(&body, 1 << 20);
	for (size_t i = 0; i < n; i += 7) {
		const char *encoded = json_text(json_at(root, i));
		struct fixture f;
		struct json_out w;
		bool usable = true;

		buf_clear(&text);
		assert_int_equal(
			base64_decode(encoded, strlen(encoded), &text, &e), 0);
		/* What a YAML file can say plainly. */
		for (size_t k = 0; k < text.len; k++)
			usable &= text.data[k] > ' ' && text.data[k] < 127 &&
				  text.data[k] != '$';
		if (!usable || text.len == 0 || text.len > 100)
			continue;
		buf_clear(&model);
		buf_add_str(&model, "name: m\ntask: none\nfeatures:\n"
				    "  numeric: []\n  categorical: [");
		json_out_init(&w, &model);
		json_string_n(&w, text.data, text.len);
		buf_add_str(&model, "]\n");
		fixture_init(&f, buf_str(&model));
		buf_clear(&body);
		json_out_init(&w, &body);
		json_object_begin(&w);
		json_key_n(&w, text.data, text.len);
		json_string(&w, "found");
		json_object_end(&w);
		f.type = "application/json";
		assert_int_equal(fixture_decode(&f, body.data, body.len, 3), 0);
		fixture_expect(&f, 0, buf_str(&text), "found");
		buf_clear(&body);
		add_csv_field(&body, text.data, text.len);
		buf_add_str(&body, "\nfound\n");
		f.type = "text/csv";
		assert_int_equal(fixture_decode(&f, body.data, body.len, 3), 0);
		fixture_expect(&f, 0, buf_str(&text), "found");
		fixture_release(&f);
	}
	json_free(root);
	buf_release(&text);
	buf_release(&model);
	buf_release(&body);
	buf_release(&file);
}

/* Each line of the UTF-8 tests is kept as it is or rejected for UTF-8. */
static void test_utf8(void **state)
{
	struct fixture *f = *state;
	const struct ingest_report *r = ingest_get_report(f->in);
	struct buf file, body;
	const char *p;
	int n_bad = 0;

	fixture_read_file(fixture_shared("corpora/utf8tests/utf8tests.bin"),
			  &file);
	buf_init(&body, 1 << 20);
	f->type = "text/csv";
	for (p = file.data; p < file.data + file.len;) {
		const char *end =
			memchr(p, '\n', (size_t)(file.data + file.len - p));
		size_t len = end == NULL ? (size_t)(file.data + file.len - p)
					 : (size_t)(end - p);
		bool valid = utf8_is_valid(p, len, NULL);

		if (len == 0 || memchr(p, '\0', len) != NULL)
			goto next;
		buf_clear(&body);
		buf_add_str(&body, "c\n");
		add_csv_field(&body, p, len);
		buf_add_str(&body, "\n");
		assert_int_equal(fixture_decode(f, body.data, body.len, 4), 0);
		if (valid) {
			expect_category(f, p, len);
		} else {
			n_bad++;
			assert_int_equal(r->n_rejected, 1);
			assert_non_null(strstr(r->reasons[0].message, "UTF-8"));
		}
	next:
		p += len + 1;
	}
	assert_in_range(n_bad, 10, 1000);
	f->type = "application/json";
	buf_release(&body);
	buf_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_suite),
		cmocka_unit_test(test_csv_spectrum),
		cmocka_unit_test(test_naughty_strings),
		cmocka_unit_test(test_naughty_columns),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
