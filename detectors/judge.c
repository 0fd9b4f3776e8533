/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge - pairs to verdicts; judge_window.c makes the pairs of a window,
 * judge_adjust.c corrects the p-values, judge_top.c says what moved.
 *
 * What a status means for a metric that rests on valid values, in order:
 *
 *	not_applicable      there is no such measure here
 *	type_changed        most non-missing values of a numeric column are
 *	                    invalid: only invalid_share can say `drifted`
 *	empty               no valid value on one of the sides
 *	insufficient_data   fewer valid values than min_rows
 *	constant_reference  one distinct value in the reference
 *	not_applicable      the formula has no number here
 *
 * A metric over all rows is empty without rows, insufficient below min_rows,
 * and otherwise ok.  A label that has not come yet is no missing value, so
 * such metrics do not apply to labels.
 */
#include "detectors/judge.h"

#include "base/mem.h"
#include "detectors/effect.h"
#include "detectors/judge_parts.h"
#include "detectors/learn.h"
#include "detectors/pair.h"
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

static struct verdict *next_verdict(struct verdicts *out)
{
	if (out->n == out->cap) {
		out->cap = out->cap > 0 ? out->cap * 2 : 16;
		out->items = xrealloc_array(out->items, out->cap,
					    sizeof(*out->items));
	}
	return &out->items[out->n++];
}

static struct verdict *add_verdict(struct verdicts *out, const char *column,
				   const char *metric, enum signal signal)
{
	struct verdict *v = next_verdict(out);

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
	return f->status == FINDING_OK ? VERDICT_OK : VERDICT_NOT_APPLICABLE;
}

static bool has_level(const struct thresholds *t)
{
	return !isnan(t->warning) || !isnan(t->error) || !isnan(t->critical);
}

static bool may_drift(const struct detector *d, enum verdict_status status)
{
	return status == VERDICT_OK || status == VERDICT_CONSTANT_REFERENCE ||
	       (status == VERDICT_TYPE_CHANGED && d->over_rows);
}

static bool same_level(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/*
 * Levels that are the detector's own are raised by what was learned.  A
 * threshold that was set to just the default is not told apart: the model's
 * registered definition, which a verdict is a function of, does not either.
 */
static struct thresholds thresholds_of(const struct case_file *c,
				       const struct detector *d, uint64_t n_cur)
{
	struct thresholds t = d->thresholds;
	size_t i = detector_index(d);
	double factor;

	if (c->column->thresholds != NULL)
		t = c->column->thresholds[i];
	if (!same_level(t.warning, d->thresholds.warning) ||
	    !same_level(t.error, d->thresholds.error) ||
	    !same_level(t.critical, d->thresholds.critical))
		return t;
	factor = learned_factor(c->spec->learned, c->column->name, i, n_cur);
	t.warning *= factor;
	t.error *= factor;
	t.critical *= factor;
	return t;
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
	struct verdict *v = add_verdict(out, c->column->name, d->metric,
					column_signal(c->column->role));
	struct thresholds t;
	struct finding f;

	d->run(c->pair, &f);
	t = thresholds_of(c, d, f.n_cur);
	v->status = status_of(c, d, &f);
	v->value = f.value;
	v->lower = f.lower;
	v->upper = f.upper;
	v->p_value = f.p_value;
	v->threshold = t.error;
	v->n_reference = f.n_ref;
	v->n_current = f.n_cur;
	if (!d->decides || !has_level(&t) || f.status != FINDING_OK ||
	    !may_drift(d, v->status))
		return false;
	v->bound = d->bound(c->pair, &f, c->alpha);
	v->severity = severity_of(&t, v->bound);
	v->drifted = v->bound > t.error;
	*drifted = *drifted || v->drifted;
	return true;
}

static double weight_of(const struct judge_column *c)
{
	return isnan(c->importance) ? 1.0 : c->importance;
}

/* Every metric of a column; drifted_share keeps weights until the end. */
static void judge_metrics(const struct case_file *c, struct verdicts *out)
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
	out->weight[signal] += weight_of(c->column);
	if (drifted) {
		out->n_drifted[signal]++;
		out->drifted_share[signal] += weight_of(c->column);
	}
}

