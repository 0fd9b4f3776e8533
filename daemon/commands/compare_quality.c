/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_quality - quality and its estimate, of the reference and of chunks.
 */

#include "daemon/commands/compare_quality.h"

#include "base/attr.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/cbpe.h"
#include "detectors/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Edges of the cells over which folds of the reference judge a calibration. */
enum { CHOICE_EDGES = 2048 };

static const char raw_prefix[] = "cbpe_raw_", iso_prefix[] = "cbpe_iso_";

struct quality_run {
	const struct compare *compare;
	struct compare_classes classes;
	struct compare_outcomes reference, current;
	struct isotonic *curves;   /* owned; by class; NULL: no estimates */
	struct cbpe_choice choice; /* two classes only */
	/* Of the reference: its accuracy less what is estimated of it, and the
	 * standard error of that. */
	double bias, bias_error;
};

/* Rows of one file. */
struct range {
	const struct compare_outcomes *outcomes;
	size_t start, end;
};

/* Every distinct score of one class; owned by the caller. */
static struct quality_edges edges_of(const struct range *r, uint32_t class)
{
	const double *scores = r->outcomes->scores[class];
	size_t n = r->end - r->start, k = 0, distinct = 0;
	double *edges, *spare;

	if (scores == NULL)
		return (struct quality_edges){NULL, 0};
	edges = xrealloc_array(NULL, n + 1, sizeof(*edges));
	spare = xrealloc_array(NULL, n + 1, sizeof(*spare));
	for (size_t i = r->start; i < r->end; i++)
		if (!isnan(scores[i]))
			edges[k++] = scores[i];
	sort_numbers(edges, spare, k);
	free(spare);
	for (size_t i = 0; i < k; i++)
		if (i == 0 || edges[i] != edges[distinct - 1])
			edges[distinct++] = edges[i];
	return (struct quality_edges){edges, (uint32_t)distinct};
}

static void free_edges(const struct quality_edges *edges)
{
	/* const for those who only read them */
	free((void *)(uintptr_t)edges->edges);
}

/* Scores of a class: by label, or by prediction; every ${step}-th row. */
static void count_scores(const struct range *r, uint32_t class,
			 const uint32_t *outcome, size_t step,
			 struct quality_scores *out)
{
	const double *scores = r->outcomes->scores[class];

	for (size_t i = r->start; i < r->end; i += step)
		if (outcome[i] != COMPARE_CLASS_NONE && !isnan(scores[i]))
			quality_scores_add(out, scores[i],
					   r->outcomes->is_binary
						   ? outcome[i] == 1
						   : outcome[i] == class);
}

static bool can_estimate(const struct compare_outcomes *o)
{
	return o->has_scores && o->has_predicted;
}

static void fit(const struct range *r, uint32_t class, struct isotonic *curve)
{
	struct quality_edges edges = edges_of(r, class);
	struct quality_scores scores;
	struct quality_group *groups;
	size_t n;

	if (edges.edges == NULL)
		return;
	quality_scores_init(&scores, edges.edges, edges.n);
	count_scores(r, class, r->outcomes->label, 1, &scores);
	groups = quality_scores_groups(&scores, &n);
	isotonic_fit(curve, groups, n);
	free(groups);
	quality_scores_release(&scores);
	free_edges(&edges);
}

/* By rows of the reference, each tenth one a fold. */
static void choose(const struct range *r, struct cbpe_choice *out)
{
	struct quality_edges edges = edges_of(r, 0);
	struct quality_scores folds[CBPE_FOLDS];
	double *some = xcalloc(CHOICE_EDGES, sizeof(*some));
	uint32_t n = edges.n < CHOICE_EDGES ? edges.n : CHOICE_EDGES;

	for (uint32_t i = 0; i < n; i++)
		some[i] = edges.edges[n > 1 ? (uint64_t)i * (edges.n - 1) /
						      (n - 1)
					    : 0];
	for (size_t i = 0; i < CBPE_FOLDS; i++) {
		const struct range fold = {r->outcomes, i, r->end};

		quality_scores_init(&folds[i], some, n);
		count_scores(&fold, 0, r->outcomes->label, CBPE_FOLDS,
			     &folds[i]);
	}
	cbpe_choose(folds, CBPE_FOLDS, out);
	for (size_t i = 0; i < CBPE_FOLDS; i++)
		quality_scores_release(&folds[i]);
	free(some);
	free_edges(&edges);
}

