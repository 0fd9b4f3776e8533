/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload: the body as documented, its size, its link and its id. */

#include "alerts/payload.h"

#include "alerts/rule.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "config/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000000)

struct columns_fixture {
	struct alert_store_details details;
	struct rule_outcome outcome;
	char **names;
	size_t n;
};

static void columns_init(struct columns_fixture *f, size_t n, const char *pad)
{
	*f = (struct columns_fixture){.n = n};
	f->names = xcalloc(n, sizeof(*f->names));
	f->details.items = xcalloc(n, sizeof(*f->details.items));
	f->details.n = n;
	f->outcome.columns = xcalloc(n, sizeof(*f->outcome.columns));
	f->outcome.n_columns = n;
	for (size_t i = 0; i < n; i++) {
		struct buf name;

		buf_init(&name, 300);
		buf_printf(&name, "column_%zu%s", i, pad);
		f->names[i] = name.data;
		f->outcome.columns[i] = f->names[i];
		f->details.items[i] = (struct alert_store_detail){
			.column = f->names[i],
			.metric = "psi",
			.severity = "error",
			.value = 0.3125,
			.bound = 0.25,
			.threshold = i == 1 ? (double)NAN : 0.2,
			.n_reference = 4000,
			.n_current = 600,
			.window_start_us = HOUR,
		};
	}
}

static void columns_release(struct columns_fixture *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->names[i]);
	free(f->names);
	free(f->details.items);
	free(f->outcome.columns);
}

static const struct payload_source no_source;

static void test_columns(void **state)
{
	struct columns_fixture f;
	struct buf out;

	(void)state;
	columns_init(&f, 3, "");
	/* Columns that do not breach the rule are not told of. */
	f.outcome.n_columns = 2;
	buf_init(&out, PAYLOAD_MAX);
	assert_int_equal(
		payload_columns(&f.details, &f.outcome, &no_source, &out), 2);
	assert_string_equal(
		buf_str(&out),
		"[{\"column\":\"column_0\",\"metric\":\"psi\","
		"\"severity\":\"error\",\"value\":0.3125,\"bound\":0.25,"
		"\"threshold\":0.2,\"n_reference\":4000,\"n_current\":600,"
		"\"window_start\":\"1970-01-01T01:00:00Z\",\"top\":[]},"
		"{\"column\":\"column_1\",\"metric\":\"psi\","
		"\"severity\":\"error\",\"value\":0.3125,\"bound\":0.25,"
		"\"threshold\":null,\"n_reference\":4000,\"n_current\":600,"
		"\"window_start\":\"1970-01-01T01:00:00Z\",\"top\":[]}]");
	buf_release(&out);
	columns_release(&f);
}

struct body_fixture {
	struct config_server server;
	struct config_model model;
	struct config_rule rule;
	struct alert_row alert;
	struct payload payload;
};

static void body_init(struct body_fixture *f, char *name)
{
	static char version[] = "3", url[] = "https://drift.example/x/";

	*f = (struct body_fixture){0};
	f->server.external_url = url;
	f->model.name = name;
	f->model.version = version;
	alert_row_init(&f->alert, 42, "input_drift");
	alert_row_set_text(f->alert.severity, sizeof(f->alert.severity),
			   "critical");
	alert_row_set_text(f->alert.signal, sizeof(f->alert.signal), "input");
	f->alert.window_start_us = 2 * HOUR;
	f->alert.window_end_us = 3 * HOUR;
	f->alert.starts_at_us = HOUR;
	f->alert.ends_at_us = 3 * HOUR;
	f->payload = (struct payload){
		.alert = &f->alert,
		.rule = &f->rule,
		.model = &f->model,
		.server = &f->server,
		.now_us = 4 * HOUR,
	};
}

static void expect_text(const struct json_value *v, const char *key,
			const char *want)
{
	const char *text = json_text(json_get(v, key));

	if (!want) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_string_equal(text, want);
}

