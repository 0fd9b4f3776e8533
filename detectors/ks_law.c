/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ks_law - tails of Kolmogorov's and Smirnov's statistics at finite n.
 *
 * One sample of n, t = n d (the choice of formulas is that of Simard and
 * L'Ecuyer, 2011):
 *
 *	t <= 1/2	1
 *	t <= 1		1 - n! ((2t - 1)/n)^n			(Ruben, Gambino)
 *	t >= n - 1	2 (1 - d)^n
 *	d >= 1/2, or n d^2 > 4 (n <= 140), or n d^2 >= 2.2
 *			2 P(D+ > d), Smirnov's sum; 0 from n d^2 = 370
 *	n <= 140	Durbin's matrix (Marsaglia, Tsang, Wang, 2003)
 *	n d^1.5 <= 1.4	the same, up to n = 10,000
 *	else		Pelz and Good (1976), error below 1e-5 / n
 *
 * Smirnov's sum has n terms of one smooth hump that is flat at both ends, so
 * for large n every h-th of them gives it to full precision (the trapezoid
 * rule).  Beyond n = 10^6 one term of Maag and Dicaire's expansion stands for
 * it, as in Cephes.
 *
 * Two samples of n and m without ties: the order of the pooled values is a
 * random path of steps from (0, 0) to (n, m), and P(x, y), the chance of a
 * path through (x, y) to have been at a distance of at least d, follows from
 * its two predecessors:
 *
 *	P(x, y) = x/(x+y) P(x-1, y) + y/(x+y) P(x, y-1);  1 where it is at d
 *
 * Only positive terms, so tails keep their digits; along the diagonals x + y
 * = k the steps do not wait for each other.
 */
#include "detectors/ks_distance.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
	SMALL_N = 140,
	DURBIN_N = 10000,
	DURBIN_SIZE = 64, /* 2 ceil(n d) - 1 in the range above */
	SMIRNOV_DIRECT = 1000,
	SMIRNOV_POINTS = 500,
	SMIRNOV_N = 1000000
};

static double clip(double p)
{
	return p > 0.0 ? (p < 1.0 ? p : 1.0) : 0.0;
}

static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

/* The j-th term of P(D+ >= d), 0 <= j <= n (1 - d), less ln d + ln n!. */
static double smirnov_log(double n, double d, double j)
{
	double below = d + j / n, above = 1.0 - below;
	double choose = -log_gamma(j + 1.0) - log_gamma(n - j + 1.0);

	if (!(above > 0.0))
		return -HUGE_VAL; /* it is 0: j < n, as d > 0 */
	return choose + (j - 1.0) * log(below) + (n - j) * log(above);
}

/* P(D+ >= d). */
static double smirnov_q(uint64_t count, double d)
{
	double n = (double)count, sum = 0.0, factor;
	uint64_t last = (uint64_t)floor(n * (1.0 - d)), step = 1, j;

	if (count > SMIRNOV_N)
		return exp(-(6.0 * n * d + 1.0) * (6.0 * n * d + 1.0) / 18.0 /
			   n);
	if (count > SMIRNOV_DIRECT)
		step = count / SMIRNOV_POINTS;
	factor = log(d) + log_gamma(n + 1.0);
	for (j = 0; j <= last; j += step)
		sum += exp(factor + smirnov_log(n, d, (double)j));
	return sum * (double)step;
}

typedef double matrix[DURBIN_SIZE][DURBIN_SIZE];

static void multiply(matrix out, matrix a, matrix b, int size)
{
	int i, j, k;

	for (i = 0; i < size; i++) {
		for (j = 0; j < size; j++)
			out[i][j] = 0.0;
		for (k = 0; k < size; k++) {
			for (j = 0; j < size; j++)
				out[i][j] += a[i][k] * b[k][j];
		}
	}
}

/*
 * Durbin's matrix of size 2k - 1, d = (k - h) / n; its last row is its first
 * column, upside down.
 */
static void durbin(matrix m, int size, double h)
{
	double factorial = 1.0, power = 1.0, last;
	int i, j;

	memset(m, 0, sizeof(matrix));
	for (i = 0; i < size; i++) {
		factorial /= i + 1;
		power *= h; /* h^(i+1) */
		m[i][0] = (1.0 - power) * factorial;
		m[size - 1][size - 1 - i] = m[i][0];
	}
	last = 1.0 - 2.0 * power;
	if (h > 0.5)
		last += pow(2.0 * h - 1.0, size);
	m[size - 1][0] = last * factorial;
	for (j = 1; j < size; j++) {
		double inverse = 1.0;

		for (i = j - 1; i < size - 1; i++) {
			m[i][j] = inverse; /* 1 / (i - j + 1)! */
			inverse /= i - j + 2;
		}
	}
}

/* Divide by a power of two and count it, so that nothing overflows. */
static void rescale(matrix m, int size, int k, int *exponent)
{
	int e, i, j;

	if (m[k][k] < 0x1p256)
		return;
	(void)frexp(m[k][k], &e);
	for (i = 0; i < size; i++) {
		for (j = 0; j < size; j++)
			m[i][j] = ldexp(m[i][j], -e);
	}
	*exponent += e;
}

/* P(D < d) = n!/n^n (H^n)_(k,k). */
static double durbin_p(uint64_t n, double d)
{
	double t = (double)n * d, log_factor;
	int k = (int)ceil(t), size = 2 * k - 1, e_power = 0, e_out = 0;
	matrix power, out, work;
	bool started = false;
	uint64_t left;

	durbin(power, size, (double)k - t);
	for (left = n; left > 0; left /= 2) {
		if (left % 2 != 0) {
			if (started)
				multiply(work, out, power, size);
			memcpy(out, started ? work : power, sizeof(out));
			started = true;
			e_out += e_power;
			rescale(out, size, k - 1, &e_out);
		}
		multiply(work, power, power, size);
		memcpy(power, work, sizeof(power));
		e_power *= 2;
		rescale(power, size, k - 1, &e_power);
	}
	log_factor = log_gamma((double)n + 1.0) - (double)n * log((double)n);
	return exp(log(out[k - 1][k - 1]) + e_out * M_LN2 + log_factor);
}

