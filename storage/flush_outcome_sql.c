/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_outcome_sql - halves of outcomes into the table, each with all that
 * follows from it (inbox, marks, counts) in the same statement.
 *
 * The inbox gets ids that have both halves now and did not count like this
 * before: a prediction alone or a label alone is only kept.
 */
#include "storage/flush_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *text_at(const struct flush_halves *h, size_t at)
{
	return at == SIZE_MAX ? NULL : buf_str(&h->bytes) + at;
}

static void add_texts(struct pg_params *p, const struct flush_halves *h,
		      size_t member)
{
	const char **texts = xrealloc_array(NULL, h->n, sizeof(*texts));

	for (size_t i = 0; i < h->n; i++) {
		size_t at;

		memcpy(&at, (const char *)&h->items[i] + member, sizeof(at));
		texts[i] = text_at(h, at);
	}
	pg_add_text_array(p, texts, h->n);
	free(texts);
}

static void add_numbers(struct pg_params *p, const struct flush_halves *h,
			size_t member)
{
	double *numbers = xrealloc_array(NULL, h->n, sizeof(*numbers));

	for (size_t i = 0; i < h->n; i++)
		memcpy(&numbers[i], (const char *)&h->items[i] + member,
		       sizeof(numbers[i]));
	pg_add_float8_array(p, numbers, h->n);
	free(numbers);
}

static void add_times(struct pg_params *p, const struct flush_halves *h,
		      size_t member)
{
	int64_t *times = xrealloc_array(NULL, h->n, sizeof(*times));

	for (size_t i = 0; i < h->n; i++)
		memcpy(&times[i], (const char *)&h->items[i] + member,
		       sizeof(times[i]));
	pg_add_time_array(p, times, h->n);
	free(times);
}

static struct pg_params *params(struct flusher *f, const struct flush_stream *s,
				uint64_t seq)
{
	struct pg_params *p = &f->params;

	pg_params_clear(p);
	pg_add_int8(p, s->model_id);
	pg_add_int8(p, s->source_id);
	pg_add_int8(p, (int64_t)seq);
	pg_add_time(p, f->now_us);
	return p;
}

/*
 * What follows from the rows `won` (id, window_start, is_joined): conflicts
 * are with rows of this transaction only.
 */
#define OUTCOME_EFFECTS                                                        \
	", inbox AS (INSERT INTO driftd.outcome_inbox (model_id, source_id,"   \
	" seq, id) SELECT $1, $2, $3, id FROM won WHERE is_joined"             \
	" ON CONFLICT DO NOTHING),"                                            \
	" mark AS (INSERT INTO driftd.dirty (model_id, window_start,"          \
	" source_id, seq) SELECT DISTINCT $1, window_start, $2, $3 FROM won"   \
	" WHERE is_joined ON CONFLICT DO NOTHING)"

static const char predictions_sql[] =
	"WITH won AS (INSERT INTO driftd.outcome AS o (model_id, id,"
	" window_start, event_time, predicted, predicted_value, score,"
	" written_at)"
	" SELECT $1, u.id, u.w, u.t, u.c, nullif(u.v, 'NaN'),"
	" nullif(u.s, 'NaN'), $4"
	" FROM unnest($5::text[], $6::timestamptz[], $7::timestamptz[],"
	" $8::text[], $9::float8[], $10::float8[])"
	" WITH ORDINALITY AS u(id, w, t, c, v, s, i) ORDER BY u.i"
	" ON CONFLICT (model_id, id) DO UPDATE"
	" SET window_start = excluded.window_start,"
	" event_time = excluded.event_time, predicted = excluded.predicted,"
	" predicted_value = excluded.predicted_value,"
	" score = excluded.score, written_at = excluded.written_at"
	" WHERE o.window_start IS NULL"
	" RETURNING o.id, o.window_start,"
	" o.label_time IS NOT NULL AS is_joined)" OUTCOME_EFFECTS
	", kept AS (INSERT INTO driftd.outcome_kept AS k (model_id,"
	" window_start, source_id, seq, n)"
	" SELECT $1, window_start, $2, $3, count(*) FROM won"
	" GROUP BY window_start"
	" ON CONFLICT (model_id, window_start, source_id, seq) DO UPDATE"
	" SET n = k.n + excluded.n)"
	" SELECT count(*) FROM won";

