/* SPDX-License-Identifier: GPL-3.0-or-later */

/* baseline - create, list, show, activate and export baselines. */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/commands/command.h"
#include "daemon/ingest/training.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "storage/baseline_files.h"
#include "storage/baseline_store.h"
#include "storage/pg.h"
#include "storage/schema.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct baseline_args {
	const char *config;
	const char *model;
	const char *model_version;
	const char *version;
	bool activate;
	const char *rest;   /* the file, or the version */
	const char *output; /* of export */
};

/* What every action needs. */
struct session {
	struct config *config;
	const struct config_model *model;
	struct pg *pg;
};

static int session_open(struct session *s, const struct baseline_args *args,
			struct err *e)
{
	struct pg_options o;

	s->model =
		config_find_model(s->config, args->model, args->model_version);
	if (!s->model)
		return err_set(e, ERR_NOT_FOUND,
			       "model \"%s\" is not configured", args->model);
	o = (struct pg_options){
		.dsn = s->config->storage.dsn,
		.application = "driftd baseline",
		.connect_timeout_us = s->config->storage.connect_timeout_us,
		.statement_timeout_us =
			s->config->storage.statement_timeout_us};
	s->pg = pg_new(&o);
	if (pg_connect(s->pg, e))
		return -1;
	if (s->config->storage.migrate && schema_migrate(s->pg, e))
		return -1;
	return 0;
}

static void default_version(char out[TIMESTAMP_TEXT_MAX])
{
	int64_t now = clock_wall_us();

	timestamp_format(now - now % CLOCK_SECOND_US, out);
}

static int create(struct session *s, const struct baseline_args *args,
		  struct err *e)
{
	enum baseline_put_outcome outcome;
	char version[TIMESTAMP_TEXT_MAX], hex[SHA256_HEX];
	static char label[] = "baseline";
	struct baseline *b;

	b = training_read(args->rest, s->model, command_progress, label, 0, e);
	if (!b)
		return -1;
	default_version(version);
	if (baseline_store_put(s->pg, s->model->model_id, s->model->name,
			       s->model->version,
			       args->version ? args->version : version, b,
			       args->activate, &outcome, e) ||
	    (s->model->baseline && baseline_store_pin(s->pg, s->model->model_id,
						      s->model->baseline, e))) {
		baseline_free(b);
		return -1;
	}
	hex_encode(b->hash, SHA256_SIZE, hex);
	printf("%s baseline \"%s\" of model \"%s\": %llu rows, %u columns, "
	       "sha256 %s\n",
	       outcome == BASELINE_CREATED ? "created" : "found",
	       args->version ? args->version : version, s->model->name,
	       (unsigned long long)b->n_rows, b->n_columns, hex);
	baseline_free(b);
	return 0;
}

static int list(struct session *s, const struct baseline_args *args,
		struct err *e)
{
	struct baseline_info *items;
	size_t n;

	(void)args;
	if (baseline_store_list(s->pg, s->model->model_id, &items, &n, e))
		return -1;
	printf("%-6s %-28s %12s %8s  %-24s %s\n", "ACTIVE", "VERSION", "ROWS",
	       "COLUMNS", "CREATED", "SHA256");
	for (size_t i = 0; i < n; i++) {
		char hex[SHA256_HEX], created[TIMESTAMP_TEXT_MAX];

		hex_encode(items[i].hash, SHA256_SIZE, hex);
		timestamp_format(items[i].created_at_us / CLOCK_SECOND_US *
					 CLOCK_SECOND_US,
				 created);
		printf("%-6s %-28s %12llu %8u  %-24s %.16s\n",
		       items[i].active ? "*" : "", items[i].version,
		       (unsigned long long)items[i].n_rows, items[i].n_columns,
		       created, hex);
	}
	free(items);
	return 0;
}

static int show(struct session *s, const struct baseline_args *args,
		struct err *e)
{
	struct baseline_info info;
	char hex[SHA256_HEX];
	struct baseline *b;

	if (baseline_store_get(s->pg, s->model->model_id, args->rest, &b, &info,
			       e))
		return -1;
	hex_encode(b->hash, SHA256_SIZE, hex);
	printf("version %s%s\nsha256  %s\nrows    %llu\nblocks  %u\n\n",
	       info.version, info.active ? " (active)" : "", hex,
	       (unsigned long long)b->n_rows, b->n_blocks);
	printf("%-32s %-12s %-10s %10s %10s %8s %6s\n", "COLUMN", "KIND",
	       "ROLE", "VALUES", "MISSING", "INVALID", "CELLS");
	for (uint32_t i = 0; i < b->n_columns; i++) {
		const struct baseline_column *c = &b->columns[i];

		printf("%-32s %-12s %-10s %10llu %10llu %8llu %6u\n", c->name,
		       column_kind_name(c->kind), column_role_name(c->role),
		       (unsigned long long)c->profile->n_valid,
		       (unsigned long long)c->profile->n_missing,
		       (unsigned long long)c->profile->n_invalid,
		       c->cells->n_cells);
	}
	baseline_free(b);
	return 0;
}

