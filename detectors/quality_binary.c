/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_binary - two classes: counts of right and wrong, and scores.
 *
 * Standard errors: shares are binomial; F1 = 2 J / (1 + J) follows from J =
 * TP / (TP + FP + FN), which is a share; balanced accuracy is the mean of two
 * independent ones.
 */
#include "detectors/quality.h"

#include "base/buf.h"
#include "base/err.h"

#include <math.h>
#include <stdlib.h>

enum { ENCODING_VERSION = 1 };

void quality_binary_init(struct quality_binary *q, const double *edges,
			 uint32_t n_edges)
{
	*q = (struct quality_binary){.tp = 0};
	if (edges != NULL)
		quality_scores_init(&q->scores, edges, n_edges);
}

void quality_binary_release(struct quality_binary *q)
{
	quality_scores_release(&q->scores);
}

void quality_binary_add(struct quality_binary *q, bool label,
			const bool *predicted, const double *score)
{
	if (predicted != NULL) {
		q->tp += label && *predicted;
		q->fp += !label && *predicted;
		q->fn += label && !*predicted;
		q->tn += !label && !*predicted;
	}
	if (score != NULL && q->scores.cells != NULL)
		quality_scores_add(&q->scores, *score, label);
}

static uint64_t count(const struct quality_binary *q)
{
	return q->tp + q->fp + q->fn + q->tn;
}

int quality_binary_merge(struct quality_binary *to,
			 const struct quality_binary *from, struct err *e)
{
	if (count(to) + count(from) > QUALITY_COUNT_MAX)
		return err_set(e, ERR_LIMIT, "too many labels to count");
	if (quality_scores_merge(&to->scores, &from->scores, e) < 0)
		return -1;
	to->tp += from->tp;
	to->fp += from->fp;
	to->fn += from->fn;
	to->tn += from->tn;
	return 0;
}

int quality_binary_subtract(struct quality_binary *from,
			    const struct quality_binary *part, struct err *e)
{
	if (from->tp < part->tp || from->fp < part->fp || from->fn < part->fn ||
	    from->tn < part->tn)
		return err_set(e, ERR_CONFLICT,
			       "labels were not counted that are to be taken "
			       "away");
	if (quality_scores_subtract(&from->scores, &part->scores, e) < 0)
		return -1;
	from->tp -= part->tp;
	from->fp -= part->fp;
	from->fn -= part->fn;
	from->tn -= part->tn;
	return 0;
}

void quality_binary_encode(const struct quality_binary *q, struct buf *out)
{
	buf_add_u8(out, ENCODING_VERSION);
	buf_add_varint(out, q->tp);
	buf_add_varint(out, q->fp);
	buf_add_varint(out, q->fn);
	buf_add_varint(out, q->tn);
	quality_scores_encode(&q->scores, out);
}

int quality_binary_decode(struct quality_binary *q, struct reader *in,
			  const double *edges, uint32_t n_edges, struct err *e)
{
	struct quality_binary new = {.tp = 0};
	uint8_t version = reader_u8(in);

	new.tp = reader_varint(in);
	new.fp = reader_varint(in);
	new.fn = reader_varint(in);
	new.tn = reader_varint(in);
	if (in->failed || version != ENCODING_VERSION)
		return err_set(e, ERR_INVALID,
			       "this is no quality of two "
			       "classes");
	if (new.tp > QUALITY_COUNT_MAX || new.fp > QUALITY_COUNT_MAX ||
	    new.fn > QUALITY_COUNT_MAX || new.tn > QUALITY_COUNT_MAX)
		return err_set(e, ERR_INVALID, "counts of labels are damaged");
	if (quality_scores_decode(&new.scores, in, edges, n_edges, e) < 0)
		return -1;
	*q = new;
	return 0;
}

/* Of a share. */
static double binomial(double share, double n)
{
	return n > 0.0 ? sqrt(share * (1.0 - share) / n) : (double)NAN;
}

