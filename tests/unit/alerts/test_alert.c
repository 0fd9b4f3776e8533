/* SPDX-License-Identifier: GPL-3.0-or-later */
/* alert: verdicts in a database to states, history and queued messages; and
 * what people do to alerts. */

#include "alerts/alert.h"

#include "alerts/alert_action.h"
#include "base/json.h"
#include "tests/unit/alerts/alert_fixture.h"

static char rule_name[] = "input_drift";
static char oncall[] = "oncall", chat[] = "chat";
static char *receivers[] = {oncall, chat};
static char listen_address[] = "127.0.0.1:8717";

static struct config_rule make_rule(int64_t k, int64_t m)
{
	return (struct config_rule){
		.name = rule_name,
		.signal = SIGNAL_INPUT,
		.k = k,
		.m = m,
		.severity = SEVERITY_CRITICAL,
		.receivers = receivers,
		.n_receivers = 1,
		.send_resolved = true,
		.repeat_interval_us = 24 * HOUR,
	};
}

static void use_rule(struct fixture *f, struct config_rule *r)
{
	f->config.rules = r;
	f->config.n_rules = 1;
	f->config.server.listen = listen_address;
}

static void step_at(struct fixture *f, int hour, int revision, int64_t now_us)
{
	const struct alert_window w = {
		.model = &f->model,
		.start_us = T0 + hour * HOUR,
		.end_us = T0 + (hour + 1) * HOUR,
		.revision = revision,
		.now_us = now_us,
	};

	OK(pg_begin(f->pg, &fixture_err));
	OK(alert_step(f->pg, &f->config, &w, &fixture_err));
	OK(pg_commit(f->pg, &fixture_err));
}

static void step(struct fixture *f, int hour, int revision)
{
	step_at(f, hour, revision, T0 + (hour + 2) * HOUR);
}

static const char state_sql[] =
	"SELECT state FROM driftd.alert WHERE model_id = $1 ORDER BY rule";
static const char types_sql[] =
	"SELECT body::json->>'type' FROM driftd.outbox WHERE model_id = $1"
	" ORDER BY seq";

#define EXPECT_STATE(f, want) EXPECT_TEXT(f, state_sql, want)
#define EXPECT_MESSAGES(f, want)                                               \
	assert_int_equal(query_int(f, "SELECT count(*) FROM driftd.outbox"     \
				      " WHERE model_id = $1"),                 \
			 want)

/* A window of one column: its result saved, then the step. */
static void window(struct fixture *f, int hour, char what)
{
	add_result(f, hour, 1, "a", "psi", what);
	step(f, hour, 1);
}

static void test_episode(void **state)
{
	struct config_rule r = make_rule(2, 3);

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, '.');
	EXPECT_STATE(f, "");
	window(f, 1, 'B');
	EXPECT_STATE(f, "pending");
	window(f, 2, '.');
	EXPECT_STATE(f, "inactive");
	EXPECT_MESSAGES(f, 0);
	window(f, 3, 'B');
	EXPECT_STATE(f, "firing");
	EXPECT_MESSAGES(f, 1);
	window(f, 4, '.');
	EXPECT_STATE(f, "resolved");
	EXPECT_TEXT(f, types_sql, "driftd.alert.firing driftd.alert.resolved");
	EXPECT_TEXT(f,
		    "SELECT event || ':' || from_state || '>' || to_state"
		    " FROM driftd.alert_event WHERE model_id = $1 ORDER BY seq",
		    "breach:inactive>pending clear:pending>inactive"
		    " held:inactive>firing clear:firing>resolved");
	/* The episode began with the first window that counted. */
	EXPECT_TEXT(f,
		    "SELECT DISTINCT body::json->'data'->>'starts_at'"
		    " FROM driftd.outbox WHERE model_id = $1",
		    "2026-01-01T01:00:00Z");
	EXPECT_TEXT(f,
		    "SELECT body::json->'data'->>'ends_at' FROM driftd.outbox"
		    " WHERE model_id = $1 ORDER BY seq",
		    "null 2026-01-01T05:00:00Z");
	EXPECT_TEXT(f,
		    "SELECT body::json->'data'->'columns'->0->>'column'"
		    " FROM driftd.outbox WHERE model_id = $1",
		    "a a");
}

