/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outcome_prune - halves that are too old to be joined, a batch at a time
 * under the model's lock.
 *
 * A prediction is old when its event is, by the model's newest event, and when
 * nothing was written to its row for as long; a label without a prediction by
 * its last write alone.  What a window has counted stays.
 */
#include "storage/outcome_count.h"

#include "base/err.h"
#include "config/config.h"
#include "storage/evaluation.h"
#include "storage/evaluation_private.h"
#include "storage/pg.h"

#define OLD " written_at < $2 - $3 * interval '1 microsecond'"

#define COUNTED                                                                \
	" INSERT INTO driftd.outcome_count AS c (model_id, source_id,"         \
	" predictions, repeated, labels, superseded, orphans, unlabeled)"      \
	" SELECT $1, 0, 0, 0, 0, 0, count(*) FILTER (WHERE is_orphan),"        \
	" count(*) FILTER (WHERE is_unlabeled) FROM gone"                      \
	" HAVING count(*) > 0"                                                 \
	" ON CONFLICT (model_id, source_id) DO UPDATE"                         \
	" SET orphans = c.orphans + excluded.orphans,"                         \
	" unlabeled = c.unlabeled + excluded.unlabeled)"                       \
	" SELECT count(*) FROM gone"

static const char predictions_sql[] =
	"WITH gone AS (DELETE FROM driftd.outcome WHERE model_id = $1"
	" AND id = ANY (ARRAY(SELECT id FROM driftd.outcome"
	" WHERE model_id = $1 AND window_start IS NOT NULL"
	" AND window_start < (SELECT max(max_event_time)"
	" - $3 * interval '1 microsecond' FROM driftd.source_position"
	" WHERE model_id = $1) AND" OLD " ORDER BY window_start LIMIT $4))"
	" AND" OLD
	" RETURNING false AS is_orphan, label_time IS NULL AS is_unlabeled),"
	" noted AS (" COUNTED;

static const char orphans_sql[] =
	"WITH gone AS (DELETE FROM driftd.outcome WHERE model_id = $1"
	" AND id = ANY (ARRAY(SELECT id FROM driftd.outcome"
	" WHERE model_id = $1 AND window_start IS NULL AND" OLD
	" ORDER BY label_received LIMIT $4))"
	" AND window_start IS NULL AND" OLD
	" RETURNING true AS is_orphan, false AS is_unlabeled),"
	" noted AS (" COUNTED;

static long prune(struct pg *pg, const char *sql, int64_t model_id,
		  int64_t now_us, int64_t keep_us, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, now_us);
	pg_add_float8(&p, (double)keep_us);
	pg_add_int8(&p, EVALUATION_PRUNE_BATCH);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_get_int(r, 0, 0);
	pg_result_free(r);
	return n;
}

long outcome_prune(struct pg *pg, const struct config_model *m, int64_t keep_us,
		   struct err *e)
{
	struct evaluation_model em;
	long predictions, orphans = 0;
	int rc;

	/* Late events still come for windows that may be revised. */
	if (keep_us < m->revise_horizon_us)
		keep_us = m->revise_horizon_us;
	rc = evaluation_begin(pg, m, EVALUATION_NORMAL, &em, e);
	if (rc != 1)
		return rc;
	predictions =
		prune(pg, predictions_sql, m->model_id, em.now_us, keep_us, e);
	if (predictions >= 0)
		orphans = prune(pg, orphans_sql, m->model_id, em.now_us,
				keep_us, e);
	if (predictions < 0 || orphans < 0) {
		pg_rollback(pg);
		return -1;
	}
	return pg_commit(pg, e) ? -1 : predictions + orphans;
}
