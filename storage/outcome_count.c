/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outcome_count - the inbox, batch by batch.
 *
 * Outcomes that changed are read once, in `changed`; what follows works on
 * that.  A flush that commits meanwhile has changed a row's label after the
 * statement's snapshot: the row then notes the label that was counted, not the
 * newer one, whose own entry in the inbox comes next.
 *
 * Sums of squares are guarded against PostgreSQL's refusal to underflow;
 * values beyond 1e70 were not taken.
 */
#include "storage/outcome_count.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/config.h"
#include "detectors/baseline.h"
#include "detectors/cells.h"
#include "storage/baseline_store.h"
#include "storage/outcome_quality.h"
#include "storage/pg.h"

#include <stdlib.h>
#include <string.h>

/* Ids of a batch are borrowed from the answer that named them. */
struct batch_ids {
	struct pg_result *answer; /* owned */
	const char **ids;	  /* owned */
	size_t n;
};

/* clang-format off */

/* By place: nobody but the holder of the model's lock deletes here, and
 * nothing is updated. */
static const char take_sql[] =
	"WITH gone AS (DELETE FROM driftd.outcome_inbox WHERE model_id = $1"
	" AND ctid = ANY (ARRAY(SELECT ctid FROM driftd.outcome_inbox"
	" WHERE model_id = $1 ORDER BY source_id, seq, id LIMIT $2))"
	" RETURNING id) SELECT DISTINCT id FROM gone";

static const char kept_sql[] =
	"WITH gone AS (DELETE FROM driftd.outcome_kept WHERE model_id = $1"
	" RETURNING window_start, n)"
	" INSERT INTO driftd.window_quality AS q (model_id, window_start,"
	" n_predicted)"
	" SELECT $1, window_start, sum(n) FROM gone GROUP BY window_start"
	" ON CONFLICT (model_id, window_start) DO UPDATE"
	" SET n_predicted = q.n_predicted + excluded.n_predicted";

/*
 * The outcomes of $2 with their windows' baselines.  OFFSET 0 keeps the order
 * of the joins: whatever the statistics say, ids lead to rows by index, and
 * only the partition of each is looked into.
 */
#define BY_ID                                                                  \
	" FROM unnest($2::text[]) AS u(id)"                                    \
	" CROSS JOIN LATERAL (SELECT * FROM driftd.outcome"                    \
	" WHERE model_id = $1 AND id = u.id OFFSET 0) o"                       \
	" CROSS JOIN LATERAL (SELECT baseline FROM driftd.window_state"        \
	" WHERE model_id = $1 AND window_start = o.window_start OFFSET 0) s"

static const char baselines_sql[] = "SELECT DISTINCT s.baseline" BY_ID;

#define SQUARE(x) "CASE WHEN abs(" x ") < 1e-150 THEN 0 ELSE " x " * " x " END"

#define FOURTH(x)                                                              \
	"CASE WHEN abs(" x ") < 1e-75 THEN 0"                                  \
	" ELSE (" x " * " x ") * (" x " * " x ") END"

#define LOG1P(x)                                                               \
	"CASE WHEN " x " < 1e-8 THEN " x " WHEN " x " < 1e-5 THEN " x " - " x  \
	" * " x " / 2 ELSE ln(1 + " x ") END"

/*
 * $1 model, $2 ids, $3 baseline, $4 the window that gets no mark.  A row adds
 * what it says now and takes away what it had counted.  It is noted by an
 * INSERT that always conflicts: that goes from id to row whatever the planner
 * thinks of the tables, and a row cannot vanish under the model's lock.
 */
