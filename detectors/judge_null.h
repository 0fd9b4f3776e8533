/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_JUDGE_NULL_H
#define DRIFTD_DETECTORS_JUDGE_NULL_H

#include <stdint.h>

struct pair;

/*
 * judge_null - what a sum over bins amounts to by chance, at these sample
 * sizes and with these bins.
 *
 * Given how often each bin occurs in both samples together, two samples of
 * one law are a random split of them: the count of a bin in one of them is
 * hypergeometric, whatever the law.  Where a bin is well filled its share of
 * the sum is a chi-square variable times ${scale} (1/n + 1/m); that is too
 * little for bins with some rows only, as the categories of a long tail, and
 * too much for those with hardly any.  There the moments are summed over all
 * splits.  Mean, variance and third moment of the whole then give a Pearson
 * III law (a shifted gamma), which is just chi-square when every bin is well
 * filled.
 */

/*
 * The (1 - alpha) quantile of sum_i contribution(p, i) between two samples of
 * one law.  ${contribution} reads nothing of the pair but n and the counts of
 * bin i; near equality it is ${scale} (q-p)^2 / p.
 */
double judge_null_quantile(const struct pair *p, double alpha,
			   double (*contribution)(const struct pair *p,
						  uint32_t i),
			   double scale);

#endif