static const char labels_sql[] =
	"WITH all_won AS (INSERT INTO driftd.outcome AS o (model_id, id,"
	" label, label_value, label_time, label_received, label_changed,"
	" written_at)"
	" SELECT $1, u.id, u.c, nullif(u.v, 'NaN'), u.t, u.r, true, $4"
	" FROM unnest($5::text[], $6::text[], $7::float8[],"
	" $8::timestamptz[], $9::timestamptz[])"
	" WITH ORDINALITY AS u(id, c, v, t, r, i) ORDER BY u.i"
	" ON CONFLICT (model_id, id) DO UPDATE"
	" SET label = excluded.label, label_value = excluded.label_value,"
	" label_time = excluded.label_time,"
	" label_received = excluded.label_received,"
	" label_changed = o.label_time IS NULL"
	" OR o.label IS DISTINCT FROM excluded.label"
	" OR o.label_value IS DISTINCT FROM excluded.label_value,"
	" written_at = excluded.written_at"
	" WHERE o.label_time IS NULL"
	" OR (excluded.label_time, excluded.label_received,"
	" coalesce(excluded.label, '') COLLATE \"C\","
	" coalesce(excluded.label_value, 0))"
	" > (o.label_time, o.label_received,"
	" coalesce(o.label, '') COLLATE \"C\", coalesce(o.label_value, 0))"
	" RETURNING o.id, o.window_start, o.label_changed),"
	" won AS (SELECT id, window_start, true AS is_joined FROM all_won"
	" WHERE label_changed AND window_start IS NOT NULL)" OUTCOME_EFFECTS
	" SELECT count(*) FROM all_won";

static int run(struct flusher *f, const char *sql, int64_t *n_won,
	       struct err *e)
{
	struct pg_result *r;

	if (pg_exec(f->pg, sql, &f->params, &r, e))
		return -1;
	*n_won = pg_get_int(r, 0, 0);
	pg_result_free(r);
	return 0;
}

int flush_sql_predictions(struct flusher *f, const struct flush_stream *s,
			  uint64_t seq, const struct flush_halves *h,
			  struct flush_outcome_counts *counts, struct err *e)
{
	struct pg_params *p = params(f, s, seq);
	int64_t n_won;

	add_texts(p, h, offsetof(struct flush_half, id));
	add_times(p, h, offsetof(struct flush_half, window_us));
	add_times(p, h, offsetof(struct flush_half, time_us));
	add_texts(p, h, offsetof(struct flush_half, text));
	add_numbers(p, h, offsetof(struct flush_half, value));
	add_numbers(p, h, offsetof(struct flush_half, score));
	if (run(f, predictions_sql, &n_won, e))
		return -1;
	counts->predictions += n_won;
	counts->repeated += (int64_t)h->n - n_won;
	return 0;
}

int flush_sql_labels(struct flusher *f, const struct flush_stream *s,
		     uint64_t seq, const struct flush_halves *h,
		     struct flush_outcome_counts *counts, struct err *e)
{
	struct pg_params *p = params(f, s, seq);
	int64_t n_won;

	add_texts(p, h, offsetof(struct flush_half, id));
	add_texts(p, h, offsetof(struct flush_half, text));
	add_numbers(p, h, offsetof(struct flush_half, value));
	add_times(p, h, offsetof(struct flush_half, time_us));
	add_times(p, h, offsetof(struct flush_half, received_us));
	if (run(f, labels_sql, &n_won, e))
		return -1;
	counts->labels += n_won;
	counts->superseded += (int64_t)h->n - n_won;
	return 0;
}

int flush_sql_outcome_counts(struct flusher *f, const struct flush_stream *s,
			     const struct flush_outcome_counts *counts,
			     struct err *e)
{
	struct pg_params *p = &f->params;

	pg_params_clear(p);
	pg_add_int8(p, s->model_id);
	pg_add_int8(p, s->source_id);
	pg_add_int8(p, counts->predictions);
	pg_add_int8(p, counts->repeated);
	pg_add_int8(p, counts->labels);
	pg_add_int8(p, counts->superseded);
	return pg_exec(f->pg,
		       "INSERT INTO driftd.outcome_count AS c (model_id,"
		       " source_id, predictions, repeated, labels, superseded,"
		       " orphans, unlabeled)"
		       " VALUES ($1, $2, $3, $4, $5, $6, 0, 0)"
		       " ON CONFLICT (model_id, source_id) DO UPDATE"
		       " SET predictions = c.predictions"
		       " + excluded.predictions,"
		       " repeated = c.repeated + excluded.repeated,"
		       " labels = c.labels + excluded.labels,"
		       " superseded = c.superseded + excluded.superseded",
		       p, NULL, e);
}
