/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_EFFECT_H
#define DRIFTD_DETECTORS_EFFECT_H

#include <stdint.h>

struct finding;
struct pair;
struct pair_side;

/*
 * effect - what several detectors have in common: how a finding is filled,
 * and when an effect is more than chance at this sample size.
 */

/* Rows of a side: valid, missing and invalid. */
uint64_t effect_rows(const struct pair_side *s);

/* Values on both sides: a finding with their numbers and no value yet. */
void effect_init(const struct pair *p, struct finding *out);

/* An exact value. */
void effect_set(struct finding *out, double value);

/*
 * The (1 - alpha) quantile of PSI between two samples of one law:
 * chi2_{B-1} (1/n + 1/m), B the bins that hold anything.
 */
double effect_psi_quantile(const struct pair *p, double alpha);

/*
 * What a difference of two shares has to exceed to be more than chance:
 * z_alpha sqrt(s (1-s) (1/n + 1/m)), s the pooled share.
 */
double effect_share_noise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			  uint64_t n_cur, double alpha);

/* The rise of a share over the reference's, 0 when it may be chance. */
double effect_share_rise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			 uint64_t n_cur, double alpha);

#endif
