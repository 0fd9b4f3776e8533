/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_STATE_H
#define DRIFTD_ALERTS_STATE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * state - the life of an alert as a table (from, event, to), which also
 * draws the diagram in DESIGN.md.  A pair that is not in the table is refused
 * and changes nothing.
 */

enum alert_state {
	ALERT_INACTIVE,	    /* nothing is wrong */
	ALERT_PENDING,	    /* the newest window breached, k of m did not yet */
	ALERT_FIRING,	    /* an episode is on */
	ALERT_ACKNOWLEDGED, /* and somebody looks after it: no repeats */
	ALERT_RESOLVED	    /* the episode is over */
};
enum { N_ALERT_STATES = ALERT_RESOLVED + 1 };

enum alert_event {
	ALERT_CLEAR,  /* the newest window is fine, k of m do not hold */
	ALERT_BREACH, /* the newest window breached, k of m do not hold */
	ALERT_HELD,   /* k of m windows breached */
	ALERT_ACK,    /* a person looks after it */
	ALERT_RESOLVE /* a person (or the end of its rule) closes it */
};
enum { N_ALERT_EVENTS = ALERT_RESOLVE + 1 };

struct alert_transition {
	enum alert_state from;
	enum alert_event event;
	enum alert_state to;
};

const struct alert_transition *alert_state_table(size_t *n);

/* Where ${event} leads; false (and ${to} untouched) when it is refused. */
bool alert_state_next(enum alert_state from, enum alert_event event,
		      enum alert_state *to);

/* An episode is on: firing or acknowledged. */
bool alert_state_is_open(enum alert_state state);

const char *alert_state_name(enum alert_state state);
const char *alert_event_name(enum alert_event event);

/* The name back; -1 when it is none. */
int alert_state_parse(const char *name, enum alert_state *out);

/* The table as a Mermaid state diagram; stays in a state are left out. */
void alert_state_diagram(struct buf *out);

#endif
