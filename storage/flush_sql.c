/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_sql - the statements of a flush.  All but the two that look for this
 * journal's rows name one model.  Times are parameters: the database's clock
 * is read once a round.
 */
#include "storage/flush_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Begin the parameters of a statement: $1 is the model. */
static struct pg_params *params(struct flusher *f, int64_t model_id)
{
	pg_params_clear(&f->params);
	pg_add_int8(&f->params, model_id);
	return &f->params;
}

static struct pg_params *params_of(struct flusher *f,
				   const struct flush_stream *s)
{
	struct pg_params *p = params(f, s->model_id);

	pg_add_int8(p, s->source_id);
	return p;
}

int flush_sql_hello(struct flusher *f, int64_t *now_us, int *version,
		    struct err *e)
{
	struct pg_result *r;

	if (pg_exec(f->pg,
		    "SELECT clock_timestamp(), (SELECT max(version) "
		    "FROM driftd.schema_migration)",
		    NULL, &r, e))
		return -1;
	*now_us = pg_get_time(r, 0, 0);
	*version = (int)pg_get_int(r, 0, 1);
	pg_result_free(r);
	return 0;
}

int flush_sql_lock(struct flusher *f, const struct flush_stream *s,
		   struct flush_row *out, struct err *e)
{
	struct pg_result *r;
	int rc = 0;

	if (pg_exec(f->pg,
		    "SELECT epoch, position, seq, chain, n_events "
		    "FROM driftd.source_position "
		    "WHERE model_id = $1 AND source_id = $2 FOR UPDATE",
		    params_of(f, s), &r, e))
		return -1;
	if (pg_rows(r) == 1) {
		out->epoch = pg_get_int(r, 0, 0);
		out->position = (uint64_t)pg_get_int(r, 0, 1);
		out->seq = (uint64_t)pg_get_int(r, 0, 2);
		out->chain = (uint64_t)pg_get_int(r, 0, 3);
		out->n_events = (uint64_t)pg_get_int(r, 0, 4);
		rc = 1;
	}
	pg_result_free(r);
	return rc;
}

int flush_sql_add_position(struct flusher *f, const struct flush_stream *s,
			   struct err *e)
{
	/* 'epoch': nothing is known to be caught up yet. */
	return pg_exec(f->pg,
		       "INSERT INTO driftd.source_position (model_id, "
		       "source_id, epoch, position, seq, chain, n_events, "
		       "applied, duplicate, late, rejected, corrupt, lost, "
		       "key_conflict, caught_up_to) VALUES ($1, $2, 0, 0, 0, "
		       "0, 0, 0, 0, 0, 0, 0, 0, 0, 'epoch') "
		       "ON CONFLICT DO NOTHING",
		       params_of(f, s), NULL, e);
}

int flush_sql_add_model(struct flusher *f, const struct flush_stream *s,
			struct err *e)
{
	struct pg_params *p = params(f, s->model_id);

	pg_add_text(p, s->model);
	pg_add_text(p, s->version);
	pg_add_time(p, f->now_us);
	return pg_exec(f->pg,
		       "INSERT INTO driftd.model (model_id, name, version, "
		       "registered_at) VALUES ($1, $2, $3, $4) "
		       "ON CONFLICT DO NOTHING",
		       p, NULL, e);
}

int flush_sql_newest(struct flusher *f, int64_t model_id, int64_t *out,
		     struct err *e)
{
	struct pg_result *r;

	if (pg_exec(f->pg,
		    "SELECT max(max_event_time) FROM driftd.source_position "
		    "WHERE model_id = $1",
		    params(f, model_id), &r, e))
		return -1;
	*out = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return 0;
}

/*
 * The outer SELECT of a statement that inserts sees the table as it was
 * before: another body found there was there first.
 */
int flush_sql_keys(struct flusher *f, int64_t model_id, const void *const *keys,
		   const void *const *bodies, size_t n, struct pg_result **out,
		   struct err *e)
{
	struct pg_params *p = params(f, model_id);
	size_t *lens = xrealloc_array(NULL, n, sizeof(*lens));

	for (size_t i = 0; i < n; i++)
		lens[i] = HASH128_SIZE;
	pg_add_bytea_array(p, keys, lens, n);
	pg_add_bytea_array(p, bodies, lens, n);
	pg_add_time(p, f->now_us);
	free(lens);
	return pg_exec(f->pg,
		       "WITH won AS (INSERT INTO driftd.batch_key (model_id, "
		       "key_hash, body_hash, created_at) "
		       "SELECT $1, u.k, u.b, $4 "
		       "FROM unnest($2::bytea[], $3::bytea[]) "
		       "WITH ORDINALITY AS u(k, b, i) ORDER BY u.i "
		       "ON CONFLICT DO NOTHING "
		       "RETURNING key_hash, body_hash) "
		       "SELECT won.key_hash, won.body_hash, EXISTS (SELECT 1 "
		       "FROM driftd.batch_key o WHERE o.model_id = $1 "
		       "AND o.key_hash = won.key_hash "
		       "AND o.body_hash <> won.body_hash) FROM won",
		       p, out, e);
}

