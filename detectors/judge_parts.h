/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_JUDGE_PARTS_H
#define DRIFTD_DETECTORS_JUDGE_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct judge_spec;
struct verdicts;

/* judge_parts - what the files of the judge share; private to them. */

#define JUDGE_MODEL_COLUMN "__model__"

/*
 * Benjamini-Hochberg over the columns of each metric, of the verdicts that
 * rest on enough data: p_adjusted = min over p' >= p of p' n / rank(p').
 */
void judge_adjust(struct verdicts *v);

/* A row of the model as a whole, with status ok and an exact value. */
void judge_add_model_row(const char *metric, double value, uint64_t n_reference,
			 uint64_t n_current, struct verdicts *out);

/* No rows, nothing judged; the memory is kept. */
void judge_begin(struct verdicts *out);

#endif
