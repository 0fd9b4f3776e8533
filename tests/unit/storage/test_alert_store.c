/* SPDX-License-Identifier: GPL-3.0-or-later */
/* alert_store and outbox: their statements, against a real database. */

#include "storage/alert_store.h"

#include "base/json.h"
#include "storage/outbox.h"
#include "tests/unit/alerts/alert_fixture.h"

#include <math.h>

#define LEASE CLOCK_MINUTE_US

static void test_ids(void **state)
{
	static const char *const bad[] = {
		"", "0", "0000000000000000000000000000000g",
		"ffffffffffffffff0000000000000000", /* no model: negative */
		"000000000000000000000000000000000"};
	char a[ALERT_ID_SIZE], b[ALERT_ID_SIZE];
	int64_t model_id = 0;

	(void)state;
	alert_id_make(0x0123456789abcdef, "r", a);
	assert_memory_equal(a, "0123456789abcdef", 16);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(alert_id_model(a, &model_id), 0);
	assert_int_equal(model_id, 0x0123456789abcdef);
	alert_id_make(0x0123456789abcdef, "s", b);
	assert_string_not_equal(a, b);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(alert_id_model(bad[i], &model_id), -1);
}

static struct alert_store_about about(const struct fixture *f)
{
	return (struct alert_store_about){.model_id = f->model.model_id,
					  .signal = "input"};
}

static void test_windows(void **state)
{
	struct alert_store_window w[5];
	struct alert_store_about a;

	FIXTURE(f, state);
	a = about(f);
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 5, &fixture_err),
		0);
	add_result(f, 0, 1, "a", "psi", '.');
	add_result(f, 1, 1, "a", "psi", '.');
	add_result(f, 1, 2, "a", "psi", 'B');
	add_result(f, 2, 1, "a", "psi", 'i');
	/* A newest revision with too little data hides the older ones. */
	add_result(f, 3, 1, "a", "psi", 'B');
	add_result(f, 3, 2, "a", "psi", 'i');
	add_result(f, 4, 1, "a", "psi", 'T');
	add_result(f, 5, 1, "__model__", "volume", '.');
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 5, &fixture_err),
		3);
	assert_int_equal(w[0].start_us, T0 + 4 * HOUR);
	assert_int_equal(w[0].end_us, T0 + 5 * HOUR);
	assert_int_equal(w[1].start_us, T0 + HOUR);
	assert_int_equal(w[1].revision, 2);
	assert_int_equal(w[2].start_us, T0);
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 2, &fixture_err),
		2);
	assert_int_equal(
		alert_store_windows(f->pg, &a, T0 + HOUR, w, 5, &fixture_err),
		1);
	a.signal = "output";
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 5, &fixture_err),
		0);
	a.signal = "input";
	a.metric = "volume";
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 5, &fixture_err),
		1);
}

static void test_cells_and_details(void **state)
{
	struct alert_store_cells cells = {0};
	struct alert_store_details details = {0};
	struct alert_store_window w[3];
	struct alert_store_about a;

	FIXTURE(f, state);
	a = about(f);
	add_result(f, 0, 1, "b", "psi", 'B');
	add_result(f, 0, 1, "b", "js", '.');
	add_result(f, 0, 1, "a", "psi", '.');
	add_result(f, 1, 1, "a", "psi", 'B');
	add_result(f, 1, 1, "b", "psi", 'i');
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 3, &fixture_err),
		2);
	OK(alert_store_cells(f->pg, &a, w, 2, &cells, &fixture_err));
	assert_int_equal(cells.n, 3);
	assert_string_equal(cells.items[0].column, "a");
	assert_int_equal(cells.items[0].window, 0);
	assert_true(cells.items[0].drifted);
	assert_false(cells.items[1].drifted);
	assert_string_equal(cells.items[2].column, "b");
	assert_int_equal(cells.items[2].window, 1);
	assert_true(cells.items[2].drifted);
	alert_store_cells_release(&cells);
	query_int(f, "UPDATE driftd.result SET bound = 0.9, threshold = NULL"
		     " WHERE model_id = $1 AND column_name = 'a' RETURNING 1");
	query_int(f, "UPDATE driftd.result SET severity = 'critical'"
		     " WHERE model_id = $1 AND column_name = 'b'"
		     " AND metric = 'psi' RETURNING 1");
	OK(alert_store_details(f->pg, &a, w, 2, &details, &fixture_err));
	assert_int_equal(details.n, 2);
	assert_string_equal(details.items[0].column, "b");
	assert_string_equal(details.items[0].metric, "psi");
	assert_int_equal(details.items[0].window_start_us, T0);
	assert_int_equal(details.items[0].n_reference, 4000);
	assert_string_equal(details.items[1].column, "a");
	assert_true(isnan(details.items[1].threshold));
	alert_store_details_release(&details);
	a.metric = "js";
	OK(alert_store_cells(f->pg, &a, w, 2, &cells, &fixture_err));
	assert_int_equal(cells.n, 1);
	assert_false(cells.items[0].drifted);
	alert_store_cells_release(&cells);
}