int flush_sql_pin(struct flusher *f, int64_t model_id, const int64_t *starts,
		  const int64_t *ends, size_t n, struct err *e)
{
	struct pg_params *p = params(f, model_id);

	pg_add_time_array(p, starts, n);
	pg_add_time_array(p, ends, n);
	return pg_exec(f->pg,
		       "INSERT INTO driftd.window_state (model_id, "
		       "window_start, window_end, baseline, baseline_version) "
		       "SELECT $1, u.s, u.e, m.active_baseline, "
		       "m.active_version "
		       "FROM unnest($2::timestamptz[], $3::timestamptz[]) "
		       "WITH ORDINALITY AS u(s, e, i) "
		       "LEFT JOIN driftd.model m ON m.model_id = $1 "
		       "ORDER BY u.i ON CONFLICT DO NOTHING",
		       p, NULL, e);
}

int flush_sql_pins(struct flusher *f, int64_t model_id, const int64_t *starts,
		   size_t n, struct pg_result **out, struct err *e)
{
	struct pg_params *p = params(f, model_id);

	pg_add_time_array(p, starts, n);
	return pg_exec(f->pg,
		       "SELECT window_start, baseline, pruned "
		       "FROM driftd.window_state WHERE model_id = $1 "
		       "AND window_start = ANY ($2::timestamptz[])",
		       p, out, e);
}

int flush_sql_has_baseline(struct flusher *f, int64_t model_id,
			   const uint8_t hash[SHA256_SIZE], bool *out,
			   struct err *e)
{
	struct pg_params *p = params(f, model_id);
	struct pg_result *r;

	pg_add_bytea(p, hash, SHA256_SIZE);
	if (pg_exec(f->pg,
		    "SELECT 1 FROM driftd.baseline "
		    "WHERE model_id = $1 AND baseline = $2",
		    p, &r, e))
		return -1;
	*out = pg_rows(r) == 1;
	pg_result_free(r);
	return 0;
}

/* The storage of bulk rows: in one place, to be exchanged for COPY. */
int flush_sql_deltas(struct flusher *f, const struct flush_stream *s,
		     uint64_t seq, const struct flush_deltas *d, struct err *e)
{
	struct pg_params *p = params_of(f, s);
	int64_t *starts = xrealloc_array(NULL, d->n, sizeof(*starts));
	int64_t *counts = xrealloc_array(NULL, d->n, sizeof(*counts));
	const void **blobs = xrealloc_array(NULL, d->n, sizeof(*blobs));
	size_t *lens = xrealloc_array(NULL, d->n, sizeof(*lens));
	int rc;

	for (size_t i = 0; i < d->n; i++) {
		starts[i] = d->items[i].start_us;
		counts[i] = d->items[i].n_events;
		blobs[i] = buf_str(&d->bytes) + d->items[i].offset;
		lens[i] = d->items[i].len;
	}
	pg_add_int8(p, (int64_t)seq);
	pg_add_time_array(p, starts, d->n);
	pg_add_int8_array(p, counts, d->n);
	pg_add_bytea_array(p, blobs, lens, d->n);
	rc = pg_exec(f->pg,
		     "INSERT INTO driftd.delta (model_id, source_id, seq, "
		     "window_start, n_events, content) "
		     "SELECT $1, $2, $3, u.s, u.n, u.c FROM unnest("
		     "$4::timestamptz[], $5::bigint[], $6::bytea[]) "
		     "AS u(s, n, c)",
		     p, NULL, e);
	if (rc == 0) {
		p = params_of(f, s);
		pg_add_int8(p, (int64_t)seq);
		pg_add_time_array(p, starts, d->n);
		rc = pg_exec(f->pg,
			     "INSERT INTO driftd.dirty (model_id, source_id, "
			     "seq, window_start) SELECT $1, $2, $3, u.s "
			     "FROM unnest($4::timestamptz[]) AS u(s)",
			     p, NULL, e);
	}
	free(lens);
	free(blobs);
	free(counts);
	free(starts);
	return rc;
}

