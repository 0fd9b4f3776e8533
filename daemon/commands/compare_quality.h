/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_COMPARE_QUALITY_H
#define DRIFTD_DAEMON_COMMANDS_COMPARE_QUALITY_H

#include "detectors/quality.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compare;
struct compare_chunk;
struct dataset;
struct err;

/*
 * compare_quality - how right the model was: of the reference, then of each
 * chunk, from what has a label; and what is estimated without.  Exact: every
 * distinct score is a cell.
 *
 * Beside the measures: label_coverage of a chunk, whether scores are to be
 * calibrated (cbpe_calibrates, with cbpe_ece10_raw and
 * cbpe_ece10_calibrated, of the reference), and concept_drift_suspected: the
 * accuracy of a chunk is not what is estimated of it, corrected by as much as
 * the estimate of the reference is wrong.
 */

/* Rows of a chunk, or of the reference (NULL); they are gone afterwards. */
typedef int compare_quality_tell(struct compare *c,
				 const struct compare_chunk *chunk,
				 const struct quality_rows *rows, void *arg,
				 struct err *e);

/* Nothing is told of a model without a task or without a label. */
int compare_quality(struct compare *c, compare_quality_tell *tell, void *arg,
		    struct err *e);

/* For a person: quality beside the reference's, and what is estimated. */
int compare_quality_table(struct compare *c, struct err *e);

/* Rows with every name that does not depend on classes, for their names. */
void compare_quality_names(struct quality_rows *out);

/* Whether a row of a model with classes can have that name. */
bool compare_quality_is_of_class(const char *metric);

/* Of a row of standard errors: the name of the number, and this. */
#define COMPARE_QUALITY_ERROR "_standard_error"

/* ---- private to compare_quality*.c ---- */

#define COMPARE_CLASS_NONE UINT32_MAX

/* The classes of a model by name; of a binary one the positive class only. */
struct compare_classes {
	struct dict *exact;   /* owned; names */
	struct dict *numbers; /* owned; those that are numbers, by value */
	uint32_t *of_number;  /* owned; index in exact */
	uint32_t *rank;	      /* owned; of an index in exact */
	const char **names;   /* owned; by rank, sorted */
	uint32_t n;
};

/* What is known of the rows of one file. */
struct compare_outcomes {
	size_t n;
	/* regression: NaN where there is none */
	double *label_number, *predicted_number; /* owned */
	/* else ranks of classes, COMPARE_CLASS_NONE where there is none */
	uint32_t *label, *predicted; /* owned */
	double **scores; /* owned; by class (binary: of the positive one); NULL
			    where a class has none; NaN: none in this row */
	uint32_t n_scores;
	bool is_binary; /* one score, of the positive class */
	bool has_label, has_predicted, has_scores;
};

/* -1 (ERR_LIMIT) with more classes than can be counted. */
int compare_classes_init(struct compare_classes *k, const struct compare *c,
			 struct err *e);
void compare_classes_release(struct compare_classes *k);

int compare_outcomes_read(struct compare_outcomes *o, const struct compare *c,
			  const struct dataset *d,
			  const struct compare_classes *k, struct err *e);
void compare_outcomes_release(struct compare_outcomes *o);

#endif
