/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_COMMAND_H
#define DRIFTD_DAEMON_COMMANDS_COMMAND_H

#include "base/attr.h"

#include <stdint.h>

struct err;

/*
 * command - one subcommand of the binary is one file that exports one of
 * these; main.c lists them.
 */
struct command {
	const char *name;
	const char *summary; /* one line */
	const char *usage;   /* what --help prints after "usage: driftd " */

	/* argv[0] is the subcommand's name; the exit code. */
	int (*run)(int argc, char **argv);
};

extern const struct command command_serve;
extern const struct command command_check;
extern const struct command command_migrate;
extern const struct command command_baseline;
extern const struct command command_replay;
extern const struct command command_status;
extern const struct command command_compare;
extern const struct command command_stream;

#define COMMAND_CONFIG_DEFAULT "/etc/driftd/driftd.yaml"

/* "driftd: message" on standard error; returns the exit code of ${e}. */
int command_fail(const struct err *e);

/* As command_fail, for what the configuration is to blame for: exit 78. */
int command_fail_config(const struct err *e);

/* "driftd: …" and how to ask for help; returns EX_USAGE. */
int command_usage_error(const struct command *c, const char *fmt, ...)
	ATTR_PRINTF(2, 3);

/*
 * For commands that take nothing but -c FILE and --help: -1 and the file in
 * *${path}, or the exit code.
 */
int command_parse_config(const struct command *c, int argc, char **argv,
			 const char **path);

/* Usage on standard output; returns 0. */
int command_help(const struct command *c);

/*
 * A progress bar on standard error, when that is a terminal: at most ten
 * times a second, and a newline at the end (done == total).
 */
void command_progress(void *label, uint64_t done, uint64_t total);

#endif
