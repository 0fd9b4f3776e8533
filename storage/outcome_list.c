/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outcome_list - the quality of windows for readers: what was judged last,
 * beside how much of it is known by now.
 */
#include "storage/outcome_quality.h"

#include "base/json.h"
#include "storage/pg.h"

#include <stdbool.h>

enum {
	START,
	END,
	FINAL,
	REVISION,
	N_PREDICTED,
	N_LABELED,
	AS_OF,
	METRIC,
	VALUE,
	LOWER,
	UPPER
};

static const char list_sql[] =
	"SELECT w.window_start, w.window_end, w.final, w.revision,"
	" q.n_predicted, q.n_labeled, q.as_of,"
	" t.metric, t.value, t.lower, t.upper"
	" FROM (SELECT * FROM driftd.window_state WHERE model_id = $1"
	" AND window_start >= $2 AND window_start < $3"
	" AND evaluated_at IS NOT NULL"
	" ORDER BY window_start DESC LIMIT $4) w"
	" JOIN driftd.window_quality q ON q.model_id = $1"
	" AND q.window_start = w.window_start"
	" CROSS JOIN LATERAL ("
	" SELECT r.metric, r.value, r.lower, r.upper FROM driftd.result r"
	" WHERE w.final AND r.model_id = $1"
	" AND r.window_start = w.window_start AND r.revision = w.revision"
	" AND r.signal = 'quality' AND r.column_name = '__model__'"
	" UNION ALL "
	"SELECT x.metric, x.value, x.lower, x.upper"
	" FROM driftd.provisional p CROSS JOIN LATERAL"
	" jsonb_to_recordset(p.content) AS x(\"column\" text, signal text,"
	" metric text, value float8, lower float8, upper float8)"
	" WHERE NOT w.final AND p.model_id = $1"
	" AND p.window_start = w.window_start AND x.signal = 'quality'"
	" AND x.\"column\" = '__model__') t"
	" WHERE t.metric <> 'drifted_columns_share'"
	" ORDER BY w.window_start, t.metric COLLATE \"C\"";

static void put_double(struct json_out *out, const char *key,
		       const struct pg_result *r, size_t row, int col)
{
	json_key(out, key);
	if (pg_is_null(r, row, col))
		json_null(out);
	else
		json_number(out, pg_get_float8(r, row, col));
}

static void begin_window(const struct pg_result *r, size_t i,
			 struct json_out *out)
{
	int64_t predicted = pg_get_int(r, i, N_PREDICTED);
	int64_t labeled = pg_get_int(r, i, N_LABELED);
	bool final = pg_get_bool(r, i, FINAL);

	json_object_begin(out);
	json_put_time(out, "window_start", pg_get_time(r, i, START));
	json_put_time(out, "window_end", pg_get_time(r, i, END));
	/* Final is what no label that is still missing can change. */
	json_put_string(out, "status",
			final && labeled >= predicted ? "final"
						      : "provisional");
	json_put_int(out, "revision", pg_get_int(r, i, REVISION));
	json_put_int(out, "n_predicted", predicted);
	json_put_int(out, "n_labeled", labeled);
	json_key(out, "label_coverage");
	if (predicted > 0)
		json_number(out, (double)labeled / (double)predicted);
	else
		json_null(out);
	if (pg_is_null(r, i, AS_OF)) {
		json_key(out, "as_of");
		json_null(out);
	} else {
		json_put_time(out, "as_of", pg_get_time(r, i, AS_OF));
	}
	json_key(out, "realised");
	json_object_begin(out);
}

static void end_window(struct json_out *out)
{
	json_object_end(out);
	json_object_end(out);
}

static void write_windows(const struct pg_result *r, struct json_out *out)
{
	size_t n = pg_rows(r);

	json_key(out, "quality");
	json_array_begin(out);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 ||
		    pg_get_time(r, i, START) != pg_get_time(r, i - 1, START)) {
			if (i > 0)
				end_window(out);
			begin_window(r, i, out);
		}
		json_key(out, pg_get_text(r, i, METRIC));
		json_object_begin(out);
		put_double(out, "value", r, i, VALUE);
		put_double(out, "lower", r, i, LOWER);
		put_double(out, "upper", r, i, UPPER);
		json_object_end(out);
	}
	if (n > 0)
		end_window(out);
	json_array_end(out);
}

int outcome_quality_list(struct pg *pg, int64_t model_id, int64_t from_us,
			 int64_t to_us, int limit, struct json_out *out,
			 struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, from_us);
	pg_add_time(&p, to_us);
	pg_add_int8(&p, limit);
	rc = pg_exec(pg, list_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	write_windows(r, out);
	pg_result_free(r);
	return 0;
}
