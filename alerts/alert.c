/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One step of every rule of a model, when a final verdict has been saved:
 * the last m judged windows are read back, the rule says what they amount to,
 * the table says where that leads, and what is to be told is queued.
 */
#include "alerts/alert.h"

#include "alerts/notify.h"
#include "alerts/payload.h"
#include "alerts/rule.h"
#include "alerts/state.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/alert_store.h"

#include <stdlib.h>

struct step {
	struct pg *pg;			/* borrowed */
	const struct config *config;	/* borrowed */
	const struct alert_window *w;	/* borrowed */
	const struct config_rule *rule; /* borrowed */
	struct alert_store_about about;
	struct alert_row alert;
	enum alert_state from, to;
	struct alert_store_window *windows; /* owned, newest first */
	size_t n_windows;
	struct alert_store_cells cells;
	struct rule_outcome outcome;
};

/* 1 when the window just judged is one of the last m, 0 when not, -1. */
static int read_windows(struct step *s, struct err *e)
{
	size_t m = (size_t)s->rule->m;
	long n;

	s->windows = xcalloc(m, sizeof(*s->windows));
	n = alert_store_windows(s->pg, &s->about, s->alert.ignored_through_us,
				s->windows, m, e);
	if (n < 0)
		return -1;
	s->n_windows = (size_t)n;
	for (size_t i = 0; i < s->n_windows; i++)
		if (s->windows[i].start_us == s->w->start_us)
			return 1;
	return 0;
}

static int evaluate(struct step *s, struct err *e)
{
	if (alert_store_cells(s->pg, &s->about, s->windows, s->n_windows,
			      &s->cells, e) < 0)
		return -1;
	rule_evaluate(s->rule, s->w->model, s->windows, s->n_windows,
		      s->cells.items, s->cells.n, &s->outcome);
	if (alert_state_parse(s->alert.state, &s->from) < 0)
		return err_set(e, ERR_BUG, "alert \"%s\" has the state \"%s\"",
			       s->alert.alert_id, s->alert.state);
	/* Every state answers to what windows say: the table's test. */
	s->to = s->from;
	alert_state_next(s->from, s->outcome.event, &s->to);
	return 0;
}

static int read_columns(struct step *s, struct err *e)
{
	const struct payload_source source = {
		.baseline = s->w->baseline,
		.profiles = s->w->profiles,
		.window_start_us = s->w->start_us,
	};
	struct alert_store_details details = {0};
	struct buf columns;
	int total, rc = -1;

	buf_init(&columns, PAYLOAD_COLUMNS_MAX);
	if (alert_store_details(s->pg, &s->about, s->windows, s->n_windows,
				&details, e) < 0)
		goto out;
	total = payload_columns(&details, &s->outcome, &source, &columns);
	alert_row_set_columns(&s->alert, buf_str(&columns), total);
	rc = 0;
out:
	alert_store_details_release(&details);
	buf_release(&columns);
	return rc;
}

static void begin_episode(struct alert_row *a, const struct step *s)
{
	a->episode++;
	a->starts_at_us = s->outcome.first_us;
	a->ends_at_us = INT64_MIN;
	a->fired_at_us = s->w->now_us;
	a->resolved_at_us = INT64_MIN;
	a->acknowledged_at_us = INT64_MIN;
	a->acknowledged_by[0] = '\0';
	a->last_notified_at_us = INT64_MIN;
	a->n_repeats = 0;
}

/* What the transition changes in the row, before anything is told. */
static void move(struct step *s)
{
	struct alert_row *a = &s->alert;
	bool was_open = alert_state_is_open(s->from);

	a->window_start_us = s->windows[0].start_us;
	a->window_end_us = s->windows[0].end_us;
	a->revision = s->w->revision;
	alert_row_set_text(a->signal, sizeof(a->signal),
			   signal_name(s->rule->signal));
	alert_row_set_text(a->severity, sizeof(a->severity),
			   severity_name(s->rule->severity));
	alert_row_set_text(a->state, sizeof(a->state), alert_state_name(s->to));
	if (s->to == ALERT_FIRING && !was_open)
		begin_episode(a, s);
	if (s->to == ALERT_PENDING && s->from != ALERT_PENDING)
		a->starts_at_us = s->outcome.first_us;
	if (s->to == ALERT_RESOLVED && was_open) {
		a->ends_at_us = a->window_end_us;
		a->resolved_at_us = s->w->now_us;
	}
}

