/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pg_exec - one statement: prepare it on first use, send it, wait for the
 * answer, and say in terms of enum err_code what went wrong.
 */
#include "storage/pg.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "storage/pg_internal.h"

#include <poll.h>
#include <string.h>

enum { STATEMENT_NAME_MAX = 16 };

/*
 * By SQLSTATE.  Class 54 (a value too large for an index, too many columns)
 * is refused for good like 22 and 23; a state unknown here is worth another
 * try, since giving up means to put data aside.
 */
static const struct {
	const char *prefix;
	enum err_code code;
} classes[] =
	{
		{"25006", ERR_TEMP}, /* read only: a standby, failover under way */
		{"42501", ERR_TEMP}, /* permission: somebody will grant it */
		{"08", ERR_UNAVAILABLE},
		{"57P", ERR_UNAVAILABLE}, /* shut down, crashed, starting */
		{"22", ERR_INVALID},
		{"23", ERR_INVALID},
		{"42", ERR_INVALID},
		{"54", ERR_INVALID},
};

static enum err_code code_of(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strncmp(sqlstate, classes[i].prefix,
			    strlen(classes[i].prefix)) == 0)
			return classes[i].code;
	return ERR_TEMP;
}

static int result_error(const PGresult *r, struct err *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (!text)
		text = PQresultErrorMessage(r);
	err_set(e, state ? code_of(state) : ERR_UNAVAILABLE, "%.*s",
		(int)strcspn(text, "\n"), text);
	if (state)
		memcpy(e->sqlstate, state,
		       strnlen(state, sizeof(e->sqlstate) - 1) + 1);
	return -1;
}

static int flush_out(struct pg *pg, int64_t deadline_us, struct err *e)
{
	for (;;) {
		int left = PQflush(pg->conn);

		if (left == 0)
			return 0;
		if (left < 0)
			return err_set(
				e, ERR_UNAVAILABLE, "%.*s",
				(int)strcspn(PQerrorMessage(pg->conn), "\n"),
				PQerrorMessage(pg->conn));
		/* The server may be talking too: read, or both stand still. */
		if (pg_wait(pg, POLLIN | POLLOUT, deadline_us, e))
			return -1;
		if (!PQconsumeInput(pg->conn))
			return err_set(e, ERR_UNAVAILABLE,
				       "the connection was lost while sending");
	}
}

static int await_result(struct pg *pg, int64_t deadline_us, struct err *e)
{
	while (PQisBusy(pg->conn)) {
		if (pg_wait(pg, POLLIN, deadline_us, e))
			return -1;
		if (!PQconsumeInput(pg->conn))
			return err_set(
				e, ERR_UNAVAILABLE, "%.*s",
				(int)strcspn(PQerrorMessage(pg->conn), "\n"),
				PQerrorMessage(pg->conn));
	}
	return 0;
}

static bool is_good(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK ||
	       s == PGRES_EMPTY_QUERY;
}

/* Results until NULL; the last good one is kept, the first error wins. */
static PGresult *gather(struct pg *pg, int64_t deadline_us, struct err *e)
{
	PGresult *kept = NULL, *r;
	bool failed = false;

	for (;;) {
		if (await_result(pg, deadline_us, e)) {
			PQclear(kept);
			return NULL;
		}
		r = PQgetResult(pg->conn);
		if (!r)
			break;
		if (!is_good(r) && !failed) {
			failed = true;
			result_error(r, e);
		}
		PQclear(kept);
		kept = r;
	}
	if (!failed && kept)
		return kept;
	if (!failed)
		err_set(e, ERR_UNAVAILABLE, "the database sent no result");
	PQclear(kept);
	return NULL;
}

PGresult *pg_finish(struct pg *pg, int64_t deadline_us, struct err *e)
{
	struct err why = {.code = ERR_NONE};
	PGresult *r = NULL;
	bool is_stale;

	if (flush_out(pg, deadline_us, &why) == 0)
		r = gather(pg, deadline_us, &why);
	if (r) {
		pg->n_failures = 0;
		return r;
	}
	/* A plan or a name that the server forgot: a new session has none. */
	is_stale = strcmp(why.sqlstate, "0A000") == 0 ||
		   strcmp(why.sqlstate, "26000") == 0;
	if (PQstatus(pg->conn) != CONNECTION_OK)
		why.code = ERR_UNAVAILABLE;
	if (why.code == ERR_UNAVAILABLE || is_stale)
		pg_fail(pg, &why);
	if (e)
		*e = why;
	return NULL;
}

