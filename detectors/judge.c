/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge - columns of a window to verdicts; judge_adjust.c corrects the
 * p-values, judge_top.c says what moved.
 *
 * What a status means for a metric that rests on valid values, in order:
 *
 *	not_applicable      there is no such measure here
 *	type_changed        most non-missing values of a numeric column are
 *	                    invalid: only invalid_share can say `drifted`
 *	empty               no valid value on one of the sides
 *	insufficient_data   fewer valid values than min_rows
 *	constant_reference  one distinct value in the reference
 *
 * A metric over all rows is empty without rows, insufficient below min_rows,
 * and otherwise ok.  A label that has not come yet is no missing value, so
 * such metrics do not apply to labels.
 */
#include "detectors/judge.h"

#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/effect.h"
#include "detectors/judge_parts.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "detectors/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one column before its metrics are judged. */
struct case_file {
	const struct judge_spec *spec;
	const struct judge_column *column;
	const struct pair *pair;
	double alpha; /* of this column */
	bool type_changed;
	bool constant_reference;
};

static struct verdict *add_verdict(struct verdicts *out, const char *column,
				   const char *metric, enum signal signal)
{
	struct verdict *v;

	if (out->n == out->cap) {
		out->cap = out->cap > 0 ? out->cap * 2 : 64;
		out->items = xrealloc_array(out->items, out->cap,
					    sizeof(*out->items));
	}
	v = &out->items[out->n++];
	*v = (struct verdict){
		.column = column,
		.metric = metric,
		.signal = signal,
		.value = (double)NAN,
		.lower = (double)NAN,
		.upper = (double)NAN,
		.p_value = (double)NAN,
		.p_adjusted = (double)NAN,
		.threshold = (double)NAN,
		.bound = (double)NAN,
	};
	return v;
}

static void set_value(struct verdict *v, double value)
{
	v->value = value;
	v->lower = value;
	v->upper = value;
}

static bool has_one_value(const struct pair *p)
{
	uint32_t i, n_used = 0;

	if (p->ref.n == 0)
		return false;
	if (p->kind == COLUMN_NUMERIC)
		return !(p->ref.min < p->ref.max);
	for (i = 0; i < p->n_cells; i++)
		n_used += p->ref.count[i] > 0;
	return n_used == 1;
}

static bool is_type_changed(const struct case_file *c)
{
	const struct pair_side *s = &c->pair->cur;
	uint64_t n_present = s->n + s->n_invalid;

	if (c->column->kind != c->pair->kind)
		return true;
	return c->pair->kind == COLUMN_NUMERIC && n_present > 0 &&
	       n_present >= c->spec->min_rows && s->n_invalid > s->n;
}

static enum verdict_status status_over_rows(const struct case_file *c,
					    const struct detector *d,
					    const struct finding *f)
{
	if (c->column->role == ROLE_LABEL)
		return VERDICT_NOT_APPLICABLE;
	if (f->status == FINDING_EMPTY)
		return VERDICT_EMPTY;
	if (f->n_cur < c->spec->min_rows)
		return VERDICT_INSUFFICIENT_DATA;
	if (c->type_changed && d == &detector_invalid_share)
		return VERDICT_TYPE_CHANGED;
	return VERDICT_OK;
}

static enum verdict_status status_of(const struct case_file *c,
				     const struct detector *d,
				     const struct finding *f)
{
	if (f->status == FINDING_NOT_APPLICABLE)
		return VERDICT_NOT_APPLICABLE;
	if (d->over_rows)
		return status_over_rows(c, d, f);
	if (c->type_changed)
		return VERDICT_TYPE_CHANGED;
	if (f->status == FINDING_EMPTY)
		return VERDICT_EMPTY;
	if (f->n_cur < c->spec->min_rows)
		return VERDICT_INSUFFICIENT_DATA;
	if (c->constant_reference)
		return VERDICT_CONSTANT_REFERENCE;
	return VERDICT_OK;
}

static bool may_drift(const struct detector *d, enum verdict_status status)
{
	if (!d->decides)
		return false;
	return status == VERDICT_OK || status == VERDICT_CONSTANT_REFERENCE ||
	       (status == VERDICT_TYPE_CHANGED && d->over_rows);
}

static enum severity severity_of(const struct thresholds *t, double bound)
{
	/* comparisons with a level that is not there (NaN) are false */
	if (bound > t->critical)
		return SEVERITY_CRITICAL;
	if (bound > t->error)
		return SEVERITY_ERROR;
	return bound > t->warning ? SEVERITY_WARNING : SEVERITY_NONE;
}

/* The row of one metric; true when it was judged. */
static bool judge_metric(const struct case_file *c, const struct detector *d,
			 struct verdicts *out, bool *drifted)
{
	const struct thresholds *t = &d->thresholds;
	struct verdict *v = add_verdict(out, c->column->name, d->metric,
					column_signal(c->column->role));
	struct finding f;

	if (c->column->thresholds != NULL)
		t = &c->column->thresholds[detector_index(d)];
	d->run(c->pair, &f);
	v->status = status_of(c, d, &f);
	v->value = f.value;
	v->lower = f.lower;
	v->upper = f.upper;
	v->p_value = f.p_value;
	v->threshold = t->error;
	v->n_reference = f.n_ref;
	v->n_current = f.n_cur;
	if (!may_drift(d, v->status) || f.status != FINDING_OK)
		return false;
	v->bound = d->bound(c->pair, &f, c->alpha);
	v->severity = severity_of(t, v->bound);
	v->drifted = v->bound > t->error;
	*drifted = *drifted || v->drifted;
	return true;
}

static double weight_of(const struct judge_column *c)
{
	return isnan(c->importance) ? 1.0 : c->importance;
}

