/* SPDX-License-Identifier: GPL-3.0-or-later */

/* serve - run the daemon in the foreground. */

#include "daemon/app.h"
#include "daemon/commands/command.h"

static int run(int argc, char **argv)
{
	const char *path;
	int code = command_parse_config(&command_serve, argc, argv, &path);

	return code < 0 ? app_run(path) : code;
}

const struct command command_serve = {
	.name = "serve",
	.summary = "run the daemon",
	.usage = "serve [-c FILE]\n"
		 "\n"
		 "Runs the daemon in the foreground and logs to standard "
		 "error.  FILE defaults to\n" COMMAND_CONFIG_DEFAULT ".  "
		 "SIGTERM stops it after what was acknowledged is\n"
		 "safe; SIGHUP reloads the configuration.\n",
	.run = run,
};
