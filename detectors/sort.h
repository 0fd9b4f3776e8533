/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_SORT_H
#define DRIFTD_DETECTORS_SORT_H

#include <stddef.h>

/*
 * sort_numbers - ascending order of ${n} finite doubles, none of them -0.0,
 * in linear time (by radix); ${spare} has room for as many.
 */
void sort_numbers(double *values, double *spare, size_t n);

#endif