#define CHANGED                                                                \
	"WITH changed AS MATERIALIZED ("                                       \
	" SELECT o.*" BY_ID                                                    \
	" WHERE s.baseline IS NOT DISTINCT FROM $3::bytea"                     \
	" AND o.label_time IS NOT NULL AND (o.counted_time IS NULL"          \
	" OR o.label IS DISTINCT FROM o.counted_label"                         \
	" OR o.label_value IS DISTINCT FROM o.counted_value)),"                \
	" noted AS (INSERT INTO driftd.outcome (model_id, id, counted_label,"   \
	" counted_value, counted_time, written_at)"                            \
	" SELECT $1, id, label, label_value, label_time, 'epoch'"              \
	" FROM changed ORDER BY id ON CONFLICT (model_id, id) DO UPDATE"       \
	" SET counted_label = excluded.counted_label,"                         \
	" counted_value = excluded.counted_value,"                             \
	" counted_time = excluded.counted_time),"                              \
	" both_ways AS ("                                                      \
	" SELECT window_start, 1 AS sign, predicted, predicted_value AS p,"    \
	" score, label, label_value AS y, label_time FROM changed"             \
	" UNION ALL SELECT window_start, -1, predicted, predicted_value,"      \
	" score, counted_label, counted_value, NULL FROM changed"              \
	" WHERE counted_time IS NOT NULL),"

#define CELLS                                                                  \
	" cells AS (INSERT INTO driftd.quality_cell AS q (model_id,"           \
	" window_start, predicted, label, cell, n, n_edge, n_offset,"          \
	" n_outside)"                                                          \
	" SELECT $1, window_start, predicted, label, cell, sum(sign),"         \
	" sum(n_edge), sum(n_offset), sum(n_outside) FROM placed"              \
	" GROUP BY window_start, predicted, label, cell"                       \
	" HAVING sum(sign) <> 0 OR sum(n_edge) <> 0 OR sum(n_offset) <> 0"     \
	" ORDER BY window_start, predicted, label, cell"                       \
	" ON CONFLICT (model_id, window_start, predicted, label, cell)"        \
	" DO UPDATE SET n = q.n + excluded.n,"                                 \
	" n_edge = q.n_edge + excluded.n_edge,"                                \
	" n_offset = q.n_offset + excluded.n_offset,"                          \
	" n_outside = q.n_outside + excluded.n_outside),"

#define MARK                                                                   \
	" mark AS (INSERT INTO driftd.dirty (model_id, window_start,"          \
	" source_id, seq) SELECT $1, window_start, 0, 0 FROM summed"           \
	" WHERE window_start IS DISTINCT FROM $4 ON CONFLICT DO NOTHING)"

/*
 * $5 the score's edges, $6 the same negated, so ascending again: width_bucket
 * counts thresholds <= its operand, and cells are closed on the right.
 */
const char outcome_count_classes_sql[] = CHANGED
	" joined AS (SELECT *, CASE WHEN score IS NULL THEN -1"
	" ELSE cardinality($5::float8[])"
	" - width_bucket(-score, $6::float8[]) END AS k"
	" FROM both_ways WHERE predicted IS NOT NULL AND label IS NOT NULL),"
	" placed AS (SELECT window_start, sign, predicted, label, k AS cell,"
	" CASE WHEN k >= 0 AND score = $5[k + 1] THEN sign ELSE 0 END"
	" AS n_edge,"
	" CASE WHEN k > 0 AND k < cardinality($5) THEN sign"
	" * floor((score - $5[k]) * (4096 / ($5[k + 1] - $5[k])) + 0.5)::bigint"
	" ELSE 0 END AS n_offset,"
	" CASE WHEN score < 0 OR score > 1 THEN sign ELSE 0 END AS n_outside"
	" FROM joined)," CELLS
	" summed AS (SELECT window_start, sum(sign) AS n,"
	" max(label_time) AS as_of FROM joined GROUP BY window_start),"
	" sums AS (INSERT INTO driftd.window_quality AS q (model_id,"
	" window_start, n_labeled, as_of)"
	" SELECT $1, window_start, n, as_of FROM summed ORDER BY window_start"
	" ON CONFLICT (model_id, window_start) DO UPDATE"
	" SET n_labeled = q.n_labeled + excluded.n_labeled,"
	" as_of = greatest(q.as_of, excluded.as_of))," MARK
	" SELECT window_start, NULL::float8 FROM summed WHERE false";

