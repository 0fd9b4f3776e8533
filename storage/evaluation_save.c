/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_save - what was judged, in the transaction that locked the
 * model: a final window's results, profile and state, or an open window's
 * provisional row.
 *
 * Deltas are deleted by key: those that a flush added since they were read
 * stay, and so do their marks.
 */
#include "storage/evaluation.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/window.h"
#include "config/config.h"
#include "detectors/judge.h"
#include "detectors/profile_set.h"
#include "storage/evaluation_private.h"
#include "storage/pg.h"

#include <stdlib.h>
#include <string.h>

static int put_profile(struct pg *pg, int64_t model_id, int64_t now_us,
		       const struct evaluation_window *w,
		       const struct profile_set *set, struct err *e)
{
	struct buf plain, packed;
	struct pg_params p;
	int rc = -1;

	buf_init(&plain, EVALUATION_PROFILE_MAX);
	buf_init(&packed, EVALUATION_PROFILE_MAX);
	profile_set_encode(set, &plain);
	if (!plain.failed)
		zstd_pack(buf_str(&plain), plain.len, &packed);
	if (plain.failed || packed.failed) {
		err_set(e, ERR_LIMIT, "profile of the window is too large");
		goto out;
	}
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	pg_add_int8(&p, (int64_t)w->n_events);
	pg_add_bytea(&p, packed.data, packed.len);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.window_profile"
		     " (model_id, window_start, n_events, content, updated_at)"
		     " VALUES ($1, $2, $3, $4, $5)"
		     " ON CONFLICT (model_id, window_start) DO UPDATE"
		     " SET n_events = excluded.n_events,"
		     " content = excluded.content,"
		     " updated_at = excluded.updated_at",
		     &p, NULL, e);
	pg_params_release(&p);
out:
	buf_release(&packed);
	buf_release(&plain);
	return rc;
}