static void test_new_episode_new_id(void **state)
{
	struct config_rule r = make_rule(1, 1);

	FIXTURE(f, state);
	use_rule(f, &r);
	for (int hour = 0; hour < 8; hour++)
		window(f, hour, hour % 2 ? '.' : 'B');
	EXPECT_STATE(f, "resolved");
	EXPECT_MESSAGES(f, 8);
	assert_int_equal(query_int(f, "SELECT count(DISTINCT message_id) FROM"
				      " driftd.outbox WHERE model_id = $1"),
			 8);
	assert_int_equal(query_int(f, "SELECT episode::bigint FROM driftd.alert"
				      " WHERE model_id = $1"),
			 4);
}

/* Windows that were not judged neither fire nor resolve. */
static void test_insufficient_windows(void **state)
{
	struct config_rule r = make_rule(2, 2);

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, 'B');
	for (int hour = 1; hour < 20; hour++)
		window(f, hour, 'i');
	EXPECT_STATE(f, "pending");
	window(f, 20, 'T');
	EXPECT_STATE(f, "firing");
	window(f, 21, 'i');
	EXPECT_STATE(f, "firing");
	window(f, 22, '.');
	EXPECT_STATE(f, "resolved");
}

static void test_revisions(void **state)
{
	struct config_rule r = make_rule(2, 3);

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, '.');
	window(f, 1, '.');
	window(f, 2, '.');
	window(f, 3, 'B');
	EXPECT_STATE(f, "pending");
	/* Beyond the last three: nothing. */
	add_result(f, 0, 2, "a", "psi", 'B');
	step(f, 0, 2);
	EXPECT_STATE(f, "pending");
	/* Late data shows that window 2 had moved, too. */
	add_result(f, 2, 2, "a", "psi", 'B');
	step(f, 2, 2);
	EXPECT_STATE(f, "firing");
	/* And then that window 3 had not. */
	add_result(f, 3, 2, "a", "psi", '.');
	step(f, 3, 2);
	EXPECT_STATE(f, "resolved");
	/* The same first window again is told of again: another id. */
	add_result(f, 3, 3, "a", "psi", 'B');
	step(f, 3, 3);
	EXPECT_STATE(f, "firing");
	EXPECT_TEXT(f, types_sql,
		    "driftd.alert.firing driftd.alert.resolved"
		    " driftd.alert.firing");
}

static void test_rolled_back_and_again(void **state)
{
	struct config_rule r = make_rule(1, 1);
	const struct alert_window w = {.start_us = T0,
				       .end_us = T0 + HOUR,
				       .revision = 1,
				       .now_us = T0 + 2 * HOUR};
	struct alert_window again = w;
	char *before, *after;

	FIXTURE(f, state);
	use_rule(f, &r);
	again.model = &f->model;
	add_result(f, 0, 1, "a", "psi", 'B');
	OK(pg_begin(f->pg, &fixture_err));
	OK(alert_step(f->pg, &f->config, &again, &fixture_err));
	before = query_text(f, "SELECT message_id FROM driftd.outbox"
			       " WHERE model_id = $1");
	pg_rollback(f->pg);
	EXPECT_MESSAGES(f, 0);
	again.now_us += HOUR; /* another evaluator, later */
	OK(pg_begin(f->pg, &fixture_err));
	OK(alert_step(f->pg, &f->config, &again, &fixture_err));
	OK(pg_commit(f->pg, &fixture_err));
	after = query_text(f, "SELECT message_id FROM driftd.outbox"
			      " WHERE model_id = $1");
	assert_string_equal(before, after);
	/* The same step once more says nothing new. */
	step(f, 0, 1);
	EXPECT_MESSAGES(f, 1);
	free(before);
	free(after);
}

