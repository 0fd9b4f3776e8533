/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pg_connect - opening the connection without ever blocking beyond the
 * deadline, and not more often than the back-off allows.
 *
 * The one thing libpq does not do asynchronously is resolving a host name: a
 * dsn with a name waits for the resolver, one with an address or a socket
 * directory does not.
 */
#include "storage/pg.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "storage/pg_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { CONNINFO_MAX = 64, SETTINGS_MAX = 1024 };

struct conninfo {
	const char *keys[CONNINFO_MAX + 1];
	const char *values[CONNINFO_MAX + 1];
	int n;
};

/* libpq takes the last of equal keys; what the dsn says wins over ours. */
static void conninfo_put(struct conninfo *c, const char *key, const char *value)
{
	for (int i = 0; i < c->n; i++)
		if (strcmp(c->keys[i], key) == 0)
			return;
	if (c->n == CONNINFO_MAX)
		return;
	c->keys[c->n] = key;
	c->values[c->n] = value;
	c->n++;
}

static void drop_notice(void *arg, const char *message)
{
	(void)arg;
	log_debug("pg", "%.*s", (int)strcspn(message, "\n"), message);
}

static PGconn *start(struct pg *pg, struct err *e)
{
	struct conninfo c = {.n = 0};
	PQconninfoOption *options;
	PGconn *conn;
	struct buf user_timeout;

	options = PQconninfoParse(pg->dsn, NULL);
	if (!options) {
		/* Its message may quote a password: not repeated. */
		err_set(e, ERR_INVALID, "the dsn cannot be parsed");
		return NULL;
	}
	buf_init(&user_timeout, 32);
	buf_printf(&user_timeout, "%lld",
		   (long long)(pg->statement_timeout_us / 1000));
	for (const PQconninfoOption *o = options; o->keyword; o++)
		if (o->val)
			conninfo_put(&c, o->keyword, o->val);
	conninfo_put(&c, "application_name", pg->application);
	conninfo_put(&c, "client_encoding", "UTF8");
	conninfo_put(&c, "keepalives_idle", "30");
	conninfo_put(&c, "keepalives_interval", "10");
	conninfo_put(&c, "keepalives_count", "3");
	conninfo_put(&c, "tcp_user_timeout", buf_str(&user_timeout));
	conn = PQconnectStartParams(c.keys, c.values, 0);
	buf_release(&user_timeout);
	PQconninfoFree(options);
	if (!conn)
		err_set(e, ERR_UNAVAILABLE,
			"cannot connect to the database: out of memory");
	return conn;
}

/* libpq's messages may be several lines and end with a newline. */
static int connect_error(struct pg *pg, struct err *e)
{
	const char *text = PQerrorMessage(pg->conn);
	size_t len = strcspn(text, "\n");

	return err_set(e, ERR_UNAVAILABLE, "%.*s", (int)len, text);
}

static int shake_hands(struct pg *pg, int64_t deadline_us, struct err *e)
{
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	if (PQstatus(pg->conn) == CONNECTION_BAD)
		return connect_error(pg, e);
	while (state != PGRES_POLLING_OK) {
		short events = POLLIN;

		if (state == PGRES_POLLING_FAILED)
			return connect_error(pg, e);
		if (state == PGRES_POLLING_WRITING)
			events = POLLOUT;
		if (pg_wait(pg, events, deadline_us, e))
			return -1;
		state = PQconnectPoll(pg->conn);
	}
	if (PQsetnonblocking(pg->conn, 1))
		return err_set(e, ERR_UNAVAILABLE,
			       "cannot make the connection non-blocking");
	PQsetNoticeProcessor(pg->conn, drop_notice, NULL);
	return 0;
}

/* All settings in one round trip. */
static int configure(struct pg *pg, int64_t deadline_us, struct err *e)
{
	long long statement = pg->statement_timeout_us / 1000;
	long long idle = statement < 15000 ? 30000 : 2 * statement;
	struct buf sql;
	PGresult *r;
	int sent;

	if (statement < 2)
		statement = 2;
	buf_init(&sql, SETTINGS_MAX);
	buf_printf(&sql,
		   "SET timezone = 'UTC'; SET jit = off; "
		   "SET default_transaction_isolation = 'read committed'; "
		   "SET synchronous_commit = on; "
		   "SET client_min_messages = warning; "
		   "SET statement_timeout = %lld; SET lock_timeout = %lld; "
		   "SET idle_in_transaction_session_timeout = %lld",
		   statement, statement / 2, idle);
	sent = PQsendQuery(pg->conn, buf_str(&sql));
	buf_release(&sql);
	if (!sent)
		return connect_error(pg, e);
	r = pg_finish(pg, deadline_us, e);
	if (!r)
		return -1;
	PQclear(r);
	return 0;
}

static int attempt(struct pg *pg, struct err *e)
{
	int64_t deadline = clock_monotonic_us() + pg->connect_timeout_us;

	pg->conn = start(pg, e);
	if (!pg->conn)
		return -1;
	if (shake_hands(pg, deadline, e))
		return -1;
	memset(pg->prepared, 0, sizeof(pg->prepared));
	return configure(pg, deadline, e);
}

int pg_connect(struct pg *pg, struct err *e)
{
	struct err why = {.code = ERR_NONE};

	if (pg_is_connected(pg))
		return 0;
	if (pg->in_transaction)
		return err_set(e, ERR_UNAVAILABLE,
			       "the connection was lost inside a transaction: "
			       "%s",
			       pg->last_reason);
	if (pg->conn) {
		err_set(&why, ERR_UNAVAILABLE, "the connection was lost");
		pg_fail(pg, &why);
	}
	if (clock_monotonic_us() < pg->next_attempt_us)
		return err_set(e, ERR_UNAVAILABLE, "%s", pg->last_reason);
	if (attempt(pg, &why) == 0)
		return 0;
	err_wrap(&why, "cannot connect to the database");
	pg_fail(pg, &why);
	if (e)
		*e = why;
	return -1;
}
