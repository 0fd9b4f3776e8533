/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_MONTH_H
#define DRIFTD_TESTS_MONTH_H

/*
 * month - a month of hourly windows of one model, judged as the daemon would
 * judge it: values are drawn, folded into profiles over the baseline's cells
 * and judged by judge_column with the default detectors and thresholds.  Only
 * the way over HTTP and PostgreSQL is left out.  A column is worked on alone
 * (K is that of the whole model), so columns go to threads and memory stays
 * small.  Everything follows from the seed.
 *
 * The baseline has event times and no cycle or offset: the harder case, since
 * nothing can be learned that would excuse them.
 */
#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/judge.h"
#include "detectors/learn.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/registry.h"
#include "detectors/special.h"
#include "tests/unit/detectors/rng.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum shape {
	SHAPE_STILL,
	SHAPE_OFFSET,	/* + 0.03 sigma, always */
	SHAPE_CYCLE,	/* +- 0.06 sigma, daily */
	SHAPE_SHIFT,	/* + 0.3 sigma from `onset` on */
	SHAPE_VARIANCE, /* sigma 1.5 times as large from `onset` on */
	SHAPE_TAIL,	/* the upper tenth goes half a sigma further out */
	SHAPE_ATOM,	/* 2 % of the values become 0.5 */
	SHAPE_SWAP,	/* two of eight categories change places */
	N_SHAPES
};

static const char *const shape_names[N_SHAPES] = {
	"still",	   "offset 0.03 sigma", "cycle 0.06 sigma",
	"shift 0.3 sigma", "sigma x 1.5",	"upper tenth + 0.5",
	"2 % atom",	   "categories swapped"};

enum { MONTH_METRICS = 32, QUANTILES = 4096, CHUNK = 10000 };

struct month {
	uint64_t seed;
	unsigned n_columns; /* those of no other shape are still */
	unsigned n_judged;  /* K of the model; 0 = n_columns */
	unsigned n_shape[N_SHAPES];
	unsigned n_windows, onset;
	unsigned n_baseline, n; /* rows */
	unsigned n_threads;
	double alpha;	    /* of a window; 0 = the default, 0.01 */
	bool all_detectors; /* those not run by default at a threshold of 0.1 */
};

/* What one metric said of a column. */
struct month_metric {
	const char *name;
	double threshold; /* the effective one, the last seen */
	unsigned n_drifted,
		n_seen; /* windows from onset: bound > threshold, 0 */
};

struct month_column {
	enum shape shape;
	bool *drifted; /* owned, by window */
	struct month_metric metrics[MONTH_METRICS];
	size_t n_metrics;
	double factor; /* the largest that was learned */
	bool failed;
};

struct month_run {
	const struct month *month;
	struct judge_spec spec;
	struct judge_column *columns; /* owned */
	struct month_column *results; /* owned */
	struct thresholds thresholds[DETECTORS_MAX];
	double quantile[QUANTILES + 1];
	atomic_uint next;
};

/* Normal values by inversion: exact in the tails, linear between nodes. */
static inline double month_gauss(const struct month_run *r, struct rng *rng)
{
	uint64_t bits = rng_next(rng);
	size_t i = (size_t)(bits >> 52);
	double f = (double)(bits & (UINT64_C(0xfffffffffffff))) * 0x1p-52;

	if (i == 0)
		return -special_normal_q_inv((f + 0x1p-53) / QUANTILES);
	if (i == QUANTILES - 1)
		return special_normal_q_inv((f + 0x1p-53) / QUANTILES);
	return r->quantile[i] + (r->quantile[i + 1] - r->quantile[i]) * f;
}

static inline double month_value(const struct month_run *r, struct rng *rng,
				 enum shape shape, double move)
{
	double v = month_gauss(r, rng);

