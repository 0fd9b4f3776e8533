/* SPDX-License-Identifier: GPL-3.0-or-later */
/* effect - findings and the bounds of chance; see the header. */
#include "detectors/effect.h"

#include "detectors/detector.h"
#include "detectors/ks_distance.h"
#include "detectors/pair.h"
#include "detectors/special.h"

#include <assert.h>
#include <math.h>

__extension__ typedef __int128 wide;

uint64_t effect_rows(const struct pair_side *s)
{
	return s->n + s->n_missing + s->n_invalid;
}

void effect_init(const struct pair *p, struct finding *out)
{
	bool has_values = p->ref.n > 0 && p->cur.n > 0 && p->n_cells > 0;

	*out = (struct finding){
		.status = has_values ? FINDING_OK : FINDING_EMPTY,
		.value = (double)NAN,
		.lower = (double)NAN,
		.upper = (double)NAN,
		.p_value = (double)NAN,
		.n_ref = p->ref.n,
		.n_cur = p->cur.n,
	};
}

void effect_set(struct finding *out, double value)
{
	out->value = value;
	out->lower = value;
	out->upper = value;
}

void effect_set_bounds(struct finding *out, double value, double lower,
		       double upper)
{
	out->value = value;
	out->lower = lower < value ? lower : value;
	out->upper = upper > value ? upper : value;
}

void effect_add(struct finding *out, const char *metric, double value)
{
	assert(out->n_extras < FINDING_EXTRAS_MAX);
	out->extras[out->n_extras++] = (struct finding_extra){metric, value};
}

void effect_undefined(struct finding *out)
{
	out->status = FINDING_UNDEFINED;
	effect_set(out, (double)NAN);
	out->n_extras = 0;
}

double effect_chi2(const struct pair *p, uint32_t *n_used)
{
	double n = (double)p->ref.n, m = (double)p->cur.n, sum = 0.0, d;
	uint32_t i;

	*n_used = 0;
	for (i = 0; i < p->n_bins; i++) {
		uint64_t a = p->ref.bin[i], b = p->cur.bin[i];

		if (a + b == 0)
			continue;
		++*n_used;
		d = (double)((wide)a * p->cur.n - (wide)b * p->ref.n);
		sum += d / (n * m) * d / (double)(a + b);
	}
	return sum;
}

bool effect_bins_differ(const struct pair *p, double alpha)
{
	uint32_t n_used;
	double statistic = effect_chi2(p, &n_used);

	return n_used > 1 && special_chisq_q(statistic, n_used - 1) < alpha;
}

bool effect_values_differ(const struct pair *p, double alpha)
{
	double n = (double)p->ref.n, m = (double)p->cur.n;

	return special_kolmogorov_q(sqrt(n / (n + m) * m) *
				    ks_distance(p).lower) < alpha;
}

double effect_bound_bins(const struct pair *p, const struct finding *f,
			 double alpha)
{
	return f->lower > 0.0 && effect_bins_differ(p, alpha) ? f->lower : 0.0;
}

double effect_bound_values(const struct pair *p, const struct finding *f,
			   double alpha)
{
	return f->lower > 0.0 && effect_values_differ(p, alpha) ? f->lower
								: 0.0;
}

double effect_share_noise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			  uint64_t n_cur, double alpha)
{
	double n = (double)n_ref, m = (double)n_cur;
	double pooled = ((double)x_ref + (double)x_cur) / (n + m);

	return special_normal_q_inv(alpha) *
	       sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m));
}

double effect_share_rise(uint64_t x_ref, uint64_t n_ref, uint64_t x_cur,
			 uint64_t n_cur, double alpha)
{
	double rise;

	if (n_ref == 0 || n_cur == 0)
		return 0.0;
	rise = (double)x_cur / (double)n_cur - (double)x_ref / (double)n_ref;
	if (rise <= effect_share_noise(x_ref, n_ref, x_cur, n_cur, alpha))
		return 0.0;
	return rise > 0.0 ? rise : 0.0;
}
