/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * special - tails by GSL, and Kolmogorov's law by its two series: the
 * alternating one converges fast for large l, its theta transform
 *
 *	1 - Q(l) = sqrt(2 pi)/l sum exp(-(2k-1)^2 pi^2 / (8 l^2))
 *
 * for small l; both give full precision with a few terms around 1.
 */
#include "detectors/special.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_bessel.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>

void special_init(void)
{
	gsl_set_error_handler_off();
}

double special_chisq_q(double x, double dof)
{
	if (isnan(x) || isnan(dof))
		return (double)NAN;
	if (x <= 0.0 || dof <= 0.0)
		return 1.0;
	if (isinf(x))
		return 0.0;
	return gsl_cdf_chisq_Q(x, dof);
}

/* Wilson-Hilferty: where the inversion of the incomplete gamma gives up. */
static double chisq_q_inv_approx(double p, double dof)
{
	double c = 2.0 / (9.0 * dof);
	double root = 1.0 - c + special_normal_q_inv(p) * sqrt(c);

	return root > 0.0 ? dof * root * root * root : 0.0;
}

double special_chisq_q_inv(double p, double dof)
{
	double x;

	if (isnan(p) || isnan(dof))
		return (double)NAN;
	if (p >= 1.0 || dof <= 0.0)
		return 0.0;
	p = p > 1e-300 ? p : 1e-300;
	x = gsl_cdf_chisq_Qinv(p, dof);
	return isfinite(x) && x >= 0.0 ? x : chisq_q_inv_approx(p, dof);
}

double special_normal_q_inv(double p)
{
	if (isnan(p))
		return (double)NAN;
	p = p > 1e-300 ? p : 1e-300;
	p = p < 1.0 - 1e-16 ? p : 1.0 - 1e-16;
	return gsl_cdf_ugaussian_Qinv(p);
}

double special_normal_q(double z)
{
	return 0.5 * erfc(z / M_SQRT2);
}

/* t to the z of about the same tail (Abramowitz and Stegun, 26.7.8). */
static double student_to_normal(double t, double dof)
{
	return t * (1.0 - 1.0 / (4.0 * dof)) / sqrt(1.0 + t * t / (2.0 * dof));
}

/* The first term of the tail in x = dof / (dof + t^2), for small x: where the
 * beta function underflows. */
static double student_far(double x, double dof)
{
	double a = dof / 2.0;

	return 0.5 * exp(a * log(x) - log(a) - lgamma(a) - lgamma(0.5) +
			 lgamma(a + 0.5));
}

double special_student_q(double t, double dof)
{
	gsl_sf_result r;
	double x;

	if (isnan(t) || isnan(dof))
		return (double)NAN;
	if (dof <= 0.0 || t == 0.0)
		return 0.5;
	if (t < 0.0)
		return 1.0 - special_student_q(-t, dof);
	x = 1.0 / (1.0 + t / dof * t);
	/* by the beta function: gsl_cdf_tdist_Q has 5 digits at large dof */
	if (dof < 1e7 &&
	    gsl_sf_beta_inc_e(dof / 2.0, 0.5, x, &r) == GSL_SUCCESS)
		return r.val / 2.0;
	if (dof < 1e7 && x < 1e-3)
		return student_far(x, dof);
	return special_normal_q(student_to_normal(t, dof));
}

double special_bessel_k_scaled(double nu, double x)
{
	gsl_sf_result r;

	if (isnan(nu) || isnan(x))
		return (double)NAN;
	if (x > 0.0 && gsl_sf_bessel_Knu_scaled_e(nu, x, &r) == GSL_SUCCESS)
		return r.val;
	return x > 0.0 ? sqrt(M_PI / (2.0 * x)) : HUGE_VAL;
}

double special_kolmogorov_q(double l)
{
	double sum = 0.0, term, sign = 1.0;
	int k;

	if (isnan(l))
		return (double)NAN;
	if (l <= 0.0)
		return 1.0;
	if (l < 1.0) {
		for (k = 1; k < 40; k += 2) {
			term = exp(-k * k * M_PI * M_PI / (8.0 * l * l));
			sum += term;
			if (term < sum * 1e-18)
				break;
		}
		return 1.0 - sqrt(2.0 * M_PI) / l * sum;
	}
	for (k = 1; k < 40; k++) {
		term = exp(-2.0 * k * k * l * l);
		sum += sign * term;
		sign = -sign;
		if (term < sum * 1e-18)
			break;
	}
	return 2.0 * sum;
}
