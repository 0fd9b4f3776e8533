/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_multiclass - more classes: the matrix of label against prediction,
 * and for each class its scores, those with that label against the others.
 */
#include "detectors/quality.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { ENCODING_VERSION = 1 };

void quality_multiclass_init(struct quality_multiclass *q, uint32_t n_classes,
			     const struct quality_edges *edges)
{
	*q = (struct quality_multiclass){.n_classes = n_classes};
	q->confusion = xcalloc((size_t)n_classes * n_classes + 1,
			       sizeof(*q->confusion));
	q->scores = xcalloc((size_t)n_classes + 1, sizeof(*q->scores));
	for (uint32_t c = 0; edges != NULL && c < n_classes; c++)
		if (edges[c].edges != NULL)
			quality_scores_init(&q->scores[c], edges[c].edges,
					    edges[c].n);
}

void quality_multiclass_release(struct quality_multiclass *q)
{
	for (uint32_t c = 0; c < q->n_classes; c++)
		quality_scores_release(&q->scores[c]);
	free(q->scores);
	free(q->confusion);
	*q = (struct quality_multiclass){.n_classes = 0};
}

void quality_multiclass_add(struct quality_multiclass *q, uint32_t label,
			    uint32_t predicted, const double *scores)
{
	if (predicted < q->n_classes)
		q->confusion[(size_t)label * q->n_classes + predicted]++;
	for (uint32_t c = 0; scores != NULL && c < q->n_classes; c++)
		if (!isnan(scores[c]) && q->scores[c].cells != NULL)
			quality_scores_add(&q->scores[c], scores[c],
					   c == label);
}

static size_t n_counts(const struct quality_multiclass *q)
{
	return (size_t)q->n_classes * q->n_classes;
}

/* Both or neither: ${to} changes only when every class fits. */
static int change(struct quality_multiclass *to,
		  const struct quality_multiclass *part, bool subtract,
		  struct err *e)
{
	uint32_t done = 0;
	int result = 0;

	for (; result == 0 && done < to->n_classes; done++)
		result = subtract
				 ? quality_scores_subtract(&to->scores[done],
							   &part->scores[done],
							   e)
				 : quality_scores_merge(&to->scores[done],
							&part->scores[done], e);
	if (result == 0)
		return 0;
	for (uint32_t c = 0; c + 1 < done; c++) { /* cannot fail */
		if (subtract)
			(void)quality_scores_merge(&to->scores[c],
						   &part->scores[c], NULL);
		else
			(void)quality_scores_subtract(&to->scores[c],
						      &part->scores[c], NULL);
	}
	return -1;
}

int quality_multiclass_merge(struct quality_multiclass *to,
			     const struct quality_multiclass *from,
			     struct err *e)
{
	uint64_t total = 0;

	if (to->n_classes != from->n_classes)
		return err_set(e, ERR_CONFLICT, "classes are not the same");
	for (size_t i = 0; i < n_counts(to); i++)
		total += to->confusion[i] + from->confusion[i];
	if (total > QUALITY_COUNT_MAX)
		return err_set(e, ERR_LIMIT, "too many labels to count");
	if (change(to, from, false, e) < 0)
		return -1;
	for (size_t i = 0; i < n_counts(to); i++)
		to->confusion[i] += from->confusion[i];
	return 0;
}

int quality_multiclass_subtract(struct quality_multiclass *from,
				const struct quality_multiclass *part,
				struct err *e)
{
	if (from->n_classes != part->n_classes)
		return err_set(e, ERR_CONFLICT, "classes are not the same");
	for (size_t i = 0; i < n_counts(from); i++)
		if (from->confusion[i] < part->confusion[i])
			return err_set(e, ERR_CONFLICT,
				       "labels were not counted that are to "
				       "be taken away");
	if (change(from, part, true, e) < 0)
		return -1;
	for (size_t i = 0; i < n_counts(from); i++)
		from->confusion[i] -= part->confusion[i];
	return 0;
}

