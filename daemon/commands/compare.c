/* SPDX-License-Identifier: GPL-3.0-or-later */

/* compare - exact drift of one file against another; no database. */

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/commands/command.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/baseline.h"
#include "detectors/learn.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Text is gathered up to so many bytes before it is written. */
enum { WRITE_BYTES = 64 * 1024 };

enum { EXIT_DRIFTED = 1 };

static const struct {
	const char *name;
	const struct compare_format *format; /* NULL: not yet */
} formats[] = {
	{"table", &compare_table},
	{"long", &compare_long},
	{"json", &compare_json},
	{"html", NULL},
};

struct compare_args {
	const char *model, *metrics, *output;
	struct compare_files files;
	const struct compare_format *format;
	bool exit_code;
};

int compare_write(struct compare *c, bool all, struct err *e)
{
	if (c->text.failed)
		return err_set(e, ERR_TEMP, "no memory for the output");
	if (c->text.len < WRITE_BYTES && !all)
		return 0;
	if (c->text.len > 0 &&
	    fwrite(c->text.data, 1, c->text.len, c->out) != c->text.len)
		return err_errno(e, "cannot write the output");
	buf_clear(&c->text);
	if (all && fflush(c->out) != 0)
		return err_errno(e, "cannot write the output");
	return 0;
}

static void compare_release(struct compare *c)
{
	for (size_t i = 0; i < c->n_columns; i++) {
		struct compare_column *column = &c->columns[i];

		for (size_t k = 0; column->verdicts && k < c->n_chunks; k++)
			verdicts_release(&column->verdicts[k]);
		free(column->verdicts);
		free(column->tops);
		learned_free(column->learned);
		buf_release(&column->rows);
	}
	for (size_t i = 0; c->verdicts && i < c->n_chunks; i++)
		verdicts_release(&c->verdicts[i]);
	free(c->verdicts);
	free(c->columns);
	free(c->judge_columns);
	free(c->chunks);
	free(c->times);
	learned_free(c->learned);
	baseline_free(c->baseline);
	dataset_free(c->current);
	dataset_free(c->reference);
	dataset_labels_free(c->labels);
	compare_metrics_release(&c->metrics);
	buf_release(&c->text);
}

static int compare_tell(struct compare *c, struct err *e)
{
	if (c->format->begin != NULL && c->format->begin(c, e) < 0)
		return -1;
	if (compare_run(c, e) < 0)
		return -1;
	if (c->format->end != NULL && c->format->end(c, e) < 0)
		return -1;
	return compare_write(c, true, e);
}

/* An output is opened, and what it held lost, once the files were read. */
static int compare_do(struct compare *c, const struct compare_args *args,
		      struct err *e)
{
	int result;

	if (compare_read(c, &args->files, e) < 0)
		return -1;
	c->out = stdout;
	if (args->output != NULL && strcmp(args->output, "-") != 0)
		c->out = fopen(args->output, "we");
	if (c->out == NULL)
		return err_errno(e, "cannot open \"%s\"", args->output);
	result = compare_tell(c, e);
	if (c->out != stdout && fclose(c->out) != 0 && result == 0)
		result = err_errno(e, "cannot write \"%s\"", args->output);
	return result;
}

static int compare(const struct compare_args *args)
{
	struct compare c = {.format = args->format};
	struct config *config = NULL;
	struct err e = {0};
	int status = 0;

	buf_init(&c.text, SIZE_MAX / 4);
	c.judges = args->format->wants_verdicts || args->exit_code;
	if (compare_metrics_init(&c.metrics, args->metrics, &e) < 0) {
		status = command_usage_error(&command_compare, "%s", e.message);
		goto out;
	}
	if (args->files.baseline != NULL) {
		if (c.metrics.names != NULL && c.metrics.quality) {
			status = command_usage_error(
				&command_compare,
				"quality is measured with --reference: a "
				"baseline has no outcomes");
			goto out;
		}
		c.metrics.quality = false;
	}
	config = config_load_model(args->model, &e);
	if (config == NULL) {
		status = command_fail_config(&e);
		goto out;
	}
	c.model = &config->models[0];
	if (compare_do(&c, args, &e) < 0)
		status = command_fail(&e);
	else if (args->exit_code && c.has_drifted)
		status = EXIT_DRIFTED;
out:
	compare_release(&c);
	config_unref(config);
	return status;
}

