/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_QUALITY_H
#define DRIFTD_DETECTORS_QUALITY_H

#include "detectors/moments.h"
#include "detectors/quality_scores.h"
#include "detectors/twofold.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct reader;

/*
 * quality - how right a model was, from predictions with labels.
 *
 * What is counted (quality_binary, quality_multiclass, quality_regression) is
 * additive: parts are merged, what a changed label had counted is subtracted;
 * a daemon may fill the members from sums of its own.  What is told are rows.
 * Names and formulas are those of docs/QUALITY.md; a zero denominator gives
 * NaN; without labels there is the row n_labeled alone.
 *
 * Functions that merge or subtract return -1 (ERR_CONFLICT, ERR_LIMIT) when
 * the two do not fit, and then change nothing.  Encodings are versioned.
 */

struct quality_row {
	char *metric;	       /* owned */
	struct interval value; /* holds the exact number; NaN: undefined */
	double standard_error; /* of the exact number; NaN: not known */
};

struct quality_rows {
	struct quality_row *items; /* owned */
	size_t n, cap;
};

/* Start with zeros. */
void quality_rows_release(struct quality_rows *r);
void quality_rows_add(struct quality_rows *r, const char *metric,
		      struct interval value, double standard_error);
void quality_rows_number(struct quality_rows *r, const char *metric,
			 double value, double standard_error);

/* The row of that name, or NULL. */
const struct quality_row *quality_rows_find(const struct quality_rows *r,
					    const char *metric);

/* ---- two classes ---- */

/* Counts, or their expectations. */
struct quality_confusion {
	double tp, fp, fn, tn;
};

struct quality_rates {
	double accuracy, precision, recall, specificity, f1;
	double balanced_accuracy, mcc;
};
void quality_confusion_rates(const struct quality_confusion *c,
			     struct quality_rates *out);

/* What a prediction of each kind is worth; costs are negative. */
struct quality_worth {
	double tp, fp, fn, tn;
};

/*
 * Business value: the sum over all predictions, and of one on average with
 * its standard error.  NaN without predictions.
 */
struct quality_value {
	double total, mean, mean_error;
};
void quality_confusion_value(const struct quality_confusion *c,
			     const struct quality_worth *worth,
			     struct quality_value *out);

/*
 * Predicted class against label, and scores by label.  An event without a
 * prediction counts in the scores only, one without a score in the counts.
 */
struct quality_binary {
	uint64_t tp, fp, fn, tn;
	struct quality_scores scores;
};

/* ${edges} NULL: the model has no score. */
void quality_binary_init(struct quality_binary *q, const double *edges,
			 uint32_t n_edges);
void quality_binary_release(struct quality_binary *q);

/* ${predicted}, ${score} NULL: there is none. */
void quality_binary_add(struct quality_binary *q, bool label,
			const bool *predicted, const double *score);
int quality_binary_merge(struct quality_binary *to,
			 const struct quality_binary *from, struct err *e);
int quality_binary_subtract(struct quality_binary *from,
			    const struct quality_binary *part, struct err *e);
void quality_binary_encode(const struct quality_binary *q, struct buf *out);
int quality_binary_decode(struct quality_binary *q, struct reader *in,
			  const double *edges, uint32_t n_edges, struct err *e);
void quality_binary_rows(const struct quality_binary *q,
			 struct quality_rows *out);

/* ---- more classes ---- */

enum { QUALITY_CLASSES_MAX = 1000 };

struct quality_edges {
	const double *edges; /* borrowed; NULL: the class has no score */
	uint32_t n;
};

/*
 * Rows are named by class.  A class that is neither a label nor a prediction
 * is left out of the means; one that has no precision makes theirs NaN.  Of
 * many classes (over QUALITY_MATRIX_CLASSES) only the members of the matrix
 * that are not 0 are told.
 */
enum { QUALITY_MATRIX_CLASSES = 32 };

struct quality_multiclass {
	uint32_t n_classes;
	uint64_t *confusion; /* owned; [label * n_classes + predicted] */
	struct quality_scores *scores; /* owned; by class: label is it or not */
};

/* ${edges} NULL: there are no scores; else one for each class. */
void quality_multiclass_init(struct quality_multiclass *q, uint32_t n_classes,
			     const struct quality_edges *edges);
void quality_multiclass_release(struct quality_multiclass *q);

/*
 * ${predicted} n_classes: there is none.  ${scores} by class, NaN where there
 * is none; NULL: no scores.
 */
void quality_multiclass_add(struct quality_multiclass *q, uint32_t label,
			    uint32_t predicted, const double *scores);
int quality_multiclass_merge(struct quality_multiclass *to,
			     const struct quality_multiclass *from,
			     struct err *e);
int quality_multiclass_subtract(struct quality_multiclass *from,
				const struct quality_multiclass *part,
				struct err *e);
void quality_multiclass_encode(const struct quality_multiclass *q,
			       struct buf *out);
int quality_multiclass_decode(struct quality_multiclass *q, struct reader *in,
			      uint32_t n_classes,
			      const struct quality_edges *edges, struct err *e);

/* ${classes}: their names. */
void quality_multiclass_rows(const struct quality_multiclass *q,
			     const char *const *classes,
			     struct quality_rows *out);

/* The same with a matrix of worths as `confusion`. */
void quality_multiclass_value(const struct quality_multiclass *q,
			      const double *worth, struct quality_value *out);

/* ---- numbers ---- */

/*
 * Absolute errors by size, for their median: key = floor(92.33248261689366
 * ln |error|) (64/ln 2: a cell is 1.09 % wide), INT32_MIN for 0, INT32_MAX for
 * an error beyond the range of doubles.
 */
struct quality_error_cell {
	int32_t key;
	uint64_t n;
};

struct quality_regression {
	uint64_t n;
	uint64_t n_negative; /* label or prediction below 0: no msle */
	/* of error = prediction - label */
	struct twofold error, absolute, square, fourth;
	struct twofold label, label_square;
	struct twofold relative;   /* |error| / max(|label|, 2^-52) */
	struct twofold log_square; /* (log1p prediction - log1p label)^2 */
	/* Extremes; bounds of them once something was subtracted. */
	double max_error, label_min, label_max;
	bool has_bounds;
	struct quality_error_cell *cells; /* owned, ascending */
	size_t n_cells, cap_cells;
};

/* Start with zeros. */
void quality_regression_release(struct quality_regression *q);

/* Both are finite. */
void quality_regression_add(struct quality_regression *q, double label,
			    double predicted);
int quality_regression_merge(struct quality_regression *to,
			     const struct quality_regression *from,
			     struct err *e);
int quality_regression_subtract(struct quality_regression *from,
				const struct quality_regression *part,
				struct err *e);
void quality_regression_encode(const struct quality_regression *q,
			       struct buf *out);
int quality_regression_decode(struct quality_regression *q, struct reader *in,
			      struct err *e);

/* ${medae}: the median of absolute errors where it is known, else NULL. */
void quality_regression_rows(const struct quality_regression *q,
			     const double *medae, struct quality_rows *out);

int32_t quality_error_key(double error);

/* The median of |errors|; the array is put in another order. */
double quality_median(double *errors, size_t n);

#endif