/* However many windows had no data, the walk is bounded. */
static void test_walk_is_bounded(void **state)
{
	struct alert_store_window w[1];
	struct alert_store_about a;

	FIXTURE(f, state);
	a = about(f);
	add_result(f, 0, 1, "a", "psi", 'B');
	add_result(f, 1, 1, "a", "psi", 'i');
	query_int(f, "WITH x AS (INSERT INTO driftd.result SELECT model_id,"
		     " window_start + h * interval '1 hour', revision, slice,"
		     " column_name, metric, window_end + h * interval '1 hour',"
		     " signal, status, severity, drifted, value, lower, upper,"
		     " p_value, p_adjusted, threshold, bound, n_reference,"
		     " n_current, baseline_version, evaluated_at"
		     " FROM driftd.result, generate_series(1, 254) h"
		     " WHERE model_id = $1 AND status <> 'ok' RETURNING 1)"
		     " SELECT count(*) FROM x");
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 1, &fixture_err),
		1);
	add_result(f, 256, 1, "a", "psi", 'i');
	add_result(f, 257, 1, "a", "psi", 'i');
	assert_int_equal(
		alert_store_windows(f->pg, &a, INT64_MIN, w, 1, &fixture_err),
		0);
}

static void save(struct fixture *f, const char *rule, const char *alert_state)
{
	struct alert_row a;

	alert_row_init(&a, f->model.model_id, rule);
	alert_row_set_text(a.signal, sizeof(a.signal), "input");
	alert_row_set_text(a.severity, sizeof(a.severity), "error");
	alert_row_set_text(a.state, sizeof(a.state), alert_state);
	OK(alert_store_save(f->pg, &a, T0, &fixture_err));
	alert_row_release(&a);
}

static void test_row_round_trip(void **state)
{
	struct alert_row a, b;

	FIXTURE(f, state);
	alert_row_init(&a, f->model.model_id, "r\xc3\xa9gle");
	assert_int_equal(alert_store_lock(f->pg, a.model_id, a.alert_id, a.rule,
					  &b, &fixture_err),
			 0);
	assert_string_equal(b.state, "inactive");
	assert_int_equal(b.starts_at_us, INT64_MIN);
	alert_row_release(&b);
	alert_row_set_text(a.state, sizeof(a.state), "firing");
	a.episode = 3;
	a.revision = 2;
	a.starts_at_us = T0 + 1;
	a.silenced_until_us = T0 + 2;
	alert_row_set_text(a.silenced_by, sizeof(a.silenced_by), "ann");
	alert_row_set_columns(&a, "[1]", 9);
	a.last_seq = 17;
	OK(alert_store_save(f->pg, &a, T0, &fixture_err));
	a.episode = 4;
	OK(alert_store_save(f->pg, &a, T0, &fixture_err));
	assert_int_equal(alert_store_lock(f->pg, a.model_id, a.alert_id, "", &b,
					  &fixture_err),
			 1);
	assert_string_equal(b.rule, a.rule);
	assert_string_equal(b.state, "firing");
	assert_int_equal(b.episode, 4);
	assert_int_equal(b.revision, 2);
	assert_int_equal(b.starts_at_us, T0 + 1);
	assert_int_equal(b.ends_at_us, INT64_MIN);
	assert_int_equal(b.silenced_until_us, T0 + 2);
	assert_string_equal(b.silenced_by, "ann");
	assert_string_equal(b.acknowledged_by, "");
	assert_string_equal(b.columns, "[1]");
	assert_int_equal(b.columns_total, 9);
	assert_int_equal(b.last_seq, 17);
	alert_row_release(&a);
	alert_row_release(&b);
}

