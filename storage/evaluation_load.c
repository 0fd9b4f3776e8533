/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_load - what a window adds up to: its merged profile and the
 * deltas that came since.
 *
 * The marks are deleted before anything they mark is read, in a statement of
 * its own: a flush that commits in between is either read here or leaves a
 * mark behind, mostly both.  The keys of the deltas that were read are kept,
 * so that exactly those are deleted when the merged profile is written.
 */
#include "storage/evaluation.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "detectors/profile_set.h"
#include "storage/baseline_store.h"
#include "storage/evaluation_private.h"
#include "storage/outcome_count.h"
#include "storage/pg.h"

#include <stdlib.h>
#include <string.h>

static void add_window_key(struct pg_params *p, int64_t model_id,
			   const struct evaluation_window *w)
{
	pg_params_clear(p);
	pg_add_int8(p, model_id);
	pg_add_time(p, w->start_us);
}

static int delete_marks(struct pg *pg, int64_t model_id,
			const struct evaluation_window *w, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	add_window_key(&p, model_id, w);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.dirty"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static int take_state(const struct pg_result *r, struct evaluation_window *w,
		      bool *has_baseline, struct err *e)
{
	const char *version;
	const void *hash;
	size_t len = 0;

	w->end_us = pg_get_time(r, 0, 0);
	w->was_final = pg_get_bool(r, 0, 1);
	w->pruned = pg_get_bool(r, 0, 2);
	w->revision = (int)pg_get_int(r, 0, 3);
	w->n_events = (uint64_t)pg_get_int(r, 0, 4);
	hash = pg_get_bytea(r, 0, 5, &len);
	*has_baseline = hash != NULL;
	if (hash && len != SHA256_SIZE)
		return err_set(e, ERR_INVALID,
			       "baseline of the window is "
			       "named by %zu bytes",
			       len);
	if (hash)
		memcpy(w->baseline_hash, hash, SHA256_SIZE);
	version = pg_get_text(r, 0, 6);
	if (version) {
		len = strnlen(version, sizeof(w->baseline_version) - 1);
		memcpy(w->baseline_version, version, len);
	}
	return 0;
}

static int read_state(struct pg *pg, int64_t model_id,
		      struct evaluation_window *w, bool *has_baseline,
		      struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	add_window_key(&p, model_id, w);
	rc = pg_exec(pg,
		     "SELECT window_end, final, pruned, revision, n_events,"
		     " baseline, baseline_version"
		     " FROM driftd.window_state"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1)
		rc = take_state(r, w, has_baseline, e);
	else
		rc = err_set(e, ERR_NOT_FOUND, "the window does not exist");
	pg_result_free(r);
	return rc;
}

static int unpack(struct profile_set *set, const void *data, size_t len,
		  struct err *e)
{
	struct buf plain;
	int rc;

	buf_init(&plain, EVALUATION_PROFILE_MAX);
	rc = zstd_unpack(data, len, &plain, e);
	if (!rc)
		rc = profile_set_decode(set, buf_str(&plain), plain.len, e);
	buf_release(&plain);
	return rc;
}

static int read_profile(struct pg *pg, int64_t model_id,
			const struct evaluation_window *w,
			struct profile_set *set, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	const void *content;
	size_t len = 0;
	int rc;

	pg_params_init(&p);
	add_window_key(&p, model_id, w);
	rc = pg_exec(pg,
		     "SELECT content FROM driftd.window_profile"
		     " WHERE model_id = $1 AND window_start = $2",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1) {
		content = pg_get_bytea(r, 0, 0, &len);
		rc = unpack(set, content, len, e);
		if (rc)
			err_wrap(e, "profile of the window");
	}
	pg_result_free(r);
	return rc;
}

static int merge_delta(struct profile_set *set, const void *content, size_t len,
		       struct err *e)
{
	struct profile_set part;
	int rc;

	profile_set_init(&part, set->baseline, set->max_categories);
	rc = unpack(&part, content, len, e);
	if (!rc)
		rc = profile_set_merge(set, &part, e);
	profile_set_release(&part);
	if (rc)
		err_wrap(e, "delta of the window");
	return rc;
}

static void remember_delta(struct evaluation_window *w, int64_t source,
			   int64_t seq)
{
	if (w->n_deltas == w->cap_deltas) {
		w->cap_deltas = w->cap_deltas ? 2 * w->cap_deltas : 64;
		w->delta_source = xrealloc_array(w->delta_source, w->cap_deltas,
						 sizeof(*w->delta_source));
		w->delta_seq = xrealloc_array(w->delta_seq, w->cap_deltas,
					      sizeof(*w->delta_seq));
	}
	w->delta_source[w->n_deltas] = source;
	w->delta_seq[w->n_deltas] = seq;
	w->n_deltas++;
}

/* The next chunk of deltas behind (*source, *seq): how many, or -1.
 * ${set} NULL: only their keys are wanted. */