static int activate(struct session *s, const struct baseline_args *args,
		    struct err *e)
{
	if (s->model->baseline && strcmp(s->model->baseline, args->rest) != 0)
		return err_set(e, ERR_CONFLICT,
			       "the configuration pins baseline \"%s\"",
			       s->model->baseline);
	if (baseline_store_activate(s->pg, s->model->model_id, args->rest, e))
		return -1;
	printf("active from the next window on: baseline \"%s\" of model "
	       "\"%s\"\n",
	       args->rest, s->model->name);
	return 0;
}

/* "-": standard output. */
static int write_file(const char *name, const struct buf *data, struct err *e)
{
	bool is_file = strcmp(name, "-") != 0;
	FILE *f = is_file ? fopen(name, "we") : stdout;
	bool failed;

	if (!f)
		return err_errno(e, "cannot open \"%s\"", name);
	failed = fwrite(data->data, 1, data->len, f) != data->len;
	failed |= (is_file ? fclose(f) : fflush(f)) != 0;
	if (failed)
		return err_errno(e, "cannot write \"%s\"",
				 is_file ? name : "standard output");
	return 0;
}

static int export(struct session *s, const struct baseline_args *args,
		  struct err *e)
{
	struct baseline *b;
	struct buf packed;
	int rc;

	if (baseline_store_get(s->pg, s->model->model_id, args->rest, &b, NULL,
			       e))
		return -1;
	buf_init(&packed, SIZE_MAX / 4);
	rc = baseline_files_pack(b, &packed, e);
	if (rc == 0)
		rc = write_file(args->output, &packed, e);
	buf_release(&packed);
	baseline_free(b);
	return rc;
}

static const struct action {
	const char *name;
	int (*run)(struct session *s, const struct baseline_args *args,
		   struct err *e);
	bool needs_rest;
} actions[] = {
	{"create", create, true},  {"list", list, false},
	{"show", show, false},	   {"activate", activate, true},
	{"export", export, false},
};

static int run_action(const struct action *a, const struct baseline_args *args)
{
	struct session s = {0};
	struct err e = {0};
	int status = 0;

	s.config = config_load(args->config, &e);
	if (!s.config)
		return command_fail_config(&e);
	if (session_open(&s, args, &e) || a->run(&s, args, &e))
		status = command_fail(&e);
	pg_free(s.pg);
	config_unref(s.config);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"model", required_argument, NULL, 'm'},
		{"model-version", required_argument, NULL, 'M'},
		{"version", required_argument, NULL, 'v'},
		{"activate", no_argument, NULL, 'a'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct baseline_args args = {.config = COMMAND_CONFIG_DEFAULT};
	const struct action *action = NULL;
	int o;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((o = getopt_long(argc, argv, "c:m:v:ao:h", options, NULL)) !=
	       -1) {
		switch (o) {
		case 'c':
			args.config = optarg;
			break;
		case 'm':
			args.model = optarg;
			break;
		case 'M':
			args.model_version = optarg;
			break;
		case 'v':
			args.version = optarg;
			break;
		case 'a':
			args.activate = true;
			break;
		case 'o':
			args.output = optarg;
			break;
		case 'h':
			return command_help(&command_baseline);
		default:
			return command_usage_error(&command_baseline,
						   "wrong options");
		}
	}
	for (size_t i = 0; optind < argc && i < ARRAY_LEN(actions); i++)
		if (!strcmp(argv[optind], actions[i].name))
			action = &actions[i];
	if (!action)
		return command_usage_error(
			&command_baseline,
			"say create, list, show, activate or export");
	args.rest = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (!args.model)
		return command_usage_error(&command_baseline,
					   "--model is missing");
	if (action->needs_rest && !args.rest)
		return command_usage_error(&command_baseline,
					   "%s needs one more word",
					   action->name);
	if (action->run == export && !args.output)
		return command_usage_error(&command_baseline,
					   "-o is missing: export to where?");
	return run_action(action, &args);
}

const struct command command_baseline = {
	.name = "baseline",
	.summary = "create, list, show, activate and export baselines",
	.usage = "baseline create   [-c FILE] --model NAME [--version V] "
		 "[--activate] DATA\n"
		 "       driftd baseline list     [-c FILE] --model NAME\n"
		 "       driftd baseline show     [-c FILE] --model NAME "
		 "[VERSION]\n"
		 "       driftd baseline activate [-c FILE] --model NAME "
		 "VERSION\n"
		 "       driftd baseline export   [-c FILE] --model NAME "
		 "[VERSION] -o FILE\n"
		 "\n"
		 "DATA is CSV with a header row or NDJSON, plain, gzip or "
		 "zstd, or \"-\".  VERSION is\n"
		 "the baseline's own (default: the time).  A model's first "
		 "baseline is active at\n"
		 "once; windows that have begun keep theirs.  "
		 "--model-version picks one of several\n"
		 "entries of a model.  export writes the active baseline, or "
		 "VERSION, as a file for\n"
		 "driftd compare --baseline; \"-\" is standard output.\n",
	.run = run,
};
