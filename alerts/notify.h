/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_NOTIFY_H
#define DRIFTD_ALERTS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct alert_row;
struct config_model;
struct config_rule;
struct config_server;
struct err;
struct pg;

/*
 * notify - queue what is told of a transition, one message a receiver of the
 * rule, in the transaction of the transition.
 */

struct notify {
	const struct config_server *server;
	const struct config_model *model;
	const struct config_rule *rule;
	int64_t window_start_us; /* that was judged, and its revision: */
	int revision;		 /* part of the message's identity */
	int64_t now_us;
};

bool notify_is_silenced(const struct alert_row *a, int64_t now_us);

/*
 * ${transition} names it within its step ("firing", "resolved", "repeat:3").
 * Marks the alert as notified; the caller saves it.
 */
int notify_queue(struct pg *pg, const struct notify *n, struct alert_row *a,
		 bool resolved, const char *transition, struct err *e);

#endif
