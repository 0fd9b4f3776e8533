/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_PG_INTERNAL_H
#define DRIFTD_STORAGE_PG_INTERNAL_H

#include "base/err.h"
#include "storage/pg.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct dict;

/* pg_internal - what the files of storage/pg*.c share. */

enum {
	PG_STATEMENTS_MAX = 512,    /* beyond it: sent unprepared */
	PG_PARAMS_BYTES = 1 << 30,  /* the protocol's own bound on a value */
	PG_BACKOFF_MIN_US = 100000, /* first wait is up to this */
	PG_BACKOFF_MAX_US = 5000000
};

struct pg {
	char *dsn;	   /* owned */
	char *application; /* owned */
	int64_t connect_timeout_us;
	int64_t statement_timeout_us;

	PGconn *conn;	     /* NULL while disconnected */
	bool in_transaction; /* between pg_begin and commit or rollback */
	int wake_fd;	     /* eventfd of pg_interrupt */

	struct dict *statements; /* text and types -> index of the name */
	bool prepared[PG_STATEMENTS_MAX]; /* on this connection */

	unsigned n_failures;	 /* since the last statement that worked */
	int64_t next_attempt_us; /* monotonic */
	char last_reason[ERR_MESSAGE_MAX];
};

/* OIDs of the types that driftd uses: fixed in PostgreSQL for good. */
enum pg_oid {
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_INT8 = 20,
	PG_INT4 = 23,
	PG_TEXT = 25,
	PG_FLOAT8 = 701,
	PG_TIMESTAMPTZ = 1184,
	PG_BOOL_ARRAY = 1000,
	PG_BYTEA_ARRAY = 1001,
	PG_TEXT_ARRAY = 1009,
	PG_INT8_ARRAY = 1016,
	PG_FLOAT8_ARRAY = 1022,
	PG_TIMESTAMPTZ_ARRAY = 1185
};

/* 1970 to 2000, PostgreSQL's epoch. */
#define PG_EPOCH_US INT64_C(946684800000000)

/*
 * Wait until the socket is ready for ${events} (POLLIN, POLLOUT) or the
 * monotonic ${deadline_us}; ERR_UNAVAILABLE on deadline and interruption.
 */
int pg_wait(struct pg *pg, short events, int64_t deadline_us, struct err *e);

/*
 * The connection is of no use any more: close it without a word to the
 * server, note the reason in ${e}, and set the time of the next attempt.
 */
void pg_fail(struct pg *pg, const struct err *e);

/* Send what is queued and gather the answers of one query: the last result,
 * or NULL and ${e}; a lost connection is closed. */
PGresult *pg_finish(struct pg *pg, int64_t deadline_us, struct err *e);

/* When a statement that begins now must be answered. */
int64_t pg_deadline(const struct pg *pg);

#endif