static int read_chunk(struct pg *pg, int64_t model_id,
		      struct evaluation_window *w, struct profile_set *set,
		      int64_t *source, int64_t *seq, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	const void *content;
	size_t n, len;
	int rc;

	pg_params_init(&p);
	add_window_key(&p, model_id, w);
	pg_add_int8(&p, *source);
	pg_add_int8(&p, *seq);
	pg_add_int8(&p, EVALUATION_DELTA_CHUNK);
	rc = pg_exec(pg,
		     "SELECT source_id, seq, content FROM driftd.delta"
		     " WHERE model_id = $1 AND window_start = $2"
		     " AND (source_id, seq) > ($3, $4)"
		     " ORDER BY source_id, seq LIMIT $5",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = pg_rows(r);
	for (size_t i = 0; i < n && !rc; i++) {
		*source = pg_get_int(r, i, 0);
		*seq = pg_get_int(r, i, 1);
		len = 0;
		content = pg_get_bytea(r, i, 2, &len);
		if (set)
			rc = merge_delta(set, content, len, e);
		if (!rc)
			remember_delta(w, *source, *seq);
	}
	pg_result_free(r);
	return rc ? -1 : (int)n;
}

static int read_deltas(struct pg *pg, int64_t model_id,
		       struct evaluation_window *w, struct profile_set *set,
		       struct err *e)
{
	int64_t source = INT64_MIN, seq = INT64_MIN;
	int n;

	w->n_deltas = 0;
	do {
		n = read_chunk(pg, model_id, w, set, &source, &seq, e);
	} while (n == EVALUATION_DELTA_CHUNK);
	return n < 0 ? -1 : 0;
}

/* State, profile and deltas.  The set is over no baseline until its state is
 * known, so that it can be released whatever happens. */
static int read_window(struct pg *pg, const struct config_model *m,
		       struct baseline_cache *cache,
		       struct evaluation_window *w, struct profile_set *set,
		       struct err *e)
{
	bool has_baseline = false;

	w->baseline = NULL;
	w->baseline_version[0] = '\0';
	if (read_state(pg, m->model_id, w, &has_baseline, e))
		return -1;
	if (w->pruned)
		return 0;
	if (has_baseline) {
		w->baseline = baseline_cache_get(cache, pg, m->model_id,
						 w->baseline_hash, false, e);
		if (!w->baseline)
			return err_wrap(e, "baseline \"%s\"",
					w->baseline_version);
	}
	profile_set_release(set);
	profile_set_init(set, w->baseline, (uint32_t)m->max_categories);
	if (read_profile(pg, m->model_id, w, set, e) ||
	    read_deltas(pg, m->model_id, w, set, e))
		return -1;
	profile_set_close(set);
	w->n_events = set->n_events;
	return 0;
}

/* Deltas of a window whose profile is gone cannot be judged any more. */
static int drop_deltas(struct pg *pg, const struct config_model *m,
		       struct evaluation_window *w, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int64_t events = 0;
	int rc;

	pg_params_init(&p);
	add_window_key(&p, m->model_id, w);
	rc = pg_exec(pg,
		     "DELETE FROM driftd.delta"
		     " WHERE model_id = $1 AND window_start = $2"
		     " RETURNING n_events",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	for (size_t i = 0; i < pg_rows(r); i++)
		events += pg_get_int(r, i, 0);
	pg_result_free(r);
	if (events)
		log_warn("evaluate",
			 "model \"%s\": %lld events came for a "
			 "window whose profile has been deleted",
			 m->name, (long long)events);
	return 0;
}

/* Behind the marks, before the window is read: labels that came with them. */
static int count_outcomes(struct pg *pg, const struct config_model *m,
			  struct baseline_cache *cache, int64_t start_us,
			  struct err *e)
{
	int rc = m->labels ? 1 : 0;

	while (rc == 1)
		rc = outcome_count_batch(pg, m, cache, start_us, e);
	return rc;
}

int evaluation_load(struct pg *pg, const struct config_model *m,
		    struct baseline_cache *cache, struct evaluation_window *w,
		    struct profile_set *set, struct err *e)
{
	profile_set_init(set, NULL, (uint32_t)m->max_categories);
	if (delete_marks(pg, m->model_id, w, e) ||
	    count_outcomes(pg, m, cache, w->start_us, e) ||
	    read_window(pg, m, cache, w, set, e))
		return -1;
	if (w->pruned)
		return drop_deltas(pg, m, w, e);
	w->is_final = w->is_final || w->was_final;
	w->revision = w->is_final ? w->revision + 1 : 0;
	return 0;
}

int evaluation_peek(struct pg *pg, const struct config_model *m,
		    struct baseline_cache *cache, struct evaluation_window *w,
		    struct profile_set *set, struct err *e)
{
	int rc;

	profile_set_init(set, NULL, (uint32_t)m->max_categories);
	if (pg_begin(pg, e))
		return -1;
	/* One snapshot: a merge in between would be seen twice or never. */
	rc = pg_exec(pg,
		     "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ,"
		     " READ ONLY",
		     NULL, NULL, e);
	if (!rc)
		rc = read_window(pg, m, cache, w, set, e);
	if (!rc && w->pruned)
		rc = err_set(e, ERR_NOT_FOUND,
			     "the window's profile has been deleted");
	w->is_final = w->was_final;
	pg_rollback(pg);
	return rc;
}
