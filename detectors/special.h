/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_SPECIAL_H
#define DRIFTD_DETECTORS_SPECIAL_H

/*
 * special - the door to GSL: tails of distributions, each accurate where it
 * is small.  Every function is total: it answers a number within [0, 1] or a
 * finite quantile, whatever it is given (NaN for NaN).
 */

/* Once per process, before threads start: GSL's default is to abort. */
void special_init(void);

/* P(X > x) of the chi-square law with ${dof} degrees of freedom. */
double special_chisq_q(double x, double dof);

/* The x with P(X > x) = p; 0 for p >= 1 or dof <= 0. */
double special_chisq_q_inv(double p, double dof);

/* P(Z > z) of the standard normal law. */
double special_normal_q(double z);

/* P(T > t) of Student's law with ${dof} > 0 degrees of freedom. */
double special_student_q(double t, double dof);

/* exp(x) K_nu(x), the modified Bessel function; x > 0. */
double special_bessel_k_scaled(double nu, double x);

/* The z with P(Z > z) = p of the standard normal law. */
double special_normal_q_inv(double p);

/* Kolmogorov's limit law: Q(l) = 2 sum (-1)^(k-1) exp(-2 k^2 l^2). */
double special_kolmogorov_q(double l);

#endif
