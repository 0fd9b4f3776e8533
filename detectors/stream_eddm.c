/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_eddm - early drift detection method (Baena-Garcia et al. 2006): the
 * distances between errors shrink.
 */

#include "detectors/stream_parts.h"

#include <math.h>

struct eddm_options {
	int64_t min_instances, min_errors;
	double warning, outcontrol;
};

struct eddm {
	uint64_t n;
	uint64_t n_errors;
	uint64_t last_error; /* its sample */
	double mean, m2;     /* of the distances */
	double max;	     /* of mean + 2 deviations; 0: none yet */
};

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct eddm_options *o = options;
	struct eddm *s = state;
	double distance, before, level;

	s->n++;
	if (x < 1 || x > 1)
		return STREAM_NONE;
	s->n_errors++;
	distance = (double)(s->n - s->last_error);
	s->last_error = s->n;
	before = s->mean;
	s->mean += (distance - s->mean) / (double)s->n_errors;
	s->m2 += (distance - s->mean) * (distance - before);
	level = s->mean + 2 * sqrt(s->m2 / (double)s->n_errors);
	if (s->n < (uint64_t)o->min_instances)
		return STREAM_NONE;
	if (level > s->max) {
		s->max = level;
		return STREAM_NONE;
	}
	if (s->n_errors <= (uint64_t)o->min_errors)
		return STREAM_NONE;
	if (level / s->max < o->outcontrol)
		return STREAM_DRIFT;
	return level / s->max < o->warning ? STREAM_WARNING : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct eddm *s = state;

	(void)options;
	return s->n_errors <= s->n && s->last_error <= s->n && s->mean >= 0 &&
	       s->m2 >= 0 && s->max >= 0;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_INT, eddm_options, min_instances, "30", 1, 1e9,
		      "samples before anything is kept or tested"),
	STREAM_OPTION(OPTION_INT, eddm_options, min_errors, "30", 1, 1e9,
		      "errors before the first test"),
	STREAM_OPTION(OPTION_DOUBLE, eddm_options, warning, "0.95", 0, 1,
		      "share of the maximum below which it is a warning"),
	STREAM_OPTION(OPTION_DOUBLE, eddm_options, outcontrol, "0.9", 0, 1,
		      "share of the maximum below which it is a drift"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, eddm, n),
	STREAM_FIELD(STREAM_COUNT, eddm, n_errors),
	STREAM_FIELD(STREAM_COUNT, eddm, last_error),
	STREAM_FIELD(STREAM_NUMBER, eddm, mean),
	STREAM_FIELD(STREAM_NUMBER, eddm, m2),
	STREAM_FIELD(STREAM_NUMBER, eddm, max),
};

const struct stream_detector stream_eddm = {
	.name = "eddm",
	.summary = "errors (exactly 1) come at shorter distances",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct eddm_options),
	.state_size = sizeof(struct eddm),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