static void test_metric_and_share(void **state)
{
	static char metric[] = "js";
	struct config_rule r = make_rule(1, 1);

	FIXTURE(f, state);
	use_rule(f, &r);
	r.metric = metric;
	add_result(f, 0, 1, "a", "psi", 'B');
	add_result(f, 0, 1, "a", "js", '.');
	step(f, 0, 1);
	EXPECT_STATE(f, "");
	r.metric = NULL;
	r.share = 0.5;
	add_result(f, 1, 1, "a", "psi", 'B');
	add_result(f, 1, 1, "a", "js", '.');
	add_result(f, 1, 1, "b", "psi", '.');
	add_result(f, 1, 1, "c", "psi", '.');
	add_result(f, 1, 1, "__model__", "drifted_columns_share", 'B');
	step(f, 1, 1);
	EXPECT_STATE(f, "");
	add_result(f, 1, 2, "a", "psi", 'B');
	add_result(f, 1, 2, "b", "psi", 'B');
	add_result(f, 1, 2, "c", "psi", '.');
	step(f, 1, 2);
	EXPECT_STATE(f, "firing");
	EXPECT_TEXT(f,
		    "SELECT columns_total::text FROM driftd.alert"
		    " WHERE model_id = $1",
		    "2");
}

static void test_repeat(void **state)
{
	struct config_rule r = make_rule(1, 1);
	int64_t now = T0 + 100 * HOUR;

	FIXTURE(f, state);
	use_rule(f, &r);
	r.n_receivers = 2;
	add_result(f, 0, 1, "a", "psi", 'B');
	step_at(f, 0, 1, now);
	EXPECT_MESSAGES(f, 2);
	add_result(f, 1, 1, "a", "psi", 'B');
	step_at(f, 1, 1, now + 24 * HOUR - 1);
	EXPECT_MESSAGES(f, 2);
	add_result(f, 2, 1, "a", "psi", 'B');
	step_at(f, 2, 1, now + 24 * HOUR);
	EXPECT_MESSAGES(f, 4);
	EXPECT_TEXT(f,
		    "SELECT DISTINCT body::json->>'type' FROM driftd.outbox"
		    " WHERE model_id = $1",
		    "driftd.alert.firing");
}

static char *alert_id(struct fixture *f)
{
	return query_text(f, "SELECT alert_id FROM driftd.alert"
			     " WHERE model_id = $1");
}