/* Every metric of a column; drifted_share keeps weights until the end. */
static void judge_metrics(const struct case_file *c, double *weights,
			  struct verdicts *out)
{
	enum signal signal = column_signal(c->column->role);
	const struct detector *const *all;
	bool judged = false, drifted = false;
	size_t n, i;

	all = detector_list(&n);
	for (i = 0; i < n; i++) {
		if ((all[i]->kinds & 1U << c->pair->kind) == 0)
			continue;
		if (!all[i]->always && (c->spec->detectors >> i & 1) == 0)
			continue;
		if (judge_metric(c, all[i], out, &drifted))
			judged = true;
	}
	if (!judged)
		return;
	out->n_judged[signal]++;
	weights[signal] += weight_of(c->column);
	if (drifted) {
		out->n_drifted[signal]++;
		out->drifted_share[signal] += weight_of(c->column);
	}
}

static uint64_t rows_of(const struct profile *p)
{
	return p != NULL ? p->n_valid + p->n_missing + p->n_invalid : 0;
}

/* Events that lack the column hold a missing value of it. */
static uint64_t gap_of(const struct profile_set *window,
		       const struct profile *p)
{
	uint64_t n = rows_of(p);

	return window->n_events > n ? window->n_events - n : 0;
}

static void no_baseline(const struct judge_column *column,
			const struct profile_set *window,
			const struct profile *p, struct verdicts *out)
{
	struct verdict *v =
		add_verdict(out, column->name, detector_missing_share.metric,
			    column_signal(column->role));
	uint64_t gap = gap_of(window, p), n = rows_of(p) + gap;

	v->status = VERDICT_NO_BASELINE;
	v->n_current = n;
	if (n > 0)
		set_value(v, (double)((p != NULL ? p->n_missing : 0) + gap) /
				     (double)n);
}

static void judge_column(const struct judge_spec *spec,
			 const struct judge_column *column, double alpha,
			 const struct baseline_column *reference,
			 const struct profile_set *window, double *weights,
			 struct verdicts *out)
{
	const struct profile_entry *entry =
		profile_set_find(window, column->name);
	const struct profile *p = entry != NULL ? entry->profile : NULL;
	struct case_file c = {.spec = spec, .column = column, .alpha = alpha};
	struct pair pair;

	if (column->role == ROLE_LABEL && (p == NULL || p->n_valid == 0))
		return;
	if (reference == NULL) {
		no_baseline(column, window, p, out);
		return;
	}
	pair_init(&pair, reference, p);
	pair.cur.n_missing += gap_of(window, p);
	c.pair = &pair;
	c.type_changed = is_type_changed(&c);
	c.constant_reference = has_one_value(&pair);
	judge_metrics(&c, weights, out);
	pair_release(&pair);
}

static const struct baseline_column *
reference_of(const struct baseline *baseline, const struct judge_column *c)
{
	if (baseline == NULL)
		return NULL;
	return baseline_find(baseline, c->name, strlen(c->name));
}

static double alpha_of_column(const struct judge_spec *spec,
			      const struct baseline *baseline)
{
	size_t i, k = 0;

	for (i = 0; i < spec->n_columns; i++) {
		k += spec->columns[i].role != ROLE_LABEL &&
		     reference_of(baseline, &spec->columns[i]) != NULL;
	}
	return spec->alpha / (double)(k > 0 ? k : 1);
}

static void add_volume(uint64_t n_reference, uint64_t n_events,
		       struct verdicts *out)
{
	struct verdict *v =
		add_verdict(out, JUDGE_MODEL_COLUMN, "volume", SIGNAL_DATA);

	set_value(v, (double)n_events);
	v->n_reference = n_reference;
	v->n_current = n_events;
}

static void add_model_rows(uint64_t n_reference, uint64_t n_events,
			   const double *weights, struct verdicts *out)
{
	struct verdict *v;
	size_t s;

	add_volume(n_reference, n_events, out);
	for (s = 0; s < N_SIGNALS; s++) {
		if (weights[s] > 0.0)
			out->drifted_share[s] /= weights[s];
		else
			out->drifted_share[s] = (double)NAN;
		if (out->n_judged[s] == 0)
			continue;
		v = add_verdict(out, JUDGE_MODEL_COLUMN,
				"drifted_columns_share", (enum signal)s);
		set_value(v, out->drifted_share[s]);
		v->n_reference = n_reference;
		v->n_current = n_events;
	}
}

static void reset(struct verdicts *out)
{
	size_t s;

	out->n = 0;
	for (s = 0; s < N_SIGNALS; s++) {
		out->n_judged[s] = 0;
		out->n_drifted[s] = 0;
		out->drifted_share[s] = 0.0;
	}
}

void judge_window(const struct judge_spec *spec,
		  const struct baseline *baseline,
		  const struct profile_set *window, struct verdicts *out)
{
	double weights[N_SIGNALS] = {0.0}, alpha;
	size_t i;

	if (window->n_events == 0) {
		judge_empty_window(out);
		return;
	}
	reset(out);
	alpha = alpha_of_column(spec, baseline);
	for (i = 0; i < spec->n_columns; i++)
		judge_column(spec, &spec->columns[i], alpha,
			     reference_of(baseline, &spec->columns[i]), window,
			     weights, out);
	judge_adjust(out);
	add_model_rows(baseline != NULL ? baseline->n_rows : 0,
		       window->n_events, weights, out);
}

void judge_empty_window(struct verdicts *out)
{
	size_t s;

	reset(out);
	for (s = 0; s < N_SIGNALS; s++)
		out->drifted_share[s] = (double)NAN;
	add_volume(0, 0, out);
}

void verdicts_release(struct verdicts *v)
{
	free(v->items);
	memset(v, 0, sizeof(*v));
}
