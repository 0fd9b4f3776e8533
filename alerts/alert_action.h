/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_ALERT_ACTION_H
#define DRIFTD_ALERTS_ALERT_ACTION_H

#include <stdint.h>

struct config;
struct err;
struct pg;

/*
 * alert_action - what a person does to an alert, each in a transaction of its
 * own under the model's lock, with a line of history that names ${actor}.
 * ERR_NOT_FOUND: no such alert; ERR_CONFLICT: its state does not allow it.
 * Doing the same again is no error.
 */

/* Somebody looks after it: it is not repeated. */
int alert_ack(struct pg *pg, const struct config *c, const char *alert_id,
	      const char *actor, struct err *e);

/* Until then nothing is told of it; a time that has passed ends a silence. */
int alert_silence(struct pg *pg, const struct config *c, const char *alert_id,
		  int64_t until_us, const char *actor, struct err *e);

/* The episode is over, and told so; windows judged until now count no more. */
int alert_resolve(struct pg *pg, const struct config *c, const char *alert_id,
		  const char *actor, struct err *e);

#endif
