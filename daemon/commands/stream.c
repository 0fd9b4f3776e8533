/* SPDX-License-Identifier: GPL-3.0-or-later */

/* stream - run a sequential detector over a series in a file. */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "daemon/commands/command.h"
#include "daemon/commands/stream_list.h"
#include "daemon/commands/stream_values.h"
#include "detectors/stream.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	STREAM_SETTINGS_MAX = 64,
	STREAM_LINE_MAX = 64 * 1024,
	STREAM_PROGRESS_EVERY = 16384
};

struct stream_args {
	const struct stream_detector *detector;
	const char *column, *file;
	struct stream_setting settings[STREAM_SETTINGS_MAX];
	size_t n_settings;
	int64_t start; /* index of the first value that is shown */
	bool json, warnings, list;
};

static void print_json(const struct stream_args *a, const struct stream *s,
		       uint64_t index, enum stream_signal signal)
{
	struct json_out w;
	struct buf line;

	buf_init(&line, STREAM_LINE_MAX);
	json_out_init(&w, &line);
	json_object_begin(&w);
	json_put_int(&w, "index", (int64_t)index);
	json_put_string(&w, "detector", a->detector->name);
	json_put_string(&w, "kind",
			signal == STREAM_DRIFT ? "drift" : "warning");
	json_key(&w, "state");
	stream_show(s, &w);
	json_object_end(&w);
	puts(buf_str(&line));
	buf_release(&line);
}

static void report(const struct stream_args *a, const struct stream *s,
		   uint64_t index, enum stream_signal signal)
{
	if (a->json)
		print_json(a, s, index, signal);
	else
		printf("%llu\n", (unsigned long long)index);
}

static void show_progress(const struct stream_values *v, bool at_end)
{
	static char label[] = "stream";
	uint64_t done, total;

	stream_values_progress(v, &done, &total);
	command_progress(label, at_end ? total : done, total);
}

/* Of warnings that follow each other the first is told. */
static int run_over(const struct stream_args *a, struct stream *s,
		    struct stream_values *v, struct err *e)
{
	enum stream_signal last = STREAM_NONE, signal;
	double x;
	int found;

	for (uint64_t i = 0; (found = stream_values_next(v, &x, e)) == 1; i++) {
		if (i % STREAM_PROGRESS_EVERY == 0)
			show_progress(v, false);
		if (i < (uint64_t)a->start)
			continue;
		if (stream_step(s, x, &signal, e))
			return stream_values_blame(v, e);
		if (signal == STREAM_DRIFT ||
		    (a->warnings && signal == STREAM_WARNING &&
		     last != STREAM_WARNING))
			report(a, s, i, signal);
		last = signal;
		if (ferror(stdout))
			break;
	}
	show_progress(v, true);
	return found < 0 ? -1 : 0;
}

static int stream(const struct stream_args *a)
{
	struct stream_values *v = NULL;
	struct stream *s;
	struct err e = {0};
	int status;

	s = stream_new(a->detector, a->settings, a->n_settings, &e);
	if (!s)
		return command_usage_error(&command_stream, "%s", e.message);
	v = stream_values_open(a->file, a->column, &e);
	status = !v || run_over(a, s, v, &e) ? command_fail(&e) : 0;
	if (fflush(stdout) || ferror(stdout)) {
		err_set(&e, ERR_IO, "cannot write to standard output");
		status = command_fail(&e);
	}
	stream_values_close(v);
	stream_free(s);
	return status;
}

static int set_detector(struct stream_args *a, const char *name)
{
	const char *near;

	a->detector = stream_detector_find(name);
	if (a->detector)
		return 0;
	near = stream_list_suggest(name);
	if (near)
		return command_usage_error(&command_stream,
					   "there is no detector \"%s\", did "
					   "you mean \"%s\"?",
					   name, near);
	return command_usage_error(&command_stream,
				   "there is no detector \"%s\" (--list shows "
				   "all)",
				   name);
}

static int set_start(struct stream_args *a, const char *value)
{
	if (number_parse_int(value, strlen(value), 0, INT64_MAX, &a->start))
		return 0;
	return command_usage_error(&command_stream,
				   "option \"start\": \"%s\" is not a count",
				   value);
}

/* KEY=VALUE, cut in place. */
static int add_setting(struct stream_args *a, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return command_usage_error(
			&command_stream, "--set \"%s\" is not KEY=VALUE", text);
	*equals = '\0';
	if (strcmp(text, "start") == 0)
		return set_start(a, equals + 1);
	if (a->n_settings == ARRAY_LEN(a->settings))
		return command_usage_error(&command_stream,
					   "--set is given more than %d times",
					   STREAM_SETTINGS_MAX);
	a->settings[a->n_settings].key = text;
	a->settings[a->n_settings].value = equals + 1;
	a->n_settings++;
	return 0;
}

static int parse_option(int o, struct stream_args *a)
{
	switch (o) {
	case 'd':
		return set_detector(a, optarg);
	case 's':
		return add_setting(a, optarg);
	case 'c':
		a->column = optarg;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case 'w':
		a->warnings = true;
		return 0;
	case 'l':
		a->list = true;
		return 0;
	default:
		return command_usage_error(&command_stream, "wrong options");
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"detector", required_argument, NULL, 'd'},
		{"set", required_argument, NULL, 's'},
		{"column", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"warnings", no_argument, NULL, 'w'},
		{"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct stream_args a = {0};
	int o, status;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there are no threads */
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (o == 'h')
			return command_help(&command_stream);
		status = parse_option(o, &a);
		if (status)
			return status;
	}
	if (a.list) {
		stream_list_print(a.detector);
		return 0;
	}
	if (!a.detector || optind + 1 != argc)
		return command_usage_error(&command_stream,
					   "--detector and one file are "
					   "needed");
	if (a.warnings && !a.json)
		return command_usage_error(&command_stream,
					   "--warnings goes with --json");
	a.file = argv[optind];
	return stream(&a);
}

const struct command command_stream = {
	.name = "stream",
	.summary = "run a sequential detector over a series in a file",
	.usage = "stream --detector NAME [--set KEY=VALUE]… [OPTION]… FILE\n"
		 "\n"
		 "Prints the index (from 0) of each value at which the "
		 "detector saw a drift.\n"
		 "FILE has one number a line, or is CSV with a header row or "
		 "NDJSON with --column;\n"
		 "plain, gzip or zstd, or \"-\".  Every value must be a "
		 "number.\n"
		 "\n"
		 "  --set KEY=VALUE  an option of the detector; start=N skips "
		 "the first N values\n"
		 "  --column NAME    the column with the values\n"
		 "  --json           one object a line, with the detector's "
		 "state\n"
		 "  --warnings       (with --json) also where a warning "
		 "begins\n"
		 "  --list           the detectors, their options and "
		 "defaults\n",
	.run = run,
};
