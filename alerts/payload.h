/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_PAYLOAD_H
#define DRIFTD_ALERTS_PAYLOAD_H

#include "storage/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baseline;
struct buf;
struct config_model;
struct config_rule;
struct config_server;
struct profile_set;
struct rule_outcome;

/*
 * payload - what is told of an alert: the columns that moved, worst first,
 * and the body around them.  A body stays below 20 kB, as receivers of
 * Standard Webhooks expect; columns that do not fit are left out and
 * `columns_total` says how many there are.
 */

enum { PAYLOAD_MAX = 20000, PAYLOAD_COLUMNS_MAX = 14000 };

/* Where the top bins come from; either pointer may be NULL. */
struct payload_source {
	const struct baseline *baseline;
	const struct profile_set *profiles;
	int64_t window_start_us; /* of the profiles */
};

/*
 * Append the JSON array of those details whose columns are in ${outcome}
 * (already worst first), with their top bins when they can be had; at most
 * PAYLOAD_COLUMNS_MAX bytes.  Returns how many columns there are.
 */
int payload_columns(const struct alert_store_details *details,
		    const struct rule_outcome *outcome,
		    const struct payload_source *source, struct buf *out);

struct payload {
	const struct alert_row *alert;
	const struct config_rule *rule;
	const struct config_model *model;
	const struct config_server *server;
	bool resolved;
	int64_t now_us;
};

/* Append the body; out->failed when it is too long. */
void payload_body(const struct payload *p, struct buf *out);

/* Append the link to the model's page. */
void payload_url(const struct config_server *server,
		 const struct config_model *model, struct buf *out);

/*
 * The id of a message: "msg_" and a hash of the rule, the model, the first
 * window of the episode, the window and revision that were judged, and what
 * happened.  A step is made once, whatever dies: so is its id.
 */
void payload_message_id(const struct alert_row *a, int64_t window_start_us,
			int revision, const char *transition,
			char out[OUTBOX_ID_SIZE]);

#endif