static int delete_deltas(struct pg *pg, int64_t model_id,
			 const struct evaluation_window *w, struct err *e)
{
	struct pg_params p;
	int rc;

	if (!w->n_deltas)
		return 0;
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	pg_add_int8_array(&p, w->delta_source, w->n_deltas);
	pg_add_int8_array(&p, w->delta_seq, w->n_deltas);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.delta d"
		     " USING unnest($3::bigint[], $4::bigint[])"
		     " AS k(source_id, seq)"
		     " WHERE d.model_id = $1 AND d.window_start = $2"
		     " AND d.source_id = k.source_id AND d.seq = k.seq",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static int delete_provisional(struct pg *pg, int64_t model_id,
			      const struct evaluation_window *w, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.provisional"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static int put_state(struct pg *pg, int64_t model_id,
		     const uint8_t definition[SHA256_SIZE], int64_t now_us,
		     const struct evaluation_window *w, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	pg_add_bool(&p, w->is_final);
	pg_add_bool(&p, w->incomplete);
	pg_add_int4(&p, w->revision);
	pg_add_int8(&p, (int64_t)w->n_events);
	pg_add_bytea(&p, definition, SHA256_SIZE);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg,
		     "UPDATE driftd.window_state SET final = $3,"
		     " incomplete = $4, revision = $5, n_events = $6,"
		     " definition = $7, evaluated_at = $8"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

/* The end of the window before this one that has a state; 0: there is none. */
static int previous_end(struct pg *pg, int64_t model_id,
			const struct evaluation_window *w, int64_t *end_us,
			struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->start_us);
	rc = pg_exec(pg,
		     "SELECT window_end FROM driftd.window_state"
		     " WHERE model_id = $1 AND window_start < $2"
		     " ORDER BY window_start DESC LIMIT 1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = pg_rows(r) == 1;
	if (rc)
		*end_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return rc;
}

/*
 * The newest windows of the gap [from, to), ascending; how many.  They are
 * walked from the end, so that a gap of any length costs the same.
 */
static size_t gap_windows(struct window_width width, int64_t from, int64_t to,
			  struct evaluation_span out[EVALUATION_GAP_MAX])
{
	struct evaluation_span found[EVALUATION_GAP_MAX];
	int64_t end = to, start;
	size_t n = 0;

	while (n < EVALUATION_GAP_MAX) {
		start = window_start(width, end - 1);
		if (start < from || window_end(width, start) > to)
			break;
		found[n].start_us = start;
		found[n].end_us = window_end(width, start);
		n++;
		end = start;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = found[n - 1 - i];
	return n;
}

/*
 * States of the empty windows, pinned like the one behind the gap: late data
 * is then counted on a baseline.  A flush may have made one of them by now;
 * it is left alone and dropped from ${gap}.  How many stay, or -1.
 */
static long insert_states(struct pg *pg, int64_t model_id,
			  const uint8_t definition[SHA256_SIZE], int64_t now_us,
			  const struct evaluation_window *w,
			  struct evaluation_span *gap, size_t n, struct err *e)
{
	int64_t starts[EVALUATION_GAP_MAX], ends[EVALUATION_GAP_MAX];
	struct pg_result *r = NULL;
	struct pg_params p;
	long kept;
	int rc;

	for (size_t i = 0; i < n; i++) {
		starts[i] = gap[i].start_us;
		ends[i] = gap[i].end_us;
	}
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_bytea(&p, w->baseline ? w->baseline_hash : NULL,
		     w->baseline ? SHA256_SIZE : 0);
	pg_add_text(&p, w->baseline_version[0] ? w->baseline_version : NULL);
	pg_add_bytea(&p, definition, SHA256_SIZE);
	pg_add_time(&p, now_us);
	pg_add_time_array(&p, starts, n);
	pg_add_time_array(&p, ends, n);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.window_state (model_id, baseline,"
		     " baseline_version, definition, evaluated_at, final,"
		     " revision, window_start, window_end)"
		     " SELECT $1, $2, $3, $4, $5, true, 1, t.s, t.e"
		     " FROM unnest($6::timestamptz[], $7::timestamptz[])"
		     " AS t(s, e) ORDER BY t.s"
		     " ON CONFLICT (model_id, window_start) DO NOTHING"
		     " RETURNING window_start, window_end",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	kept = (long)pg_rows(r);
	for (size_t i = 0; i < (size_t)kept && i < n; i++) {
		gap[i].start_us = pg_get_time(r, i, 0);
		gap[i].end_us = pg_get_time(r, i, 1);
	}
	pg_result_free(r);
	return kept;
}

static int fill_gap(struct pg *pg, const struct config_model *m,
		    const uint8_t definition[SHA256_SIZE], int64_t now_us,
		    const struct evaluation_window *w, struct err *e)
{
	struct evaluation_span gap[EVALUATION_GAP_MAX];
	struct verdicts empty = {0};
	struct evaluation_rows rows = {
		.model_id = m->model_id,
		.revision = 1,
		.baseline_version = w->baseline_version,
		.evaluated_at_us = now_us,
		.windows = gap,
	};
	int64_t end_us = 0;
	long kept;
	size_t n;
	int rc;

	rc = previous_end(pg, m->model_id, w, &end_us, e);
	if (rc != 1)
		return rc;
	n = gap_windows(m->window, end_us, w->start_us, gap);
	if (!n)
		return 0;
	kept = insert_states(pg, m->model_id, definition, now_us, w, gap, n, e);
	if (kept < 0)
		return -1;
	rows.n = (size_t)kept;
	judge_empty_window(&empty);
	rc = evaluation_insert_results(pg, &rows, &empty, e);
	verdicts_release(&empty);
	return rc;
}

static int save_final(struct pg *pg, const struct config_model *m,
		      const uint8_t definition[SHA256_SIZE], int64_t now_us,
		      const struct evaluation_window *w,
		      const struct profile_set *set, const struct verdicts *v,
		      struct err *e)
{
	struct evaluation_span span = {w->start_us, w->end_us};
	struct evaluation_rows rows = {
		.model_id = m->model_id,
		.revision = w->revision,
		.baseline_version = w->baseline_version,
		.evaluated_at_us = now_us,
		.windows = &span,
		.n = 1,
	};

	if (!w->was_final && fill_gap(pg, m, definition, now_us, w, e))
		return -1;
	if (evaluation_insert_results(pg, &rows, v, e) ||
	    put_profile(pg, m->model_id, now_us, w, set, e) ||
	    delete_deltas(pg, m->model_id, w, e))
		return -1;
	return delete_provisional(pg, m->model_id, w, e);
}

static int save_provisional(struct pg *pg, const struct config_model *m,
			    const struct evaluation_model *em,
			    const struct evaluation_window *w,
			    const struct profile_set *set,
			    const struct verdicts *v, struct err *e)
{
	if (evaluation_put_provisional(pg, m->model_id, em, w, v, e))
		return -1;
	if (w->n_deltas <= EVALUATION_COMPACT_DELTAS)
		return 0;
	if (put_profile(pg, m->model_id, em->now_us, w, set, e))
		return -1;
	return delete_deltas(pg, m->model_id, w, e);
}

int evaluation_save(struct pg *pg, const struct config_model *m,
		    const uint8_t definition[SHA256_SIZE],
		    const struct evaluation_model *em,
		    const struct evaluation_window *w,
		    const struct profile_set *set, const struct verdicts *v,
		    struct err *e)
{
	int rc;

	if (w->is_final)
		rc = save_final(pg, m, definition, em->now_us, w, set, v, e);
	else
		rc = save_provisional(pg, m, em, w, set, v, e);
	if (rc)
		return -1;
	return put_state(pg, m->model_id, definition, em->now_us, w, e);
}
