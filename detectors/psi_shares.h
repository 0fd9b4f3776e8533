/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_PSI_SHARES_H
#define DRIFTD_DETECTORS_PSI_SHARES_H

/*
 * psi_shares - one term of the population stability index and its variants:
 * (q - p) ln(q / p), a share that is exactly 0 counting as ${zero}, without
 * renormalisation; 0 where both are.
 */
double psi_term(double ref, double cur, double zero);

#endif
