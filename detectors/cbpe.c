/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cbpe - expected counts and what follows from them.
 *
 * Let group g (of equal raw score) hold n_g events with chances that sum to
 * T_g, F_g = n_g - T_g and V_g = sum c (1 - c).  With T, F, V over all:
 *
 *	roc_auc = sum_g T_g a_g / (T F),  a_g = F below g + F_g / 2
 *	average_precision = sum_g T_g P_g / T,  P_g = T down to g / n down to g
 *
 * and the variance of each is sum_g V_g d_g^2, d the derivative by one c:
 *
 *	roc_auc: (a_g - b_g) / (T F) - roc_auc (1/T - 1/F), b_g = T above + T_g/2
 *	average_precision: (P_g + sum_{h at or below g} T_h / n_h - it) / T
 *
 * Recall depends on two independent sums, TP and FN; so do specificity and F1.
 */
#include "detectors/cbpe.h"

#include "base/buf.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Of one group: how many, and their chances, by predicted class. */
struct chances {
	double n[2], t[2], v[2];
};

/* Expected counts, and the variance of what each half of them shares. */
struct expected {
	struct quality_confusion counts;
	double n, v_called, v_passed;
};

struct curves {
	double roc_auc, roc_auc_error;
	double precision, precision_error; /* average precision */
	double ungrouped;
};

static double chance(const struct isotonic *calibration, double score)
{
	if (calibration != NULL)
		return isotonic_at(calibration, score);
	return score >= 0.0 && score <= 1.0 ? score : (double)NAN;
}

/* Ascending by score; owned by the caller, never NULL. */
static struct chances *chances_of(const struct quality_scores *s,
				  const struct isotonic *calibration, size_t *n)
{
	struct quality_group *groups = quality_scores_groups(s, n);
	struct chances *out = xcalloc(*n + 1, sizeof(*out));

	for (size_t i = 0; i < *n; i++) {
		for (unsigned k = 0; k < 2; k++) {
			double c;

			if (groups[i].n[k] == 0)
				continue;
			c = chance(calibration,
				   interval_middle(groups[i].mean[k]));
			out[i].n[k] = (double)groups[i].n[k];
			out[i].t[k] = out[i].n[k] * c;
			out[i].v[k] = out[i].t[k] * (1.0 - c);
		}
	}
	free(groups);
	return out;
}

static void expect(const struct chances *groups, size_t n, struct expected *out)
{
	struct twofold tp = {0.0, 0.0}, fn = {0.0, 0.0};
	double called = 0.0, passed = 0.0;

	*out = (struct expected){.n = 0.0};
	for (size_t i = 0; i < n; i++) {
		called += groups[i].n[1];
		passed += groups[i].n[0];
		twofold_add(&tp, groups[i].t[1]);
		twofold_add(&fn, groups[i].t[0]);
		out->v_called += groups[i].v[1];
		out->v_passed += groups[i].v[0];
	}
	out->n = called + passed;
	out->counts = (struct quality_confusion){
		.tp = twofold_value(tp),
		.fp = called - twofold_value(tp),
		.fn = twofold_value(fn),
		.tn = passed - twofold_value(fn),
	};
}

/* Events of a group one by one, in any order: their chances are equal. */
static double one_by_one(double t_above, double n_above, double t, double n)
{
	double c = t / n, sum = 0.0;

	for (uint64_t i = 1; i <= (uint64_t)n; i++)
		sum += c * (t_above + (double)i * c) / (n_above + (double)i);
	return sum;
}

static void average_precision(const struct chances *groups, size_t n,
			      const struct expected *all, struct curves *out)
{
	double total = all->counts.tp + all->counts.fn;
	double t = 0.0, k = 0.0, sum = 0.0, single = 0.0;
	double below = 0.0, variance = 0.0;

	for (size_t i = n; i > 0; i--) {
		double own = groups[i - 1].t[0] + groups[i - 1].t[1];
		double count = groups[i - 1].n[0] + groups[i - 1].n[1];

		single += one_by_one(t, k, own, count);
		t += own;
		k += count;
		sum += own * (t / k);
	}
	out->precision = total > 0.0 ? sum / total : (double)NAN;
	out->ungrouped = total > 0.0 ? single / total : (double)NAN;
	for (size_t i = 0; i < n; i++) { /* from the lowest score */
		double own = groups[i].t[0] + groups[i].t[1];
		double d;

		below += own / k;
		d = (t / k + below - out->precision) / total;
		variance += (groups[i].v[0] + groups[i].v[1]) * d * d;
		t -= own;
		k -= groups[i].n[0] + groups[i].n[1];
	}
	out->precision_error = sqrt(variance);
}

