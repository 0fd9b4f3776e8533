/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pg - one connection: its life, its transactions, and waiting for it.
 */
#include "storage/pg.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/pg_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct pg *pg_new(const struct pg_options *o)
{
	struct pg *pg = xcalloc(1, sizeof(*pg));

	pg->dsn = xstrdup(o->dsn ? o->dsn : "");
	pg->application = xstrdup(o->application ? o->application : "driftd");
	pg->connect_timeout_us = o->connect_timeout_us;
	pg->statement_timeout_us = o->statement_timeout_us;
	pg->statements = dict_new(PG_STATEMENTS_MAX, 0);
	pg->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pg;
}

void pg_free(struct pg *pg)
{
	if (!pg)
		return;
	pg_disconnect(pg);
	if (pg->wake_fd >= 0)
		close(pg->wake_fd);
	dict_free(pg->statements);
	free(pg->application);
	free(pg->dsn);
	free(pg);
}

void pg_disconnect(struct pg *pg)
{
	if (!pg->conn)
		return;
	PQfinish(pg->conn);
	pg->conn = NULL;
}

bool pg_is_connected(const struct pg *pg)
{
	return pg->conn && PQstatus(pg->conn) == CONNECTION_OK;
}

void pg_interrupt(struct pg *pg)
{
	uint64_t one = 1;
	ssize_t n = write(pg->wake_fd, &one, sizeof(one));

	(void)n; /* full means that it is readable already */
}

/* Full jitter: uniform in [0, cap), the cap doubling with each failure. */
static int64_t backoff_us(unsigned n_failures)
{
	int64_t cap = PG_BACKOFF_MIN_US;
	uint64_t r;

	while (n_failures-- > 1 && cap < PG_BACKOFF_MAX_US)
		cap *= 2;
	if (cap > PG_BACKOFF_MAX_US)
		cap = PG_BACKOFF_MAX_US;
	random_bytes(&r, sizeof(r));
	return (int64_t)(r % (uint64_t)cap);
}

void pg_fail(struct pg *pg, const struct err *e)
{
	size_t len = strnlen(e->message, sizeof(pg->last_reason) - 1);

	memcpy(pg->last_reason, e->message, len);
	pg->last_reason[len] = '\0';
	if (pg->n_failures < 32)
		pg->n_failures++;
	pg->next_attempt_us = clock_monotonic_us() + backoff_us(pg->n_failures);
	if (!pg->conn)
		return;
	/* A stopped server must not keep PQfinish waiting for anything. */
	if (PQsocket(pg->conn) >= 0)
		shutdown(PQsocket(pg->conn), SHUT_RDWR);
	PQfinish(pg->conn);
	pg->conn = NULL;
}

int64_t pg_deadline(const struct pg *pg)
{
	/* A little longer than the server's own timeout, whose answer keeps
	 * the connection. */
	int64_t grace = pg->connect_timeout_us / 2;

	if (grace > CLOCK_SECOND_US)
		grace = CLOCK_SECOND_US;
	return clock_monotonic_us() + pg->statement_timeout_us + grace;
}

static int wait_ms(int64_t left_us)
{
	int64_t ms = left_us / 1000 + 1;

	return ms > 60000 ? 60000 : (int)ms;
}

int pg_wait(struct pg *pg, short events, int64_t deadline_us, struct err *e)
{
	for (;;) {
		struct pollfd fds[2] = {
			{.fd = PQsocket(pg->conn), .events = events},
			{.fd = pg->wake_fd, .events = POLLIN},
		};
		int64_t left = deadline_us - clock_monotonic_us();
		uint64_t count;
		int n;

		if (left <= 0)
			return err_set(e, ERR_UNAVAILABLE,
				       "the database did not answer in time");
		n = poll(fds, 2, wait_ms(left));
		if (n < 0 && errno != EINTR) {
			err_errno(e, "cannot wait for the database");
			e->code = ERR_UNAVAILABLE;
			return -1;
		}
		if (n <= 0)
			continue;
		if (fds[1].revents) {
			ssize_t got = read(pg->wake_fd, &count, sizeof(count));

			(void)got;
			return err_set(e, ERR_UNAVAILABLE,
				       "waiting for the database was "
				       "interrupted");
		}
		if (fds[0].revents)
			return 0;
	}
}

int pg_begin(struct pg *pg, struct err *e)
{
	if (pg->in_transaction)
		return err_set(e, ERR_BUG, "a transaction is open already");
	if (pg_exec(pg, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, NULL, e))
		return -1;
	pg->in_transaction = true;
	return 0;
}

int pg_commit(struct pg *pg, struct err *e)
{
	struct err local;
	PGresult *r;
	bool committed;

	if (!e)
		e = &local;
	if (!pg->in_transaction)
		return err_set(e, ERR_BUG, "no transaction is open");
	pg->in_transaction = false;
	if (!pg_is_connected(pg)) {
		struct err why = {.code = ERR_NONE};

		err_set(&why, ERR_UNAVAILABLE, "%s", pg->last_reason);
		*e = why;
		return err_wrap(e, "the connection was lost before commit");
	}
	if (!PQsendQueryParams(pg->conn, "COMMIT", 0, NULL, NULL, NULL, NULL,
			       1)) {
		err_set(e, ERR_UNAVAILABLE, "cannot send commit");
		pg_fail(pg, e);
		return -1;
	}
	r = pg_finish(pg, pg_deadline(pg), e);
	if (!r) {
		/* A COMMIT that failed has ended the transaction as well. */
		return -1;
	}
	/* After an error that nobody looked at, COMMIT answers ROLLBACK. */
	committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
	PQclear(r);
	if (!committed)
		return err_set(e, ERR_TEMP,
			       "the transaction was rolled back at commit");
	return 0;
}

void pg_rollback(struct pg *pg)
{
	struct err e;

	if (!pg->in_transaction)
		return;
	pg->in_transaction = false;
	if (!pg_is_connected(pg))
		return;
	if (pg_exec(pg, "ROLLBACK", NULL, NULL, &e) && pg->conn)
		pg_fail(pg, &e);
}
