/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_begin - take a model, read how far its sources have come, and
 * say which window is next.
 *
 * A window is final when the watermark has passed its end + lateness.  It is
 * judged when it can be final and is not, or when it is dirty and its last
 * verdict is old enough (max(4 s, width / 100)), unless forced.
 */
#include "storage/evaluation.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "base/window.h"
#include "config/config.h"
#include "storage/evaluation_private.h"
#include "storage/pg.h"

#include <stdlib.h>
#include <string.h>

/* Below the default flush interval: what a flush brought is seen at once. */
#define THROTTLE_MIN_US (4 * CLOCK_SECOND_US)
enum { THROTTLE_PARTS = 100 };

static int64_t min_time(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max_time(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t source_reached(const struct config_model *m,
			      const struct evaluation_source *s, int64_t now)
{
	bool is_idle = s->last_received_at_us == INT64_MIN ||
		       s->last_received_at_us <= now - m->idle_timeout_us;

	/* What it received before caught_up_to is applied, and nothing came
	 * for long: it must not hold back what others bring. */
	return is_idle ? max_time(s->max_event_time_us, s->caught_up_to_us)
		       : s->max_event_time_us;
}

void evaluation_watermark(const struct config_model *m,
			  const struct evaluation_source *sources, size_t n,
			  struct evaluation_model *out)
{
	int64_t live = INT64_MAX, missing = INT64_MAX, now = out->now_us;

	for (size_t i = 0; i < n; i++) {
		const struct evaluation_source *s = &sources[i];

		if (s->caught_up_to_us >= now - m->source_timeout_us)
			live = min_time(live, source_reached(m, s, now));
		else if (s->caught_up_to_us >= now - EVALUATION_RETIRED_US &&
			 s->max_event_time_us != INT64_MIN)
			missing = min_time(missing, s->max_event_time_us);
	}
	out->source_missing = missing != INT64_MAX;
	out->missing_from_us = missing;
	if (live == INT64_MAX)
		live = missing;
	out->watermark_us = live == INT64_MAX ? INT64_MIN : live;
}

/* 1: locked, ${now_us} is set; 0: not ours. */
static int lock_model(struct pg *pg, int64_t model_id, int64_t *now_us,
		      struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT clock_timestamp() FROM driftd.model"
		     " WHERE model_id = $1 FOR NO KEY UPDATE SKIP LOCKED",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = pg_rows(r) == 1;
	if (rc)
		*now_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return rc;
}

static int read_sources(struct pg *pg, const struct config_model *m,
			struct evaluation_model *out, struct err *e)
{
	struct evaluation_source *sources;
	struct pg_result *r = NULL;
	struct pg_params p;
	size_t n;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	rc = pg_exec(pg,
		     "SELECT max_event_time, last_received_at, caught_up_to"
		     " FROM driftd.source_position WHERE model_id = $1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = pg_rows(r);
	sources = xcalloc(n ? n : 1, sizeof(*sources));
	for (size_t i = 0; i < n; i++) {
		struct evaluation_source *s = &sources[i];

		s->max_event_time_us =
			pg_is_null(r, i, 0) ? INT64_MIN : pg_get_time(r, i, 0);
		s->last_received_at_us =
			pg_is_null(r, i, 1) ? INT64_MIN : pg_get_time(r, i, 1);
		s->caught_up_to_us = pg_get_time(r, i, 2);
	}
	evaluation_watermark(m, sources, n, out);
	free(sources);
	pg_result_free(r);
	return 0;
}

int evaluation_begin(struct pg *pg, const struct config_model *m,
		     enum evaluation_force force, struct evaluation_model *out,
		     struct err *e)
{
	struct evaluation_model em = {.force = force};
	int rc;

	if (pg_begin(pg, e))
		return -1;
	rc = lock_model(pg, m->model_id, &em.now_us, e);
	if (rc == 1 && read_sources(pg, m, &em, e))
		rc = -1;
	if (rc != 1) {
		pg_rollback(pg);
		return rc;
	}
	*out = em;
	return 1;
}

/* Windows that end by this can be final. */
static int64_t final_bound(const struct config_model *m,
			   const struct evaluation_model *em)
{
	int64_t bound = EVALUATION_TIME_MIN;

	if (em->watermark_us > EVALUATION_TIME_MIN + m->lateness_us)
		bound = em->watermark_us - m->lateness_us;
	if (em->force == EVALUATION_FINAL)
		bound = max_time(bound, em->now_us);
	return min_time(bound, TIMESTAMP_MAX);
}

/* Dirty windows judged by this are judged again. */
static int64_t throttle_bound(const struct config_model *m,
			      const struct evaluation_model *em)
{
	int64_t throttle = max_time(THROTTLE_MIN_US,
				    window_min_us(m->window) / THROTTLE_PARTS);

	return em->force == EVALUATION_NORMAL ? em->now_us - throttle
					      : TIMESTAMP_MAX;
}

static const char next_sql[] =
	"SELECT window_start, window_end, final FROM ("
	"(SELECT s.window_start, s.window_end, s.final"
	" FROM driftd.window_state s"
	" WHERE s.model_id = $1 AND s.window_start > $2 AND NOT s.final"
	" AND s.window_end <= $3"
	" ORDER BY s.window_start LIMIT 1)"
	" UNION ALL "
	"(SELECT s.window_start, s.window_end, s.final"
	" FROM (SELECT DISTINCT d.window_start FROM driftd.dirty d"
	"  WHERE d.model_id = $1 AND d.window_start > $2) w"
	" JOIN driftd.window_state s"
	"  ON s.model_id = $1 AND s.window_start = w.window_start"
	" WHERE s.evaluated_at IS NULL OR s.evaluated_at <= $4"
	" ORDER BY s.window_start LIMIT 1)"
	") q ORDER BY window_start LIMIT 1";

int evaluation_next(struct pg *pg, const struct config_model *m,
		    const struct evaluation_model *em, int64_t after_us,
		    struct evaluation_window *out, struct err *e)
{
	int64_t bound = final_bound(m, em);
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_time(&p, max_time(after_us, EVALUATION_TIME_MIN));
	pg_add_time(&p, bound);
	pg_add_time(&p, throttle_bound(m, em));
	rc = pg_exec(pg, next_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = pg_rows(r) == 1;
	if (rc) {
		memset(out, 0, sizeof(*out));
		out->start_us = pg_get_time(r, 0, 0);
		out->end_us = pg_get_time(r, 0, 1);
		out->was_final = pg_get_bool(r, 0, 2);
		out->is_final = out->was_final || out->end_us <= bound;
		out->incomplete =
			out->is_final && em->source_missing &&
			out->end_us + m->lateness_us > em->missing_from_us;
	}
	pg_result_free(r);
	return rc;
}

void evaluation_window_release(struct evaluation_window *w)
{
	free(w->delta_source);
	free(w->delta_seq);
	w->delta_source = NULL;
	w->delta_seq = NULL;
	w->n_deltas = w->cap_deltas = 0;
}
