/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * bench_decode - events a second of the decoders alone, on one core, beside
 * what the machine can do at best with the same bytes: copy them, and find
 * the ends of their lines.
 *
 * 30 numeric features printed with up to 17 digits, an id and a time, in
 * bodies of 1,000 events that come in pieces of 32 KiB.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"
#include "storage/batch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	N_FEATURES = 30,
	N_EVENTS = 1000,
	PIECE = 32 * 1024,
	RUN_US = 1000000,
	ROUNDS = 3
};

struct bench {
	struct config *config;
	struct batch_schema_column *schema;
	struct batch batch;
	struct ingest *ingest;
	struct buf json, csv;
	char *copy;
	const struct buf *body;
	const char *type;
	uint64_t n_lines; /* so that nothing is optimised away */
};

static void die(const struct err *e)
{
	fprintf(stderr, "bench_decode: %s\n", e->message);
	exit(1);
}

static struct config *make_config(void)
{
	char path[] = "/tmp/driftd-bench-XXXXXX";
	struct err e = {0};
	struct config *c;
	FILE *f;
	int fd = mkstemp(path);

	if (fd < 0 || (f = fdopen(fd, "w")) == NULL) {
		perror(path);
		exit(1);
	}
	fputs("name: bench\nversion: \"1\"\ntask: none\nid: id\n"
	      "timestamp: timestamp\nfeatures:\n  numeric: [",
	      f);
	for (int i = 0; i < N_FEATURES; i++)
		fprintf(f, "%sfeature_%d", i > 0 ? ", " : "", i);
	fputs("]\n  categorical: []\n", f);
	(void)fclose(f);
	c = config_load_model(path, &e);
	(void)unlink(path);
	if (c == NULL)
		die(&e);
	return c;
}

/* A feature: some are whole numbers, most have all their digits. */
static double make_value(unsigned *seed, int feature)
{
	double u = (double)rand_r(seed) / RAND_MAX;
	double v = (double)rand_r(seed) / RAND_MAX;

	if (feature % 6 == 0)
		return floor(u * 1000);
	return u + v * 1e-9 * (feature + 1);
}

static void make_bodies(struct bench *b)
{
	unsigned seed = 1;
	char text[NUMBER_TEXT_MAX];

	buf_init(&b->json, 1 << 24);
	buf_init(&b->csv, 1 << 24);
	buf_add_str(&b->csv, "id,timestamp");
	for (int i = 0; i < N_FEATURES; i++)
		buf_printf(&b->csv, ",feature_%d", i);
	buf_add_char(&b->csv, '\n');
	for (int row = 0; row < N_EVENTS; row++) {
		buf_printf(&b->json,
			   "{\"id\":\"event-%d\","
			   "\"timestamp\":\"2026-01-02T03:04:05.%03dZ\"",
			   row, row);
		buf_printf(&b->csv, "event-%d,2026-01-02T03:04:05.%03dZ", row,
			   row);
		for (int i = 0; i < N_FEATURES; i++) {
			(void)number_format(make_value(&seed, i), text);
			buf_printf(&b->json, ",\"feature_%d\":%s", i, text);
			buf_printf(&b->csv, ",%s", text);
		}
		buf_add_str(&b->json, "}\n");
		buf_add_char(&b->csv, '\n');
	}
	b->copy = xmalloc(b->json.len + b->csv.len);
}

static void run_copy(struct bench *b)
{
	memcpy(b->copy, b->body->data, b->body->len);
	__asm__ volatile("" : : "r"(b->copy) : "memory");
}

static void run_lines(struct bench *b)
{
	const char *p = b->body->data;
	const char *end = p + b->body->len;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		b->n_lines++;
	}
}

static void run_decode(struct bench *b)
{
	const struct config_model *m = &b->config->models[0];
	const struct ingest_limits limits = {1 << 25, 1 << 20, 32};
	const char *p = b->body->data;
	const char *end = p + b->body->len;
	struct err e = {0};

	if (batch_reset(&b->batch, b->schema, (uint32_t)m->n_columns,
			SIZE_MAX) < 0 ||
	    ingest_begin(b->ingest, m, &b->batch, &limits, b->type,
			 ENCODING_IDENTITY, false, clock_wall_us(), &e) < 0)
		die(&e);
	while (p < end) {
		size_t n =
			(size_t)(end - p) < PIECE ? (size_t)(end - p) : PIECE;

		if (ingest_feed(b->ingest, p, n, &e) < 0)
			die(&e);
		p += n;
	}
	if (ingest_end(b->ingest, &e) < 0)
		die(&e);
	if (ingest_get_report(b->ingest)->n_accepted != N_EVENTS) {
		(void)err_set(&e, ERR_BUG, "not all events were accepted");
		die(&e);
	}
}

/* Events a second, the best of some rounds. */
static double measure(struct bench *b, void (*run)(struct bench *))
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_monotonic_us();
		int64_t now;
		uint64_t n = 0;

		do {
			run(b);
			n += N_EVENTS;
			now = clock_monotonic_us();
		} while (now - start < RUN_US / ROUNDS);
		best = fmax(best, (double)n * 1e6 / (double)(now - start));
	}
	return best;
}

static void report(struct bench *b, const char *name, const struct buf *body,
		   const char *type)
{
	double copy, lines, decode;
	double bytes = (double)body->len / N_EVENTS;

	b->body = body;
	b->type = type;
	copy = measure(b, run_copy);
	lines = measure(b, run_lines);
	decode = measure(b, run_decode);
	printf("decode %-6s %8.0f events/s  %6.0f MB/s  %5.1f ns a value  "
	       "lines/decode %5.1f  memcpy/decode %5.1f\n",
	       name, decode, decode * bytes / 1e6, 1e9 / decode / N_FEATURES,
	       lines / decode, copy / decode);
}

int main(void)
{
	struct bench b = {0};
	const struct config_model *m;

	b.config = make_config();
	m = &b.config->models[0];
	b.schema = xcalloc(m->n_columns, sizeof(*b.schema));
	for (size_t i = 0; i < m->n_columns; i++)
		b.schema[i] = (struct batch_schema_column){m->columns[i].name,
							   m->columns[i].kind,
							   m->columns[i].role};
	batch_init(&b.batch, NULL);
	b.ingest = ingest_new();
	make_bodies(&b);
	printf("decode: %d numeric features, %zu bytes an event as NDJSON, "
	       "one core\n",
	       N_FEATURES, b.json.len / N_EVENTS);
	report(&b, "ndjson", &b.json, "application/x-ndjson");
	report(&b, "csv", &b.csv, "text/csv");
	ingest_free(b.ingest);
	batch_release(&b.batch);
	buf_release(&b.json);
	buf_release(&b.csv);
	free(b.copy);
	free(b.schema);
	config_unref(b.config);
	return 0;
}
