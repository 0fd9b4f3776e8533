/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_due - what there is to evaluate, read without locks: hints for
 * the evaluator, and what a caller of /-/flush waits for.
 */
#include "storage/evaluation.h"

#include "base/err.h"
#include "storage/pg.h"

static void mark(const int64_t *ids, size_t n, bool *due, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			due[i] = true;
}

int evaluation_due(struct pg *pg, const int64_t *ids, size_t n, bool *due,
		   struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8_array(&p, ids, n);
	rc = pg_exec(pg,
		     "SELECT model_id FROM driftd.dirty"
		     " WHERE model_id = ANY($1)"
		     " UNION "
		     "SELECT model_id FROM driftd.outcome_inbox"
		     " WHERE model_id = ANY($1)"
		     " UNION "
		     "SELECT model_id FROM driftd.window_state"
		     " WHERE model_id = ANY($1) AND NOT final",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	for (size_t i = 0; i < n; i++)
		due[i] = false;
	for (size_t row = 0; row < pg_rows(r); row++)
		mark(ids, n, due, pg_get_int(r, row, 0));
	pg_result_free(r);
	return 0;
}

long evaluation_dirty_windows(struct pg *pg, const int64_t *ids, size_t n,
			      struct evaluation_dirty *out, size_t max,
			      struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	size_t rows;
	int rc;

	pg_params_init(&p);
	pg_add_int8_array(&p, ids, n);
	pg_add_int8(&p, (int64_t)max);
	rc = pg_exec(pg,
		     "SELECT DISTINCT model_id, window_start FROM driftd.dirty"
		     " WHERE model_id = ANY($1)"
		     " ORDER BY model_id, window_start LIMIT $2",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rows = pg_rows(r);
	for (size_t i = 0; i < rows && i < max; i++) {
		out[i].model_id = pg_get_int(r, i, 0);
		out[i].start_us = pg_get_time(r, i, 1);
	}
	pg_result_free(r);
	return (long)(rows < max ? rows : max);
}

long evaluation_open_windows(struct pg *pg, const int64_t *ids, size_t n,
			     int64_t until_us, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	long count;
	int rc;

	pg_params_init(&p);
	pg_add_int8_array(&p, ids, n);
	pg_add_time(&p, until_us);
	rc = pg_exec(pg,
		     "SELECT count(*) FROM driftd.window_state"
		     " WHERE model_id = ANY($1) AND NOT final"
		     " AND window_end <= $2",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	count = pg_rows(r) ? (long)pg_get_int(r, 0, 0) : 0;
	pg_result_free(r);
	return count;
}

int evaluation_clock(struct pg *pg, int64_t *now_us, struct err *e)
{
	struct pg_result *r = NULL;

	if (pg_exec(pg, "SELECT clock_timestamp()", NULL, &r, e))
		return -1;
	if (pg_rows(r) != 1) {
		pg_result_free(r);
		return err_set(e, ERR_BUG, "the database's clock has no value");
	}
	*now_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return 0;
}
