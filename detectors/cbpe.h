/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_CBPE_H
#define DRIFTD_DETECTORS_CBPE_H

#include "detectors/isotonic.h"
#include "detectors/quality.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * cbpe - quality without labels: confidence-based performance estimation.
 *
 * A score that is calibrated is the chance c of the positive class, so the
 * expected counts are sums of c: TP = sum c over those predicted positive, FP
 * = sum (1 - c) over the same, FN and TN likewise over the others; rates and
 * curves follow from them.  All that is needed is how often scores occur in
 * each cell by predicted class (quality_scores: 1 predicted positive), which
 * adds up and does not depend on the calibration.  Within a cell the chance is
 * taken at the mean score: exact where all its scores are equal or the curve
 * is straight.
 *
 * The standard error is of the number that labels will give, if the
 * calibration is right: outcomes are independent with the chances c (a
 * Poisson binomial law), ratios and curves to first order.  An estimate is
 * told with three of them on either side.
 */

/*
 * Rows of estimates, their names after ${prefix} ("cbpe_iso_"): tp fp fn tn
 * accuracy precision recall specificity f1 roc_auc average_precision
 * average_precision_ungrouped.  ${calibration} NULL: the score itself; then
 * all is NaN when one is outside [0, 1].  Nothing without scores.
 */
void cbpe_rows(const struct quality_scores *by_predicted,
	       const struct isotonic *calibration, const char *prefix,
	       struct quality_rows *out);

/*
 * More classes, one against the rest: scores of class i by whether it was
 * predicted, calibrations by class (NULL: none).  accuracy, and by class and
 * `macro`, precision recall f1 roc_auc_ovr.  Chances of the classes of one
 * event are not made to sum to one.
 */
void cbpe_multiclass_rows(const struct quality_scores *by_predicted,
			  const struct isotonic *calibrations,
			  const char *const *classes, uint32_t n_classes,
			  const char *prefix, struct quality_rows *out);

/*
 * Whether the baseline's scores are to be calibrated: when that lowers their
 * calibration error (ece10).  A curve fitted to the same labels that judge it
 * has no error at all, so each fold of the baseline is judged by a curve
 * fitted to the others, over all folds together.  Scores outside [0, 1] have
 * to be.  ${folds}: scores by label, over the same edges; two or more.
 * (NannyML compares errors on ten random splits instead.)
 */
enum { CBPE_FOLDS = 10 };

struct cbpe_choice {
	bool calibrates;
	double ece_raw, ece_calibrated; /* NaN: scores are no probabilities */
};
void cbpe_choose(const struct quality_scores *folds, size_t n_folds,
		 struct cbpe_choice *out);

/* Of fewer labels than this share nothing is suspected. */
#define CBPE_COVERAGE_MIN 0.5
/* Standard errors that are no chance. */
#define CBPE_ERRORS 3.0

/*
 * Scores no longer mean what they meant: the realised number is further from
 * the estimate of the same events than three standard errors.  Where only the
 * share ${coverage} of them has a label, the error is larger by its root.
 */
bool cbpe_concept_drift_suspected(double realised, double estimate,
				  double standard_error, double coverage);

#endif