static void calibrate(struct quality_run *q)
{
	const struct compare_outcomes *o = &q->reference;
	const struct range all = {o, 0, o->n};

	if (!can_estimate(o) || !o->has_label)
		return;
	q->curves = xcalloc((size_t)o->n_scores + 1, sizeof(*q->curves));
	for (uint32_t i = 0; i < o->n_scores; i++)
		fit(&all, i, &q->curves[i]);
	if (q->compare->model->task == TASK_BINARY)
		choose(&all, &q->choice);
}

static void binary(const struct quality_run *q, const struct range *r,
		   struct quality_rows *out)
{
	const struct compare_outcomes *o = r->outcomes;
	struct quality_edges edges = {NULL, 0};
	struct quality_binary quality;
	struct quality_scores by_predicted = {.n_edges = 0};

	if (o->has_scores)
		edges = edges_of(r, 0);
	quality_binary_init(&quality, edges.edges, edges.n);
	for (size_t i = r->start; o->has_label && i < r->end; i++) {
		bool called = o->has_predicted && o->predicted[i] == 1;
		bool predicted = o->has_predicted &&
				 o->predicted[i] != COMPARE_CLASS_NONE;
		bool scored = o->has_scores && !isnan(o->scores[0][i]);

		if (o->label[i] != COMPARE_CLASS_NONE)
			quality_binary_add(&quality, o->label[i] == 1,
					   predicted ? &called : NULL,
					   scored ? &o->scores[0][i] : NULL);
	}
	if (o->has_label)
		quality_binary_rows(&quality, out);
	if (q->curves != NULL && can_estimate(o)) {
		quality_scores_init(&by_predicted, edges.edges, edges.n);
		count_scores(r, 0, o->predicted, 1, &by_predicted);
		cbpe_rows(&by_predicted, NULL, raw_prefix, out);
		cbpe_rows(&by_predicted, &q->curves[0], iso_prefix, out);
	}
	quality_scores_release(&by_predicted);
	quality_binary_release(&quality);
	free_edges(&edges);
}

static void multiclass_estimates(const struct quality_run *q,
				 const struct range *r,
				 const struct quality_edges *edges,
				 struct quality_rows *out)
{
	uint32_t n = q->classes.n;
	struct quality_scores *scores = xcalloc((size_t)n + 1, sizeof(*scores));

	for (uint32_t i = 0; i < n; i++) {
		if (edges[i].edges == NULL)
			continue;
		quality_scores_init(&scores[i], edges[i].edges, edges[i].n);
		count_scores(r, i, r->outcomes->predicted, 1, &scores[i]);
	}
	cbpe_multiclass_rows(scores, NULL, q->classes.names, n, raw_prefix,
			     out);
	cbpe_multiclass_rows(scores, q->curves, q->classes.names, n, iso_prefix,
			     out);
	for (uint32_t i = 0; i < n; i++)
		quality_scores_release(&scores[i]);
	free(scores);
}

static void multiclass_count(const struct quality_run *q, const struct range *r,
			     const struct quality_edges *edges,
			     struct quality_rows *out)
{
	const struct compare_outcomes *o = r->outcomes;
	uint32_t n = q->classes.n;
	double *own = xcalloc((size_t)n + 1, sizeof(*own));
	struct quality_multiclass quality;

	quality_multiclass_init(&quality, n, o->has_scores ? edges : NULL);
	for (size_t i = r->start; i < r->end; i++) {
		if (o->label[i] == COMPARE_CLASS_NONE)
			continue;
		for (uint32_t k = 0; k < n; k++)
			own[k] = o->scores[k] != NULL ? o->scores[k][i]
						      : (double)NAN;
		quality_multiclass_add(&quality, o->label[i],
				       o->has_predicted ? o->predicted[i] : n,
				       own);
	}
	quality_multiclass_rows(&quality, q->classes.names, out);
	quality_multiclass_release(&quality);
	free(own);
}