/* The prepared name of a statement and its types, or -1: none left. */
static int statement_index(struct pg *pg, const char *sql, const Oid *types,
			   int n)
{
	uint32_t index;
	struct buf key;

	buf_init(&key, 1 << 16);
	buf_add_str(&key, sql);
	buf_add(&key, "", 1);
	buf_add(&key, types, (size_t)n * sizeof(*types));
	index = key.failed ? DICT_NONE
			   : dict_add(pg->statements, key.data, key.len);
	buf_release(&key);
	return index < PG_STATEMENTS_MAX ? (int)index : -1;
}

struct call {
	const char *sql;
	int n;
	Oid types[PG_PARAMS_MAX];
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	int formats[PG_PARAMS_MAX];
};

static int call_init(struct call *c, const char *sql,
		     const struct pg_params *params, struct err *e)
{
	c->sql = sql;
	c->n = params ? params->n : 0;
	if (params && (params->data->failed || c->n > PG_PARAMS_MAX))
		return err_set(e, ERR_LIMIT,
			       "the parameters of a statement are too large");
	for (int i = 0; i < c->n; i++) {
		const struct pg_param *item = &params->items[i];

		c->types[i] = item->oid;
		c->lengths[i] = item->len;
		c->formats[i] = 1;
		c->values[i] = item->offset == SIZE_MAX
				       ? NULL
				       : buf_str(params->data) + item->offset;
	}
	return 0;
}

static int prepare(struct pg *pg, const struct call *c, const char *name,
		   int64_t deadline_us, struct err *e)
{
	PGresult *r;

	if (!PQsendPrepare(pg->conn, name, c->sql, c->n, c->types))
		return err_set(e, ERR_UNAVAILABLE, "cannot send a statement");
	r = pg_finish(pg, deadline_us, e);
	if (!r)
		return -1;
	PQclear(r);
	return 0;
}

static PGresult *run(struct pg *pg, const struct call *c, struct err *e)
{
	int64_t deadline = pg_deadline(pg);
	int index = statement_index(pg, c->sql, c->types, c->n);
	char space[STATEMENT_NAME_MAX];
	struct buf name;
	int sent;

	if (index < 0) {
		sent = PQsendQueryParams(pg->conn, c->sql, c->n, c->types,
					 c->values, c->lengths, c->formats, 1);
		goto finish;
	}
	buf_init(&name, sizeof(space) - 1);
	buf_printf(&name, "s%d", index);
	memcpy(space, buf_str(&name), name.len + 1);
	buf_release(&name);
	if (!pg->prepared[index]) {
		if (prepare(pg, c, space, deadline, e))
			return NULL;
		pg->prepared[index] = true;
	}
	sent = PQsendQueryPrepared(pg->conn, space, c->n, c->values, c->lengths,
				   c->formats, 1);
finish:
	if (!sent) {
		struct err why = {.code = ERR_NONE};

		err_set(&why, ERR_UNAVAILABLE, "cannot send a statement");
		pg_fail(pg, &why);
		if (e)
			*e = why;
		return NULL;
	}
	return pg_finish(pg, deadline, e);
}

int pg_exec(struct pg *pg, const char *sql, const struct pg_params *params,
	    struct pg_result **result, struct err *e)
{
	struct call c;
	PGresult *r;

	if (call_init(&c, sql, params, e))
		return -1;
	if (pg_connect(pg, e))
		return -1;
	r = run(pg, &c, e);
	if (!r)
		return -1;
	if (result)
		*result = (struct pg_result *)r;
	else
		PQclear(r);
	return 0;
}

int pg_exec_script(struct pg *pg, const char *sql, struct err *e)
{
	struct err why = {.code = ERR_NONE};
	PGresult *r;

	if (pg_connect(pg, e))
		return -1;
	if (!PQsendQuery(pg->conn, sql)) {
		err_set(&why, ERR_UNAVAILABLE, "cannot send a script");
		pg_fail(pg, &why);
		if (e)
			*e = why;
		return -1;
	}
	r = pg_finish(pg, pg_deadline(pg), e);
	if (!r)
		return -1;
	PQclear(r);
	return 0;
}
