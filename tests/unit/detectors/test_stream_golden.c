/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The detections of the reference implementations, and states that are stored
 * anywhere in a series and taken up again.
 */
#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/json.h"
#include "base/number.h"
#include "base/option.h"
#include "detectors/stream.h"
#include "tests/unit/detectors/rng.h"
#include "tests/unit/detectors/stream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	FILE_MAX = 64 << 20,
	ROWS_MAX = 1000,
	VALUES_MAX = 1 << 20,
	SR_START = 500 /* values before it gave mu0 */
};

struct row {
	char *stream, *detector, *params, *detections;
};

struct golden {
	struct buf text;
	struct row rows[ROWS_MAX];
	size_t n;
};

static void golden_path(struct buf *out, const char *name, const char *suffix)
{
	const char *shared = getenv("SHARED");

	buf_init(out, 4096);
	buf_printf(out, "%s/golden/sequential/%s%s",
		   shared ? shared : "../shared", name, suffix);
}

static bool slurp(const char *name, const char *suffix, struct buf *out)
{
	static char piece[65536];
	struct buf path;
	struct err e;
	struct input *in;
	long n;

	golden_path(&path, name, suffix);
	buf_init(out, FILE_MAX);
	in = input_open(buf_str(&path), &e);
	buf_release(&path);
	if (!in)
		return false;
	while ((n = input_read(in, piece, sizeof(piece), &e)) > 0)
		buf_add(out, piece, (size_t)n);
	input_close(in);
	assert_int_equal(n, 0);
	assert_false(out->failed);
	return true;
}

/* The CSV cell at ${*at}, unquoted in place. */
static char *cell(char **at)
{
	char *in = *at, *out = *at, *start = *at;
	bool quoted = *in == '"';

	for (in += quoted; *in; in++) {
		if (quoted ? *in == '"' : *in == ',' || *in == '\n') {
			if (!quoted || in[1] != '"')
				break;
			in++;
		}
		*out++ = *in;
	}
	in += quoted;
	*at = in + (*in != '\0');
	*out = '\0';
	return start;
}

static struct golden *golden_load(void)
{
	struct golden *g = calloc(1, sizeof(*g));
	char *at;

	assert_non_null(g);
	if (!slurp("detections.csv", "", &g->text)) {
		free(g);
		print_message("skipped: the detections of the references are "
			      "not there\n");
		return NULL;
	}
	at = strchr(g->text.data, '\n') + 1;
	while (*at) {
		struct row *r = &g->rows[g->n++];

		assert_true(g->n <= ROWS_MAX);
		r->stream = cell(&at);
		r->detector = cell(&at);
		r->params = cell(&at);
		r->detections = cell(&at);
	}
	assert_true(g->n > 600);
	return g;
}

static void golden_free(struct golden *g)
{
	buf_release(&g->text);
	free(g);
}

static double *values_load(const char *stream, size_t *n)
{
	double *values = malloc(VALUES_MAX * sizeof(double));
	struct buf text;

	assert_non_null(values);
	assert_true(slurp("streams/", stream, &text));
	*n = 0;
	for (char *at = text.data; *at;) {
		size_t len = strcspn(at, "\r\n");

		assert_true(*n < VALUES_MAX);
		assert_true(number_parse(at, len, &values[(*n)++]));
		at += len;
		at += strspn(at, "\r\n");
	}
	buf_release(&text);
	return values;
}

static double *row_values(const struct row *r, size_t *n)
{
	struct buf name;
	double *values;

	buf_init(&name, 1024);
	buf_printf(&name, "%s.txt.gz", r->stream);
	values = values_load(buf_str(&name), n);
	buf_release(&name);
	return values;
}

/* The params of a row that are options. */
static void settings_of(struct settings *s, const struct stream_detector *d,
			const char *params)
{
	struct err e;

	memset(s, 0, sizeof(*s));
	s->json = json_parse(params, strlen(params), &e);
	assert_non_null(s->json);
	for (size_t i = 0; i < d->n_options; i++) {
		const struct json_value *v =
			json_get(s->json, d->options[i].name);

		if (!v)
			continue;
		s->list[s->n].key = d->options[i].name;
		s->list[s->n].value = json_text(v);
		if (json_is_number(v)) {
			(void)number_format(json_value_number(v, 0),
					    s->texts[s->n]);
			s->list[s->n].value = s->texts[s->n];
		}
		s->n++;
	}
	/* none is left out */
	assert_int_equal(s->n, json_count(s->json));
}

static size_t first_value(const struct stream_detector *d)
{
	return strcmp(d->name, "sr_edetector") ? 0 : SR_START;
}

static void check_row(const struct row *r)
{
	const struct stream_detector *d = stream_detector_find(r->detector);
	struct settings settings;
	struct stream *s;
	struct buf found;
	double *values;
	size_t n;

	assert_non_null(d);
	settings_of(&settings, d, r->params);
	values = row_values(r, &n);
	s = start(d, &settings);
	buf_init(&found, FILE_MAX);
	for (size_t i = first_value(d); i < n; i++)
		if (show(s, values[i]) == STREAM_DRIFT)
			buf_printf(&found, "%s%zu", found.len ? " " : "", i);
	if (strcmp(buf_str(&found), r->detections))
		fail_msg("%s of %s: %.200s, not %.200s", r->detector, r->stream,
			 buf_str(&found), r->detections);
	buf_release(&found);
	stream_free(s);
	json_free(settings.json);
	free(values);
}

static void test_golden(void **state)
{
	struct golden *g = golden_load();

	(void)state;
	if (!g)
		skip();
	for (size_t i = 0; i < g->n; i++)
		check_row(&g->rows[i]);
	golden_free(g);
}

/* At random places, and always right behind a drift. */
static void check_cuts(const struct row *r, struct rng *rng)
{
	const struct stream_detector *d = stream_detector_find(r->detector);
	struct settings settings;
	struct stream *whole, *cut;
	double *values;
	size_t n;

	settings_of(&settings, d, r->params);
	values = row_values(r, &n);
	whole = start(d, &settings);
	cut = start(d, &settings);
	for (size_t i = first_value(d); i < n; i++) {
		enum stream_signal signal = show(whole, values[i]);

		assert_int_equal(show(cut, values[i]), signal);
		if (signal == STREAM_DRIFT || rng_below(rng, n) < 5)
			cut = stored(cut, d, &settings);
	}
	assert_same(whole, cut);
	stream_free(whole);
	stream_free(cut);
	json_free(settings.json);
	free(values);
}

static void test_cuts(void **state)
{
	struct golden *g = golden_load();
	struct rng rng = rng_start("test_cuts");

	(void)state;
	if (!g)
		skip();
	for (size_t i = 0; i < g->n; i++)
		check_cuts(&g->rows[i], &rng);
	golden_free(g);
}

/* A state is refused under other options: so equal ones can be told. */
static void test_defaults(void **state)
{
	struct golden *g = golden_load();

	(void)state;
	if (!g)
		skip();
	for (size_t i = 0; i < g->n; i++) {
		const struct stream_detector *d =
			stream_detector_find(g->rows[i].detector);
		struct settings settings, none = {.n = 0};
		struct stream *s;

		if (strcmp(d->name, "sr_edetector") == 0)
			continue;
		settings_of(&settings, d, g->rows[i].params);
		s = stored(start(d, &none), d, &settings);
		stream_free(s);
		json_free(settings.json);
	}
	golden_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