static double f1_error(const struct quality_confusion *c)
{
	double n = c->tp + c->fp + c->fn, jaccard = c->tp / (n > 0.0 ? n : 1.0);

	return 2.0 / ((1.0 + jaccard) * (1.0 + jaccard)) * binomial(jaccard, n);
}

static void put_rates(const struct quality_confusion *c,
		      struct quality_rows *out)
{
	double n = c->tp + c->fp + c->fn + c->tn;
	double positives = c->tp + c->fn, called = c->tp + c->fp;
	struct quality_rates r;
	double recall, specificity;

	quality_confusion_rates(c, &r);
	recall = binomial(r.recall, positives);
	specificity = binomial(r.specificity, n - positives);
	quality_rows_number(out, "tp", c->tp, (double)NAN);
	quality_rows_number(out, "fp", c->fp, (double)NAN);
	quality_rows_number(out, "fn", c->fn, (double)NAN);
	quality_rows_number(out, "tn", c->tn, (double)NAN);
	quality_rows_number(out, "accuracy", r.accuracy,
			    binomial(r.accuracy, n));
	quality_rows_number(out, "precision", r.precision,
			    binomial(r.precision, called));
	quality_rows_number(out, "recall", r.recall, recall);
	quality_rows_number(out, "specificity", r.specificity, specificity);
	quality_rows_number(out, "f1", r.f1, f1_error(c));
	quality_rows_number(out, "balanced_accuracy", r.balanced_accuracy,
			    sqrt(recall * recall + specificity * specificity) /
				    2.0);
	quality_rows_number(out, "mcc", r.mcc, (double)NAN);
	quality_rows_number(out, "positive_rate",
			    n > 0.0 ? positives / n : (double)NAN,
			    binomial(positives / n, n));
	quality_rows_number(out, "predicted_positive_rate",
			    n > 0.0 ? called / n : (double)NAN,
			    binomial(called / n, n));
}

static void put_scores(const struct quality_scores *s, struct quality_rows *out)
{
	struct quality_group *groups;
	struct quality_rank rank;
	struct quality_loss loss;
	size_t n;

	groups = quality_scores_groups(s, &n);
	quality_rank(groups, n, &rank);
	quality_loss(groups, n, &loss);
	free(groups);
	quality_rows_add(out, "mean_score", loss.mean_score, (double)NAN);
	quality_rows_add(out, "roc_auc", rank.roc_auc, rank.roc_auc_error);
	quality_rows_add(out, "average_precision", rank.average_precision,
			 (double)NAN);
	quality_rows_add(out, "pr_auc_trapz", rank.pr_auc_trapz, (double)NAN);
	quality_rows_add(out, "ks_separation", rank.ks_separation, (double)NAN);
	quality_rows_add(out, "log_loss", loss.log_loss, loss.log_loss_error);
	quality_rows_add(out, "log_loss_eps1e15", loss.log_loss_eps1e15,
			 (double)NAN);
	quality_rows_add(out, "log_loss_eps1e6", loss.log_loss_eps1e6,
			 (double)NAN);
	quality_rows_add(out, "brier", loss.brier, loss.brier_error);
	quality_rows_add(out, "ece10", loss.ece10, (double)NAN);
	quality_rows_add(out, "mce10", loss.mce10, (double)NAN);
	quality_rows_add(out, "ece10_right", loss.ece10_right, (double)NAN);
	quality_rows_add(out, "mce10_right", loss.mce10_right, (double)NAN);
}

void quality_binary_rows(const struct quality_binary *q,
			 struct quality_rows *out)
{
	const struct quality_confusion c = {(double)q->tp, (double)q->fp,
					    (double)q->fn, (double)q->tn};
	uint64_t scored = quality_scores_total(&q->scores, 0) +
			  quality_scores_total(&q->scores, 1);
	uint64_t labeled = count(q) > scored ? count(q) : scored;

	quality_rows_number(out, "n_labeled", (double)labeled, (double)NAN);
	if (labeled == 0)
		return;
	put_rates(&c, out);
	if (q->scores.cells != NULL)
		put_scores(&q->scores, out);
}
