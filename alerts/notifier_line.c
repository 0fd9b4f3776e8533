/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a notifier has to do with one receiver. */
#include "alerts/notifier_line.h"

#include "alerts/notifier_sender.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

/* A lease outlives the attempt it is for, also on a busy machine. */
#define LEASE_US	CLOCK_MINUTE_US
#define LEASE_MARGIN_US (30 * CLOCK_SECOND_US)

struct line *line_new(const char *name, void (*on_done)(void *arg), void *arg)
{
	struct line *l = xcalloc(1, sizeof(*l));

	alert_row_set_text(l->name, sizeof(l->name), name);
	alert_row_set_text(l->counts.receiver, sizeof(l->counts.receiver),
			   name);
	l->sender = sender_new(on_done, arg);
	if (!l->sender) {
		free(l);
		return NULL;
	}
	return l;
}

void line_free(struct line *l)
{
	if (!l)
		return;
	sender_free(l->sender);
	if (l->has_result)
		outbox_message_release(&l->result.message);
	free(l->due);
	free(l);
}

void line_add_due(struct line *l, int64_t model_id)
{
	l->due = xrealloc_array(l->due, l->n_due + 1, sizeof(*l->due));
	l->due[l->n_due++] = model_id;
}

bool line_is_ready(struct line *l)
{
	return !l->has_result && !l->gone && sender_is_idle(l->sender) &&
	       breaker_allows(&l->breaker, clock_monotonic_us());
}

static int64_t lease_us(const struct config_receiver *r)
{
	int64_t us = r->timeout_us + LEASE_MARGIN_US;

	return us > LEASE_US ? us : LEASE_US;
}

int line_dispatch(struct line *l, struct pg *pg, struct config *c,
		  const struct config_receiver *r, int64_t now_us,
		  struct err *e)
{
	struct outbox_message m;

	while (l->n_due > 0) {
		int rc = outbox_claim(pg, l->due[0], l->name, now_us,
				      lease_us(r), &m, e);

		if (rc < 0)
			return -1;
		if (rc == 1) {
			l->max_attempts = r->max_attempts;
			sender_start(l->sender, c, r, &m);
			return 1;
		}
		l->n_due--;
		memmove(l->due, l->due + 1, l->n_due * sizeof(*l->due));
	}
	return 0;
}

static void judge_retry(struct line *l, int64_t retry_after_us)
{
	struct line_result *result = &l->result;

	if (result->message.attempts >= l->max_attempts) {
		result->end = OUTBOX_DEAD;
		return;
	}
	result->end = OUTBOX_RETRY;
	result->delay_us = backoff_delay_us(result->message.attempts,
					    retry_after_us, backoff_random());
}

static void judge(struct line *l, const struct receiver_answer *answer)
{
	struct line_result *result = &l->result;

	switch (answer->outcome) {
	case RECEIVER_DELIVERED:
		result->end = OUTBOX_DELIVERED;
		breaker_succeeded(&l->breaker);
		break;
	case RECEIVER_RETRY:
		breaker_failed(&l->breaker, clock_monotonic_us());
		judge_retry(l, answer->retry_after_us);
		break;
	case RECEIVER_GONE:
		l->gone = true;
		log_warn("alerts",
			 "receiver \"%s\" answered 410 gone: its messages are "
			 "dead letters until the configuration is reloaded",
			 l->name);
		result->end = OUTBOX_DEAD;
		break;
	case RECEIVER_DEAD:
		/* It answered: there is somebody. */
		breaker_succeeded(&l->breaker);
		result->end = OUTBOX_DEAD;
		break;
	}
	if (result->end == OUTBOX_DEAD)
		log_warn("alerts",
			 "message \"%s\" to receiver \"%s\" is a dead letter "
			 "after %d attempts: %s",
			 result->message.message_id, l->name,
			 result->message.attempts, answer->reason);
}

bool line_collect(struct line *l)
{
	struct receiver_answer answer;
	bool aborted;

	if (l->has_result ||
	    !sender_take(l->sender, &l->result.message, &answer, &aborted))
		return false;
	l->has_result = true;
	l->result.delay_us = 0;
	memcpy(l->result.reason, answer.reason, sizeof(answer.reason));
	if (aborted)
		l->result.end = OUTBOX_RELEASE;
	else
		judge(l, &answer);
	return true;
}

int line_record(struct line *l, struct pg *pg, int64_t now_us, struct err *e)
{
	const struct line_result *result = &l->result;
	const char *reason = *result->reason ? result->reason : NULL;
	int rc;

	rc = outbox_finish(pg, &result->message, result->end, now_us,
			   now_us + result->delay_us, reason, e);
	if (rc < 0)
		return -1;
	outbox_message_release(&l->result.message);
	l->has_result = false;
	return rc;
}