/* P(D <= d), four terms in 1/sqrt(n); z = sqrt(n) d. */
static double pelz_good_p(double n, double d)
{
	double z = sqrt(n) * d, z2 = z * z, z4 = z2 * z2, z6 = z4 * z2;
	double k0 = 0.0, k1 = 0.0, k2 = 0.0, k3 = 0.0, whole2 = 0.0;
	double whole3 = 0.0, root = sqrt(M_PI * 2.0);
	int k;

	for (k = 0; k < 40; k++) {
		double a = M_PI * (k + 0.5), a2 = a * a, b = M_PI * (k + 1.0);
		double b2 = b * b, e = exp(-a2 / (2.0 * z2));
		double w = exp(-b2 / (2.0 * z2));

		k0 += e;
		k1 += (a2 - z2) * e;
		k2 += ((6.0 * z6 + 2.0 * z4) + a2 * (2.0 * z4 - 5.0 * z2) +
		       a2 * a2 * (1.0 - 2.0 * z2)) *
		      e;
		k3 += (a2 * a2 * a2 * (5.0 - 30.0 * z2) +
		       a2 * a2 * (212.0 * z4 - 60.0 * z2) +
		       a2 * (135.0 * z4 - 96.0 * z6) - 30.0 * z6 -
		       90.0 * z4 * z4) *
		      e;
		whole2 += b2 * w;
		whole3 += (3.0 * b2 * z2 - b2 * b2) * w;
		if (e == 0.0)
			break;
	}
	k0 *= root / z;
	k1 *= root / (6.0 * z4);
	k2 = root * (k2 / (72.0 * z6 * z) - whole2 / (36.0 * z2 * z));
	k3 = root * (k3 / (6480.0 * z6 * z4) + whole3 / (216.0 * z6));
	return k0 + k1 / sqrt(n) + k2 / n + k3 / (n * sqrt(n));
}

/* P(D < d) where that is not almost 1. */
static double middle_p(uint64_t n, double d)
{
	double t = (double)n * d;

	if (n <= SMALL_N || (n <= DURBIN_N && t * sqrt(d) <= 1.4))
		return durbin_p(n, d);
	if (M_PI * M_PI / 8.0 > 700.0 * t * d) /* below the least double */
		return 0.0;
	return pelz_good_p((double)n, d);
}

double ks_law_q(uint64_t count, double d)
{
	double n = (double)count, t = n * d, square = t * d;

	if (isnan(d) || count == 0)
		return (double)NAN;
	if (t <= 0.5)
		return 1.0;
	if (d >= 1.0)
		return 0.0;
	if (t <= 1.0)
		return clip(1.0 - exp(log_gamma(n + 1.0) - n * log(n) +
				      n * log(2.0 * t - 1.0)));
	if (t >= n - 1.0)
		return clip(2.0 * pow(1.0 - d, n));
	if (square >= 370.0)
		return 0.0;
	if (d >= 0.5 || square >= (count <= SMALL_N ? 4.0 : 2.2))
		return clip(2.0 * smirnov_q(count, d));
	return clip(1.0 - middle_p(count, d));
}

/* Ends of the x on the diagonal x + y = k that are nearer than d. */
static int64_t first_inside(int64_t n, int64_t m, int64_t k, int64_t distance)
{
	int64_t from = k * n - distance, x;

	x = from >= 0 ? from / (n + m) + 1 : 0; /* x (n+m) > from */
	return x > k - m ? x : k - m;
}

static int64_t last_inside(int64_t n, int64_t m, int64_t k, int64_t distance)
{
	int64_t to = k * n + distance, x = (to - 1) / (n + m);

	x = x < k ? x : k; /* x (n+m) < to */
	return x < n ? x : n;
}

double ks_exact_q(uint64_t n_ref, uint64_t n_cur, uint64_t distance)
{
	/* p[x + 1]; the borders and what is not inside count as 1 */
	double p[KS_EXACT_MAX + 2];
	int64_t n = (int64_t)(n_ref < n_cur ? n_ref : n_cur);
	int64_t m = (int64_t)(n_ref < n_cur ? n_cur : n_ref);
	int64_t d = (int64_t)distance, lo = 0, k, x;
	double nm = (double)n * (double)m;

	assert(n_ref <= KS_EXACT_MAX && n_cur <= KS_EXACT_MAX);
	if (d <= 0)
		return 1.0;
	/* Dvoretzky, Kiefer, Wolfowitz: no number is so small */
	if ((double)d / nm * (double)d / (double)(n + m) > 372.0)
		return 0.0;
	for (x = 0; x < n + 2; x++)
		p[x] = 1.0;
	p[1] = 0.0;
	for (k = 1; k <= n + m; k++) {
		int64_t first = first_inside(n, m, k, d);
		int64_t last = last_inside(n, m, k, d);
		double inverse = 1.0 / (double)k;

		for (x = last; x >= first; x--)
			/* NOLINTNEXTLINE(*UndefinedBinary*): 0 <= x <= n */
			p[x + 1] = ((double)x * p[x] +
				    /* NOLINTNEXTLINE(*UndefinedBinary*) */
				    (double)(k - x) * p[x + 1]) *
				   inverse;
		for (; lo < first; lo++)
			p[lo + 1] = 1.0;
	}
	return clip(p[n + 1]);
}