/* Texts are cut between characters. */
static void test_set_text(void **state)
{
	char out[4];

	(void)state;
	alert_row_set_text(out, sizeof(out), "ab\xc3\xa9");
	assert_string_equal(out, "ab");
	alert_row_set_text(out, sizeof(out), NULL);
	assert_string_equal(out, "");
	alert_row_set_text(out, sizeof(out), "abc");
	assert_string_equal(out, "abc");
}

/* One page; how many alerts are on it.  *${cursor} is replaced. */
static size_t page(struct fixture *f, struct alert_query *q, char **cursor)
{
	struct json_value *root;
	struct json_out w;
	struct buf out;
	struct err e = {0};
	const char *next;
	size_t n;

	buf_init(&out, 1 << 20);
	json_out_init(&w, &out);
	q->cursor = *cursor;
	OK(alert_store_query(f->pg, q, &w, &fixture_err));
	root = json_parse(out.data, out.len, &e);
	assert_non_null(root);
	n = json_count(json_get(root, "alerts"));
	for (size_t i = 0; i < n; i++) {
		const struct json_value *a =
			json_at(json_get(root, "alerts"), i);

		assert_string_equal(json_text(json_get(a, "model")), f->name);
		assert_int_equal(json_count(json_get(a, "columns")), 0);
	}
	next = json_text(json_get(root, "next_cursor"));
	free(*cursor);
	*cursor = next ? xstrdup(next) : NULL;
	json_free(root);
	buf_release(&out);
	return n;
}

