/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_OUTCOME_QUALITY_H
#define DRIFTD_STORAGE_OUTCOME_QUALITY_H

#include "detectors/quality.h"

#include <stdint.h>

struct baseline;
struct config_model;
struct err;
struct json_out;
struct pg;

/*
 * outcome_quality - the quality of a window, from what was counted of it.
 */

struct outcome_quality {
	int64_t n_predicted; /* predictions kept */
	int64_t n_labeled;   /* of them, those with a label */
	struct quality_rows rows;
};

/*
 * ${baseline} is the one the window is counted on, or NULL.  Without
 * predictions there are no rows.  ${out} is to be released, on failure too.
 */
int outcome_quality_read(struct pg *pg, const struct config_model *m,
			 const struct baseline *baseline, int64_t start_us,
			 struct outcome_quality *out, struct err *e);
void outcome_quality_release(struct outcome_quality *q);

/* Cells of the model's score on this baseline; NULL: it has none. */
const struct cells *outcome_score_cells(const struct config_model *m,
					const struct baseline *b);

/*
 * For readers: the newest quality of the windows that start in [from, to), at
 * most the newest ${limit} of them, oldest first, as the member "quality" of
 * ${out}, an open object.
 */
int outcome_quality_list(struct pg *pg, int64_t model_id, int64_t from_us,
			 int64_t to_us, int limit, struct json_out *out,
			 struct err *e);

#endif
