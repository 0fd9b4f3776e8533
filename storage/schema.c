/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * schema - which migrations the database has had, and running the others.
 *
 * driftd.schema_migration has a row per migration, written in the transaction
 * that ran it, so a crash leaves version n or n+1.  All of it happens behind
 * one advisory lock; the version is read again behind it, so that the second
 * of two daemons finds the work done.
 */
#include "storage/schema.h"

#include "base/err.h"
#include "base/log.h"
#include "storage/migrations.h"
#include "storage/pg.h"

#include <stdbool.h>
#include <stdint.h>

/* "driftd" in ASCII: of no meaning but to be the same everywhere. */
#define SCHEMA_LOCK INT64_C(0x647269667464)

int schema_version(void)
{
	return migrations[n_migrations - 1].version;
}

static int exists(struct pg *pg, const char *sql, bool *out, struct err *e)
{
	struct pg_result *r;

	if (pg_exec(pg, sql, NULL, &r, e))
		return -1;
	*out = pg_rows(r) == 1 && pg_get_bool(r, 0, 0);
	pg_result_free(r);
	return 0;
}

/* 0 for a database that driftd has never seen. */
static int read_version(struct pg *pg, int *version, struct err *e)
{
	struct pg_result *r;
	bool has_table;

	if (exists(pg,
		   "SELECT to_regclass('driftd.schema_migration') "
		   "IS NOT NULL",
		   &has_table, e))
		return -1;
	*version = 0;
	if (!has_table)
		return 0;
	if (pg_exec(pg,
		    "SELECT coalesce(max(version), 0) "
		    "FROM driftd.schema_migration",
		    NULL, &r, e))
		return -1;
	*version = (int)pg_get_int(r, 0, 0);
	pg_result_free(r);
	return 0;
}

int schema_check(struct pg *pg, enum schema_state *out, int *version,
		 struct err *e)
{
	int v;

	if (read_version(pg, &v, e))
		return err_wrap(e, "cannot read the schema's version");
	*out = v == schema_version()  ? SCHEMA_CURRENT
	       : v < schema_version() ? SCHEMA_OLDER
				      : SCHEMA_NEWER;
	if (version)
		*version = v;
	return 0;
}

static int lock(struct pg *pg, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, SCHEMA_LOCK);
	rc = pg_exec(pg, "SELECT pg_advisory_xact_lock($1)", &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

/* CREATE SCHEMA IF NOT EXISTS needs a privilege even when it exists. */
static int create_ledger(struct pg *pg, struct err *e)
{
	bool has_schema, has_table;

	if (exists(pg, "SELECT to_regnamespace('driftd') IS NOT NULL",
		   &has_schema, e))
		return -1;
	if (!has_schema &&
	    pg_exec(pg, "CREATE SCHEMA IF NOT EXISTS driftd", NULL, NULL, e))
		return -1;
	if (exists(pg,
		   "SELECT to_regclass('driftd.schema_migration') "
		   "IS NOT NULL",
		   &has_table, e))
		return -1;
	if (has_table)
		return 0;
	return pg_exec(pg,
		       "CREATE TABLE IF NOT EXISTS "
		       "driftd.schema_migration ("
		       "version integer PRIMARY KEY, name text NOT NULL, "
		       "applied_at timestamptz NOT NULL)",
		       NULL, NULL, e);
}

static int run(struct pg *pg, const struct migration *m, struct err *e)
{
	struct pg_params p;
	int rc;

	if (pg_exec_script(pg, m->begin, e))
		return err_wrap(e, "migration %04d_%s", m->version, m->name);
	pg_params_init(&p);
	pg_add_int4(&p, m->version);
	pg_add_text(&p, m->name);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.schema_migration "
		     "(version, name, applied_at) "
		     "VALUES ($1, $2, clock_timestamp())",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

/* One step in one transaction; *${version} is where it is then. */
static int step(struct pg *pg, int *version, struct err *e)
{
	const struct migration *next = NULL;
	int v;

	if (pg_begin(pg, e))
		return -1;
	if (lock(pg, e) || create_ledger(pg, e) || read_version(pg, &v, e))
		goto fail;
	if (v < schema_version()) {
		next = &migrations[v];
		if (run(pg, next, e))
			goto fail;
		v = next->version;
	}
	if (pg_commit(pg, e))
		return -1;
	if (next)
		log_info("schema", "migrated to version %d (%s)", v,
			 next->name);
	*version = v;
	return 0;
fail:
	pg_rollback(pg);
	return -1;
}

int schema_migrate(struct pg *pg, struct err *e)
{
	enum schema_state state;
	int version = 0;

	if (schema_check(pg, &state, &version, e))
		return -1;
	while (version < schema_version())
		if (step(pg, &version, e))
			return err_wrap(e, "cannot migrate the schema");
	if (version > schema_version())
		return err_set(e, ERR_FENCED,
			       "the schema has version %d, this driftd knows "
			       "%d: a newer driftd was here",
			       version, schema_version());
	return 0;
}