/* 0, or the exit code. */
static int parse_format(struct compare_args *args, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(formats[i].name, name) != 0)
			continue;
		args->format = formats[i].format;
		if (args->format != NULL)
			return 0;
		return command_usage_error(
			&command_compare,
			"format \"%s\" is not available in this version", name);
	}
	return command_usage_error(&command_compare,
				   "there is no format \"%s\"", name);
}

static int parse_option(struct compare_args *args, int o)
{
	switch (o) {
	case 'm':
		args->model = optarg;
		return 0;
	case 'r':
		args->files.reference = optarg;
		return 0;
	case 'b':
		args->files.baseline = optarg;
		return 0;
	case 'c':
		args->files.current = optarg;
		return 0;
	case 'l':
		args->files.labels = optarg;
		return 0;
	case 'f':
		return parse_format(args, optarg);
	case 'M':
		args->metrics = optarg;
		return 0;
	case 'x':
		args->exit_code = true;
		return 0;
	case 'o':
		args->output = optarg;
		return 0;
	case 'k':
		if (compare_chunking_parse(optarg, &args->files.chunking))
			return 0;
		return command_usage_error(&command_compare,
					   "no chunks of \"%s\": say whole, "
					   "rows:N, day, month or year",
					   optarg);
	default:
		return command_usage_error(&command_compare, "wrong options");
	}
}

static int check_args(const struct compare_args *args)
{
	const char *const files[] = {args->files.reference, args->files.current,
				     args->files.labels};
	unsigned n_stdin = 0;

	if (args->model == NULL)
		return command_usage_error(&command_compare,
					   "--model is missing");
	if (args->files.reference == NULL && args->files.baseline == NULL)
		return command_usage_error(&command_compare,
					   "--reference is missing");
	if (args->files.reference != NULL && args->files.baseline != NULL)
		return command_usage_error(
			&command_compare,
			"say --reference or --baseline, not both");
	if (args->files.current == NULL)
		return command_usage_error(&command_compare,
					   "--current is missing");
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		n_stdin += files[i] != NULL && strcmp(files[i], "-") == 0;
	if (n_stdin > 1)
		return command_usage_error(
			&command_compare,
			"only one file can be standard input");
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},
		{"reference", required_argument, NULL, 'r'},
		{"baseline", required_argument, NULL, 'b'},
		{"current", required_argument, NULL, 'c'},
		{"labels", required_argument, NULL, 'l'},
		{"chunk", required_argument, NULL, 'k'},
		{"format", required_argument, NULL, 'f'},
		{"metrics", required_argument, NULL, 'M'},
		{"exit-code", no_argument, NULL, 'x'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct compare_args args = {.format = &compare_table};
	int o, status;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((o = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (o == 'h')
			return command_help(&command_compare);
		status = parse_option(&args, o);
		if (status != 0)
			return status;
	}
	if (optind < argc)
		return command_usage_error(&command_compare,
					   "\"%s\" is not expected here",
					   argv[optind]);
	status = check_args(&args);
	return status != 0 ? status : compare(&args);
}

const struct command command_compare = {
	.name = "compare",
	.summary = "exact drift of a file against another",
	.usage =
		"compare --model MODEL.yaml --reference FILE --current FILE\n"
		"       [--baseline FILE instead of --reference]\n"
		"       [--labels FILE] [--chunk whole|rows:N|day|month|year]\n"
		"       [--format table|long|json] [--metrics LIST] "
		"[--exit-code] [-o FILE]\n"
		"\n"
		"Compares every column of the model, exactly and without a "
		"database.  Files are CSV\n"
		"with a header row or NDJSON, plain, gzip or zstd, or \"-\".  "
		"Each chunk of the\n"
		"current file is compared with the whole reference; chunks of "
		"time need a file\n"
		"sorted by time.  --labels joins labels by id.\n"
		"\n"
		"  table  what drifted, first what needs a person\n"
		"  long   every number as CSV: "
		"chunk_start,chunk_end,column,metric,value;\n"
		"         -1,-1 is the reference itself\n"
		"  json   the verdicts, as the daemon's results have them\n"
		"\n"
		"--baseline is a file of `driftd baseline export`: its cells "
		"give a lower and an\n"
		"upper bound of each measure, as in the daemon.  "
		"--metrics psi,ks_statistic computes only these.  With "
		"--exit-code the command\n"
		"exits with 1 when something drifted.\n",
	.run = run,
};