	switch (shape) {
	case SHAPE_STILL:
	case SHAPE_OFFSET:
	case SHAPE_CYCLE:
	case SHAPE_SHIFT:
		return v + move;
	case SHAPE_VARIANCE:
		return v * (1.0 + move);
	case SHAPE_TAIL:
		return v > 1.2815515655446004 ? v + move : v;
	case SHAPE_ATOM:
	case SHAPE_SWAP:
	case N_SHAPES:
		break;
	}
	return move > 0.0 && rng_unit(rng) < move ? 0.5 : v;
}

/* How far the shape is from the baseline in window ${w}. */
static inline double month_move(const struct month *m, enum shape shape,
				unsigned w)
{
	static const double moves[N_SHAPES] = {
		[SHAPE_SHIFT] = 0.3, [SHAPE_VARIANCE] = 0.5, [SHAPE_TAIL] = 0.5,
		[SHAPE_ATOM] = 0.02, [SHAPE_SWAP] = 1.0,
	};

	if (shape == SHAPE_OFFSET)
		return 0.03;
	if (shape == SHAPE_CYCLE)
		return 0.06 * sin(2.0 * M_PI * w / 24.0);
	return w >= m->onset ? moves[shape] : 0.0;
}

static const struct category_text month_texts[8] = {
	{"a", 1, false}, {"b", 1, false}, {"c", 1, false}, {"d", 1, false},
	{"e", 1, false}, {"f", 1, false}, {"g", 1, false}, {"h", 1, false}};

/* Shares 30, 20, 14, 11, 9, 7, 5, 4 %; a swap exchanges the second with the
 * last but one. */
static inline uint32_t month_code(struct rng *rng, double move)
{
	static const double upto[8] = {0.30, 0.50, 0.64, 0.75,
				       0.84, 0.91, 0.96, 1.0};
	double u = rng_unit(rng);
	uint32_t i = 0;

	while (u >= upto[i])
		i++;
	if (move > 0.0 && (i == 1 || i == 6))
		return i == 1 ? 6 : 1;
	return i;
}

static inline void month_draw(const struct month_run *r, struct rng *rng,
			      enum shape shape, double move, double *values,
			      uint32_t *codes, size_t n)
{
	size_t i;

	if (shape == SHAPE_SWAP) {
		for (i = 0; i < n; i++)
			codes[i] = month_code(rng, move);
		return;
	}
	for (i = 0; i < n; i++)
		values[i] = month_value(r, rng, shape, move);
}

static inline struct baseline *month_baseline(const struct month_run *r,
					      struct rng *rng, size_t column,
					      double *values, uint32_t *codes)
{
	enum shape shape = r->results[column].shape;
	struct baseline_spec_column c = {r->columns[column].name,
					 r->columns[column].kind, ROLE_FEATURE};
	struct baseline_builder *b = baseline_builder_new(&c, 1, 256, 1000, 0);
	int64_t *times = xcalloc(CHUNK, sizeof(*times));
	struct baseline *out = NULL;
	size_t done = 0, n, i;
	struct err e;

	for (; done < r->month->n_baseline; done += n) {
		n = r->month->n_baseline - done;
		n = n < CHUNK ? n : CHUNK;
		month_draw(r, rng, shape, 0.0, values, codes, n);
		for (i = 0; i < n; i++)
			times[i] = (int64_t)(done + i) * 1000000;
		if ((c.kind == COLUMN_NUMERIC
			     ? baseline_builder_numbers(b, 0, values, n, &e)
			     : baseline_builder_codes(b, 0, codes, n,
						      month_texts, 8, &e)) ||
		    baseline_builder_rows(b, times, n, &e))
			goto out;
	}
	out = baseline_builder_finish(b, &e);
out:
	free(times);
	baseline_builder_free(b);
	return out;
}

