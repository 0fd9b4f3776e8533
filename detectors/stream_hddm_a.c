/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_hddm_a - Hoeffding's bound on averages (Frias-Blanco et al. 2015),
 * one-sided: the mean has risen since its lowest upper bound.
 */

#include "detectors/stream_parts.h"

#include <math.h>

static const char *const sides[] = {"1", NULL};

struct hddm_a_options {
	double drift, warn;
	int sides;
};

struct hddm_a {
	uint64_t n;
	double total;
	uint64_t n_min; /* samples before the cut */
	double total_min;
};

/* Whether the mean is above that before the cut, at error ${alpha}. */
static bool has_risen(const struct hddm_a *s, double alpha)
{
	double n = (double)s->n, n_min = (double)s->n_min;
	double m, bound;

	if (s->n == s->n_min)
		return false;
	m = (n - n_min) / n_min * (1 / n);
	bound = sqrt(m / 2 * log(2 / alpha));
	return s->total / n - s->total_min / n_min >= bound;
}

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct hddm_a_options *o = options;
	struct hddm_a *s = state;
	double log_drift = log(1 / o->drift);

	s->n++;
	s->total += x;
	if (!s->n_min ||
	    s->total_min / (double)s->n_min +
			    sqrt(1 / (2 * (double)s->n_min) * log_drift) >=
		    s->total / (double)s->n +
			    sqrt(1 / (2 * (double)s->n) * log_drift)) {
		s->n_min = s->n;
		s->total_min = s->total;
	}
	if (has_risen(s, o->drift))
		return STREAM_DRIFT;
	return has_risen(s, o->warn) ? STREAM_WARNING : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct hddm_a *s = state;

	(void)options;
	return s->n_min <= s->n && (s->n_min > 0) == (s->n > 0);
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_DOUBLE, hddm_a_options, drift, "0.001", 1e-300, 1,
		      "error probability of a drift"),
	STREAM_OPTION(OPTION_DOUBLE, hddm_a_options, warn, "0.005", 1e-300, 1,
		      "error probability of a warning"),
	{.name = "sides",
	 .type = OPTION_ENUM,
	 .offset = offsetof(struct hddm_a_options, sides),
	 .fallback = "1",
	 .names = sides,
	 .doc = "1: an increase; for a decrease show it 1 - x"},
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, hddm_a, n),
	STREAM_FIELD(STREAM_NUMBER, hddm_a, total),
	STREAM_FIELD(STREAM_COUNT, hddm_a, n_min),
	STREAM_FIELD(STREAM_NUMBER, hddm_a, total_min),
};

const struct stream_detector stream_hddm_a = {
	.name = "hddm_a",
	.summary = "the mean of values in [0, 1] rises: Hoeffding on averages",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct hddm_a_options),
	.state_size = sizeof(struct hddm_a),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
