/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_prune - retention of results and profiles, a small batch at a
 * time under the model's lock.
 *
 * Old is what ended long before the model's newest event and was also last
 * written long ago: history that is replayed today stays for its full time,
 * and a model that stopped keeps what it has.  The state row of a window
 * whose profile goes stays as its tombstone, so that it is never made twice.
 */
#include "storage/evaluation.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/evaluation_private.h"
#include "storage/pg.h"

#include <stdlib.h>

/* 1: ${newest_us} is set; 0: no event yet. */
static int newest_event(struct pg *pg, int64_t model_id, int64_t *newest_us,
			struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT max(max_event_time) FROM driftd.source_position"
		     " WHERE model_id = $1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = pg_rows(r) == 1 && !pg_is_null(r, 0, 0);
	if (rc)
		*newest_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return rc;
}

static void add_bounds(struct pg_params *p, int64_t model_id,
		       int64_t event_bound, int64_t write_bound)
{
	pg_add_int8(p, model_id);
	pg_add_time(p, event_bound);
	pg_add_time(p, write_bound);
	pg_add_int8(p, EVALUATION_PRUNE_BATCH);
}

static long prune_results(struct pg *pg, int64_t model_id, int64_t event_bound,
			  int64_t write_bound, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	add_bounds(&p, model_id, event_bound, write_bound);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.result WHERE model_id = $1"
		     " AND (window_start, revision, slice, column_name,"
		     " metric, signal) IN (SELECT window_start, revision,"
		     " slice, column_name, metric, signal FROM driftd.result"
		     " WHERE model_id = $1 AND window_start < $2"
		     " AND window_end < $2 AND evaluated_at < $3"
		     " ORDER BY window_start LIMIT $4)",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_affected(r);
	pg_result_free(r);
	return n;
}

static int delete_profiles(struct pg *pg, int64_t model_id,
			   const int64_t *starts, size_t n, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time_array(&p, starts, n);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.window_profile"
		     " WHERE model_id = $1 AND window_start = ANY($2)",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static long prune_profiles(struct pg *pg, int64_t model_id, int64_t event_bound,
			   int64_t write_bound, struct err *e)
{
	int64_t starts[EVALUATION_PRUNE_BATCH];
	struct pg_result *r = NULL;
	struct pg_params p;
	size_t n;
	int rc;

	pg_params_init(&p);
	add_bounds(&p, model_id, event_bound, write_bound);
	/* A window with marks is judged first. */
	rc = pg_exec(pg,
		     "UPDATE driftd.window_state SET pruned = true"
		     " WHERE model_id = $1 AND window_start IN ("
		     " SELECT s.window_start FROM driftd.window_state s"
		     " WHERE s.model_id = $1 AND s.final AND NOT s.pruned"
		     " AND s.window_start < $2 AND s.window_end < $2"
		     " AND s.evaluated_at < $3 AND NOT EXISTS ("
		     " SELECT 1 FROM driftd.dirty d WHERE d.model_id = $1"
		     " AND d.window_start = s.window_start)"
		     " ORDER BY s.window_start LIMIT $4)"
		     " RETURNING window_start",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = pg_rows(r);
	if (n > EVALUATION_PRUNE_BATCH)
		n = EVALUATION_PRUNE_BATCH;
	for (size_t i = 0; i < n; i++)
		starts[i] = pg_get_time(r, i, 0);
	pg_result_free(r);
	if (n && delete_profiles(pg, model_id, starts, n, e))
		return -1;
	return (long)n;
}

long evaluation_prune(struct pg *pg, const struct config_model *m,
		      int64_t results_us, int64_t profiles_us, struct err *e)
{
	struct evaluation_model em;
	long results = 0, profiles = 0;
	int64_t newest;
	int rc;

	/* What may still be revised is not old. */
	if (profiles_us < m->revise_horizon_us)
		profiles_us = m->revise_horizon_us;
	rc = evaluation_begin(pg, m, EVALUATION_NORMAL, &em, e);
	if (rc != 1)
		return rc;
	rc = newest_event(pg, m->model_id, &newest, e);
	if (rc == 1) {
		results = prune_results(pg, m->model_id, newest - results_us,
					em.now_us - results_us, e);
		if (results >= 0)
			profiles = prune_profiles(pg, m->model_id,
						  newest - profiles_us,
						  em.now_us - profiles_us, e);
	}
	if (rc < 0 || results < 0 || profiles < 0) {
		pg_rollback(pg);
		return -1;
	}
	if (pg_commit(pg, e))
		return -1;
	return results + profiles;
}