void quality_multiclass_encode(const struct quality_multiclass *q,
			       struct buf *out)
{
	buf_add_u8(out, ENCODING_VERSION);
	buf_add_varint(out, q->n_classes);
	for (size_t i = 0; i < n_counts(q); i++)
		buf_add_varint(out, q->confusion[i]);
	for (uint32_t c = 0; c < q->n_classes; c++)
		quality_scores_encode(&q->scores[c], out);
}

int quality_multiclass_decode(struct quality_multiclass *q, struct reader *in,
			      uint32_t n_classes,
			      const struct quality_edges *edges, struct err *e)
{
	static const struct quality_edges none = {NULL, 0};
	struct quality_multiclass new;
	uint8_t version = reader_u8(in);
	uint64_t n = reader_varint(in);

	if (in->failed || version != ENCODING_VERSION)
		return err_set(e, ERR_INVALID, "this is no quality of classes");
	if (n != n_classes)
		return err_set(e, ERR_CONFLICT, "classes are not the same");
	quality_multiclass_init(&new, n_classes, NULL);
	for (size_t i = 0; i < n_counts(&new); i++) {
		new.confusion[i] = reader_varint(in);
		if (new.confusion[i] > QUALITY_COUNT_MAX)
			in->failed = true;
	}
	for (uint32_t c = 0; c < n_classes; c++) {
		const struct quality_edges *own =
			edges != NULL ? &edges[c] : &none;

		if (quality_scores_decode(&new.scores[c], in, own->edges,
					  own->n, e) < 0) {
			quality_multiclass_release(&new);
			return -1;
		}
	}
	*q = new;
	return 0;
}

/* One class against the others. */
static void confusion_of(const struct quality_multiclass *q, uint32_t c,
			 struct quality_confusion *out)
{
	*out = (struct quality_confusion){.tp = 0.0};
	for (uint32_t i = 0; i < q->n_classes; i++) {
		for (uint32_t k = 0; k < q->n_classes; k++) {
			double n =
				(double)q->confusion[(size_t)i * q->n_classes +
						     k];

			if (i == c && k == c)
				out->tp += n;
			else if (k == c)
				out->fp += n;
			else if (i == c)
				out->fn += n;
			else
				out->tn += n;
		}
	}
}

static struct quality_rank rank_of(const struct quality_multiclass *q,
				   uint32_t c)
{
	struct quality_group *groups;
	struct quality_rank rank;
	size_t n;

	groups = quality_scores_groups(&q->scores[c], &n);
	quality_rank(groups, n, &rank);
	free(groups);
	return rank;
}

static void put_named(struct quality_rows *out, const char *metric,
		      const char *class, struct interval value, double error)
{
	struct buf name;

	buf_init(&name, 4096);
	buf_printf(&name, "%s_%s", metric, class);
	quality_rows_add(out, buf_str(&name), value, error);
	buf_release(&name);
}

static void put_one(struct quality_rows *out, const char *metric,
		    const char *class, double value)
{
	put_named(out, metric, class, (struct interval){value, value},
		  (double)NAN);
}

/* Sums over the classes that occur. */
struct means {
	double n, precision, recall, f1, weighted, weight;
	struct interval roc_auc;
};

static void put_class(const struct quality_multiclass *q, uint32_t c,
		      const char *name, bool has_scores, struct means *sums,
		      struct quality_rows *out)
{
	struct quality_confusion counts;
	struct quality_rates r;
	struct quality_rank rank;

	confusion_of(q, c, &counts);
	if (counts.tp + counts.fp + counts.fn == 0.0)
		return;
	quality_confusion_rates(&counts, &r);
	put_one(out, "precision", name, r.precision);
	put_one(out, "recall", name, r.recall);
	put_one(out, "f1", name, r.f1);
	sums->n++;
	sums->precision += r.precision;
	sums->recall += r.recall;
	sums->f1 += r.f1;
	sums->weight += counts.tp + counts.fn;
	sums->weighted += (counts.tp + counts.fn) * r.f1;
	if (!has_scores)
		return;
	rank = rank_of(q, c);
	put_named(out, "roc_auc_ovr", name, rank.roc_auc, rank.roc_auc_error);
	sums->roc_auc.lower += rank.roc_auc.lower;
	sums->roc_auc.upper += rank.roc_auc.upper;
}

