/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * replay - stream a file to a daemon as events.
 *
 * Each batch has the key `run:first-last` (row numbers), so that sending it
 * again, in this run or in one resumed with --run, is applied once.
 */

#include "alerts/http_client.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/timestamp.h"
#include "daemon/commands/command.h"
#include "daemon/commands/record_file.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	REPLAY_BATCH = 1000,
	REPLAY_BATCH_MAX = 100000,
	REPLAY_CONNECTIONS_MAX = 64,
	REPLAY_BODY_MAX = 32 * 1024 * 1024,
	REPLAY_TRIES_MAX = 200,
	REPLAY_ANSWER_MAX = 64 * 1024
};

#define REPLAY_TIMEOUT_US     (60 * CLOCK_SECOND_US)
#define REPLAY_BACKOFF_US     (CLOCK_SECOND_US / 10)
#define REPLAY_BACKOFF_MAX_US (5 * CLOCK_SECOND_US)

struct replay_args {
	const char *url, *model, *version, *run, *file, *token;
	const char *timestamp; /* column, for --until */
	int64_t rate;	       /* events a second; 0: as fast as it goes */
	int64_t batch;
	int64_t connections;
	int64_t until_us; /* INT64_MAX: to the end */
	bool is_labels;
};

struct batch_text {
	struct buf body;
	uint64_t first, n; /* rows */
};

/* Shared by the reader and the senders, under lock. */
struct replay {
	const struct replay_args *args;
	const char *content_type;
	struct buf url;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch_text *ring[2 * REPLAY_CONNECTIONS_MAX];
	size_t first, n, cap;
	bool at_end, failed;
	struct err error; /* of the first failure */
	uint64_t accepted, rejected, duplicates, retries;
};

