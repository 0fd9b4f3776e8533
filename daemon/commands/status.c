/* SPDX-License-Identifier: GPL-3.0-or-later */

/* status - what is drifting now, in a terminal. */

#include "alerts/http_client.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "daemon/commands/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_ANSWER_MAX = 16 * 1024 * 1024 };
#define STATUS_TIMEOUT_US (15 * CLOCK_SECOND_US)

struct status_client {
	const char *url;
	struct http_client *http;
	struct buf token; /* header, "" without one */
};

/* GET and parse; NULL and ${e}. */
static struct json_value *get(struct status_client *s, const char *path,
			      struct err *e)
{
	const char *headers[2] = {s->token.len ? buf_str(&s->token) : NULL,
				  NULL};
	struct http_call call = {.method = "GET",
				 .headers = headers,
				 .timeout_us = STATUS_TIMEOUT_US,
				 .max_answer = STATUS_ANSWER_MAX};
	struct json_value *v = NULL;
	struct http_answer answer;
	struct buf url;

	buf_init(&url, 8192);
	buf_printf(&url, "%s%s", s->url, path);
	call.url = buf_str(&url);
	if (!http_client_call(s->http, &call, &answer, e)) {
		v = json_parse(buf_str(&answer.body), answer.body.len, e);
		if (answer.status != 200) {
			const char *m = json_text(
				json_get(json_get(v, "error"), "message"));

			err_set(e,
				answer.status >= 500 ? ERR_UNAVAILABLE
						     : ERR_INVALID,
				"the daemon answered %ld: %s", answer.status,
				m ? m : "?");
			json_free(v);
			v = NULL;
		}
		http_answer_release(&answer);
	}
	buf_release(&url);
	return v;
}

static const char *text_or(const struct json_value *v, const char *otherwise)
{
	const char *text = json_text(v);

	return text ? text : otherwise;
}

static void print_drifted(struct status_client *s, const char *model,
			  const char *version, const char *window,
			  struct err *e)
{
	struct json_value *page;
	const struct json_value *rows;
	struct buf path;

	buf_init(&path, 4096);
	buf_printf(&path,
		   "/v1/models/%s/results?drifted=true&window=%s&version=%s"
		   "&limit=1000",
		   model, window, version);
	page = get(s, buf_str(&path), e);
	rows = json_get(page, "results");
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *r = json_at(rows, i);

		printf("    %-28.28s %-20s %10.4g > %-8.4g %s\n",
		       text_or(json_get(r, "column"), "?"),
		       text_or(json_get(r, "metric"), "?"),
		       json_value_number(json_get(r, "value"), 0),
		       json_value_number(json_get(r, "threshold"), 0),
		       text_or(json_get(r, "severity"), ""));
	}
	json_free(page);
	buf_release(&path);
}

static void print_model(struct status_client *s, const struct json_value *m)
{
	const struct json_value *w = json_get(m, "newest_window");
	const char *name = text_or(json_get(m, "name"), "?");
	const char *version = text_or(json_get(m, "version"), "");
	const char *start = json_text(json_get(w, "start"));
	struct err e = {0};

	printf("%s (version %s)  baseline %s\n", name, version,
	       text_or(json_get(m, "active_baseline"), "none"));
	if (!start) {
		printf("  no window yet\n");
		return;
	}
	printf("  window %s to %s, %s, %lld events\n", start,
	       text_or(json_get(w, "end"), "?"),
	       json_value_bool(json_get(w, "final"), false) ? "final"
							    : "provisional",
	       (long long)json_value_int(json_get(w, "n_events"), 0));
	print_drifted(s, name, version, start, &e);
	if (e.code)
		printf("    (%s)\n", e.message);
}

static void print_alerts(const struct json_value *page)
{
	const struct json_value *alerts = json_get(page, "alerts");

	if (!json_count(alerts)) {
		printf("\nno open alert\n");
		return;
	}
	printf("\nopen alerts\n");
	for (size_t i = 0; i < json_count(alerts); i++) {
		const struct json_value *a = json_at(alerts, i);

		printf("  %-10s %-9s %-24s %-20s since %s\n",
		       text_or(json_get(a, "state"), "?"),
		       text_or(json_get(a, "severity"), "?"),
		       text_or(json_get(a, "model"), "?"),
		       text_or(json_get(a, "rule"), "?"),
		       text_or(json_get(a, "starts_at"), "?"));
	}
}

static int status(const char *url)
{
	struct status_client s = {.url = url};
	struct json_value *models = NULL, *alerts = NULL;
	const struct json_value *list;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	const char *token = getenv("DRIFTD_TOKEN");
	struct err e = {0};
	int code = 0;

	buf_init(&s.token, 1024);
	if (token)
		buf_printf(&s.token, "Authorization: Bearer %s", token);
	s.http = http_client_new();
	models = get(&s, "/v1/models", &e);
	alerts =
		models ? get(&s, "/v1/alerts?state=open&limit=1000", &e) : NULL;
	if (!alerts) {
		code = command_fail(&e);
		goto out;
	}
	list = json_get(models, "models");
	for (size_t i = 0; i < json_count(list); i++)
		print_model(&s, json_at(list, i));
	print_alerts(alerts);
out:
	json_free(models);
	json_free(alerts);
	http_client_free(s.http);
	buf_release(&s.token);
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"url", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *url = "http://127.0.0.1:8717";
	int o;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((o = getopt_long(argc, argv, "u:h", options, NULL)) != -1) {
		if (o == 'u')
			url = optarg;
		else if (o == 'h')
			return command_help(&command_status);
		else
			return command_usage_error(&command_status,
						   "wrong options");
	}
	return status(url);
}

const struct command command_status = {
	.name = "status",
	.summary = "what is drifting now, in a terminal",
	.usage = "status [--url URL]\n"
		 "\n"
		 "Asks the daemon at URL (default http://127.0.0.1:8717) for "
		 "its models, the\n"
		 "columns that drifted in their newest window, and open "
		 "alerts.  DRIFTD_TOKEN in\n"
		 "the environment is sent as bearer token.\n",
	.run = run,
};
