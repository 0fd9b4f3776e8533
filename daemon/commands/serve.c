/* SPDX-License-Identifier: GPL-3.0-or-later */

/* serve - run the daemon in the foreground. */

#include "daemon/app.h"
#include "daemon/commands/command.h"

#include <getopt.h>
#include <stddef.h>

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
			return command_help(&command_serve);
		else
			return command_usage_error(&command_serve,
						   "wrong options");
	}
	if (optind < argc)
		return command_usage_error(&command_serve, "unexpected \"%s\"",
					   argv[optind]);
	return app_run(path);
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