static inline void month_note(struct month_column *out, const struct verdict *v,
			      bool after)
{
	struct month_metric *m = NULL;
	size_t i;

	for (i = 0; i < out->n_metrics && m == NULL; i++) {
		if (strcmp(out->metrics[i].name, v->metric) == 0)
			m = &out->metrics[i];
	}
	if (m == NULL) {
		if (isnan(v->threshold) || out->n_metrics == MONTH_METRICS)
			return;
		m = &out->metrics[out->n_metrics++];
		*m = (struct month_metric){.name = v->metric};
	}
	m->threshold = v->threshold;
	m->n_seen += after && v->bound > 0.0;
	m->n_drifted += after && v->drifted;
}

static inline void month_window(const struct month_run *r,
				const struct judge_spec *spec, size_t column,
				unsigned w, const struct pair *pair)
{
	struct month_column *out = &r->results[column];
	struct verdicts v = {.n = 0};
	size_t i;

	judge_column(spec, column,
		     judge_alpha(spec, r->month->n_judged > 0
					       ? r->month->n_judged
					       : spec->n_columns),
		     pair, &v);
	for (i = 0; i < v.n; i++) {
		out->drifted[w] =
			out->drifted[w] ||
			(v.items[i].drifted &&
			 detector_find(v.items[i].metric)->by_default);
		month_note(out, &v.items[i], w >= r->month->onset);
	}
	verdicts_release(&v);
}

static inline double month_factor(const struct learned *l, const char *name,
				  uint64_t n)
{
	double most = 1.0;
	size_t i, n_detectors;

	detector_list(&n_detectors);
	for (i = 0; i < n_detectors; i++)
		most = fmax(most, learned_factor(l, name, i, n));
	return most;
}

static inline void month_column(const struct month_run *r, size_t column,
				double *values, uint32_t *codes)
{
	const struct month *m = r->month;
	struct month_column *out = &r->results[column];
	struct rng rng = {m->seed +
			  (column + 1) * UINT64_C(0xd1b54a32d192ed03)};
	struct baseline *b = month_baseline(r, &rng, column, values, codes);
	struct judge_spec spec = r->spec;
	struct learned *learned = NULL;
	struct profile *p = NULL;
	unsigned w;

	if (b == NULL) {
		out->failed = true;
		return;
	}
	learned = learned_new(b, spec.detectors);
	spec.learned = learned;
	out->factor = month_factor(learned, r->columns[column].name, m->n);
	p = profile_new(r->columns[column].kind, b->columns[0].cells, 1000);
	for (w = 0; w < m->n_windows; w++) {
		struct pair pair;

		month_draw(r, &rng, out->shape, month_move(m, out->shape, w),
			   values, codes, m->n);
		profile_clear(p);
		if (out->shape == SHAPE_SWAP)
			profile_add_categories(p, codes, NULL, m->n,
					       month_texts, 8);
		else
			profile_add_numbers(p, values, NULL, m->n);
		pair_init(&pair, &b->columns[0], p);
		month_window(r, &spec, column, w, &pair);
		pair_release(&pair);
	}
	profile_free(p);
	learned_free(learned);
	baseline_free(b);
}

static inline void *month_worker(void *arg)
{
	struct month_run *r = arg;
	size_t n = r->month->n > CHUNK ? r->month->n : CHUNK;
	double *values = xcalloc(n, sizeof(*values));
	uint32_t *codes = xcalloc(n, sizeof(*codes));
	unsigned i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->month->n_columns)
		month_column(r, i, values, codes);
	free(values);
	free(codes);
	return NULL;
}

/* Default thresholds; 0.1 for what decides only when given one. */
static inline void month_thresholds(struct thresholds *out)
{
	const struct detector *const *list;
	size_t i, n;

	list = detector_list(&n);
	for (i = 0; i < n; i++) {
		out[i] = list[i]->thresholds;
		if (list[i]->decides && !list[i]->by_default)
			out[i].error = 0.1;
	}
}

static inline uint64_t month_default_detectors(void)
{
	const struct detector *const *list;
	uint64_t bits = 0;
	size_t i, n;

	list = detector_list(&n);
	for (i = 0; i < n; i++) {
		if (list[i]->by_default)
			bits |= UINT64_C(1) << i;
	}
	return bits;
}