static void no_baseline(const struct judge_column *column,
			const struct pair *pair, struct verdicts *out)
{
	struct verdict *v =
		add_verdict(out, column->name, detector_missing_share.metric,
			    column_signal(column->role));
	uint64_t n = effect_rows(&pair->cur);

	v->status = VERDICT_NO_BASELINE;
	v->n_current = n;
	if (n > 0)
		set_value(v, (double)pair->cur.n_missing / (double)n);
}

void judge_column(const struct judge_spec *spec, size_t i, double alpha,
		  const struct pair *pair, struct verdicts *out)
{
	struct case_file c = {
		.spec = spec,
		.column = &spec->columns[i],
		.pair = pair,
		.alpha = alpha,
	};

	/* a label that has not come yet has nothing to say */
	if (c.column->role == ROLE_LABEL && pair->cur.n == 0 &&
	    pair->cur.n_invalid == 0)
		return;
	if (effect_rows(&pair->ref) == 0) {
		no_baseline(c.column, pair, out);
		return;
	}
	c.type_changed = is_type_changed(&c);
	c.constant_reference = has_one_value(pair);
	judge_metrics(&c, out);
}

void judge_append(struct verdicts *to, const struct verdicts *from)
{
	size_t i, s;

	for (i = 0; i < from->n; i++)
		*next_verdict(to) = from->items[i];
	for (s = 0; s < N_SIGNALS; s++) {
		to->n_judged[s] += from->n_judged[s];
		to->n_drifted[s] += from->n_drifted[s];
		to->drifted_share[s] += from->drifted_share[s];
		to->weight[s] += from->weight[s];
	}
}

void judge_add_model_row(const char *metric, double value, uint64_t n_reference,
			 uint64_t n_current, struct verdicts *out)
{
	struct verdict *v =
		add_verdict(out, JUDGE_MODEL_COLUMN, metric, SIGNAL_DATA);

	set_value(v, value);
	v->n_reference = n_reference;
	v->n_current = n_current;
}

static void add_volume(uint64_t n_reference, uint64_t n_events,
		       struct verdicts *out)
{
	judge_add_model_row("volume", (double)n_events, n_reference, n_events,
			    out);
}

void judge_finish(uint64_t n_reference, uint64_t n_current,
		  struct verdicts *out)
{
	struct verdict *v;
	size_t s;

	judge_adjust(out);
	add_volume(n_reference, n_current, out);
	for (s = 0; s < N_SIGNALS; s++) {
		if (out->weight[s] > 0.0)
			out->drifted_share[s] /= out->weight[s];
		else
			out->drifted_share[s] = (double)NAN;
		if (out->n_judged[s] == 0)
			continue;
		v = add_verdict(out, JUDGE_MODEL_COLUMN,
				"drifted_columns_share", (enum signal)s);
		set_value(v, out->drifted_share[s]);
		v->n_reference = n_reference;
		v->n_current = n_current;
	}
}

void judge_begin(struct verdicts *out)
{
	size_t s;

	out->n = 0;
	for (s = 0; s < N_SIGNALS; s++) {
		out->n_judged[s] = 0;
		out->n_drifted[s] = 0;
		out->drifted_share[s] = 0.0;
		out->weight[s] = 0.0;
	}
}

static bool is_judged(const struct judge_column *c, const struct pair *p)
{
	return c->role != ROLE_LABEL && p != NULL && effect_rows(&p->ref) > 0;
}

void judge_pairs(const struct judge_spec *spec, const struct pair *const *pairs,
		 uint64_t n_reference, uint64_t n_current, struct verdicts *out)
{
	size_t i, k = 0;

	judge_begin(out);
	for (i = 0; i < spec->n_columns; i++)
		k += is_judged(&spec->columns[i], pairs[i]);
	for (i = 0; i < spec->n_columns; i++) {
		if (pairs[i] != NULL)
			judge_column(spec, i, judge_alpha(spec, k), pairs[i],
				     out);
	}
	judge_finish(n_reference, n_current, out);
}

double judge_alpha(const struct judge_spec *spec, size_t k)
{
	return spec->alpha / (double)(k > 0 ? k : 1);
}

void judge_empty_window(struct verdicts *out)
{
	size_t s;

	judge_begin(out);
	for (s = 0; s < N_SIGNALS; s++)
		out->drifted_share[s] = (double)NAN;
	add_volume(0, 0, out);
}

void verdicts_release(struct verdicts *v)
{
	free(v->items);
	memset(v, 0, sizeof(*v));
}