static void roc_auc(const struct chances *groups, size_t n,
		    const struct expected *all, struct curves *out)
{
	double t = all->counts.tp + all->counts.fn;
	double f = all->counts.tn + all->counts.fp;
	struct twofold sum = {0.0, 0.0};
	double f_below = 0.0, t_below = 0.0, variance = 0.0;

	out->roc_auc = out->roc_auc_error = (double)NAN;
	if (!(t > 0.0) || !(f > 0.0))
		return;
	for (size_t i = 0; i < n; i++) {
		double own = groups[i].t[0] + groups[i].t[1];
		double miss = groups[i].n[0] + groups[i].n[1] - own;

		twofold_add(&sum, own * (f_below + miss / 2.0));
		f_below += miss;
	}
	out->roc_auc = twofold_value(sum) / t / f;
	f_below = 0.0;
	for (size_t i = 0; i < n; i++) {
		double own = groups[i].t[0] + groups[i].t[1];
		double miss = groups[i].n[0] + groups[i].n[1] - own;
		double a = f_below + miss / 2.0;
		double b = t - t_below - own / 2.0;
		double d = (a - b) / t / f - out->roc_auc * (1.0 / t - 1.0 / f);

		variance += (groups[i].v[0] + groups[i].v[1]) * d * d;
		f_below += miss;
		t_below += own;
	}
	out->roc_auc_error = sqrt(variance);
}

/* x/(x+y) of independent x and y, by their variances. */
static double ratio_error(double x, double vx, double y, double vy)
{
	double sum = x + y;

	return sum > 0.0 ? sqrt(y * y * vx + x * x * vy) / (sum * sum)
			 : (double)NAN;
}

/* F1 = 2 TP / (called + TP + FN) */
static double f1_error(const struct expected *x)
{
	double tp = x->counts.tp;
	double sum = 2.0 * tp + x->counts.fp + x->counts.fn;
	double by_fn = -2.0 * tp / (sum * sum), by_tp = 2.0 / sum + by_fn;

	return sum > 0.0 ? sqrt(by_tp * by_tp * x->v_called +
				by_fn * by_fn * x->v_passed)
			 : (double)NAN;
}

static void put(struct quality_rows *out, const char *prefix,
		const char *metric, const char *class, double value,
		double error)
{
	struct buf name;

	buf_init(&name, 4096);
	buf_printf(&name, "%s%s%s%s", prefix, metric, class ? "_" : "",
		   class ? class : "");
	quality_rows_number(out, buf_str(&name), value, error);
	buf_release(&name);
}

static void put_rates(const struct expected *x, const char *prefix,
		      struct quality_rows *out)
{
	const struct quality_confusion *c = &x->counts;
	double called = sqrt(x->v_called), passed = sqrt(x->v_passed);
	struct quality_rates r;

	quality_confusion_rates(c, &r);
	put(out, prefix, "tp", NULL, c->tp, called);
	put(out, prefix, "fp", NULL, c->fp, called);
	put(out, prefix, "fn", NULL, c->fn, passed);
	put(out, prefix, "tn", NULL, c->tn, passed);
	put(out, prefix, "accuracy", NULL, r.accuracy,
	    sqrt(x->v_called + x->v_passed) / x->n);
	put(out, prefix, "precision", NULL, r.precision,
	    c->tp + c->fp > 0.0 ? called / (c->tp + c->fp) : (double)NAN);
	put(out, prefix, "recall", NULL, r.recall,
	    ratio_error(c->tp, x->v_called, c->fn, x->v_passed));
	put(out, prefix, "specificity", NULL, r.specificity,
	    ratio_error(c->tn, x->v_passed, c->fp, x->v_called));
	put(out, prefix, "f1", NULL, r.f1, f1_error(x));
}

