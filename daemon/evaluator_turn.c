/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluator_turn - one model's windows, in order, one transaction each.
 *
 * A window that cannot be judged (a profile or a baseline the database lost)
 * does not hold up those behind it.  A turn is cut after some windows, so that
 * a model with a long history leaves room for the others.
 */
#include "daemon/evaluator_private.h"

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "config/config.h"
#include "detectors/profile_set.h"
#include "storage/evaluation.h"
#include "storage/outcome_count.h"
#include "storage/outcome_quality.h"

#include <math.h>

enum { TURN_WINDOWS = 64, TURN_RETRIES = 5 };

#define LOG_INTERVAL_US CLOCK_MINUTE_US

static int step_alerts(struct evaluator *v, const struct evaluator_model *m,
		       const struct evaluation_model *em,
		       const struct evaluation_window *w,
		       const struct profile_set *set,
		       const struct verdicts *verdicts, struct err *e)
{
	const struct alert_window aw = {
		.model = m->config,
		.start_us = w->start_us,
		.end_us = w->end_us,
		.revision = w->revision,
		.baseline = w->baseline,
		.profiles = set,
		.verdicts = verdicts,
		.now_us = em->now_us,
	};

	return alert_step(v->pg, v->plan->config, &aw, e);
}

/* Rows of the window's quality, of the labels that have come so far. */
static int add_quality(struct evaluator *v, const struct evaluator_model *m,
		       const struct evaluation_window *w,
		       struct outcome_quality *quality, struct verdicts *out,
		       struct err *e)
{
	if (!m->config->labels)
		return 0;
	if (outcome_quality_read(v->pg, m->config, w->baseline, w->start_us,
				 quality, e))
		return -1;
	for (size_t i = 0; i < quality->rows.n; i++) {
		const struct quality_row *row = &quality->rows.items[i];
		struct verdict item = {
			.column = "__model__",
			.metric = row->metric,
			.signal = SIGNAL_QUALITY,
			.status = quality->n_labeled < m->config->min_rows
					  ? VERDICT_INSUFFICIENT_DATA
					  : VERDICT_OK,
			.value = interval_middle(row->value),
			.lower = row->value.lower,
			.upper = row->value.upper,
			.p_value = (double)NAN,
			.p_adjusted = (double)NAN,
			.threshold = (double)NAN,
			.bound = (double)NAN,
			.n_current = (uint64_t)quality->n_labeled,
		};
		struct verdicts one = {.items = &item, .n = 1};

		judge_append(out, &one);
	}
	return 0;
}

/* Judge and save; the transaction stays open. */
static int judge(struct evaluator *v, struct evaluator_model *m,
		 const struct evaluation_model *em, struct evaluation_window *w,
		 struct err *e)
{
	struct outcome_quality quality = {0};
	struct verdicts verdicts = {0};
	struct profile_set set;
	int rc;

	rc = evaluation_load(v->pg, m->config, v->cache, w, &set, e);
	if (rc || w->pruned)
		goto out;
	evaluator_model_learn(m, w->baseline);
	judge_window(&m->spec, w->baseline, &set, &verdicts);
	judge_volume_ratio(w->baseline, w->end_us - w->start_us, set.n_events,
			   &verdicts);
	rc = add_quality(v, m, w, &quality, &verdicts, e);
	if (rc)
		goto out;
	rc = evaluation_save(v->pg, m->config, m->definition, em, w, &set,
			     &verdicts, e);
	if (!rc && w->is_final)
		rc = step_alerts(v, m, em, w, &set, &verdicts, e);
out:
	verdicts_release(&verdicts);
	outcome_quality_release(&quality);
	profile_set_release(&set);
	return rc;
}

static void committed(struct evaluator *v, const struct evaluator_model *m,
		      const struct evaluation_window *w)
{
	if (w->pruned)
		return;
	pthread_mutex_lock(&v->lock);
	v->status.n_judged++;
	v->status.n_final += w->is_final;
	pthread_mutex_unlock(&v->lock);
	if (w->is_final && v->on_final)
		v->on_final(v->arg, m->config->model_id, w->end_us);
}