static void multiclass(const struct quality_run *q, const struct range *r,
		       struct quality_rows *out)
{
	uint32_t n = q->classes.n;
	struct quality_edges *edges = xcalloc((size_t)n + 1, sizeof(*edges));

	for (uint32_t i = 0; i < n; i++)
		edges[i] = edges_of(r, i);
	if (r->outcomes->has_label)
		multiclass_count(q, r, edges, out);
	if (q->curves != NULL && can_estimate(r->outcomes))
		multiclass_estimates(q, r, edges, out);
	for (uint32_t i = 0; i < n; i++)
		free_edges(&edges[i]);
	free(edges);
}

static void regression(const struct range *r, struct quality_rows *out)
{
	const struct compare_outcomes *o = r->outcomes;
	struct quality_regression quality = {.n = 0};
	double *errors, medae;
	size_t n = 0;

	if (!o->has_label || !o->has_predicted)
		return;
	errors = xrealloc_array(NULL, r->end - r->start + 1, sizeof(*errors));
	for (size_t i = r->start; i < r->end; i++) {
		double label = o->label_number[i];
		double predicted = o->predicted_number[i];

		if (isnan(label) || isnan(predicted))
			continue;
		quality_regression_add(&quality, label, predicted);
		errors[n++] = predicted - label;
	}
	medae = quality_median(errors, n);
	quality_regression_rows(&quality, &medae, out);
	quality_regression_release(&quality);
	free(errors);
}

static void measure(const struct quality_run *q, const struct range *r,
		    struct quality_rows *out)
{
	switch ((enum config_task)q->compare->model->task) {
	case TASK_BINARY:
		binary(q, r, out);
		break;
	case TASK_MULTICLASS:
		multiclass(q, r, out);
		break;
	case TASK_REGRESSION:
		regression(r, out);
		break;
	case TASK_NONE:
		break;
	}
}

static const char *estimate_prefix(const struct quality_run *q)
{
	return q->compare->model->task != TASK_BINARY || q->choice.calibrates
		       ? iso_prefix
		       : raw_prefix;
}

static const struct quality_row *estimate(const struct quality_run *q,
					  const struct quality_rows *rows)
{
	return quality_rows_find(rows, estimate_prefix(q) == iso_prefix
					       ? "cbpe_iso_accuracy"
					       : "cbpe_raw_accuracy");
}

static void measure_bias(struct quality_run *q, const struct quality_rows *rows)
{
	const struct quality_row *real = quality_rows_find(rows, "accuracy");
	const struct quality_row *guess = estimate(q, rows);

	if (real == NULL || guess == NULL)
		return;
	q->bias = real->value.lower - guess->value.lower;
	q->bias_error = guess->standard_error;
}

/* What is told of a chunk beside its quality. */
static void judge(const struct quality_run *q, const struct range *r,
		  struct quality_rows *out)
{
	const struct quality_row *labeled = quality_rows_find(out, "n_labeled");
	const struct quality_row *real, *guess;
	double coverage, error;

	if (labeled == NULL || r->end == r->start)
		return;
	coverage = labeled->value.lower / (double)(r->end - r->start);
	real = quality_rows_find(out, "accuracy");
	guess = estimate(q, out);
	if (real != NULL && guess != NULL) {
		/* the calibration is as good as the reference is large */
		error = hypot(guess->standard_error, q->bias_error);
		quality_rows_number(out, "concept_drift_suspected",
				    cbpe_concept_drift_suspected(
					    real->value.lower,
					    guess->value.lower + q->bias, error,
					    coverage),
				    (double)NAN);
	}
	quality_rows_number(out, "label_coverage", coverage, (double)NAN);
}

