/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_cusum_running - cumulative sum of an increase over the running mean,
 * never below zero.
 */

#include "detectors/stream_parts.h"

struct cusum_running_options {
	int64_t n;
	double delta, lambda_;
};

struct cusum_running {
	uint64_t n;
	double mean, sum;
};

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct cusum_running_options *o = options;
	struct cusum_running *s = state;
	double sum;

	s->n++;
	s->mean += (x - s->mean) / (double)s->n;
	sum = s->sum + x - s->mean - o->delta;
	s->sum = sum > 0 ? sum : 0;
	/* The reference counts from one: it tests a sample early. */
	if (s->n + 1 < (uint64_t)o->n)
		return STREAM_NONE;
	return s->sum > o->lambda_ ? STREAM_DRIFT : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct cusum_running *s = state;

	(void)options;
	return s->sum >= 0;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_INT, cusum_running_options, n, "30", 1, 1e9,
		      "samples before the first test"),
	STREAM_OPTION(OPTION_DOUBLE, cusum_running_options, delta, "0.005", 0,
		      1e6, "change of the mean that is tolerated"),
	STREAM_OPTION(OPTION_DOUBLE, cusum_running_options, lambda_, "50", 0,
		      1e12, "sum above which it is a drift"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, cusum_running, n),
	STREAM_FIELD(STREAM_NUMBER, cusum_running, mean),
	STREAM_FIELD(STREAM_NUMBER, cusum_running, sum),
};

const struct stream_detector stream_cusum_running = {
	.name = "cusum_running",
	.summary = "the mean rises: sum over the running mean, never below 0",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct cusum_running_options),
	.state_size = sizeof(struct cusum_running),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
	.is_valid = is_valid,
};
