/* SPDX-License-Identifier: GPL-3.0-or-later */

/* migrate - bring the database's schema to this version. */

#include "base/err.h"
#include "config/config.h"
#include "daemon/commands/command.h"
#include "storage/pg.h"
#include "storage/schema.h"

#include <stdio.h>

static int migrate(const char *path)
{
	struct err e = {0};
	struct config *c = config_load(path, &e);
	struct pg_options o;
	struct pg *pg;
	int status = 0;

	if (!c)
		return command_fail_config(&e);
	o = (struct pg_options){
		.dsn = c->storage.dsn,
		.application = "driftd migrate",
		.connect_timeout_us = c->storage.connect_timeout_us,
		.statement_timeout_us = c->storage.statement_timeout_us};
	pg = pg_new(&o);
	if (pg_connect(pg, &e) || schema_migrate(pg, &e))
		status = command_fail(&e);
	else
		printf("the schema is at version %d\n", schema_version());
	pg_free(pg);
	config_unref(c);
	return status;
}

static int run(int argc, char **argv)
{
	const char *path;
	int code = command_parse_config(&command_migrate, argc, argv, &path);

	return code < 0 ? migrate(path) : code;
}

const struct command command_migrate = {
	.name = "migrate",
	.summary = "bring the database schema to this version",
	.usage = "migrate [-c FILE]\n"
		 "\n"
		 "Runs the migrations that the database named in FILE lacks, "
		 "each in a transaction\n"
		 "of its own.  Safe beside running daemons and other "
		 "migrations.\n",
	.run = run,
};
