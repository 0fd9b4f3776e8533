/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a person does to an alert. */
#include "alerts/alert_action.h"

#include "alerts/notify.h"
#include "alerts/state.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "storage/alert_store.h"
#include "storage/pg.h"

#include <string.h>

struct action {
	struct pg *pg;
	const struct config *config;
	const char *actor;
	int64_t until_us; /* silence */
	int64_t now_us;
	struct alert_row alert;
	enum alert_state from;
};

typedef int action_body(struct action *a, struct err *e);

static int add_event(struct action *a, const char *event, enum alert_state to,
		     const char *note, struct err *e)
{
	const struct alert_store_event ev = {
		.event = event,
		.from = alert_state_name(a->from),
		.to = alert_state_name(to),
		.actor = a->actor,
		.note = note,
		.at_us = a->now_us,
	};

	alert_row_set_text(a->alert.state, sizeof(a->alert.state),
			   alert_state_name(to));
	return alert_store_add_event(a->pg, &a->alert, &ev, e);
}

static int find_next(const struct action *a, enum alert_event event,
		     enum alert_state *to, struct err *e)
{
	if (alert_state_next(a->from, event, to))
		return 0;
	return err_set(e, ERR_CONFLICT, "alert \"%s\" is %s: cannot %s it",
		       a->alert.alert_id, alert_state_name(a->from),
		       alert_event_name(event));
}

static int do_ack(struct action *a, struct err *e)
{
	enum alert_state to;

	if (find_next(a, ALERT_ACK, &to, e) < 0)
		return -1;
	if (to == a->from)
		return 0;
	a->alert.acknowledged_at_us = a->now_us;
	alert_row_set_text(a->alert.acknowledged_by,
			   sizeof(a->alert.acknowledged_by), a->actor);
	return add_event(a, "ack", to, NULL, e);
}

static int do_silence(struct action *a, struct err *e)
{
	char text[TIMESTAMP_TEXT_MAX] = "";
	bool on = a->until_us > a->now_us;

	a->alert.silenced_until_us = on ? a->until_us : INT64_MIN;
	alert_row_set_text(a->alert.silenced_by, sizeof(a->alert.silenced_by),
			   on ? a->actor : NULL);
	if (on)
		timestamp_format(a->until_us, text);
	return add_event(a, on ? "silence" : "unsilence", a->from,
			 on ? text : NULL, e);
}

static const struct config_rule *find_rule(const struct config *c,
					   const char *name)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (strcmp(c->rules[i].name, name) == 0)
			return &c->rules[i];
	return NULL;
}

static const struct config_model *find_model(const struct config *c,
					     int64_t model_id)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].model_id == model_id)
			return &c->models[i];
	return NULL;
}

static int tell_resolved(struct action *a, struct err *e)
{
	const struct notify n = {
		.server = &a->config->server,
		.model = find_model(a->config, a->alert.model_id),
		.rule = find_rule(a->config, a->alert.rule),
		.window_start_us = a->alert.window_start_us,
		.revision = a->alert.revision,
		.now_us = a->now_us,
	};

	if (!n.model || !n.rule || !n.rule->send_resolved ||
	    a->alert.last_notified_at_us == INT64_MIN ||
	    notify_is_silenced(&a->alert, a->now_us))
		return 0;
	return notify_queue(a->pg, &n, &a->alert, true, "resolved by hand", e);
}

static int do_resolve(struct action *a, struct err *e)
{
	bool was_open = alert_state_is_open(a->from);
	enum alert_state to;

	if (find_next(a, ALERT_RESOLVE, &to, e) < 0)
		return -1;
	if (to == a->from)
		return 0;
	a->alert.ignored_through_us = a->alert.window_start_us;
	if (was_open) {
		a->alert.ends_at_us = a->alert.window_end_us;
		a->alert.resolved_at_us = a->now_us;
	}
	if (add_event(a, "resolve", to, NULL, e) < 0)
		return -1;
	return was_open ? tell_resolved(a, e) : 0;
}

/* Everything of an action but what it does, inside its transaction. */
static int locked(struct action *a, int64_t model_id, const char *alert_id,
		  action_body *body, struct err *e)
{
	int found, rc = -1;

	if (alert_store_lock_model(a->pg, model_id, e) < 0 ||
	    alert_store_now(a->pg, &a->now_us, e) < 0)
		return -1;
	found = alert_store_lock(a->pg, model_id, alert_id, "", &a->alert, e);
	if (found < 0)
		return -1;
	if (!found)
		err_set(e, ERR_NOT_FOUND, "there is no alert \"%s\"", alert_id);
	else if (alert_state_parse(a->alert.state, &a->from) < 0)
		err_set(e, ERR_BUG, "alert \"%s\" has the state \"%s\"",
			alert_id, a->alert.state);
	else if (body(a, e) == 0)
		rc = alert_store_save(a->pg, &a->alert, a->now_us, e);
	alert_row_release(&a->alert);
	return rc;
}

static int run(struct action *a, const char *alert_id, action_body *body,
	       struct err *e)
{
	int64_t model_id;

	if (alert_id_model(alert_id, &model_id) < 0)
		return err_set(e, ERR_NOT_FOUND, "there is no alert \"%.64s\"",
			       alert_id);
	if (pg_begin(a->pg, e) < 0)
		return -1;
	if (locked(a, model_id, alert_id, body, e) < 0) {
		pg_rollback(a->pg);
		return -1;
	}
	return pg_commit(a->pg, e);
}

int alert_ack(struct pg *pg, const struct config *c, const char *alert_id,
	      const char *actor, struct err *e)
{
	struct action a = {.pg = pg, .config = c, .actor = actor};

	return run(&a, alert_id, do_ack, e);
}

int alert_silence(struct pg *pg, const struct config *c, const char *alert_id,
		  int64_t until_us, const char *actor, struct err *e)
{
	struct action a = {
		.pg = pg, .config = c, .actor = actor, .until_us = until_us};

	return run(&a, alert_id, do_silence, e);
}

int alert_resolve(struct pg *pg, const struct config *c, const char *alert_id,
		  const char *actor, struct err *e)
{
	struct action a = {.pg = pg, .config = c, .actor = actor};

	return run(&a, alert_id, do_resolve, e);
}