static void tell_choice(const struct quality_run *q, struct quality_rows *out)
{
	if (q->curves == NULL || q->compare->model->task != TASK_BINARY)
		return;
	quality_rows_number(out, "cbpe_calibrates", q->choice.calibrates,
			    (double)NAN);
	quality_rows_number(out, "cbpe_ece10_raw", q->choice.ece_raw,
			    (double)NAN);
	quality_rows_number(out, "cbpe_ece10_calibrated",
			    q->choice.ece_calibrated, (double)NAN);
}

static int tell_all(struct quality_run *q, struct compare *c,
		    compare_quality_tell *tell, void *arg, struct err *e)
{
	const struct range reference = {&q->reference, 0, q->reference.n};
	struct quality_rows rows = {.n = 0};
	int result;

	measure(q, &reference, &rows);
	tell_choice(q, &rows);
	measure_bias(q, &rows);
	result = tell(c, NULL, &rows, arg, e);
	quality_rows_release(&rows);
	for (size_t i = 0; result == 0 && i < c->n_chunks; i++) {
		const struct range r = {&q->current, c->chunks[i].start,
					c->chunks[i].end};

		measure(q, &r, &rows);
		judge(q, &r, &rows);
		result = tell(c, &c->chunks[i], &rows, arg, e);
		quality_rows_release(&rows);
	}
	return result;
}

int compare_quality(struct compare *c, compare_quality_tell *tell, void *arg,
		    struct err *e)
{
	struct quality_run q = {.compare = c};
	int result = -1;

	if (c->model->task == TASK_NONE || c->model->label == NULL)
		return 0;
	if (compare_classes_init(&q.classes, c, e) < 0)
		goto out;
	if (compare_outcomes_read(&q.reference, c, c->reference, &q.classes,
				  e) < 0 ||
	    compare_outcomes_read(&q.current, c, c->current, &q.classes, e) < 0)
		goto out;
	calibrate(&q);
	result = tell_all(&q, c, tell, arg, e);
out:
	for (uint32_t i = 0; q.curves != NULL && i < q.reference.n_scores; i++)
		isotonic_release(&q.curves[i]);
	free(q.curves);
	compare_outcomes_release(&q.reference);
	compare_outcomes_release(&q.current);
	compare_classes_release(&q.classes);
	return result;
}

void compare_quality_names(struct quality_rows *out)
{
	static const char *const others[] = {
		"concept_drift_suspected", "label_coverage", "cbpe_calibrates",
		"cbpe_ece10_raw", "cbpe_ece10_calibrated"};
	static const double edges[] = {0.25, 0.75};
	struct quality_regression numbers = {.n = 0};
	struct quality_binary classes;
	const bool called = true;

	quality_binary_init(&classes, edges, ARRAY_LEN(edges));
	for (size_t i = 0; i < 4; i++)
		quality_binary_add(&classes, i % 2 == 0, &called,
				   &edges[i / 2]);
	quality_binary_rows(&classes, out);
	cbpe_rows(&classes.scores, NULL, raw_prefix, out);
	cbpe_rows(&classes.scores, NULL, iso_prefix, out);
	quality_binary_release(&classes);
	quality_regression_add(&numbers, 1.0, 2.0);
	quality_regression_rows(&numbers, NULL, out);
	quality_regression_release(&numbers);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		quality_rows_number(out, others[i], (double)NAN, (double)NAN);
}

bool compare_quality_is_of_class(const char *metric)
{
	static const char *const stems[] = {"precision_", "recall_", "f1_",
					    "roc_auc_ovr_"};

	if (strncmp(metric, raw_prefix, sizeof(raw_prefix) - 1) == 0 ||
	    strncmp(metric, iso_prefix, sizeof(iso_prefix) - 1) == 0)
		metric += sizeof(raw_prefix) - 1;
	for (size_t i = 0; i < ARRAY_LEN(stems); i++)
		if (strncmp(metric, stems[i], strlen(stems[i])) == 0 &&
		    metric[strlen(stems[i])] != '\0')
			return true;
	return strncmp(metric, "cm_", 3) == 0 && strstr(metric, "_as_") != NULL;
}
