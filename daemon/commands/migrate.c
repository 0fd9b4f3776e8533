/* SPDX-License-Identifier: GPL-3.0-or-later */

/* migrate - bring the database's schema to this version. */

#include "base/err.h"
#include "config/config.h"
#include "daemon/commands/command.h"
#include "storage/pg.h"
#include "storage/schema.h"

#include <getopt.h>
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
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *path = COMMAND_CONFIG_DEFAULT;
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'c')
			path = optarg;
		else if (o == 'h')
			return command_help(&command_migrate);
		else
			return command_usage_error(&command_migrate,
						   "wrong options");
	}
	return migrate(path);
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
