/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_AREA_H
#define DRIFTD_DETECTORS_AREA_H

struct pair;

/*
 * area - the integral of |F - G| or (F - G)^2 between the two distribution
 * functions of a numeric pair, with bounds that hold the exact one.
 */
enum area_kind { AREA_ABSOLUTE, AREA_SQUARE };

struct area {
	double value, lower, upper;
	double unit; /* all three are in this unit (a power of two) */
};

struct area area_between(const struct pair *p, enum area_kind kind);

#endif
