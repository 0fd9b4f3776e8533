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

#endif
