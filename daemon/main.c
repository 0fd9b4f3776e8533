/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * main - the list of subcommands.
 *
 * A tour of daemon/ in reading order: main.c, commands/ (one file a
 * subcommand), app.c (the parts and threads of `serve`), http_server.c and
 * http_request.c (connections and requests), api/routes.c (the table of
 * routes), sources/http_events.c (a body to a durable frame), ingest/ (bytes
 * to a batch), evaluator.c (windows to verdicts).
 */

#include "base/attr.h"
#include "daemon/commands/command.h"
#include "detectors/special.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct command *const commands[] = {
	&command_serve,	 &command_check,  &command_migrate, &command_baseline,
	&command_replay, &command_status, &command_stream,  &command_compare,
};

static void print_help(FILE *f)
{
	(void)fputs(
		"usage: driftd COMMAND [OPTION]…\n\n"
		"driftd notices when a model in production no longer sees the "
		"world it was\ntrained on.\n\n",
		f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %-10s %s\n", commands[i]->name,
			commands[i]->summary);
	(void)fputs("\n\"driftd COMMAND --help\" says more.\n", f);
}

int main(int argc, char **argv)
{
	special_init();
	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("driftd " DRIFTD_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	fprintf(stderr, "driftd: unknown command \"%s\"\n", argv[1]);
	print_help(stderr);
	return EX_USAGE;
}
