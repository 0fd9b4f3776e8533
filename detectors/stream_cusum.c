/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_cusum - tabular cumulative sums on both sides of a reference that the
 * first samples since the reset give.
 */

#include "detectors/stream_parts.h"

#include <math.h>

enum cusum_mode { CUSUM_BOTH, CUSUM_UP, CUSUM_DOWN };

static const char *const modes[] = {"both", "up", "down", NULL};

struct cusum_options {
	int64_t min_instances;
	double slack, threshold;
	int mode;
};

struct cusum {
	uint64_t n; /* stays at min_instances, when the reference is made */
	double mean, m2; /* of the samples of the reference */
	double sigma;
	double up, down;
};

static double positive(double v)
{
	return v > 0 ? v : 0;
}

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct cusum_options *o = options;
	struct cusum *s = state;
	double limit, delta;

	if (s->n < (uint64_t)o->min_instances) {
		s->n++;
		delta = x - s->mean;
		s->mean += delta / (double)s->n;
		s->m2 += delta * (x - s->mean);
		if (s->n < (uint64_t)o->min_instances)
			return STREAM_NONE;
		s->sigma = sqrt(s->m2 / (double)(s->n - 1));
	}
	/* The last sample of the reference is the first to be summed. */
	s->up = positive(s->up + (x - s->mean) - o->slack * s->sigma);
	s->down = positive(s->down - (x - s->mean) - o->slack * s->sigma);
	limit = o->threshold * s->sigma;
	if ((o->mode != CUSUM_DOWN && s->up > limit) ||
	    (o->mode != CUSUM_UP && s->down > limit))
		return STREAM_DRIFT;
	return STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct cusum_options *o = options;
	const struct cusum *s = state;

	return s->n <= (uint64_t)o->min_instances && s->m2 >= 0 &&
	       s->sigma >= 0 && s->up >= 0 && s->down >= 0;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_INT, cusum_options, min_instances, "30", 2, 1e9,
		      "samples that give mean and sigma"),
	STREAM_OPTION(OPTION_DOUBLE, cusum_options, slack, "0.5", 0, 1e6,
		      "change in sigmas that is tolerated"),
	STREAM_OPTION(OPTION_DOUBLE, cusum_options, threshold, "5", 0, 1e12,
		      "sum in sigmas above which it is a drift"),
	{.name = "mode",
	 .type = OPTION_ENUM,
	 .offset = offsetof(struct cusum_options, mode),
	 .fallback = "both",
	 .names = modes,
	 .doc = "direction that is watched: both, up or down"},
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, cusum, n),
	STREAM_FIELD(STREAM_NUMBER, cusum, mean),
	STREAM_FIELD(STREAM_NUMBER, cusum, m2),
	STREAM_FIELD(STREAM_NUMBER, cusum, sigma),
	STREAM_FIELD(STREAM_NUMBER, cusum, up),
	STREAM_FIELD(STREAM_NUMBER, cusum, down),
};

const struct stream_detector stream_cusum = {
	.name = "cusum",
	.summary = "the mean moves: sums against the first samples' mean and "
		   "sigma",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct cusum_options),
	.state_size = sizeof(struct cusum),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