static const char count_errors_sql[] = CHANGED
	" joined AS (SELECT *, p - y AS e,"
	" CASE WHEN y < 0 OR p < 0 THEN 0 ELSE"
	" (" LOG1P("p") ") - (" LOG1P("y") ") END AS d"
	" FROM both_ways WHERE p IS NOT NULL AND y IS NOT NULL),"
	" placed AS (SELECT window_start, sign, '' AS predicted, '' AS label,"
	" CASE WHEN e = 0 THEN -2147483648"
	" ELSE floor(92.33248261689366 * ln(abs(e)))::integer END AS cell,"
	" 0 AS n_edge, 0 AS n_offset, 0 AS n_outside FROM joined)," CELLS
	" summed AS (SELECT window_start, sum(sign) AS n,"
	" max(label_time) AS as_of, sum(sign * e) AS e,"
	" sum(sign * abs(e)) AS a, sum(sign * " SQUARE("e") ") AS ee,"
	" sum(sign * " FOURTH("e") ") AS e4,"
	" sum(sign * CASE WHEN abs(e) < 1e-150 THEN 0"
	" ELSE abs(e) / greatest(abs(y), 2.220446049250313e-16) END) AS r,"
	" sum(sign * " SQUARE("d") ") AS ll,"
	" coalesce(sum(sign) FILTER (WHERE y < 0 OR p < 0), 0) AS negative,"
	" sum(sign * y) AS y, sum(sign * " SQUARE("y") ") AS yy,"
	" coalesce(max(abs(e)) FILTER (WHERE sign > 0), 0) AS top,"
	" max(abs(e)) FILTER (WHERE sign < 0) AS removed"
	" FROM joined GROUP BY window_start),"
	" sums AS (INSERT INTO driftd.window_quality AS q (model_id,"
	" window_start, n_labeled, as_of, sum_e, sum_abs, sum_e2, sum_e4,"
	" sum_rel, sum_log2, n_negative, sum_y,"
	" sum_y2, max_abs)"
	" SELECT $1, window_start, n, as_of, e, a, ee, e4, r, ll, negative, y,"
	" yy, top FROM summed ORDER BY window_start"
	" ON CONFLICT (model_id, window_start) DO UPDATE"
	" SET n_labeled = q.n_labeled + excluded.n_labeled,"
	" as_of = greatest(q.as_of, excluded.as_of),"
	" sum_e = q.sum_e + excluded.sum_e,"
	" sum_abs = q.sum_abs + excluded.sum_abs,"
	" sum_e2 = q.sum_e2 + excluded.sum_e2,"
	" sum_e4 = q.sum_e4 + excluded.sum_e4,"
	" sum_rel = q.sum_rel + excluded.sum_rel,"
	" sum_log2 = q.sum_log2 + excluded.sum_log2,"
	" n_negative = q.n_negative + excluded.n_negative,"
	" sum_y = q.sum_y + excluded.sum_y,"
	" sum_y2 = q.sum_y2 + excluded.sum_y2,"
	" max_abs = greatest(q.max_abs, excluded.max_abs)),"
	MARK " SELECT window_start, removed FROM summed"
	" WHERE removed IS NOT NULL";

/* Where the largest error may have been taken away it is looked up again. */
static const char largest_sql[] =
	"UPDATE driftd.window_quality q SET max_abs = coalesce(("
	" SELECT max(abs(o.predicted_value - o.counted_value))"
	" FROM driftd.outcome o WHERE o.model_id = $1"
	" AND o.window_start = q.window_start"
	" AND o.counted_value IS NOT NULL), 0)"
	" FROM unnest($2::timestamptz[], $3::float8[]) AS r(w, removed)"
	" WHERE q.model_id = $1 AND q.window_start = r.w"
	" AND q.max_abs <= r.removed";

/* clang-format on */

/*
 * Plans by index whatever the tables' statistics say: a batch is small beside
 * them, and what is counted must not be read again.
 */
static const char *const scans[] = {"enable_seqscan", "enable_bitmapscan",
				    "enable_hashjoin", "enable_mergejoin",
				    "enable_material"};