int flush_sql_move(struct flusher *f, const struct flush_stream *s,
		   const struct flush_row *to, const struct flush_sums *sums,
		   bool caught_up, struct err *e)
{
	struct pg_params *p = params_of(f, s);
	const struct flush_counts *c = &sums->counts;

	pg_add_int8(p, to->epoch);
	pg_add_int8(p, (int64_t)to->position);
	pg_add_int8(p, (int64_t)to->seq);
	pg_add_int8(p, (int64_t)to->chain);
	pg_add_int8(p, (int64_t)to->n_events);
	pg_add_int8(p, (int64_t)c->applied);
	pg_add_int8(p, (int64_t)c->duplicate);
	pg_add_int8(p, (int64_t)c->late);
	pg_add_int8(p, (int64_t)c->rejected);
	pg_add_int8(p, (int64_t)c->corrupt);
	pg_add_int8(p, (int64_t)c->lost);
	pg_add_int8(p, (int64_t)c->key_conflict);
	pg_add_time(p, sums->max_event_time_us);
	pg_add_time(p, f->now_us);
	pg_add_bool(p, caught_up);
	/* Labels do not keep a model from being idle. */
	pg_add_time(p, sums->has_events ? f->now_us : INT64_MIN);
	return pg_exec(f->pg,
		       "UPDATE driftd.source_position SET epoch = $3, "
		       "position = $4, seq = $5, chain = $6, n_events = $7, "
		       "applied = applied + $8, duplicate = duplicate + $9, "
		       "late = late + $10, rejected = rejected + $11, "
		       "corrupt = corrupt + $12, lost = lost + $13, "
		       "key_conflict = key_conflict + $14, "
		       "max_event_time = greatest(max_event_time, $15), "
		       "last_received_at = greatest(last_received_at, $18), "
		       "caught_up_to = CASE WHEN $17 "
		       "THEN greatest(caught_up_to, $16) "
		       "ELSE caught_up_to END "
		       "WHERE model_id = $1 AND source_id = $2",
		       p, NULL, e);
}

int flush_sql_heartbeat(struct flusher *f, const struct flush_stream *s,
			struct err *e)
{
	struct pg_params *p = params_of(f, s);

	pg_add_time(p, f->now_us);
	return pg_exec(f->pg,
		       "UPDATE driftd.source_position "
		       "SET caught_up_to = greatest(caught_up_to, $3) "
		       "WHERE model_id = $1 AND source_id = $2",
		       p, NULL, e);
}

int flush_sql_lost(struct flusher *f, const struct flush_stream *s, uint64_t n,
		   struct err *e)
{
	struct pg_params *p = params_of(f, s);

	pg_add_int8(p, (int64_t)n);
	return pg_exec(f->pg,
		       "UPDATE driftd.source_position "
		       "SET n_events = n_events + $3, lost = lost + $3 "
		       "WHERE model_id = $1 AND source_id = $2",
		       p, NULL, e);
}

int flush_sql_sources(struct flusher *f, int64_t source_id,
		      struct pg_result **out, struct err *e)
{
	return pg_exec(f->pg,
		       "SELECT model_id FROM driftd.source_position "
		       "WHERE source_id = $1",
		       params(f, source_id), out, e);
}

/*
 * A retry that is still in some journal was received after that source had
 * caught up: keys live idempotency_ttl before the least caught_up_to.
 */
int flush_sql_prune_keys(struct flusher *f, int64_t model_id, int64_t *deleted,
			 struct err *e)
{
	struct pg_params *p = params(f, model_id);
	struct pg_result *r;
	int64_t cutoff = 0;

	pg_add_time(p, f->now_us - FLUSH_SOURCE_DEAD_US);
	pg_add_time(p, f->now_us);
	if (pg_exec(f->pg,
		    "SELECT least(min(caught_up_to), $3) "
		    "FROM driftd.source_position "
		    "WHERE model_id = $1 AND caught_up_to > $2",
		    p, &r, e))
		return -1;
	cutoff = pg_get_time(r, 0, 0);
	pg_result_free(r);
	p = params(f, model_id);
	pg_add_time(p, cutoff - f->options.idempotency_ttl_us);
	pg_add_int8(p, FLUSH_PRUNE_ROWS);
	if (pg_exec(f->pg,
		    "DELETE FROM driftd.batch_key WHERE model_id = $1 "
		    "AND (key_hash, body_hash) IN (SELECT key_hash, body_hash "
		    "FROM driftd.batch_key WHERE model_id = $1 "
		    "AND created_at < $2 ORDER BY created_at LIMIT $3)",
		    p, &r, e))
		return -1;
	*deleted = pg_affected(r);
	pg_result_free(r);
	return 0;
}
