/* SPDX-License-Identifier: GPL-3.0-or-later */

/* command - what the subcommands share: errors, usage, progress. */

#include "daemon/commands/command.h"

#include "base/clock.h"
#include "base/err.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

int command_fail(const struct err *e)
{
	fprintf(stderr, "driftd: %s\n", e->message);
	return err_exit_code(e);
}

int command_fail_config(const struct err *e)
{
	fprintf(stderr, "driftd: %s\n", e->message);
	return EX_CONFIG;
}

int command_usage_error(const struct command *c, const char *fmt, ...)
{
	va_list ap;

	(void)fputs("driftd: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\ntry \"driftd %s --help\"\n", c->name);
	return EX_USAGE;
}

int command_parse_config(const struct command *c, int argc, char **argv,
			 const char **path)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int o;

	*path = COMMAND_CONFIG_DEFAULT;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'h')
			return command_help(c);
		if (o != 'c')
			return command_usage_error(c, "wrong options");
		*path = optarg;
	}
	if (optind < argc)
		return command_usage_error(c, "unexpected \"%s\"",
					   argv[optind]);
	return -1;
}

int command_help(const struct command *c)
{
	printf("usage: driftd %s", c->usage);
	return 0;
}

void command_progress(void *label, uint64_t done, uint64_t total)
{
	static int64_t last_us; /* the commands have one thread that reports */
	int64_t now = clock_monotonic_us();
	char bar[41];
	unsigned filled;

	if (!isatty(STDERR_FILENO) || !total)
		return;
	if (done > total)
		done = total;
	if (done < total && now - last_us < CLOCK_SECOND_US / 10)
		return;
	last_us = now;
	filled = (unsigned)(40 * done / total);
	for (unsigned i = 0; i < 40; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[40] = '\0';
	fprintf(stderr, "\r%s [%s] %3u %%%s", (const char *)label, bar,
		(unsigned)(100 * done / total), done == total ? "\n" : "");
}
