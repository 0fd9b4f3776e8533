/* SPDX-License-Identifier: GPL-3.0-or-later */
/* notifier: from a real outbox to receivers that answer as they please. */

#include "alerts/notifier.h"

#include "alerts/backoff.h"
#include "alerts/receiver.h"
#include "tests/unit/alerts/alert_fixture.h"
#include "tests/unit/alerts/test_server.h"

#include <stdio.h>

#define SECRET "whsec_c2Vjb25kIGtleSwgMjUgYnl0ZXMgbG9uZw=="

struct running {
	struct notifier *notifier;
	pthread_t thread;
};

struct world {
	struct fixture *f;
	struct test_server *one, *two;
	int64_t seq;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	void *f = NULL;

	fixture_setup(&f);
	w->f = f;
	if (f) {
		w->one = test_server_new();
		w->two = test_server_new();
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	if (f) {
		test_server_free(w->one);
		test_server_free(w->two);
		fixture_teardown(&f);
	}
	free(w);
	return 0;
}

#define WORLD(w, state)                                                        \
	struct world *w = *(state);                                            \
	if (!w->f)                                                             \
	skip()

/* The world's model and the receivers `one` and, unless 0, `two`. */
static struct config *load_config(const struct world *w, const char *more,
				  bool both)
{
	char path[] = "/tmp/driftd-notifier-XXXXXX";
	struct config *c;
	struct buf text;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	buf_init(&text, 1 << 16);
	buf_printf(&text,
		   "storage: {dsn: \"dbname=x\"}\n"
		   "journal: {dir: /tmp/driftd-notifier}\n"
		   "alerts:\n  receivers:\n"
		   "    - {name: one, type: webhook, secret: \"" SECRET "\","
		   " url: \"http://127.0.0.1:%d/\", allow_private: true%s}\n",
		   w->one->port, more);
	if (both)
		buf_printf(&text,
			   "    - {name: two, type: webhook, secret: \"" SECRET
			   "\", url: \"http://127.0.0.1:%d/\","
			   " allow_private: true}\n",
			   w->two->port);
	buf_printf(&text, "models:\n  - {name: %s, features: {numeric: [a]}}\n",
		   w->f->name);
	assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
	close(fd);
	buf_release(&text);
	memset(&fixture_err, 0, sizeof(fixture_err));
	c = config_load(path, &fixture_err);
	unlink(path);
	if (!c)
		fail_msg("%s", fixture_err.message);
	assert_int_equal(c->models[0].model_id, w->f->model.model_id);
	return c;
}

static void *run_main(void *arg)
{
	notifier_run(arg);
	return NULL;
}

static void start_at(struct running *r, const struct pg_options *pg,
		     struct config *c)
{
	r->notifier = notifier_new(pg, c);
	config_unref(c);
	assert_int_equal(
		pthread_create(&r->thread, NULL, run_main, r->notifier), 0);
}

static void start(struct running *r, struct config *c)
{
	start_at(r, fixture_pg(), c);
}

static void stop(struct running *r)
{
	int64_t begun = clock_monotonic_us();

	notifier_stop(r->notifier);
	pthread_join(r->thread, NULL);
	assert_true(clock_monotonic_us() - begun < 2 * CLOCK_SECOND_US);
	notifier_free(r->notifier);
}

/* Message ${id} of alert ${alert}, the body of which is the id. */
static void queue(struct world *w, const char *receiver, const char *alert,
		  const char *id)
{
	struct outbox_new m = {
		.model_id = w->f->model.model_id,
		.message_id = id,
		.receiver = receiver,
		.alert_id = alert,
		.seq = ++w->seq,
		.body = id,
	};

	OK(alert_store_now(w->f->pg, &m.now_us, &fixture_err));
	OK(outbox_add(w->f->pg, &m, &fixture_err));
}

/* Wait until the query says ${want}; at most ten seconds. */
static void await(struct world *w, const char *sql, int64_t want)
{
	int64_t deadline = clock_monotonic_us() + 10 * CLOCK_SECOND_US, got;

	while ((got = query_int(w->f, sql)) != want) {
		if (clock_monotonic_us() > deadline)
			fail_msg("%s: %lld, not %lld", sql, (long long)got,
				 (long long)want);
		clock_sleep_us(10000);
	}
}

#define COUNT	  "SELECT count(*) FROM driftd.outbox WHERE model_id = $1 AND "
#define DELIVERED COUNT "state = 'delivered'"
#define DEAD	  COUNT "state = 'dead'"
#define FAILED_ONCE                                                            \
	COUNT "state = 'queued' AND attempts = 1"                              \
	      " AND leased_until IS NULL"

/* What waits for its time is due at once. */
static void make_due(struct world *w, struct running *r)
{
	query_int(w->f, "UPDATE driftd.outbox SET next_attempt_at ="
			" '2000-01-01' WHERE model_id = $1"
			" AND state = 'queued' RETURNING attempts");
	notifier_wake(r->notifier);
}

static void expect_body(struct test_server *s, size_t i, const char *want)
{
	pthread_mutex_lock(&s->lock);
	assert_true(i < s->n_requests);
	assert_string_equal(s->requests[i].body, want);
	pthread_mutex_unlock(&s->lock);
}

/* Request ${i} carries its body's id and a signature that holds. */
static void verify(struct test_server *s, size_t i)
{
	const struct test_request *q = &s->requests[i];
	char *id = test_header(q->head, "webhook-id");
	char *timestamp = test_header(q->head, "webhook-timestamp");
	char *signature = test_header(q->head, "webhook-signature");
	struct err e = {0};
	struct buf want;

	buf_init(&want, 1024);
	assert_string_equal(id, q->body);
	assert_int_equal(webhook_sign(SECRET, id, strtoll(timestamp, NULL, 10),
				      q->body, strlen(q->body), &want, &e),
			 0);
	assert_string_equal(signature, buf_str(&want));
	buf_release(&want);
	free(id);
	free(timestamp);
	free(signature);
}

static void test_in_order(void **state)
{
	struct running r;

	WORLD(w, state);
	queue(w, "one", "a", "msg_a1");
	queue(w, "one", "a", "msg_a2");
	queue(w, "two", "a", "msg_a1");
	queue(w, "one", "a", "msg_a3");
	start(&r, load_config(w, "", true));
	await(w, DELIVERED, 4);
	expect_body(w->one, 0, "msg_a1");
	expect_body(w->one, 1, "msg_a2");
	expect_body(w->one, 2, "msg_a3");
	expect_body(w->two, 0, "msg_a1");
	for (size_t i = 0; i < 3; i++)
		verify(w->one, i);
	stop(&r);
	assert_int_equal(test_server_count(w->one), 3);
}

static void test_retry_keeps_order_and_id(void **state)
{
	static const int statuses[] = {500, 200};
	struct running r;
	int64_t wait_us;

	WORLD(w, state);
	test_server_say(w->one, statuses, 2);
	queue(w, "one", "a", "msg_1");
	queue(w, "one", "a", "msg_2");
	start(&r, load_config(w, "", false));
	await(w, FAILED_ONCE, 1);
	wait_us = query_int(w->f,
			    "SELECT (1e6 * extract(epoch FROM next_attempt_at"
			    " - updated_at))::bigint FROM driftd.outbox"
			    " WHERE model_id = $1 AND attempts = 1");
	assert_in_range(wait_us, 0, BACKOFF_BASE_US);
	EXPECT_TEXT(w->f,
		    "SELECT last_error FROM driftd.outbox"
		    " WHERE model_id = $1 AND attempts = 1",
		    "the receiver answered 500");
	make_due(w, &r);
	await(w, DELIVERED, 2);
	stop(&r);
	expect_body(w->one, 0, "msg_1");
	expect_body(w->one, 1, "msg_1");
	expect_body(w->one, 2, "msg_2");
}

/* Cut before the reply: the same id again, signed anew. */
static void test_cut_before_reply(void **state)
{
	struct running r;

	WORLD(w, state);
	atomic_store(&w->one->mode, MODE_CUT);
	queue(w, "one", "a", "msg_1");
	start(&r, load_config(w, "", false));
	await(w, FAILED_ONCE, 1);
	clock_sleep_us(1100000); /* another second of webhook-timestamp */
	atomic_store(&w->one->mode, MODE_ANSWER);
	make_due(w, &r);
	await(w, DELIVERED, 1);
	stop(&r);
	for (size_t i = 0; i < test_server_count(w->one); i++) {
		verify(w->one, i);
		expect_body(w->one, i, "msg_1");
	}
	assert_in_range(test_server_count(w->one), 2, 4);
}

static void test_dead_letters(void **state)
{
	static const int not_found = 404, good = 200;
	struct notifier_counts counts[4];
	struct running r;
	int64_t now;

	WORLD(w, state);
	test_server_say(w->one, &not_found, 1);
	queue(w, "one", "a", "msg_1");
	queue(w, "one", "a", "msg_2");
	start(&r, load_config(w, "", false));
	await(w, DEAD, 2);
	assert_int_equal(test_server_count(w->one), 2);
	/* Replayed, they go out once more under the same id. */
	test_server_say(w->one, &good, 1);
	OK(alert_store_now(w->f->pg, &now, &fixture_err));
	assert_int_equal(outbox_replay(w->f->pg, w->f->model.model_id, "msg_1",
				       now, &fixture_err),
			 1);
	notifier_wake(r.notifier);
	await(w, DELIVERED, 1);
	expect_body(w->one, 2, "msg_1");
	assert_int_equal(notifier_get_counts(r.notifier, counts, 4), 1);
	assert_string_equal(counts[0].receiver, "one");
	assert_int_equal(counts[0].delivered, 1);
	assert_int_equal(counts[0].dead, 2);
	assert_int_equal(counts[0].failed, 0);
	stop(&r);
}

static void test_attempts_run_out(void **state)
{
	static const int status = 307;
	struct running r;

	WORLD(w, state);
	test_server_say(w->one, &status, 1);
	queue(w, "one", "a", "msg_1");
	start(&r, load_config(w, ", max_attempts: 2", false));
	await(w, FAILED_ONCE, 1);
	make_due(w, &r);
	await(w, DEAD, 1);
	stop(&r);
	assert_int_equal(test_server_count(w->one), 2);
}

static void test_gone(void **state)
{
	static const int gone = 410, good = 200;
	struct config *c;
	struct running r;

	WORLD(w, state);
	test_server_say(w->one, &gone, 1);
	queue(w, "one", "a", "msg_1");
	queue(w, "one", "b", "msg_2");
	queue(w, "one", "c", "msg_3");
	start(&r, load_config(w, "", false));
	await(w, DEAD, 3);
	/* It was asked once; until the next configuration it is let be. */
	assert_int_equal(test_server_count(w->one), 1);
	test_server_say(w->one, &good, 1);
	c = load_config(w, "", false);
	notifier_set_config(r.notifier, c);
	config_unref(c);
	queue(w, "one", "a", "msg_4");
	notifier_wake(r.notifier);
	await(w, DELIVERED, 1);
	stop(&r);
}

static void test_retry_after(void **state)
{
	static const int status = 429;
	struct running r;

	WORLD(w, state);
	memcpy(w->one->extra, "Retry-After: 120\r\n", 19);
	test_server_say(w->one, &status, 1);
	queue(w, "one", "a", "msg_1");
	start(&r, load_config(w, "", false));
	await(w, FAILED_ONCE, 1);
	stop(&r);
	assert_int_equal(query_int(w->f,
				   "SELECT extract(epoch FROM next_attempt_at"
				   " - updated_at)::bigint FROM driftd.outbox"
				   " WHERE model_id = $1"),
			 120);
}

static void test_breaker_opens(void **state)
{
	static const int status = 503;
	struct running r;

	WORLD(w, state);
	test_server_say(w->one, &status, 1);
	for (int i = 0; i < 20; i++) {
		char id[] = "msg_a";

		id[4] = (char)('a' + i);
		queue(w, "one", id, id);
	}
	start(&r, load_config(w, "", false));
	await(w, FAILED_ONCE, BREAKER_FAILURES);
	make_due(w, &r);
	clock_sleep_us(1500000);
	stop(&r);
	assert_int_equal(test_server_count(w->one), BREAKER_FAILURES);
	/* Those that were held back have used up no attempt. */
	assert_int_equal(query_int(w->f, COUNT "attempts = 0"),
			 20 - BREAKER_FAILURES);
}

/* A receiver that never answers holds up nobody but itself. */
static void test_slow_receiver(void **state)
{
	struct running r;
	int64_t begun;

	WORLD(w, state);
	atomic_store(&w->one->mode, MODE_SILENT);
	for (int i = 0; i < 5; i++) {
		char id[] = "msg_0";

		id[4] = (char)('0' + i);
		queue(w, "one", id, id);
		queue(w, "two", id, id);
	}
	begun = clock_monotonic_us();
	start(&r, load_config(w, "", true));
	await(w, DELIVERED, 5);
	assert_true(clock_monotonic_us() - begun < 5 * CLOCK_SECOND_US);
	assert_int_equal(test_server_count(w->one), 1);
	/* In the middle of a transfer: it ends, and the lease is given back. */
	stop(&r);
	assert_int_equal(query_int(w->f,
				   COUNT "receiver = 'one' AND attempts = 0"
					 " AND leased_until IS NULL"),
			 5);
}

static void test_two_notifiers(void **state)
{
	enum { ALERTS = 8, EACH = 6 };
	struct running r[2];
	int next[ALERTS] = {0};

	WORLD(w, state);
	atomic_store(&w->one->delay_ms, 2);
	for (int k = 0; k < EACH; k++)
		for (int a = 0; a < ALERTS; a++) {
			char id[] = "msg_aa", alert[] = "a";

			id[4] = alert[0] = (char)('a' + a);
			id[5] = (char)('0' + k);
			queue(w, "one", alert, id);
		}
	start(&r[0], load_config(w, "", false));
	start(&r[1], load_config(w, "", false));
	await(w, DELIVERED, ALERTS * EACH);
	stop(&r[0]);
	stop(&r[1]);
	/* Each once, and each alert's in order. */
	assert_int_equal(test_server_count(w->one), ALERTS * EACH);
	for (size_t i = 0; i < ALERTS * EACH; i++) {
		const char *body = w->one->requests[i].body;

		assert_int_equal(body[5] - '0', next[body[4] - 'a']++);
		verify(w->one, i);
	}
}

static void test_restart_before_resolved(void **state)
{
	struct running r;

	WORLD(w, state);
	queue(w, "one", "a", "msg_firing");
	start(&r, load_config(w, "", false));
	await(w, DELIVERED, 1);
	stop(&r);
	queue(w, "one", "a", "msg_resolved");
	start(&r, load_config(w, "", false));
	await(w, DELIVERED, 2);
	stop(&r);
	expect_body(w->one, 1, "msg_resolved");
	assert_int_equal(test_server_count(w->one), 2);
}

static void test_receiver_removed(void **state)
{
	struct running r;
	struct config *c;

	WORLD(w, state);
	start(&r, load_config(w, "", true));
	queue(w, "two", "a", "msg_1");
	notifier_wake(r.notifier);
	await(w, DELIVERED, 1);
	c = load_config(w, "", false);
	notifier_set_config(r.notifier, c);
	config_unref(c);
	queue(w, "two", "a", "msg_2");
	queue(w, "two", "b", "msg_3");
	/* It may be that the newest configuration is not here yet. */
	query_int(w->f, "UPDATE driftd.outbox SET created_at = created_at"
			" - interval '2 minutes' WHERE model_id = $1"
			" AND message_id = 'msg_2' RETURNING attempts");
	notifier_wake(r.notifier);
	await(w, DEAD, 1);
	EXPECT_TEXT(w->f,
		    "SELECT message_id || ': ' || last_error FROM"
		    " driftd.outbox WHERE model_id = $1 AND state = 'dead'",
		    "msg_2: the receiver is not configured");
	assert_int_equal(query_int(w->f, COUNT "state = 'queued'"), 1);
	stop(&r);
}

/* Nobody there: it waits, and ends when it is told to. */
static void test_database_away(void **state)
{
	struct pg_options pg = *fixture_pg();
	struct running r;

	WORLD(w, state);
	pg.dsn = "host=/nonexistent dbname=x";
	start_at(&r, &pg, load_config(w, "", true));
	clock_sleep_us(300000);
	notifier_wake(r.notifier);
	clock_sleep_us(300000);
	stop(&r);
}

/* The connection is lost again and again; everything arrives, in order. */
static void test_connection_lost(void **state)
{
	enum { N = 6 };
	struct pg_options pg = *fixture_pg();
	struct running r;

	WORLD(w, state);
	pg.application = w->f->name;
	start_at(&r, &pg, load_config(w, "", false));
	for (int i = 0; i < N; i++) {
		char id[] = "msg_0";

		id[4] = (char)('0' + i);
		queue(w, "one", "a", id);
		notifier_wake(r.notifier);
		query_int(w->f, "SELECT count(pg_terminate_backend(s.pid))"
				" FROM pg_stat_activity s, driftd.model m"
				" WHERE m.model_id = $1"
				" AND s.application_name = m.name");
	}
	/* What was claimed when its connection broke waits for the lease. */
	query_int(w->f, "UPDATE driftd.outbox SET leased_until = '2000-01-01'"
			" WHERE model_id = $1 RETURNING attempts");
	await(w, DELIVERED, N);
	stop(&r);
	assert_true(test_server_count(w->one) >= N);
	for (size_t i = 1; i < test_server_count(w->one); i++)
		assert_true(strcmp(w->one->requests[i - 1].body,
				   w->one->requests[i].body) <= 0);
}

/* A database that takes connections and says nothing. */
static void test_database_mute(void **state)
{
	struct pg_options pg = *fixture_pg();
	struct running r;
	struct buf dsn;

	WORLD(w, state);
	atomic_store(&w->two->mode, MODE_SILENT);
	buf_init(&dsn, 256);
	buf_printf(&dsn,
		   "host=127.0.0.1 port=%d dbname=x user=x sslmode=disable",
		   w->two->port);
	pg.dsn = buf_str(&dsn);
	start_at(&r, &pg, load_config(w, "", false));
	clock_sleep_us(200000);
	stop(&r);
	buf_release(&dsn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_in_order),
		T(test_retry_keeps_order_and_id),
		T(test_cut_before_reply),
		T(test_dead_letters),
		T(test_attempts_run_out),
		T(test_gone),
		T(test_retry_after),
		T(test_breaker_opens),
		T(test_slow_receiver),
		T(test_two_notifiers),
		T(test_restart_before_resolved),
		T(test_receiver_removed),
		T(test_database_away),
		T(test_connection_lost),
		T(test_database_mute),
#undef T
	};
	/* A first retry is five seconds away: make_due decides when. */
	static const uint64_t late = 2 * BACKOFF_BASE_US;

	backoff_fix_random(&late);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