/* Run the whole month; month_release ends it. */
static inline void month_run(struct month_run *r, const struct month *m)
{
	pthread_t threads[8];
	unsigned i, shape = 0, used = 0,
		    n = m->n_threads < 8 ? m->n_threads : 8;

	memset(r, 0, sizeof(*r));
	r->month = m;
	r->columns = xcalloc(m->n_columns, sizeof(*r->columns));
	r->results = xcalloc(m->n_columns, sizeof(*r->results));
	for (i = 1; i < QUANTILES; i++)
		r->quantile[i] = -special_normal_q_inv((double)i / QUANTILES);
	month_thresholds(r->thresholds);
	for (i = 0; i < m->n_columns; i++) {
		while (shape < N_SHAPES && used == m->n_shape[shape]) {
			shape++;
			used = 0;
		}
		used++;
		r->results[i].shape = shape < N_SHAPES ? shape : SHAPE_STILL;
		r->results[i].drifted = xcalloc(m->n_windows, sizeof(bool));
		r->columns[i] = (struct judge_column){
			.name = "column",
			.kind = r->results[i].shape == SHAPE_SWAP
					? COLUMN_CATEGORICAL
					: COLUMN_NUMERIC,
			.importance = (double)NAN,
			.thresholds = m->all_detectors ? r->thresholds : NULL,
		};
	}
	r->spec = (struct judge_spec){
		.columns = r->columns,
		.n_columns = m->n_columns,
		.detectors = m->all_detectors ? UINT64_MAX
					      : month_default_detectors(),
		.alpha = m->alpha > 0.0 ? m->alpha : 0.01,
		.min_rows = m->n < 500 ? m->n : 500,
	};
	for (i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, month_worker, r))
			abort();
	}
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static inline void month_release(struct month_run *r)
{
	unsigned i;

	for (i = 0; i < r->month->n_columns; i++)
		free(r->results[i].drifted);
	free(r->columns);
	free(r->results);
}

/*
 * The window in which `for: 2 of 3` first holds from ${from} on, looking at
 * windows from ${from} only; n_windows when it never does.
 */
static inline unsigned month_fires(const struct month_run *r, unsigned column,
				   unsigned from, unsigned to)
{
	const bool *d = r->results[column].drifted;
	unsigned w, i, k;

	for (w = from; w < to; w++) {
		k = 0;
		for (i = w >= from + 2 ? w - 2 : from; i <= w; i++)
			k += d[i];
		if (k >= 2)
			return w;
	}
	return r->month->n_windows;
}

/* The figures of a month. */
struct month_figures {
	unsigned n_false_windows; /* column-windows drifted without drift */
	unsigned n_false_alerts;  /* columns that `2 of 3` fired on */
	unsigned n_real, n_found; /* columns with a shift; found within 3 */
	unsigned slowest;	  /* windows until the last of them was found */
	double factor;		  /* the largest learned one */
	bool failed;
};

static inline void month_judge(const struct month_run *r,
			       struct month_figures *f)
{
	const struct month *m = r->month;
	unsigned i, w, end, fired;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < m->n_columns; i++) {
		const struct month_column *c = &r->results[i];
		bool is_real = c->shape >= SHAPE_SHIFT;

		end = is_real ? m->onset : m->n_windows;
		f->failed = f->failed || c->failed;
		f->factor = fmax(f->factor, c->factor);
		for (w = 0; w < end; w++)
			f->n_false_windows += c->drifted[w];
		f->n_false_alerts += month_fires(r, i, 0, end) < end;
		if (!is_real)
			continue;
		f->n_real++;
		fired = month_fires(r, i, m->onset, m->n_windows) - m->onset +
			1;
		f->n_found += fired <= 3;
		f->slowest = f->slowest > fired ? f->slowest : fired;
	}
}

#endif
