/* SPDX-License-Identifier: GPL-3.0-or-later */

/* metrics - counters by label, and Prometheus' text format 0.0.4. */

#include "daemon/metrics.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/mem.h"
#include "base/number.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	METRICS_MODELS_MAX = 65536,
	METRICS_UNKNOWN_MAX = 256, /* names a model; further ones share "…" */
	METRICS_ROUTES_MAX = 64,
	METRICS_CODES_MAX = 24
};

struct model_counts {
	uint64_t events[N_EVENT_OUTCOMES];
	struct dict *unknown; /* owned; NULL until the first */
	uint64_t *n_unknown;  /* owned, by index in it */
};

struct route_counts {
	const char *route;
	unsigned n_codes;
	int codes[METRICS_CODES_MAX];
	uint64_t counts[METRICS_CODES_MAX];
};

struct metrics {
	pthread_mutex_t lock;
	struct dict *models;
	struct model_counts *counts; /* owned, by index in models */
	uint32_t cap;
	struct route_counts routes[METRICS_ROUTES_MAX];
	unsigned n_routes;
};

static const char *const outcome_names[N_EVENT_OUTCOMES] = {
	[EVENT_APPLIED] = "applied", [EVENT_DUPLICATE] = "duplicate",
	[EVENT_LATE] = "late",	     [EVENT_REJECTED] = "rejected",
	[EVENT_CORRUPT] = "corrupt", [EVENT_LOST] = "lost",
};

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	pthread_mutex_init(&m->lock, NULL);
	m->models = dict_new(METRICS_MODELS_MAX, 0);
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < dict_count(m->models); i++) {
		dict_free(m->counts[i].unknown);
		free(m->counts[i].n_unknown);
	}
	dict_free(m->models);
	free(m->counts);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Under the lock; NULL when there are too many models. */
static struct model_counts *model_counts(struct metrics *m, const char *model)
{
	uint32_t before = dict_count(m->models);
	uint32_t i = dict_add(m->models, model, strlen(model));

	if (i == DICT_NONE)
		return NULL;
	if (i >= m->cap) {
		uint32_t cap = m->cap ? 2 * m->cap : 16;

		m->counts = xrealloc_array(m->counts, cap, sizeof(*m->counts));
		m->cap = cap;
	}
	if (i == before)
		memset(&m->counts[i], 0, sizeof(m->counts[i]));
	return &m->counts[i];
}

void metrics_add_events(struct metrics *m, const char *model,
			enum event_outcome outcome, uint64_t n)
{
	struct model_counts *c;

	if (!n)
		return;
	pthread_mutex_lock(&m->lock);
	c = model_counts(m, model);
	if (c)
		c->events[outcome] += n;
	pthread_mutex_unlock(&m->lock);
}

void metrics_add_request(struct metrics *m, const char *route, int code)
{
	struct route_counts *c;
	unsigned i, k;

	pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->n_routes; i++)
		if (m->routes[i].route == route)
			break;
	if (i == m->n_routes && i < METRICS_ROUTES_MAX)
		m->routes[m->n_routes++].route = route;
	if (i < METRICS_ROUTES_MAX) {
		c = &m->routes[i];
		for (k = 0; k < c->n_codes; k++)
			if (c->codes[k] == code)
				break;
		if (k == c->n_codes && k < METRICS_CODES_MAX)
			c->codes[c->n_codes++] = code;
		if (k < METRICS_CODES_MAX)
			c->counts[k]++;
	}
	pthread_mutex_unlock(&m->lock);
}

void metrics_add_unknown(struct metrics *m, const char *model,
			 const char *column, uint64_t n)
{
	struct model_counts *c;
	uint32_t i;

	pthread_mutex_lock(&m->lock);
	c = model_counts(m, model);
	if (c) {
		if (!c->unknown) {
			c->unknown = dict_new(METRICS_UNKNOWN_MAX, 0);
			c->n_unknown = xcalloc(METRICS_UNKNOWN_MAX,
					       sizeof(*c->n_unknown));
		}
		i = dict_add(c->unknown, column, strlen(column));
		if (i != DICT_NONE)
			c->n_unknown[i] += n;
	}
	pthread_mutex_unlock(&m->lock);
}

void metrics_each_unknown(struct metrics *m, const char *model,
			  void (*each)(void *arg, const char *column,
				       uint64_t n),
			  void *arg)
{
	uint32_t i;

	pthread_mutex_lock(&m->lock);
	i = dict_find(m->models, model, strlen(model));
	if (i != DICT_NONE && m->counts[i].unknown) {
		struct model_counts *c = &m->counts[i];

		for (uint32_t k = 0; k < dict_count(c->unknown); k++)
			each(arg, dict_text(c->unknown, k, NULL),
			     c->n_unknown[k]);
	}
	pthread_mutex_unlock(&m->lock);
}

void metrics_family(struct buf *out, const char *name, const char *type,
		    const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void escape_label(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_add_char(out, '\\');
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_char(out, *value);
	}
}

void metrics_sample(struct buf *out, const char *name,
		    const char *const *labels, double value)
{
	char text[NUMBER_TEXT_MAX];

	buf_add_str(out, name);
	for (unsigned i = 0; labels && labels[i]; i += 2) {
		buf_add_char(out, i ? ',' : '{');
		buf_printf(out, "%s=\"", labels[i]);
		escape_label(out, labels[i + 1]);
		buf_add_char(out, '"');
	}
	if (labels && labels[0])
		buf_add_char(out, '}');
	if (isnan(value)) {
		buf_add_str(out, " NaN\n");
		return;
	}
	buf_add_char(out, ' ');
	buf_add(out, text, number_format(value, text));
	buf_add_char(out, '\n');
}

static void write_events(struct metrics *m, struct buf *out)
{
	metrics_family(out, "driftd_events_total", "counter",
		       "Events by what became of them.");
	for (uint32_t i = 0; i < dict_count(m->models); i++) {
		for (unsigned o = 0; o < N_EVENT_OUTCOMES; o++) {
			const char *labels[] = {
				"model", dict_text(m->models, i, NULL),
				"outcome", outcome_names[o], NULL};

			metrics_sample(out, "driftd_events_total", labels,
				       (double)m->counts[i].events[o]);
		}
	}
}

static void write_requests(struct metrics *m, struct buf *out)
{
	metrics_family(out, "driftd_http_requests_total", "counter",
		       "Answers by route and status; code 0 was closed "
		       "without one.");
	for (unsigned i = 0; i < m->n_routes; i++) {
		for (unsigned k = 0; k < m->routes[i].n_codes; k++) {
			struct buf code;

			buf_init(&code, 16);
			buf_printf(&code, "%d", m->routes[i].codes[k]);
			const char *labels[] = {"route", m->routes[i].route,
						"code", buf_str(&code), NULL};

			metrics_sample(out, "driftd_http_requests_total",
				       labels, (double)m->routes[i].counts[k]);
			buf_release(&code);
		}
	}
}

void metrics_write(struct metrics *m, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	write_events(m, out);
	write_requests(m, out);
	pthread_mutex_unlock(&m->lock);
}
