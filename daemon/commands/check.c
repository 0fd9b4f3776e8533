/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * check - validate the configuration and print what was understood, in a form
 * that loads again, with the worst case of memory and disk as comments.
 */

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "daemon/auth.h"
#include "daemon/commands/command.h"

#include <stdio.h>

enum { CHECK_PRINT_MAX = 64 * 1024 * 1024 };

static void print_bound(const char *what, uint64_t bytes)
{
	printf("#   %-22s %10.1f MiB\n", what, (double)bytes / (1024 * 1024));
}

static void print_bounds(const struct config *c)
{
	struct config_bounds b;

	config_bounds(c, &b);
	printf("# worst case\n");
	print_bound("bodies being decoded", b.ingest_bytes);
	print_bound("journal, not written", b.journal_pending_bytes);
	print_bound("flush", b.flush_bytes);
	print_bound("connections", b.connection_bytes);
	print_bound("baselines", b.baseline_bytes);
	print_bound("evaluation", b.evaluate_bytes);
	print_bound("fixed", b.fixed_bytes);
	print_bound("memory in all", b.memory_bytes);
	print_bound("disk (journal)", b.disk_bytes);
}

static int check(const char *path)
{
	struct err e = {0};
	struct config *c = config_load(path, &e);
	struct auth *auth = NULL;
	struct buf out;

	if (!c)
		return command_fail_config(&e);
	if (c->server.tokens_file) {
		auth = auth_load(c->server.tokens_file, &e);
		if (!auth) {
			config_unref(c);
			return command_fail_config(&e);
		}
		auth_free(auth);
	}
	buf_init(&out, CHECK_PRINT_MAX);
	config_print(c, false, &out);
	(void)fputs(buf_str(&out), stdout);
	print_bounds(c);
	buf_release(&out);
	config_unref(c);
	return 0;
}

static int run(int argc, char **argv)
{
	const char *path;
	int code = command_parse_config(&command_check, argc, argv, &path);

	return code < 0 ? check(path) : code;
}

const struct command command_check = {
	.name = "check",
	.summary = "validate the configuration and print what was understood",
	.usage = "check [-c FILE]\n"
		 "\n"
		 "Validates FILE (default " COMMAND_CONFIG_DEFAULT "), prints "
		 "the configuration\n"
		 "as it was understood, which loads again, and the worst case "
		 "of memory and disk.\n"
		 "Exits 0, or 78 with file:line:column and the reason.\n",
	.run = run,
};
