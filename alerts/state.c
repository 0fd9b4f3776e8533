/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of an alert, as a table. */
#include "alerts/state.h"

#include "base/attr.h"
#include "base/buf.h"

#include <string.h>

static const struct alert_transition table[] = {
	{ALERT_INACTIVE, ALERT_CLEAR, ALERT_INACTIVE},
	{ALERT_INACTIVE, ALERT_BREACH, ALERT_PENDING},
	{ALERT_INACTIVE, ALERT_HELD, ALERT_FIRING},

	{ALERT_PENDING, ALERT_CLEAR, ALERT_INACTIVE},
	{ALERT_PENDING, ALERT_BREACH, ALERT_PENDING},
	{ALERT_PENDING, ALERT_HELD, ALERT_FIRING},
	{ALERT_PENDING, ALERT_RESOLVE, ALERT_INACTIVE},

	{ALERT_FIRING, ALERT_CLEAR, ALERT_RESOLVED},
	/* Hysteresis: as long as the newest window breaches, it goes on. */
	{ALERT_FIRING, ALERT_BREACH, ALERT_FIRING},
	{ALERT_FIRING, ALERT_HELD, ALERT_FIRING},
	{ALERT_FIRING, ALERT_ACK, ALERT_ACKNOWLEDGED},
	{ALERT_FIRING, ALERT_RESOLVE, ALERT_RESOLVED},

	{ALERT_ACKNOWLEDGED, ALERT_CLEAR, ALERT_RESOLVED},
	{ALERT_ACKNOWLEDGED, ALERT_BREACH, ALERT_ACKNOWLEDGED},
	{ALERT_ACKNOWLEDGED, ALERT_HELD, ALERT_ACKNOWLEDGED},
	{ALERT_ACKNOWLEDGED, ALERT_ACK, ALERT_ACKNOWLEDGED},
	{ALERT_ACKNOWLEDGED, ALERT_RESOLVE, ALERT_RESOLVED},

	{ALERT_RESOLVED, ALERT_CLEAR, ALERT_RESOLVED},
	{ALERT_RESOLVED, ALERT_BREACH, ALERT_PENDING},
	{ALERT_RESOLVED, ALERT_HELD, ALERT_FIRING},
	{ALERT_RESOLVED, ALERT_RESOLVE, ALERT_RESOLVED},
};

static const char *const state_names[N_ALERT_STATES] = {
	[ALERT_INACTIVE] = "inactive", [ALERT_PENDING] = "pending",
	[ALERT_FIRING] = "firing",     [ALERT_ACKNOWLEDGED] = "acknowledged",
	[ALERT_RESOLVED] = "resolved",
};

static const char *const event_names[N_ALERT_EVENTS] = {
	[ALERT_CLEAR] = "clear",     [ALERT_BREACH] = "breach",
	[ALERT_HELD] = "held",	     [ALERT_ACK] = "ack",
	[ALERT_RESOLVE] = "resolve",
};

const struct alert_transition *alert_state_table(size_t *n)
{
	*n = ARRAY_LEN(table);
	return table;
}

bool alert_state_next(enum alert_state from, enum alert_event event,
		      enum alert_state *to)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].from == from && table[i].event == event) {
			*to = table[i].to;
			return true;
		}
	}
	return false;
}

bool alert_state_is_open(enum alert_state state)
{
	return state == ALERT_FIRING || state == ALERT_ACKNOWLEDGED;
}

const char *alert_state_name(enum alert_state state)
{
	return state_names[state];
}

const char *alert_event_name(enum alert_event event)
{
	return event_names[event];
}

int alert_state_parse(const char *name, enum alert_state *out)
{
	for (unsigned i = 0; i < N_ALERT_STATES; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*out = (enum alert_state)i;
			return 0;
		}
	}
	return -1;
}

void alert_state_diagram(struct buf *out)
{
	buf_add_str(out, "stateDiagram-v2\n");
	buf_printf(out, "    [*] --> %s\n", state_names[ALERT_INACTIVE]);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].from == table[i].to)
			continue;
		buf_printf(out, "    %s --> %s: %s\n",
			   state_names[table[i].from], state_names[table[i].to],
			   event_names[table[i].event]);
	}
}
