/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_ALERT_H
#define DRIFTD_ALERTS_ALERT_H

#include <stdint.h>

struct baseline;
struct config;
struct config_model;
struct err;
struct pg;
struct profile_set;
struct verdicts;

/*
 * alert - from final verdicts to alert transitions and outbox rows, inside
 * the evaluator's transaction, so that either all of it happened or none.
 *
 * An alert is one (model, rule).  Its state is a function of the last m final
 * verdicts (windows whose verdicts are `ok`, in order of their start): a
 * column breaches the rule when it did so in at least k of them; the alert
 * fires when a column breaches (or, with `share`, when columns of at least
 * that weighted share do).
 */

struct alert_window {
	const struct config_model *model;
	int64_t start_us, end_us;
	int revision;
	const struct baseline *baseline;    /* may be NULL */
	const struct profile_set *profiles; /* for the top contributions */
	const struct verdicts *verdicts;    /* already saved */
	int64_t now_us;			    /* the database's clock */
};

/* Step every rule of the configuration that is about this model. */
int alert_step(struct pg *pg, const struct config *c,
	       const struct alert_window *w, struct err *e);

#endif
