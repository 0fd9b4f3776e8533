/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_page_hinkley - Page's test of an increase of the mean (1954), with a
 * running mean and a sum that forgets.
 */

#include "detectors/stream_parts.h"

struct page_hinkley_options {
	int64_t n;
	double delta, lambda_, alpha;
};

struct page_hinkley {
	uint64_t n;
	double mean, sum;
};

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct page_hinkley_options *o = options;
	struct page_hinkley *s = state;

	s->n++;
	s->mean += (x - s->mean) / (double)s->n;
	s->sum = o->alpha * s->sum + (x - s->mean - o->delta);
	/* The reference counts from one: it tests a sample early. */
	if (s->n + 1 < (uint64_t)o->n)
		return STREAM_NONE;
	return s->sum > o->lambda_ ? STREAM_DRIFT : STREAM_NONE;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_INT, page_hinkley_options, n, "30", 1, 1e9,
		      "samples before the first test"),
	STREAM_OPTION(OPTION_DOUBLE, page_hinkley_options, delta, "0.005", 0,
		      1e6, "change of the mean that is tolerated"),
	STREAM_OPTION(OPTION_DOUBLE, page_hinkley_options, lambda_, "50", 0,
		      1e12, "sum above which it is a drift"),
	STREAM_OPTION(OPTION_DOUBLE, page_hinkley_options, alpha, "0.9999", 0,
		      1, "what the sum keeps from sample to sample"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, page_hinkley, n),
	STREAM_FIELD(STREAM_NUMBER, page_hinkley, mean),
	STREAM_FIELD(STREAM_NUMBER, page_hinkley, sum),
};

const struct stream_detector stream_page_hinkley = {
	.name = "page_hinkley",
	.summary = "the mean rises: sum of deviations from the running mean",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct page_hinkley_options),
	.state_size = sizeof(struct page_hinkley),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.step = step,
};