/*
 * One window behind *after_us: 1 when it was judged, 0 when there is none (or
 * another evaluator has the model), -1.  Once the window is known *after_us
 * is its start, also on failure, so that the next call passes it by.
 */
static int step(struct evaluator *v, struct evaluator_model *m,
		int64_t *after_us, struct err *e)
{
	struct evaluation_window w = {0};
	struct evaluation_model em;
	int rc;

	rc = evaluation_begin(v->pg, m->config, evaluator_current_force(v), &em,
			      e);
	if (rc != 1)
		return rc;
	rc = evaluation_next(v->pg, m->config, &em, *after_us, &w, e);
	if (rc != 1) {
		pg_rollback(v->pg);
		return rc;
	}
	*after_us = w.start_us;
	if (judge(v, m, &em, &w, e)) {
		pg_rollback(v->pg);
		rc = -1;
	} else if (pg_commit(v->pg, e)) {
		rc = -1;
	} else {
		committed(v, m, &w);
		rc = 1;
	}
	evaluation_window_release(&w);
	return rc;
}

static void turn_failed(struct evaluator *v, struct evaluator_model *m,
			struct err *e)
{
	int64_t now = clock_monotonic_us();

	err_wrap(e, "model \"%s\"", m->config->name);
	evaluator_note(v, e);
	pthread_mutex_lock(&v->lock);
	v->status.n_failed++;
	pthread_mutex_unlock(&v->lock);
	if (now < m->next_log_us)
		return;
	m->next_log_us = now + LOG_INTERVAL_US;
	log_error("evaluate", "%s", e->message);
}

static void window_failed(struct evaluator *v, struct evaluator_model *m,
			  int64_t start_us, struct err *e)
{
	char start[TIMESTAMP_TEXT_MAX];

	timestamp_format(start_us, start);
	err_wrap(e, "window %s", start);
	turn_failed(v, m, e);
}

/* Labels, a batch a transaction: 1 when there may be more, 0, -1. */
static int count_labels(struct evaluator *v, const struct evaluator_model *m,
			struct err *e)
{
	struct evaluation_model em;
	int rc = evaluation_begin(v->pg, m->config, EVALUATION_NORMAL, &em, e);

	if (rc != 1)
		return rc;
	rc = outcome_count_batch(v->pg, m->config, v->cache, INT64_MIN, e);
	if (rc < 0) {
		pg_rollback(v->pg);
		return -1;
	}
	return pg_commit(v->pg, e) ? -1 : rc;
}

static int count_all_labels(struct evaluator *v, struct evaluator_model *m,
			    struct err *e)
{
	unsigned retries = 0;
	int rc = m->config->labels ? 1 : 0;

	while (rc == 1 && !evaluator_is_stopping(v)) {
		rc = count_labels(v, m, e);
		if (rc >= 0)
			continue;
		if (e->code == ERR_UNAVAILABLE)
			return -1;
		if (e->code == ERR_TEMP && retries++ < TURN_RETRIES)
			rc = 1; /* deadlock, serialisation: again */
	}
	if (rc < 0)
		turn_failed(v, m, e);
	return 0;
}

int evaluator_turn(struct evaluator *v, struct evaluator_model *m,
		   struct err *e)
{
	int64_t after = m->resume_us, before;
	unsigned retries = 0;
	int rc;

	m->resume_us = INT64_MIN;
	if (count_all_labels(v, m, e))
		return -1;
	for (int n = 0; n < TURN_WINDOWS; n++) {
		if (evaluator_is_stopping(v))
			return 0;
		before = after;
		rc = step(v, m, &after, e);
		if (rc == 0)
			return 0;
		if (rc == 1)
			continue;
		if (e->code == ERR_UNAVAILABLE)
			return -1;
		if (e->code == ERR_TEMP && retries++ < TURN_RETRIES) {
			after = before; /* deadlock, serialisation: again */
			continue;
		}
		window_failed(v, m, after, e);
		if (after == before)
			return 0; /* it is not the window's fault */
	}
	m->resume_us = after;
	return 1;
}