static void test_ack(void **state)
{
	struct config_rule r = make_rule(1, 1);
	struct err e = {0};
	char *id;

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, 'B');
	id = alert_id(f);
	OK(alert_ack(f->pg, &f->config, id, "ann", &fixture_err));
	OK(alert_ack(f->pg, &f->config, id, "bob", &fixture_err));
	EXPECT_STATE(f, "acknowledged");
	EXPECT_TEXT(f,
		    "SELECT acknowledged_by FROM driftd.alert"
		    " WHERE model_id = $1",
		    "ann");
	/* No reminders; but the end is told. */
	add_result(f, 1, 1, "a", "psi", 'B');
	step_at(f, 1, 1, T0 + 1000 * HOUR);
	EXPECT_STATE(f, "acknowledged");
	EXPECT_MESSAGES(f, 1);
	window(f, 2, '.');
	EXPECT_TEXT(f, types_sql, "driftd.alert.firing driftd.alert.resolved");
	assert_int_equal(alert_ack(f->pg, &f->config, id, "ann", &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	id[31] = id[31] == '0' ? '1' : '0';
	assert_int_equal(alert_ack(f->pg, &f->config, id, "ann", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(alert_ack(f->pg, &f->config, "'; --", "ann", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	/* The next episode is nobody's. */
	window(f, 3, 'B');
	EXPECT_STATE(f, "firing");
	EXPECT_TEXT(f,
		    "SELECT acknowledged_by FROM driftd.alert"
		    " WHERE model_id = $1",
		    "null");
	free(id);
}

static void test_silence(void **state)
{
	struct config_rule r = make_rule(1, 1);
	int64_t now = clock_wall_us();
	char *id;

	FIXTURE(f, state);
	use_rule(f, &r);
	add_result(f, 0, 1, "a", "psi", 'B');
	step_at(f, 0, 1, now);
	add_result(f, 1, 1, "a", "psi", '.');
	step_at(f, 1, 1, now);
	EXPECT_MESSAGES(f, 2);
	id = alert_id(f);
	OK(alert_silence(f->pg, &f->config, id, now + 10 * HOUR, "ann",
			 &fixture_err));
	add_result(f, 2, 1, "a", "psi", 'B');
	step_at(f, 2, 1, now + HOUR);
	EXPECT_STATE(f, "firing");
	EXPECT_MESSAGES(f, 2);
	EXPECT_TEXT(f,
		    "SELECT note FROM driftd.alert_event WHERE model_id = $1"
		    " AND to_state = 'firing' ORDER BY seq",
		    "null silenced");
	/* What began in silence is told of when the silence is over. */
	add_result(f, 3, 1, "a", "psi", 'B');
	step_at(f, 3, 1, now + 11 * HOUR);
	EXPECT_MESSAGES(f, 3);
	/* Nor is an end in silence told. */
	OK(alert_silence(f->pg, &f->config, id, now + 20 * HOUR, "ann",
			 &fixture_err));
	add_result(f, 4, 1, "a", "psi", '.');
	step_at(f, 4, 1, now + 12 * HOUR);
	EXPECT_STATE(f, "resolved");
	EXPECT_MESSAGES(f, 3);
	OK(alert_silence(f->pg, &f->config, id, INT64_MIN, "ann",
			 &fixture_err));
	EXPECT_TEXT(f,
		    "SELECT coalesce(silenced_by, 'nobody') FROM driftd.alert"
		    " WHERE model_id = $1",
		    "nobody");
	free(id);
}

static void test_resolve_by_hand(void **state)
{
	struct config_rule r = make_rule(2, 5);
	char *id;

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, 'B');
	window(f, 1, 'B');
	EXPECT_STATE(f, "firing");
	id = alert_id(f);
	OK(alert_resolve(f->pg, &f->config, id, "ann", &fixture_err));
	OK(alert_resolve(f->pg, &f->config, id, "ann", &fixture_err));
	EXPECT_STATE(f, "resolved");
	EXPECT_TEXT(f, types_sql, "driftd.alert.firing driftd.alert.resolved");
	/* Old windows are settled: it takes new evidence. */
	window(f, 2, '.');
	EXPECT_STATE(f, "resolved");
	window(f, 3, 'B');
	EXPECT_STATE(f, "pending");
	window(f, 4, 'B');
	EXPECT_STATE(f, "firing");
	EXPECT_MESSAGES(f, 3);
	free(id);
}

static void test_rule_removed(void **state)
{
	struct config_rule r = make_rule(1, 1);

	FIXTURE(f, state);
	use_rule(f, &r);
	window(f, 0, 'B');
	f->config.n_rules = 0;
	window(f, 1, 'B');
	EXPECT_STATE(f, "resolved");
	EXPECT_TEXT(f,
		    "SELECT note FROM driftd.alert_event WHERE model_id = $1"
		    " ORDER BY seq DESC LIMIT 1",
		    "its rule was removed");
	f->config.n_rules = 1;
	window(f, 2, 'B');
	EXPECT_STATE(f, "firing");
	EXPECT_TEXT(f, types_sql, "driftd.alert.firing driftd.alert.firing");
}

/* Whatever is drawn: the state agrees with the rule told in plain words. */
static void test_random_histories(void **state)
{
	static const char *const names[] = {"inactive", "pending", "firing",
					    "resolved"};
	struct config_rule r = make_rule(2, 3);
	char seen[64] = "";
	uint64_t seed;
	int now = 0;

	FIXTURE(f, state);
	use_rule(f, &r);
	random_bytes(&seed, sizeof(seed));
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int hour = 0; hour < 40; hour++) {
		const char what =
			".Bi.B"[hash64(&(uint64_t){seed + (uint64_t)hour},
				       sizeof(seed)) %
				5];
		size_t n = strlen(seen);
		int breaches = 0;

		window(f, hour, what);
		if (what != 'i')
			seen[n++] = what;
		for (size_t i = n > 3 ? n - 3 : 0; i < n; i++)
			breaches += seen[i] == 'B';
		if (what == 'i')
			continue;
		if (breaches >= 2)
			now = 2;
		else if (what == 'B' && now != 2)
			now = 1;
		else if (what == '.')
			now = now == 2 ? 3 : now == 3 ? 3 : 0;
		if (query_int(f, "SELECT count(*) FROM driftd.alert"
				 " WHERE model_id = $1") > 0)
			EXPECT_STATE(f, names[now]);
		else
			assert_int_equal(now, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(test_episode),
		T(test_new_episode_new_id),
		T(test_insufficient_windows),
		T(test_revisions),
		T(test_rolled_back_and_again),
		T(test_metric_and_share),
		T(test_repeat),
		T(test_ack),
		T(test_silence),
		T(test_resolve_by_hand),
		T(test_rule_removed),
		T(test_random_histories),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
