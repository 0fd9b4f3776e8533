/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_hddm_w - McDiarmid's bound on exponentially weighted averages
 * (Frias-Blanco et al. 2015), one-sided.
 */

#include "detectors/stream_parts.h"

#include <math.h>

static const char *const sides[] = {"1", NULL};

struct hddm_w_options {
	double drift, warn, lambda_;
	int sides;
};

struct hddm_w {
	double ewma, ibc;   /* of all; ibc bounds the sum of squared weights, */
	double ewma1, ibc1; /* of those up to the cut, */
	double ewma2, ibc2; /* and of those behind it; ibc 0: no sample */
	double cut;	    /* lowest upper bound */
};

static void add(double *ewma, double *ibc, double lambda, double x)
{
	double keep = 1 - lambda;

	/* Weighted averages below zero count as none, as in the reference:
	 * the method is for values in [0, 1]. */
	if (*ibc <= 0 || *ewma < 0) {
		*ewma = x;
		*ibc = 1;
		return;
	}
	*ewma = lambda * x + keep * *ewma;
	*ibc = lambda * lambda + keep * keep * *ibc;
}

static bool has_risen(const struct hddm_w *s, double alpha)
{
	if (s->ibc1 <= 0 || s->ibc2 <= 0 || s->ewma1 < 0 || s->ewma2 < 0)
		return false;
	return s->ewma2 - s->ewma1 >
	       sqrt((s->ibc1 + s->ibc2) * log(1 / alpha) / 2);
}

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct hddm_w_options *o = options;
	struct hddm_w *s = state;
	bool is_first = s->ibc <= 0;
	double bound;

	add(&s->ewma, &s->ibc, o->lambda_, x);
	bound = s->ewma + sqrt(s->ibc * log(1 / o->drift) / 2);
	if (is_first || bound < s->cut) {
		s->cut = bound;
		s->ewma1 = s->ewma;
		s->ibc1 = s->ibc;
		s->ewma2 = s->ibc2 = 0;
	} else {
		add(&s->ewma2, &s->ibc2, o->lambda_, x);
	}
	if (has_risen(s, o->drift))
		return STREAM_DRIFT;
	return has_risen(s, o->warn) ? STREAM_WARNING : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct hddm_w *s = state;

	(void)options;
	return s->ibc >= 0 && s->ibc <= 1 && s->ibc1 >= 0 && s->ibc1 <= 1 &&
	       s->ibc2 >= 0 && s->ibc2 <= 1;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_DOUBLE, hddm_w_options, drift, "0.001", 1e-300, 1,
		      "error probability of a drift"),
	STREAM_OPTION(OPTION_DOUBLE, hddm_w_options, warn, "0.005", 1e-300, 1,
		      "error probability of a warning"),
	STREAM_OPTION(OPTION_DOUBLE, hddm_w_options, lambda_, "0.05", 1e-9, 1,
		      "weight of the newest sample"),
	{.name = "sides",
	 .type = OPTION_ENUM,
	 .offset = offsetof(struct hddm_w_options, sides),
	 .fallback = "1",
	 .names = sides,
	 .doc = "1: an increase; for a decrease show it 1 - x"},
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ewma),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ibc),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ewma1),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ibc1),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ewma2),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, ibc2),
	STREAM_FIELD(STREAM_NUMBER, hddm_w, cut),
};

const struct stream_detector stream_hddm_w = {
	.name = "hddm_w",
	.summary = "the mean of values in [0, 1] rises: weighted averages",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct hddm_w_options),
	.state_size = sizeof(struct hddm_w),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