static void test_body(void **state)
{
	static char name[] = "car loan/\xc3\xa9";
	const struct json_value *data;
	struct json_value *root;
	struct body_fixture f;
	struct err e = {0};
	struct buf out;

	(void)state;
	body_init(&f, name);
	alert_row_set_columns(&f.alert, "[{\"column\":\"x\"}]", 7);
	buf_init(&out, PAYLOAD_MAX - 1);
	payload_body(&f.payload, &out);
	root = json_parse(out.data, out.len, &e);
	assert_non_null(root);
	expect_text(root, "type", "driftd.alert.firing");
	expect_text(root, "timestamp", "1970-01-01T04:00:00Z");
	data = json_get(root, "data");
	expect_text(data, "alert_id", f.alert.alert_id);
	expect_text(data, "rule", "input_drift");
	expect_text(data, "status", "firing");
	expect_text(data, "severity", "critical");
	expect_text(data, "model", name);
	expect_text(data, "version", "3");
	expect_text(data, "signal", "input");
	expect_text(data, "window_start", "1970-01-01T02:00:00Z");
	expect_text(data, "window_end", "1970-01-01T03:00:00Z");
	expect_text(data, "starts_at", "1970-01-01T01:00:00Z");
	expect_text(data, "ends_at", NULL);
	expect_text(data, "action", "notify");
	expect_text(data, "url",
		    "https://drift.example/x/models/car%20loan%2F%C3%A9"
		    "?version=3");
	assert_int_equal(json_value_int(json_get(data, "columns_total"), 0), 7);
	expect_text(json_at(json_get(data, "columns"), 0), "column", "x");
	json_free(root);

	f.payload.resolved = true;
	f.rule.action = 1;
	buf_clear(&out);
	payload_body(&f.payload, &out);
	root = json_parse(out.data, out.len, &e);
	expect_text(root, "type", "driftd.alert.resolved");
	data = json_get(root, "data");
	expect_text(data, "status", "resolved");
	expect_text(data, "ends_at", "1970-01-01T03:00:00Z");
	expect_text(data, "action", "retrain");
	json_free(root);
	buf_release(&out);
	alert_row_release(&f.alert);
}

/* Thousands of columns, long names: below 20 kB, valid, the first ones kept. */
static void test_size(void **state)
{
	static const char *const pads[] = {
		"", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"};
	static char name[] = "m";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pads); i++) {
		const struct json_value *columns;
		struct columns_fixture c;
		struct json_value *root;
		struct body_fixture f;
		struct buf json, out;
		struct err e = {0};
		int total;

		columns_init(&c, 3000, pads[i]);
		body_init(&f, name);
		buf_init(&json, PAYLOAD_COLUMNS_MAX);
		total = payload_columns(&c.details, &c.outcome, &no_source,
					&json);
		assert_int_equal(total, 3000);
		alert_row_set_columns(&f.alert, buf_str(&json), total);
		buf_init(&out, PAYLOAD_MAX - 1);
		payload_body(&f.payload, &out);
		assert_false(out.failed);
		assert_true(out.len < PAYLOAD_MAX && out.len > 13000);
		root = json_parse(out.data, out.len, &e);
		assert_non_null(root);
		columns = json_get(json_get(root, "data"), "columns");
		assert_in_range(json_count(columns), 20, 2999);
		expect_text(json_at(columns, 0), "column", c.names[0]);
		json_free(root);
		buf_release(&out);
		buf_release(&json);
		alert_row_release(&f.alert);
		columns_release(&c);
	}
}

static void test_message_id(void **state)
{
	char a[OUTBOX_ID_SIZE], b[OUTBOX_ID_SIZE];
	struct body_fixture f;
	static char name[] = "m";

	(void)state;
	body_init(&f, name);
	payload_message_id(&f.alert, HOUR, 1, "firing", a);
	payload_message_id(&f.alert, HOUR, 1, "firing", b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 36);
	assert_memory_equal(a, "msg_", 4);
	payload_message_id(&f.alert, HOUR, 2, "firing", b);
	assert_string_not_equal(a, b);
	payload_message_id(&f.alert, 2 * HOUR, 1, "firing", b);
	assert_string_not_equal(a, b);
	payload_message_id(&f.alert, HOUR, 1, "resolved", b);
	assert_string_not_equal(a, b);
	f.alert.starts_at_us++;
	payload_message_id(&f.alert, HOUR, 1, "firing", b);
	assert_string_not_equal(a, b);
	f.alert.starts_at_us--;
	f.alert.model_id++;
	payload_message_id(&f.alert, HOUR, 1, "firing", b);
	assert_string_not_equal(a, b);
	alert_row_release(&f.alert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_message_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