static void put_matrix(const struct quality_multiclass *q,
		       const char *const *classes, struct quality_rows *out)
{
	bool all = q->n_classes <= QUALITY_MATRIX_CLASSES;
	struct buf name;

	buf_init(&name, 4096);
	for (uint32_t i = 0; i < q->n_classes; i++) {
		for (uint32_t k = 0; k < q->n_classes; k++) {
			uint64_t n = q->confusion[(size_t)i * q->n_classes + k];

			if (!all && n == 0)
				continue;
			buf_clear(&name);
			buf_printf(&name, "cm_%s_as_%s", classes[i],
				   classes[k]);
			quality_rows_number(out, buf_str(&name), (double)n,
					    (double)NAN);
		}
	}
	buf_release(&name);
}

/* Of the score of the true class, which may not be known for each. */
static void put_log_loss(const struct quality_multiclass *q,
			 struct quality_rows *out)
{
	struct interval sum = {0.0, 0.0};
	uint64_t total = 0;

	for (uint32_t c = 0; c < q->n_classes; c++) {
		struct quality_group *groups;
		struct interval own;
		size_t n;

		groups = quality_scores_groups(&q->scores[c], &n);
		own = quality_log_sum(groups, n, 1e-15);
		free(groups);
		sum.lower += own.lower;
		sum.upper += own.upper;
		total += quality_scores_total(&q->scores[c], 1);
	}
	sum.lower = total > 0 ? sum.lower / (double)total : (double)NAN;
	sum.upper = total > 0 ? sum.upper / (double)total : (double)NAN;
	quality_rows_add(out, "log_loss_eps1e15", sum, (double)NAN);
}

void quality_multiclass_rows(const struct quality_multiclass *q,
			     const char *const *classes,
			     struct quality_rows *out)
{
	double total = 0.0, right = 0.0, accuracy;
	struct means sums = {.n = 0.0};
	bool has_scores = false;

	for (uint32_t i = 0; i < q->n_classes; i++) {
		has_scores = has_scores || q->scores[i].cells != NULL;
		right += (double)q->confusion[(size_t)i * q->n_classes + i];
		for (uint32_t k = 0; k < q->n_classes; k++)
			total += (double)q->confusion[(size_t)i * q->n_classes +
						      k];
	}
	quality_rows_number(out, "n_labeled", total, (double)NAN);
	if (total == 0.0)
		return;
	accuracy = right / total;
	quality_rows_number(out, "accuracy", accuracy,
			    sqrt(accuracy * (1.0 - accuracy) / total));
	for (uint32_t c = 0; c < q->n_classes; c++)
		put_class(q, c, classes[c], has_scores, &sums, out);
	put_one(out, "precision", "macro", sums.precision / sums.n);
	put_one(out, "recall", "macro", sums.recall / sums.n);
	put_one(out, "f1", "macro", sums.f1 / sums.n);
	put_one(out, "f1", "weighted", sums.weighted / sums.weight);
	if (has_scores) {
		put_named(out, "roc_auc_ovr", "macro",
			  (struct interval){sums.roc_auc.lower / sums.n,
					    sums.roc_auc.upper / sums.n},
			  (double)NAN);
		put_log_loss(q, out);
	}
	put_matrix(q, classes, out);
}

void quality_multiclass_value(const struct quality_multiclass *q,
			      const double *worth, struct quality_value *out)
{
	double total = 0.0, count = 0.0, squares = 0.0;

	*out = (struct quality_value){(double)NAN, (double)NAN, (double)NAN};
	for (size_t i = 0; i < n_counts(q); i++) {
		count += (double)q->confusion[i];
		if (q->confusion[i] > 0)
			total += (double)q->confusion[i] * worth[i];
	}
	if (count == 0.0)
		return;
	out->total = total;
	out->mean = total / count;
	for (size_t i = 0; i < n_counts(q); i++) {
		double d = worth[i] - out->mean;

		if (q->confusion[i] > 0)
			squares += (double)q->confusion[i] * d * d;
	}
	out->mean_error = sqrt(squares / count / count);
}
