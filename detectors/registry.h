/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_REGISTRY_H
#define DRIFTD_DETECTORS_REGISTRY_H

#include "detectors/detector.h"

/*
 * registry - every detector, one line each.  A new one is its own file, a line
 * here and a line in registry.c.
 */
extern const struct detector detector_psi;
extern const struct detector detector_ks;
extern const struct detector detector_js;
extern const struct detector detector_chi2;
extern const struct detector detector_linf;
extern const struct detector detector_missing_share;
extern const struct detector detector_invalid_share;
extern const struct detector detector_new_category_share;
extern const struct detector detector_out_of_range_share;
extern const struct detector detector_psi_eps1e6;
extern const struct detector detector_psi_laplace;
extern const struct detector detector_psi_left;
extern const struct detector detector_psi_missbin;
extern const struct detector detector_hellinger;
extern const struct detector detector_kl;
extern const struct detector detector_tv;
extern const struct detector detector_wasserstein;
extern const struct detector detector_wasserstein_norm;
extern const struct detector detector_energy_distance;
extern const struct detector detector_ks_robust;
extern const struct detector detector_mean_shift;
extern const struct detector detector_std_shift;
extern const struct detector detector_quantile_shift;
extern const struct detector detector_cvm;
extern const struct detector detector_ad;
extern const struct detector detector_mwu;
extern const struct detector detector_welch;
extern const struct detector detector_chi2_yates;
extern const struct detector detector_g;
extern const struct detector detector_cramers_v;
extern const struct detector detector_n_categories;
extern const struct detector detector_n_new_categories;
extern const struct detector detector_n_lost_categories;

#endif
