/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a transition to rows of the outbox. */
#include "alerts/notify.h"

#include "alerts/payload.h"
#include "base/buf.h"
#include "base/log.h"
#include "config/config.h"
#include "storage/outbox.h"

bool notify_is_silenced(const struct alert_row *a, int64_t now_us)
{
	return a->silenced_until_us > now_us;
}

/* Names that escape badly could fill a body: then without its columns. */
static void make_body(const struct payload *p, struct buf *body)
{
	struct alert_row bare = *p->alert;
	struct payload without = *p;
	char none[] = "[]";

	payload_body(p, body);
	if (!body->failed)
		return;
	bare.columns = none;
	without.alert = &bare;
	buf_clear(body);
	payload_body(&without, body);
}

int notify_queue(struct pg *pg, const struct notify *n, struct alert_row *a,
		 bool resolved, const char *transition, struct err *e)
{
	const struct payload p = {
		.alert = a,
		.rule = n->rule,
		.model = n->model,
		.server = n->server,
		.resolved = resolved,
		.now_us = n->now_us,
	};
	char id[OUTBOX_ID_SIZE];
	struct buf body;
	int rc = 0;

	buf_init(&body, PAYLOAD_MAX - 1);
	make_body(&p, &body);
	if (body.failed) {
		/* Judging must go on; a longer name does not help anybody. */
		log_error("alerts", "the message of rule \"%s\" is too long",
			  n->rule->name);
		goto out;
	}
	payload_message_id(a, n->window_start_us, n->revision, transition, id);
	for (size_t i = 0; i < n->rule->n_receivers && rc == 0; i++) {
		const struct outbox_new m = {
			.model_id = a->model_id,
			.message_id = id,
			.receiver = n->rule->receivers[i],
			.alert_id = a->alert_id,
			.seq = ++a->last_seq,
			.body = buf_str(&body),
			.now_us = n->now_us,
		};

		rc = outbox_add(pg, &m, e);
		a->last_notified_at_us = n->now_us;
	}
out:
	buf_release(&body);
	return rc;
}