static void fail(struct replay *p, const struct err *e)
{
	pthread_mutex_lock(&p->lock);
	if (!p->failed)
		p->error = *e;
	p->failed = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void put(struct replay *p, struct batch_text *b)
{
	pthread_mutex_lock(&p->lock);
	while (p->n == p->cap && !p->failed)
		pthread_cond_wait(&p->changed, &p->lock);
	p->ring[(p->first + p->n) % p->cap] = b;
	if (p->n < p->cap)
		p->n++;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static struct batch_text *take(struct replay *p)
{
	struct batch_text *b = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->n && !p->at_end && !p->failed)
		pthread_cond_wait(&p->changed, &p->lock);
	if (p->n && !p->failed) {
		b = p->ring[p->first];
		p->first = (p->first + 1) % p->cap;
		p->n--;
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return b;
}

static void batch_text_free(struct batch_text *b)
{
	if (!b)
		return;
	buf_release(&b->body);
	free(b);
}

static void count_answer(struct replay *p, const struct batch_text *b,
			 const struct http_answer *answer)
{
	struct err e;
	struct json_value *v =
		json_parse(buf_str(&answer->body), answer->body.len, &e);

	pthread_mutex_lock(&p->lock);
	if (answer->status == 200) {
		if (json_value_bool(json_get(v, "duplicate"), false))
			p->duplicates += b->n;
		else
			p->accepted += (uint64_t)json_value_int(
				json_get(v, "accepted"), 0);
	}
	p->rejected += (uint64_t)json_value_int(
		json_get(v, "rejected"),
		answer->status == 200 ? 0 : (int64_t)b->n);
	pthread_mutex_unlock(&p->lock);
	json_free(v);
}

/* Whether the batch is settled: 1; to be sent again: 0; -1 and ${e}. */
static int judge_answer(struct replay *p, const struct batch_text *b,
			const struct http_answer *answer, struct err *e)
{
	/* 400: no record of it could be read; the others may be fine */
	if (answer->status == 200 || answer->status == 400) {
		count_answer(p, b, answer);
		return 1;
	}
	if (answer->status == 429 || answer->status == 408 ||
	    answer->status >= 500)
		return 0;
	return err_set(e, ERR_INVALID, "the daemon answered %ld: %.300s",
		       answer->status, buf_str(&answer->body));
}

static void back_off(struct replay *p, unsigned tries, int64_t retry_after_us)
{
	int64_t limit = REPLAY_BACKOFF_US << (tries < 6 ? tries : 6);
	uint64_t noise;

	if (limit > REPLAY_BACKOFF_MAX_US)
		limit = REPLAY_BACKOFF_MAX_US;
	random_bytes(&noise, sizeof(noise));
	limit = limit / 2 + (int64_t)(noise % (uint64_t)(limit / 2 + 1));
	if (retry_after_us > limit)
		limit = retry_after_us < REPLAY_BACKOFF_MAX_US
				? retry_after_us
				: REPLAY_BACKOFF_MAX_US;
	clock_sleep_us(limit);
	pthread_mutex_lock(&p->lock);
	p->retries++;
	pthread_mutex_unlock(&p->lock);
}

static int send_batch(struct replay *p, struct http_client *h,
		      const struct batch_text *b, struct err *e)
{
	struct buf type, key, token;
	const char *headers[4] = {NULL};
	struct http_call call = {.method = "POST",
				 .url = buf_str(&p->url),
				 .headers = headers,
				 .body = b->body.data,
				 .body_len = b->body.len,
				 .timeout_us = REPLAY_TIMEOUT_US,
				 .max_answer = REPLAY_ANSWER_MAX};
	int settled = 0;

	buf_init(&type, 256);
	buf_init(&key, 256);
	buf_init(&token, 1024);
	buf_printf(&type, "Content-Type: %s", p->content_type);
	buf_printf(&key, "Idempotency-Key: %s:%llu-%llu", p->args->run,
		   (unsigned long long)b->first,
		   (unsigned long long)(b->first + b->n - 1));
	headers[0] = buf_str(&type);
	headers[1] = buf_str(&key);
	if (p->args->token) {
		buf_printf(&token, "Authorization: Bearer %s", p->args->token);
		headers[2] = buf_str(&token);
	}
	for (unsigned tries = 0; !settled && tries < REPLAY_TRIES_MAX;
	     tries++) {
		struct http_answer answer;

		if (http_client_call(h, &call, &answer, e)) {
			if (e->code == ERR_INVALID)
				break;
			back_off(p, tries, -1);
			continue;
		}
		settled = judge_answer(p, b, &answer, e);
		if (!settled) {
			err_set(e, ERR_UNAVAILABLE, "the daemon answered %ld",
				answer.status);
			back_off(p, tries, answer.retry_after_us);
		}
		http_answer_release(&answer);
	}
	buf_release(&type);
	buf_release(&key);
	buf_release(&token);
	return settled == 1 ? 0 : -1;
}

static void *sender(void *arg)
{
	struct replay *p = arg;
	struct http_client *h = http_client_new();
	struct batch_text *b;

	while ((b = take(p))) {
		struct err e = {0};

		if (send_batch(p, h, b, &e))
			fail(p, &e);
		batch_text_free(b);
	}
	http_client_free(h);
	return NULL;
}

/* Sleep until row ${row} may be sent. */
static void pace(const struct replay_args *args, int64_t started_us,
		 uint64_t row)
{
	int64_t due, now;

	if (!args->rate)
		return;
	due = started_us + (int64_t)((double)row * 1e6 / (double)args->rate);
	now = clock_monotonic_us();
	if (due > now)
		clock_sleep_us(due - now);
}

static struct batch_text *batch_new(struct record_file *f, uint64_t first)
{
	struct batch_text *b = xcalloc(1, sizeof(*b));
	size_t len;
	const char *header = record_file_header(f, &len);

	buf_init(&b->body, REPLAY_BODY_MAX);
	b->first = first;
	if (record_file_is_csv(f))
		buf_add(&b->body, header, len);
	return b;
}

/* Read records into batches until the end, --until or a failure. */
static int read_all(struct replay *p, struct record_file *f, struct err *e)
{
	const struct replay_args *args = p->args;
	int64_t started = clock_monotonic_us();
	struct batch_text *b = NULL;
	uint64_t row = 0, done, total;
	static char label[] = "replay";
	int found = 0;

	while (!p->failed) {
		const char *text;
		size_t len;
		int64_t us;

		found = record_file_next(f, &text, &len, e);
		if (found <= 0)
			break;
		if (args->until_us != INT64_MAX &&
		    record_file_time(f, text, len, args->timestamp, &us) &&
		    us >= args->until_us)
			break;
		if (!b)
			b = batch_new(f, row);
		buf_add(&b->body, text, len);
		if (text[len - 1] != '\n')
			buf_add_char(&b->body, '\n');
		b->n++;
		row++;
		if (b->n == (uint64_t)args->batch ||
		    b->body.len > REPLAY_BODY_MAX / 2) {
			pace(args, started, b->first);
			put(p, b);
			b = NULL;
			record_file_progress(f, &done, &total);
			command_progress(label, done, total);
		}
	}
	if (b && !p->failed && found >= 0) {
		pace(args, started, b->first);
		put(p, b);
		b = NULL;
	}
	batch_text_free(b);
	record_file_progress(f, &done, &total);
	command_progress(label, total, total);
	return found < 0 ? -1 : 0;
}

static void url_encode(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr("-._~", c))
			buf_add_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void make_url(struct buf *out, const struct replay_args *args)
{
	size_t len = strlen(args->url);

	buf_init(out, 4096);
	buf_add(out, args->url,
		len && args->url[len - 1] == '/' ? len - 1 : len);
	buf_add_str(out, "/v1/models/");
	url_encode(out, args->model);
	buf_add_str(out, args->is_labels ? "/labels" : "/events");
	if (args->version) {
		buf_add_str(out, "?version=");
		url_encode(out, args->version);
	}
}

static void print_summary(const struct replay *p, double seconds)
{
	printf("run %s: %llu accepted, %llu duplicate, %llu rejected, "
	       "%llu retries, %.1f s\n",
	       p->args->run, (unsigned long long)p->accepted,
	       (unsigned long long)p->duplicates,
	       (unsigned long long)p->rejected, (unsigned long long)p->retries,
	       seconds);
}

static int replay(const struct replay_args *args)
{
	struct replay p = {.args = args};
	pthread_t threads[REPLAY_CONNECTIONS_MAX];
	struct err e = {0};
	struct record_file *f = record_file_open(args->file, &e);
	int64_t started = clock_monotonic_us();
	int status = 0;

	if (!f)
		return command_fail(&e);
	p.content_type = record_file_type(f);
	p.cap = 2 * (size_t)args->connections;
	make_url(&p.url, args);
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.changed, NULL);
	for (int64_t i = 0; i < args->connections; i++)
		pthread_create(&threads[i], NULL, sender, &p);
	if (read_all(&p, f, &e))
		fail(&p, &e);
	pthread_mutex_lock(&p.lock);
	p.at_end = true;
	pthread_cond_broadcast(&p.changed);
	pthread_mutex_unlock(&p.lock);
	for (int64_t i = 0; i < args->connections; i++)
		pthread_join(threads[i], NULL);
	print_summary(&p, (double)(clock_monotonic_us() - started) / 1e6);
	if (p.failed) {
		status = command_fail(&p.error);
		fprintf(stderr, "driftd: resume with --run %s\n", args->run);
	}
	while (p.n) {
		batch_text_free(p.ring[p.first]);
		p.first = (p.first + 1) % p.cap;
		p.n--;
	}
	record_file_close(f);
	buf_release(&p.url);
	return status;
}

static bool parse_count(const char *text, int64_t max, int64_t *out)
{
	return number_parse_int(text, strlen(text), 1, max, out);
}

static int parse_option(int o, struct replay_args *a)
{
	switch (o) {
	case 'u':
		a->url = optarg;
		return 0;
	case 'm':
		a->model = optarg;
		return 0;
	case 'V':
		a->version = optarg;
		return 0;
	case 'r':
		return parse_count(optarg, 100000000, &a->rate) ? 0 : -1;
	case 'b':
		return parse_count(optarg, REPLAY_BATCH_MAX, &a->batch) ? 0
									: -1;
	case 'C':
		return parse_count(optarg, REPLAY_CONNECTIONS_MAX,
				   &a->connections)
			       ? 0
			       : -1;
	case 'U':
		return timestamp_parse(optarg, strlen(optarg), &a->until_us)
			       ? 0
			       : -1;
	case 'T':
		a->timestamp = optarg;
		return 0;
	case 'L':
		a->is_labels = true;
		return 0;
	case 'R':
		a->run = optarg;
		return strlen(optarg) <= 64 ? 0 : -1;
	default:
		return -1;
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"url", required_argument, NULL, 'u'},
		{"model", required_argument, NULL, 'm'},
		{"version", required_argument, NULL, 'V'},
		{"rate", required_argument, NULL, 'r'},
		{"batch", required_argument, NULL, 'b'},
		{"connections", required_argument, NULL, 'C'},
		{"until", required_argument, NULL, 'U'},
		{"timestamp", required_argument, NULL, 'T'},
		{"labels", no_argument, NULL, 'L'},
		{"run", required_argument, NULL, 'R'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct replay_args a = {.timestamp = NULL,
				.batch = REPLAY_BATCH,
				.connections = 1,
				.until_us = INT64_MAX};
	char run_id[17];
	uint8_t noise[8];
	int o;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((o = getopt_long(argc, argv, "u:m:h", options, NULL)) != -1) {
		if (o == 'h')
			return command_help(&command_replay);
		if (parse_option(o, &a))
			return command_usage_error(&command_replay,
						   "wrong options");
	}
	if (!a.url || !a.model || optind + 1 != argc)
		return command_usage_error(&command_replay,
					   "--url, --model and one file are "
					   "needed");
	a.file = argv[optind];
	if (!a.timestamp)
		a.timestamp = a.is_labels ? "label_time" : "timestamp";
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	a.token = getenv("DRIFTD_TOKEN");
	if (!a.run) {
		random_bytes(noise, sizeof(noise));
		hex_encode(noise, sizeof(noise), run_id);
		a.run = run_id;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "run %s\n", a.run);
	return replay(&a);
}

const struct command command_replay = {
	.name = "replay",
	.summary = "stream a file to a daemon as events",
	.usage = "replay --url URL --model NAME [OPTION]… FILE\n"
		 "\n"
		 "FILE is CSV with a header row or NDJSON, plain, gzip or "
		 "zstd, or \"-\".\n"
		 "\n"
		 "  --version V        entry of the model (default: its "
		 "default one)\n"
		 "  --rate N           events a second (default: as fast as "
		 "it goes)\n"
		 "  --batch N          events a request (default 1000)\n"
		 "  --connections N    at once (default 1, at most 64)\n"
		 "  --until TIME       stop before the first event at or "
		 "after TIME\n"
		 "  --timestamp NAME   column that holds it (default "
		 "\"timestamp\", of labels \"label_time\")\n"
		 "  --labels           the file has labels: columns id, the "
		 "label's name or `label`,\n"
		 "                     and label_time or `time`\n"
		 "  --run ID           resume: batches that were applied "
		 "count once\n"
		 "\n"
		 "429, 503 and lost connections are retried.  DRIFTD_TOKEN in "
		 "the environment is\n"
		 "sent as bearer token.\n",
	.run = run,
};
