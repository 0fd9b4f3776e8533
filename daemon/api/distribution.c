/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * distribution - one column in one window: its cells with both counts, its
 * bins, and what each bin adds to PSI.
 */

#include "base/err.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "daemon/api/api.h"
#include "daemon/app.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "detectors/detector.h"
#include "detectors/pair.h"
#include "detectors/profile_set.h"
#include "storage/baseline_store.h"
#include "storage/evaluation.h"

#include <math.h>
#include <string.h>

/* The interval of cell ${j}, or its category. */
static void write_cell(struct json_out *w, const struct pair *p, uint32_t j)
{
	json_object_begin(w);
	if (p->kind == COLUMN_NUMERIC) {
		json_put_number(w, "lower", j ? p->edges[j - 1] : -HUGE_VAL);
		json_put_number(w, "upper",
				j + 1 < p->n_cells ? p->edges[j] : HUGE_VAL);
	} else {
		json_put_string(w, "category", p->names[j]);
		json_put_bool(w, "new", p->is_new[j]);
	}
	json_put_int(w, "reference", (int64_t)p->ref.count[j]);
	json_put_int(w, "current", (int64_t)p->cur.count[j]);
	json_object_end(w);
}

/* A bin's interval is from the first to the last of its cells. */
static void write_bin_name(struct json_out *w, const struct pair *p,
			   uint32_t bin)
{
	double lower = -HUGE_VAL, upper = HUGE_VAL;

	if (p->kind == COLUMN_CATEGORICAL) {
		json_put_string(w, "category", p->names[bin]);
		return;
	}
	for (uint32_t j = 0; j + 1 < p->n_cells; j++) {
		if (p->cell_bin[j] < bin)
			lower = p->edges[j];
		if (p->cell_bin[j] == bin && p->cell_bin[j + 1] > bin)
			upper = p->edges[j];
	}
	json_put_number(w, "lower", lower);
	json_put_number(w, "upper", upper);
}

static void write_bin(struct json_out *w, const struct pair *p, uint32_t bin)
{
	const struct detector *psi = detector_find("psi");

	json_object_begin(w);
	write_bin_name(w, p, bin);
	json_put_int(w, "reference", (int64_t)p->ref.bin[bin]);
	json_put_int(w, "current", (int64_t)p->cur.bin[bin]);
	if (p->ref.n && p->cur.n)
		json_put_number(w, "psi_contribution",
				psi->contribution(p, bin));
	json_object_end(w);
}

static void write_side(struct json_out *w, const char *key,
		       const struct pair_side *s)
{
	json_key(w, key);
	json_object_begin(w);
	json_put_int(w, "n", (int64_t)s->n);
	json_put_int(w, "n_missing", (int64_t)s->n_missing);
	json_put_int(w, "n_invalid", (int64_t)s->n_invalid);
	json_put_number(w, "min", s->min);
	json_put_number(w, "max", s->max);
	json_object_end(w);
}

static void write_distribution(struct http_request *r, const struct pair *p,
			       const struct evaluation_window *window)
{
	struct json_out w;

	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_string(&w, "column", r->params[1]);
	json_put_string(&w, "kind", column_kind_name(p->kind));
	json_put_time(&w, "window_start", window->start_us);
	json_put_time(&w, "window_end", window->end_us);
	json_put_string(&w, "baseline", window->baseline_version);
	json_put_bool(&w, "truncated", p->truncated);
	write_side(&w, "reference", &p->ref);
	write_side(&w, "current", &p->cur);
	json_key(&w, "cells");
	json_array_begin(&w);
	for (uint32_t j = 0; j < p->n_cells; j++)
		write_cell(&w, p, j);
	json_array_end(&w);
	json_key(&w, "bins");
	json_array_begin(&w);
	for (uint32_t b = 0; b < p->n_bins; b++)
		write_bin(&w, p, b);
	json_array_end(&w);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
}

static void answer(struct http_request *r, const struct config_model *m,
		   struct evaluation_window *window)
{
	struct app *a = r->app;
	const struct baseline_column *column = NULL;
	const struct profile_entry *entry;
	struct profile_set set;
	struct pair pair;
	struct err e = {0};

	if (evaluation_peek(app_pg(a, r), m, a->query_baselines, window, &set,
			    &e)) {
		http_error_from(r, &e);
		goto out;
	}
	if (window->baseline)
		column = baseline_find(window->baseline, r->params[1],
				       strlen(r->params[1]));
	if (!column) {
		http_error(r, 404, "not_found",
			   "the baseline of this window has no column \"%s\"",
			   r->params[1]);
		goto out;
	}
	profile_set_close(&set);
	entry = profile_set_find(&set, r->params[1]);
	pair_init(&pair, column, entry ? entry->profile : NULL);
	write_distribution(r, &pair, window);
	pair_release(&pair);
out:
	profile_set_release(&set);
	evaluation_window_release(window);
}

void api_distribution(struct http_request *r)
{
	struct config *c = app_config(r->app);
	const struct config_model *m =
		config_find_model(c, r->params[0], http_query(r, "version"));
	const char *start = http_query(r, "window_start");
	struct evaluation_window window = {0};

	if (!m)
		http_error(r, 404, "unknown_model",
			   "model \"%s\" is not configured", r->params[0]);
	else if (!start ||
		 !timestamp_parse(start, strlen(start), &window.start_us))
		http_error(r, 400, "invalid",
			   "\"window_start\" must be a time");
	else
		answer(r, m, &window);
	config_unref(c);
}
