/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_PG_H
#define DRIFTD_STORAGE_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct pg_result;

/*
 * pg - the door to libpq: one connection, used by one thread at a time, only
 * through libpq's asynchronous interface, with deadlines of our own on every
 * step (connect, send, wait).  All parameters and results are binary.
 *
 * Errors: ERR_UNAVAILABLE when the server is out of reach, did not answer in
 * time or went away (the connection is then closed; the next call connects
 * again, not sooner than a back-off with full jitter allows); ERR_TEMP for
 * what may succeed when the transaction is tried again (SQLSTATE class 40,
 * 53, 55, 57, 58, 25006, 42501, 28); ERR_INVALID for data the database
 * refuses for good (22, 23, 42); e->sqlstate is set when the server sent one.
 */

struct pg_options {
	const char *dsn;	 /* conninfo or URI; libpq's PG* apply */
	const char *application; /* application_name */
	int64_t connect_timeout_us;
	int64_t statement_timeout_us; /* ours; the server's is set to the same */
};

struct pg; /* opaque */

struct pg *pg_new(const struct pg_options *o); /* does not connect */
void pg_free(struct pg *pg);

/*
 * Connect unless connected.  Sets UTC, jit = off, statement_timeout,
 * lock_timeout, idle_in_transaction_session_timeout, default_transaction
 * isolation READ COMMITTED, synchronous_commit on.
 */
int pg_connect(struct pg *pg, struct err *e);
void pg_disconnect(struct pg *pg);
bool pg_is_connected(const struct pg *pg);

/* Make pg_exec of any thread's wait return soon (shutdown). */
void pg_interrupt(struct pg *pg);

/* Parameters of one statement, in order $1, $2, …  Bounded to 32. */
enum { PG_PARAMS_MAX = 32 };
struct pg_params {
	int n;
	struct pg_param {
		size_t offset; /* in data; SIZE_MAX = NULL */
		int len;
		unsigned oid;
	} items[PG_PARAMS_MAX];
	struct buf *data; /* owned */
};

void pg_params_init(struct pg_params *p);
void pg_params_clear(struct pg_params *p);
void pg_params_release(struct pg_params *p);
void pg_add_null(struct pg_params *p, unsigned oid_of_type);
void pg_add_bool(struct pg_params *p, bool v);
void pg_add_int4(struct pg_params *p, int32_t v);
void pg_add_int8(struct pg_params *p, int64_t v);
void pg_add_float8(struct pg_params *p, double v);    /* NaN stays NaN */
void pg_add_text(struct pg_params *p, const char *s); /* NULL -> null */
void pg_add_text_n(struct pg_params *p, const char *s, size_t len);
void pg_add_bytea(struct pg_params *p, const void *data, size_t len);
void pg_add_time(struct pg_params *p, int64_t us); /* INT64_MIN -> null */

/* One-dimensional arrays; ${is_null} may be NULL. */
void pg_add_int8_array(struct pg_params *p, const int64_t *v, size_t n);
void pg_add_float8_array(struct pg_params *p, const double *v, size_t n);
void pg_add_bool_array(struct pg_params *p, const bool *v, size_t n);
void pg_add_text_array(struct pg_params *p, const char *const *v, size_t n);
void pg_add_bytea_array(struct pg_params *p, const void *const *v,
			const size_t *len, size_t n);
void pg_add_time_array(struct pg_params *p, const int64_t *us, size_t n);

/*
 * Run one statement, prepared on first use under its text.  ${params} may be
 * NULL.  On success *${result} (may be NULL when not wanted) is the caller's,
 * released with pg_result_free.
 */
int pg_exec(struct pg *pg, const char *sql, const struct pg_params *params,
	    struct pg_result **result, struct err *e);

/* Several statements without parameters: migrations. */
int pg_exec_script(struct pg *pg, const char *sql, struct err *e);

int pg_begin(struct pg *pg, struct err *e); /* READ COMMITTED */

/*
 * ERR_UNAVAILABLE from COMMIT means its outcome is unknown: read what it
 * would have changed again behind its lock before deciding anything.
 */
int pg_commit(struct pg *pg, struct err *e);

/* Never fails: a connection that cannot roll back is closed. */
void pg_rollback(struct pg *pg);

size_t pg_rows(const struct pg_result *r);
int64_t pg_affected(const struct pg_result *r);
bool pg_is_null(const struct pg_result *r, size_t row, int col);
bool pg_get_bool(const struct pg_result *r, size_t row, int col);
int64_t pg_get_int(const struct pg_result *r, size_t row,
		   int col); /* int2/4/8 */
double pg_get_float8(const struct pg_result *r, size_t row, int col);
int64_t pg_get_time(const struct pg_result *r, size_t row, int col);
/* Text (NUL-terminated) or bytea, in the result's memory; NULL -> NULL. */
const char *pg_get_text(const struct pg_result *r, size_t row, int col);
const void *pg_get_bytea(const struct pg_result *r, size_t row, int col,
			 size_t *len);
void pg_result_free(struct pg_result *r);

#endif