static void test_query(void **state)
{
	static const char *const states[] = {"inactive", "pending", "firing",
					     "acknowledged", "resolved"};
	struct alert_query q = {.limit = 3};
	struct json_out w;
	struct buf out;
	struct err e = {0};
	char *cursor = NULL;
	size_t total = 0, pages = 0;

	FIXTURE(f, state);
	q.model = f->name;
	for (size_t i = 0; i < 10; i++) {
		char rule[] = "rule0";

		rule[4] = (char)('0' + i);
		save(f, rule, states[i % 5]);
	}
	do {
		total += page(f, &q, &cursor);
		pages++;
	} while (cursor);
	assert_int_equal(total, 8); /* all but the inactive ones */
	assert_int_equal(pages, 3);
	q.limit = 100;
	q.state = "open";
	assert_int_equal(page(f, &q, &cursor), 6);
	q.state = "firing";
	assert_int_equal(page(f, &q, &cursor), 2);
	q.state = "inactive";
	assert_int_equal(page(f, &q, &cursor), 2);
	q.state = NULL;
	q.model_ids = &(int64_t){1};
	q.n_models = 1;
	assert_int_equal(page(f, &q, &cursor), 0);
	q.model_ids = NULL;
	buf_init(&out, 1 << 16);
	json_out_init(&w, &out);
	q.state = "on fire";
	assert_int_equal(alert_store_query(f->pg, &q, &w, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	q.state = NULL;
	q.cursor = "nonsense";
	assert_int_equal(alert_store_query(f->pg, &q, &w, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	buf_release(&out);
}

static void test_counts_show_and_history(void **state)
{
	struct alert_store_event ev = {.event = "held",
				       .from = "pending",
				       .to = "firing",
				       .at_us = T0,
				       .note = "n"};
	struct alert_count counts[8];
	struct json_value *root;
	struct alert_row a;
	struct json_out w;
	struct buf out;
	struct err e = {0};

	FIXTURE(f, state);
	save(f, "r1", "firing");
	save(f, "r2", "firing");
	save(f, "r3", "resolved");
	assert_int_equal(alert_store_counts(f->pg, &f->model.model_id, 1,
					    counts, 8, &fixture_err),
			 2);
	assert_string_equal(counts[0].state, "firing");
	assert_string_equal(counts[0].severity, "error");
	assert_int_equal(counts[0].n, 2);
	alert_row_init(&a, f->model.model_id, "r1");
	OK(alert_store_add_event(f->pg, &a, &ev, &fixture_err));
	ev.at_us = T0 + HOUR;
	OK(alert_store_add_event(f->pg, &a, &ev, &fixture_err));
	assert_int_equal(a.last_seq, 2);
	buf_init(&out, 1 << 16);
	json_out_init(&w, &out);
	OK(alert_store_show(f->pg, a.alert_id, &w, &fixture_err));
	root = json_parse(out.data, out.len, &e);
	assert_string_equal(json_text(json_get(root, "state")), "firing");
	assert_int_equal(json_count(json_get(root, "history")), 2);
	json_free(root);
	assert_int_equal(
		alert_store_prune(f->pg, a.model_id, T0 + 1, &fixture_err), 1);
	alert_id_make(f->model.model_id, "no such rule", a.alert_id);
	assert_int_equal(alert_store_show(f->pg, a.alert_id, &w, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(alert_store_show(f->pg, "x", &w, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	buf_release(&out);
	alert_row_release(&a);
}

/* --- outbox ------------------------------------------------------------- */

static void add(struct fixture *f, const char *id, const char *alert,
		int64_t seq)
{
	const struct outbox_new m = {
		.model_id = f->model.model_id,
		.message_id = id,
		.receiver = "one",
		.alert_id = alert,
		.seq = seq,
		.body = "{}",
		.now_us = T0 + seq,
	};

	OK(outbox_add(f->pg, &m, &fixture_err));
}

static int claim(struct fixture *f, struct pg *pg, int64_t now_us,
		 struct outbox_message *m)
{
	int rc = outbox_claim(pg, f->model.model_id, "one", now_us, LEASE, m,
			      &fixture_err);

	assert_true(rc >= 0);
	return rc;
}

static int finish(struct fixture *f, struct outbox_message *m,
		  enum outbox_end end, int64_t now_us)
{
	int rc = outbox_finish(f->pg, m, end, now_us, now_us + HOUR, "why",
			       &fixture_err);

	assert_true(rc >= 0);
	return rc;
}

static void test_outbox_order(void **state)
{
	const int64_t now = T0 + HOUR;
	struct outbox_message m, n;

	FIXTURE(f, state);
	add(f, "msg_1", "a", 1);
	add(f, "msg_1", "a", 1); /* again: the same row */
	add(f, "msg_2", "a", 2);
	add(f, "msg_3", "b", 3);
	assert_int_equal(claim(f, f->pg, T0, &m), 0); /* not due yet */
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_string_equal(m.message_id, "msg_1");
	assert_string_equal(m.body, "{}");
	assert_int_equal(m.attempts, 1);
	/* The next of the same alert waits for it, that of another does not. */
	assert_int_equal(claim(f, f->pg, now, &n), 1);
	assert_string_equal(n.message_id, "msg_3");
	assert_int_equal(finish(f, &n, OUTBOX_DELIVERED, now), 1);
	outbox_message_release(&n);
	assert_int_equal(claim(f, f->pg, now, &n), 0);
	assert_int_equal(finish(f, &m, OUTBOX_RETRY, now), 1);
	assert_int_equal(claim(f, f->pg, now, &n), 0);
	outbox_message_release(&m);
	assert_int_equal(claim(f, f->pg, now + HOUR, &m), 1);
	assert_string_equal(m.message_id, "msg_1");
	assert_int_equal(m.attempts, 2);
	assert_int_equal(finish(f, &m, OUTBOX_DELIVERED, now), 1);
	outbox_message_release(&m);
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_string_equal(m.message_id, "msg_2");
	/* Not tried: as if it had not been claimed. */
	assert_int_equal(finish(f, &m, OUTBOX_RELEASE, now), 1);
	outbox_message_release(&m);
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_int_equal(m.attempts, 1);
	outbox_message_release(&m);
}

/* Whose lease ran out changes nothing any more. */
static void test_outbox_lease(void **state)
{
	const int64_t now = T0 + HOUR;
	struct outbox_message m, n;

	FIXTURE(f, state);
	add(f, "msg_1", "a", 1);
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_int_equal(claim(f, f->pg, now + LEASE - 1, &n), 0);
	assert_int_equal(claim(f, f->pg, now + LEASE, &n), 1);
	assert_int_equal(finish(f, &m, OUTBOX_DEAD, now), 0);
	assert_int_equal(finish(f, &n, OUTBOX_DELIVERED, now), 1);
	assert_int_equal(finish(f, &m, OUTBOX_RETRY, now), 0);
	assert_int_equal(finish(f, &n, OUTBOX_RETRY, now), 0);
	EXPECT_TEXT(f, "SELECT state FROM driftd.outbox WHERE model_id = $1",
		    "delivered");
	outbox_message_release(&m);
	outbox_message_release(&n);
}

/* Two at the same moment: neither waits for the other nor gets the same. */
static void test_outbox_two_claims_at_once(void **state)
{
	struct outbox_message m, n;
	struct pg *other;

	FIXTURE(f, state);
	other = pg_new(fixture_pg());
	add(f, "msg_1", "a", 1);
	add(f, "msg_2", "b", 2);
	OK(pg_begin(f->pg, &fixture_err));
	assert_int_equal(claim(f, f->pg, T0 + HOUR, &m), 1);
	assert_int_equal(claim(f, other, T0 + HOUR, &n), 1);
	assert_string_equal(m.message_id, "msg_1");
	assert_string_equal(n.message_id, "msg_2");
	outbox_message_release(&n);
	assert_int_equal(claim(f, other, T0 + HOUR, &n), 0);
	OK(pg_commit(f->pg, &fixture_err));
	outbox_message_release(&m);
	pg_free(other);
}

static void test_outbox_pairs(void **state)
{
	struct outbox_pair *pairs;
	struct outbox_message m;
	size_t n;

	FIXTURE(f, state);
	add(f, "msg_1", "a", 1);
	add(f, "msg_2", "a", HOUR);
	OK(outbox_pairs(f->pg, &f->model.model_id, 1, T0 + 1, &pairs, &n,
			&fixture_err));
	assert_int_equal(n, 1);
	assert_string_equal(pairs[0].receiver, "one");
	assert_int_equal(pairs[0].n_queued, 2);
	assert_int_equal(pairs[0].n_due, 1);
	free(pairs);
	assert_int_equal(claim(f, f->pg, T0 + 1, &m), 1);
	outbox_message_release(&m);
	OK(outbox_pairs(f->pg, &f->model.model_id, 1, T0 + 1, &pairs, &n,
			&fixture_err));
	assert_int_equal(pairs[0].n_due, 0);
	free(pairs);
	OK(outbox_pairs(f->pg, NULL, 0, T0 + 1, &pairs, &n, &fixture_err));
	assert_int_equal(n, 0);
	free(pairs);
}

static void test_outbox_dead_letters(void **state)
{
	const int64_t now = T0 + HOUR;
	struct outbox_message m;
	struct json_value *root;
	struct json_out w;
	struct buf out;
	struct err e = {0};

	FIXTURE(f, state);
	add(f, "msg_1", "a", 1);
	add(f, "msg_2", "b", 2);
	add(f, "msg_3", "c", 3);
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_int_equal(finish(f, &m, OUTBOX_DEAD, now), 1);
	outbox_message_release(&m);
	/* What is leased is not buried under its sender. */
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_int_equal(outbox_bury(f->pg, f->model.model_id, "one", now, now,
				     "removed", &fixture_err),
			 1);
	assert_int_equal(finish(f, &m, OUTBOX_DELIVERED, now), 1);
	outbox_message_release(&m);
	buf_init(&out, 1 << 16);
	json_out_init(&w, &out);
	OK(outbox_dead_letters(f->pg, f->model.model_id, 10, &w, &fixture_err));
	root = json_parse(out.data, out.len, &e);
	assert_int_equal(json_count(json_get(root, "messages")), 2);
	json_free(root);
	buf_release(&out);
	assert_int_equal(
		outbox_prune(f->pg, f->model.model_id, now, now, &fixture_err),
		0);
	assert_int_equal(outbox_prune(f->pg, f->model.model_id, now + 1, now,
				      &fixture_err),
			 1);
	assert_int_equal(outbox_replay(f->pg, f->model.model_id, NULL, now,
				       &fixture_err),
			 2);
	assert_int_equal(claim(f, f->pg, now, &m), 1);
	assert_int_equal(m.attempts, 1);
	outbox_message_release(&m);
	assert_int_equal(outbox_replay(f->pg, f->model.model_id, "msg_9", now,
				       &fixture_err),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_set_text),
		T(test_windows),
		T(test_cells_and_details),
		T(test_walk_is_bounded),
		T(test_row_round_trip),
		T(test_query),
		T(test_counts_show_and_history),
		T(test_outbox_order),
		T(test_outbox_lease),
		T(test_outbox_two_claims_at_once),
		T(test_outbox_pairs),
		T(test_outbox_dead_letters),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