static int add_event(struct step *s, const char *event, const char *note,
		     struct err *e)
{
	const struct alert_store_event ev = {
		.event = event,
		.from = alert_state_name(s->from),
		.to = alert_state_name(s->to),
		.note = note,
		.at_us = s->w->now_us,
	};

	return alert_store_add_event(s->pg, &s->alert, &ev, e);
}

static int queue(struct step *s, bool resolved, const char *transition,
		 struct err *e)
{
	const struct notify n = {
		.server = &s->config->server,
		.model = s->w->model,
		.rule = s->rule,
		.window_start_us = s->w->start_us,
		.revision = s->w->revision,
		.now_us = s->w->now_us,
	};

	return notify_queue(s->pg, &n, &s->alert, resolved, transition, e);
}

static int repeat(struct step *s, struct err *e)
{
	struct alert_row *a = &s->alert;
	struct buf name;
	int rc;

	buf_init(&name, 32);
	buf_printf(&name, "repeat:%d", ++a->n_repeats);
	rc = add_event(s, "repeat", NULL, e);
	if (rc == 0)
		rc = queue(s, false, buf_str(&name), e);
	buf_release(&name);
	return rc;
}

/* What there is to tell, unless somebody asked for silence. */
static int tell(struct step *s, struct err *e)
{
	const struct alert_row *a = &s->alert;
	const int64_t interval_us = s->rule->repeat_interval_us;
	const int64_t told_us = a->last_notified_at_us;

	if (notify_is_silenced(a, s->w->now_us) || s->rule->n_receivers == 0)
		return 0;
	if (s->to == ALERT_RESOLVED && alert_state_is_open(s->from) &&
	    s->rule->send_resolved && told_us != INT64_MIN)
		return queue(s, true, "resolved", e);
	if (s->to != ALERT_FIRING)
		return 0;
	/* An episode that began in silence is told of when that ends. */
	if (told_us == INT64_MIN)
		return queue(s, false, "firing", e);
	if (interval_us > 0 && s->w->now_us - told_us >= interval_us)
		return repeat(s, e);
	return 0;
}

static int apply(struct step *s, struct err *e)
{
	const char *note = NULL;

	move(s);
	if (s->outcome.n_columns > 0 && read_columns(s, e) < 0)
		return -1;
	if (notify_is_silenced(&s->alert, s->w->now_us))
		note = "silenced";
	if (s->from != s->to &&
	    add_event(s, alert_event_name(s->outcome.event), note, e) < 0)
		return -1;
	if (tell(s, e) < 0)
		return -1;
	return alert_store_save(s->pg, &s->alert, s->w->now_us, e);
}

static int step_rule(struct step *s, struct err *e)
{
	const struct alert_window *w = s->w;
	char id[ALERT_ID_SIZE];
	int found, rc = -1;

	alert_id_make(w->model->model_id, s->rule->name, id);
	found = alert_store_lock(s->pg, w->model->model_id, id, s->rule->name,
				 &s->alert, e);
	if (found < 0)
		return -1;
	rc = read_windows(s, e);
	if (rc <= 0)
		goto out;
	rc = evaluate(s, e);
	/* What was never wrong needs no row. */
	if (rc == 0 && (found || s->to != ALERT_INACTIVE))
		rc = apply(s, e);
out:
	rule_outcome_release(&s->outcome);
	alert_store_cells_release(&s->cells);
	free(s->windows);
	alert_row_release(&s->alert);
	return rc;
}

int alert_step(struct pg *pg, const struct config *c,
	       const struct alert_window *w, struct err *e)
{
	const char **names = xcalloc(c->n_rules + 1, sizeof(*names));
	size_t n_names = 0;
	int rc = 0;

	for (size_t i = 0; i < c->n_rules && rc == 0; i++) {
		const struct config_rule *rule = &c->rules[i];
		struct step s = {
			.pg = pg,
			.config = c,
			.w = w,
			.rule = rule,
			.about = {.model_id = w->model->model_id,
				  .signal = signal_name(rule->signal),
				  .metric = rule->metric},
		};

		if (!rule_is_about(rule, w->model))
			continue;
		names[n_names++] = rule->name;
		if (step_rule(&s, e) < 0)
			rc = err_wrap(e, "rule \"%s\"", rule->name);
	}
	if (rc == 0 && alert_store_close_others(pg, w->model->model_id, names,
						n_names, w->now_us, e) < 0)
		rc = -1;
	free(names);
	return rc;
}
