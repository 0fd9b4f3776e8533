/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_ddm - drift detection method (Gama et al. 2004): the error rate is
 * some deviations above its best.
 */

#include "detectors/stream_parts.h"

#include <math.h>

struct ddm_options {
	int64_t n;
	double warning, outcontrol;
};

struct ddm {
	uint64_t n;
	double rate;
	uint64_t n_min; /* sample of the minimum; 0: none yet */
	double min_rate, min_deviation;
};

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct ddm_options *o = options;
	struct ddm *s = state;
	double deviation, level;

	s->n++;
	s->rate += (x - s->rate) / (double)s->n;
	/* NaN, and no comparison holds, where the values are no errors. */
	deviation = sqrt(s->rate * (1 - s->rate) / (double)s->n);
	level = s->rate + deviation;
	/* The reference counts from one: it begins a sample early. */
	if (s->n + 1 < (uint64_t)o->n)
		return STREAM_NONE;
	if (s->n_min ? level <= s->min_rate + s->min_deviation
		     : !isnan(level)) {
		s->n_min = s->n;
		s->min_rate = s->rate;
		s->min_deviation = deviation;
	}
	if (s->n < (uint64_t)o->n || !s->n_min)
		return STREAM_NONE;
	if (level > s->min_rate + o->outcontrol * s->min_deviation)
		return STREAM_DRIFT;
	if (level > s->min_rate + o->warning * s->min_deviation)
		return STREAM_WARNING;
	return STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct ddm *s = state;

	(void)options;
	return s->n_min <= s->n && s->min_deviation >= 0;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_INT, ddm_options, n, "30", 1, 1e9,
		      "samples before the first test"),
	STREAM_OPTION(OPTION_DOUBLE, ddm_options, warning, "2", 0, 1e6,
		      "deviations above the minimum for a warning"),
	STREAM_OPTION(OPTION_DOUBLE, ddm_options, outcontrol, "3", 0, 1e6,
		      "deviations above the minimum for a drift"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, ddm, n),
	STREAM_FIELD(STREAM_NUMBER, ddm, rate),
	STREAM_FIELD(STREAM_COUNT, ddm, n_min),
	STREAM_FIELD(STREAM_NUMBER, ddm, min_rate),
	STREAM_FIELD(STREAM_NUMBER, ddm, min_deviation),
};

const struct stream_detector stream_ddm = {
	.name = "ddm",
	.summary = "errors (0 or 1) become more frequent than at their best",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct ddm_options),
	.state_size = sizeof(struct ddm),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
