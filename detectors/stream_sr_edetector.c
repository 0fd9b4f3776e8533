/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_sr_edetector - Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo
 * 2023) of a mean in [0, 1] above a known one.
 *
 * Each bet multiplies its evidence by 1 + bet * (x - mu0), whose expectation
 * is at most 1 as long as the mean is at most mu0.  Hence at least A samples
 * pass on average before a false drift, without any assumption beyond that.
 */

#include "detectors/stream_parts.h"

enum { SR_BETS = 8 };

/* As shares of the largest bet that cannot lose everything. */
static const double bets[SR_BETS] = {0.01, 0.02, 0.04, 0.08,
				     0.16, 0.32, 0.5,  0.7};

enum sr_side { SR_UP, SR_DOWN };

static const char *const side_names[] = {"up", "down", NULL};

struct sr_options {
	double mu0, A, tolerance;
	int side;
	char *bets, *mix, *after_alarm, *mu0_rule;
};

struct sr {
	uint64_t n;
	double M[SR_BETS];
	double evidence; /* their mean */
};

/* The rate tested against: below it (or above: down) nothing has happened. */
static double tested_rate(const struct sr_options *o)
{
	double rate;

	if (o->side == SR_DOWN)
		return 1 - o->mu0 * (1 - o->tolerance);
	rate = o->mu0 * (1 + o->tolerance);
	return rate < 1 ? rate : 1;
}

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct sr_options *o = options;
	struct sr *s = state;
	double rate = tested_rate(o);
	double sum = 0;

	if (o->side == SR_DOWN)
		x = 1 - x;
	s->n++;
	for (int i = 0; i < SR_BETS; i++) {
		s->M[i] = (1 + bets[i] / rate * (x - rate)) * (s->M[i] + 1);
		sum += s->M[i];
	}
	s->evidence = sum / SR_BETS;
	return s->evidence >= o->A ? STREAM_DRIFT : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct sr *s = state;

	(void)options;
	for (int i = 0; i < SR_BETS; i++)
		if (s->M[i] < 0 || s->M[i] > 1e200)
			return false;
	return s->evidence >= 0;
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_DOUBLE, sr_options, mu0, NULL, 1e-9, 1 - 1e-9,
		      "the known rate"),
	STREAM_OPTION(OPTION_DOUBLE, sr_options, A, "100000", 1, 1e15,
		      "samples, at least, between false drifts on average"),
	STREAM_OPTION(OPTION_DOUBLE, sr_options, tolerance, "0", 0, 1,
		      "tests against mu0 * (1 + tolerance); down: minus"),
	{.name = "side",
	 .type = OPTION_ENUM,
	 .offset = offsetof(struct sr_options, side),
	 .fallback = "up",
	 .names = side_names,
	 .doc = "up: the rate rises; down: it falls"},
	STREAM_OPTION(OPTION_STRING, sr_options, bets, NULL, 0, 0,
		      "a note, without effect"),
	STREAM_OPTION(OPTION_STRING, sr_options, mix, NULL, 0, 0,
		      "a note, without effect"),
	STREAM_OPTION(OPTION_STRING, sr_options, after_alarm, NULL, 0, 0,
		      "a note, without effect"),
	STREAM_OPTION(OPTION_STRING, sr_options, mu0_rule, NULL, 0, 0,
		      "a note, without effect"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, sr, n),
	{.name = "M",
	 .type = STREAM_NUMBER,
	 .offset = offsetof(struct sr, M),
	 .n = SR_BETS},
	STREAM_FIELD(STREAM_NUMBER, sr, evidence),
};

const struct stream_detector stream_sr_edetector = {
	.name = "sr_edetector",
	.summary = "a rate of values in [0, 1] leaves a known one: false "
		   "alarms bounded",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct sr_options),
	.state_size = sizeof(struct sr),
	.min = 0,
	.max = 1,
	.step = step,
	.is_valid = is_valid,
};