static int set_scans(struct pg *pg, const char *on_or_off, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_text_array(&p, scans, sizeof(scans) / sizeof(scans[0]));
	pg_add_text(&p, on_or_off);
	rc = pg_exec(pg,
		     "SELECT set_config(u.name, $2, true)"
		     " FROM unnest($1::text[]) AS u(name)",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

int outcome_forbid_scans(struct pg *pg, struct err *e)
{
	return set_scans(pg, "off", e);
}

static int take_ids(struct pg *pg, int64_t model_id, struct batch_ids *out,
		    struct err *e)
{
	struct pg_params p;
	int rc;

	*out = (struct batch_ids){0};
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_int8(&p, OUTCOME_COUNT_BATCH);
	rc = pg_exec(pg, take_sql, &p, &out->answer, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	out->n = pg_rows(out->answer);
	out->ids = xcalloc(out->n + 1, sizeof(*out->ids));
	for (size_t i = 0; i < out->n; i++)
		out->ids[i] = pg_get_text(out->answer, i, 0);
	return 0;
}

static void release_ids(struct batch_ids *b)
{
	if (b->answer)
		pg_result_free(b->answer);
	free(b->ids);
}

static int add_kept(struct pg *pg, int64_t model_id, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg, kept_sql, &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static void add_edges(struct pg_params *p, const struct cells *c)
{
	size_t n = c ? c->n_edges : 0;
	double *negated = xcalloc(n + 1, sizeof(*negated));

	for (size_t i = 0; i < n; i++)
		negated[i] = -c->edges[n - 1 - i];
	pg_add_float8_array(p, c ? c->edges : NULL, n);
	pg_add_float8_array(p, negated, n);
	free(negated);
}

static int fix_largest(struct pg *pg, int64_t model_id,
		       const struct pg_result *r, struct err *e)
{
	size_t n = pg_rows(r);
	struct pg_params p;
	int64_t *starts;
	double *removed;
	int rc;

	if (!n)
		return 0;
	starts = xcalloc(n, sizeof(*starts));
	removed = xcalloc(n, sizeof(*removed));
	for (size_t i = 0; i < n; i++) {
		starts[i] = pg_get_time(r, i, 0);
		removed[i] = pg_get_float8(r, i, 1);
	}
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time_array(&p, starts, n);
	pg_add_float8_array(&p, removed, n);
	rc = pg_exec(pg, largest_sql, &p, NULL, e);
	pg_params_release(&p);
	free(removed);
	free(starts);
	return rc;
}

/* The ids whose windows are counted on this baseline (NULL: on none). */
static int count_on(struct pg *pg, const struct config_model *m,
		    const struct batch_ids *ids, const void *hash,
		    const struct baseline *b, int64_t except_us, struct err *e)
{
	bool is_regression = m->task == TASK_REGRESSION;
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_text_array(&p, ids->ids, ids->n);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	pg_add_time(&p, except_us);
	if (!is_regression)
		add_edges(&p, outcome_score_cells(m, b));
	rc = pg_exec(pg,
		     is_regression ? count_errors_sql
				   : outcome_count_classes_sql,
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = fix_largest(pg, m->model_id, r, e);
	pg_result_free(r);
	return rc;
}

static int count_ids(struct pg *pg, const struct config_model *m,
		     struct baseline_cache *cache, const struct batch_ids *ids,
		     int64_t except_us, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_text_array(&p, ids->ids, ids->n);
	rc = pg_exec(pg, baselines_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	for (size_t i = 0; i < pg_rows(r) && !rc; i++) {
		const struct baseline *b = NULL;
		uint8_t hash[SHA256_SIZE];
		size_t len = 0;
		const void *bytes = pg_get_bytea(r, i, 0, &len);

		if (bytes && len == SHA256_SIZE) {
			memcpy(hash, bytes, SHA256_SIZE);
			b = baseline_cache_get(cache, pg, m->model_id, hash,
					       false, e);
			if (!b) {
				rc = err_wrap(e, "counting labels");
				break;
			}
		}
		rc = count_on(pg, m, ids, b ? hash : NULL, b, except_us, e);
	}
	pg_result_free(r);
	return rc;
}

int outcome_count_batch(struct pg *pg, const struct config_model *m,
			struct baseline_cache *cache, int64_t except_us,
			struct err *e)
{
	struct batch_ids ids;
	int rc = 0;

	if (add_kept(pg, m->model_id, e) || outcome_forbid_scans(pg, e) ||
	    take_ids(pg, m->model_id, &ids, e))
		return -1;
	if (ids.n)
		rc = count_ids(pg, m, cache, &ids, except_us, e);
	if (!rc)
		rc = set_scans(pg, "on", e);
	if (!rc)
		rc = ids.n > 0;
	release_ids(&ids);
	return rc;
}