void cbpe_rows(const struct quality_scores *by_predicted,
	       const struct isotonic *calibration, const char *prefix,
	       struct quality_rows *out)
{
	struct expected all;
	struct chances *groups;
	struct curves curves;
	size_t n;

	groups = chances_of(by_predicted, calibration, &n);
	if (n > 0) {
		expect(groups, n, &all);
		put_rates(&all, prefix, out);
		roc_auc(groups, n, &all, &curves);
		average_precision(groups, n, &all, &curves);
		put(out, prefix, "roc_auc", NULL, curves.roc_auc,
		    curves.roc_auc_error);
		put(out, prefix, "average_precision", NULL, curves.precision,
		    curves.precision_error);
		put(out, prefix, "average_precision_ungrouped", NULL,
		    curves.ungrouped, curves.precision_error);
	}
	free(groups);
}

/* Sums over classes. */
struct means {
	double tp, v, n, n_classes, precision, recall, f1, roc_auc;
};

static void put_class(const struct chances *groups, size_t n,
		      const char *prefix, const char *class, struct means *sums,
		      struct quality_rows *out)
{
	struct expected x;
	struct quality_rates r;
	struct curves curves;

	expect(groups, n, &x);
	quality_confusion_rates(&x.counts, &r);
	roc_auc(groups, n, &x, &curves);
	put(out, prefix, "precision", class, r.precision,
	    sqrt(x.v_called) / (x.counts.tp + x.counts.fp));
	put(out, prefix, "recall", class, r.recall,
	    ratio_error(x.counts.tp, x.v_called, x.counts.fn, x.v_passed));
	put(out, prefix, "f1", class, r.f1, f1_error(&x));
	put(out, prefix, "roc_auc_ovr", class, curves.roc_auc,
	    curves.roc_auc_error);
	sums->n_classes++;
	sums->n += x.counts.tp + x.counts.fp;
	sums->tp += x.counts.tp;
	sums->v += x.v_called;
	sums->precision += r.precision;
	sums->recall += r.recall;
	sums->f1 += r.f1;
	sums->roc_auc += curves.roc_auc;
}

void cbpe_multiclass_rows(const struct quality_scores *by_predicted,
			  const struct isotonic *calibrations,
			  const char *const *classes, uint32_t n_classes,
			  const char *prefix, struct quality_rows *out)
{
	struct means sums = {.n = 0.0};
	double n;

	for (uint32_t c = 0; c < n_classes; c++) {
		struct chances *groups;
		size_t n_groups;

		groups = chances_of(&by_predicted[c],
				    calibrations ? &calibrations[c] : NULL,
				    &n_groups);
		if (n_groups > 0)
			put_class(groups, n_groups, prefix, classes[c], &sums,
				  out);
		free(groups);
	}
	if (sums.n_classes == 0.0)
		return;
	n = sums.n_classes;
	/* every event is predicted as one class: n sums to all of them */
	put(out, prefix, "accuracy", NULL,
	    sums.n > 0.0 ? sums.tp / sums.n : (double)NAN,
	    sums.n > 0.0 ? sqrt(sums.v) / sums.n : (double)NAN);
	put(out, prefix, "precision", "macro", sums.precision / n, (double)NAN);
	put(out, prefix, "recall", "macro", sums.recall / n, (double)NAN);
	put(out, prefix, "f1", "macro", sums.f1 / n, (double)NAN);
	put(out, prefix, "roc_auc_ovr", "macro", sums.roc_auc / n, (double)NAN);
}

bool cbpe_concept_drift_suspected(double realised, double estimate,
				  double standard_error, double coverage)
{
	double distance = fabs(realised - estimate);

	return coverage >= CBPE_COVERAGE_MIN && coverage <= 1.0 &&
	       isfinite(distance) && standard_error >= 0.0 &&
	       distance > CBPE_ERRORS * standard_error / sqrt(coverage);
}
