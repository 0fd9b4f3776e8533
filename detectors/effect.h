/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_EFFECT_H
#define DRIFTD_DETECTORS_EFFECT_H

#include <stdbool.h>
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

/* A value within bounds; all three are finite. */
void effect_set_bounds(struct finding *out, double value, double lower,
		       double upper);

/* A further number, of the metric named (a literal). */
void effect_add(struct finding *out, const char *metric, double value);

/* A distance whose formula divides by zero: no number. */
void effect_undefined(struct finding *out);

/*
 * Whether the two sides differ by more than chance at error probability
 * ${alpha}: by Pearson's test over the bins, by Kolmogorov's over the cells.
 */
bool effect_bins_differ(const struct pair *p, double alpha);
bool effect_values_differ(const struct pair *p, double alpha);

/* `bound` of measures without a null of their own; 0 within chance. */
double effect_bound_bins(const struct pair *p, const struct finding *f,
			 double alpha);
double effect_bound_values(const struct pair *p, const struct finding *f,
			   double alpha);

/* Pearson's statistic over the bins, and how many bins hold anything. */
double effect_chi2(const struct pair *p, uint32_t *n_used);

/*
 * What a difference of two shares has to exceed to be more than chance:
 * z_alpha sqrt(s (1-s) (1/n + 1/m)), s the pooled share.
 */
double effect_share_noise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			  uint64_t n_cur, double alpha);

/* The rise of a share over the reference's, 0 when it may be chance. */
double effect_share_rise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			 uint64_t n_cur, double alpha);

/* Thresholds of measures that decide only where the user gives one. */
#define EFFECT_NO_THRESHOLDS                                                   \
	{                                                                      \
		.warning = (double)NAN, .error = (double)NAN,                  \
		.critical = (double)NAN                                        \
	}

#endif
