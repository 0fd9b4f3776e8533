/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * result_store_glance - how a model is doing now: its newest judged window
 * and newest final one with what each signal says, and its counters.
 */
#include "storage/result_store.h"

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"
#include "detectors/column.h"
#include "storage/pg.h"

#include <stdio.h>
#include <string.h>

struct glance_window {
	bool found;
	int64_t start_us;
	bool final;
};

/* Signals that a reader looks for; `data` has no columns of its own. */
static const enum signal glance_signals[] = {SIGNAL_INPUT, SIGNAL_OUTPUT,
					     SIGNAL_QUALITY, SIGNAL_HEALTH};

static int put_active(struct pg *pg, int64_t model_id, struct json_out *out,
		      struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	const char *version = NULL;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT active_version FROM driftd.model"
		     " WHERE model_id = $1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1)
		version = pg_get_text(r, 0, 0);
	json_put_string(out, "active_baseline", version);
	pg_result_free(r);
	return 0;
}

/* The members of the newest judged (or newest final) window. */
static int put_window(struct pg *pg, int64_t model_id, bool only_final,
		      struct json_out *out, struct glance_window *w,
		      struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_bool(&p, only_final);
	rc = pg_exec(pg,
		     "SELECT window_start, window_end, final, incomplete,"
		     " revision, n_events, baseline_version, evaluated_at"
		     " FROM driftd.window_state WHERE model_id = $1"
		     " AND evaluated_at IS NOT NULL AND (final OR NOT $2)"
		     " ORDER BY window_start DESC LIMIT 1",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	w->found = pg_rows(r) == 1;
	if (w->found) {
		w->start_us = pg_get_time(r, 0, 0);
		w->final = pg_get_bool(r, 0, 2);
		json_put_time(out, "start", w->start_us);
		json_put_time(out, "end", pg_get_time(r, 0, 1));
		json_put_bool(out, "final", w->final);
		json_put_bool(out, "incomplete", pg_get_bool(r, 0, 3));
		json_put_int(out, "revision", pg_get_int(r, 0, 4));
		json_put_int(out, "n_events", pg_get_int(r, 0, 5));
		json_put_string(out, "baseline", pg_get_text(r, 0, 6));
		json_put_time(out, "evaluated_at", pg_get_time(r, 0, 7));
	}
	pg_result_free(r);
	return 0;
}

/* Of either kind of window: one of the halves is empty. */
static const char signals_sql[] =
	"SELECT t.signal,"
	" count(DISTINCT t.column_name) FILTER"
	" (WHERE t.drifted AND t.column_name <> '__model__') AS drifted,"
	" count(DISTINCT t.column_name) FILTER"
	" (WHERE t.column_name <> '__model__') AS columns,"
	" max(t.value) FILTER (WHERE t.column_name = '__model__'"
	" AND t.metric = 'drifted_columns_share') AS share"
	" FROM ("
	"SELECT r.signal, r.column_name, r.metric, r.value, r.drifted"
	" FROM driftd.result r JOIN driftd.window_state s"
	" ON s.model_id = $1 AND s.window_start = $2"
	" AND s.revision = r.revision"
	" WHERE r.model_id = $1 AND r.window_start = $2 AND $3"
	" UNION ALL "
	"SELECT x.signal, x.\"column\", x.metric, x.value, x.drifted"
	" FROM driftd.provisional p CROSS JOIN LATERAL"
	" jsonb_to_recordset(p.content) AS x(signal text, \"column\" text,"
	" metric text, value float8, drifted boolean)"
	" WHERE p.model_id = $1 AND p.window_start = $2 AND NOT $3"
	") t GROUP BY t.signal";

static void put_signal(const struct pg_result *r, enum signal signal,
		       struct json_out *out)
{
	const char *name = signal_name(signal);

	json_key(out, name);
	for (size_t i = 0; i < pg_rows(r); i++) {
		const char *text = pg_get_text(r, i, 0);

		if (!text || strcmp(text, name) != 0)
			continue;
		json_object_begin(out);
		json_put_bool(out, "drifted", pg_get_int(r, i, 1) > 0);
		json_put_int(out, "drifted_columns", pg_get_int(r, i, 1));
		json_put_int(out, "columns", pg_get_int(r, i, 2));
		json_key(out, "share");
		if (pg_is_null(r, i, 3))
			json_null(out);
		else
			json_number(out, pg_get_float8(r, i, 3));
		json_object_end(out);
		return;
	}
	json_null(out);
}

static int put_signals(struct pg *pg, int64_t model_id,
		       const struct glance_window *w, struct json_out *out,
		       struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, w->found ? w->start_us : INT64_MIN);
	pg_add_bool(&p, w->final);
	rc = pg_exec(pg, signals_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	json_key(out, "signals");
	json_object_begin(out);
	for (size_t i = 0; i < ARRAY_LEN(glance_signals); i++)
		put_signal(r, glance_signals[i], out);
	json_object_end(out);
	pg_result_free(r);
	return 0;
}

static int put_newest(struct pg *pg, int64_t model_id, struct json_out *out,
		      struct err *e)
{
	struct glance_window w = {0};

	json_key(out, "newest_window");
	json_object_begin(out);
	if (put_window(pg, model_id, false, out, &w, e))
		return -1;
	json_object_end(out);
	return put_signals(pg, model_id, &w, out, e);
}

static int put_final(struct pg *pg, int64_t model_id, struct json_out *out,
		     struct err *e)
{
	struct glance_window w = {0};

	json_key(out, "final_window");
	json_object_begin(out);
	if (put_window(pg, model_id, true, out, &w, e))
		return -1;
	if (w.found && put_signals(pg, model_id, &w, out, e))
		return -1;
	json_object_end(out);
	return 0;
}

static const char *const counter_names[] = {"applied",	   "duplicate", "late",
					    "rejected",	   "corrupt",	"lost",
					    "key_conflict"};
enum { N_COUNTERS = sizeof(counter_names) / sizeof(counter_names[0]) };

static void put_sources(const struct pg_result *r, struct json_out *out)
{
	int64_t totals[N_COUNTERS] = {0}, newest = INT64_MIN;
	char id[32];

	json_key(out, "sources");
	json_array_begin(out);
	for (size_t i = 0; i < pg_rows(r); i++) {
		int64_t event = pg_is_null(r, i, N_COUNTERS + 1)
					? INT64_MIN
					: pg_get_time(r, i, N_COUNTERS + 1);
		int64_t received = pg_is_null(r, i, N_COUNTERS + 2)
					   ? INT64_MIN
					   : pg_get_time(r, i, N_COUNTERS + 2);

		for (int c = 0; c < N_COUNTERS; c++)
			totals[c] += pg_get_int(r, i, c);
		newest = event > newest ? event : newest;
		/* 63 bits are too many for a number in JavaScript. */
		(void)snprintf(
			id, sizeof(id), "%016llx",
			(unsigned long long)pg_get_int(r, i, N_COUNTERS));
		json_object_begin(out);
		json_put_string(out, "source", id);
		json_put_time(out, "last_event_time", event);
		json_put_time(out, "last_received_at", received);
		json_put_time(out, "caught_up_to",
			      pg_get_time(r, i, N_COUNTERS + 3));
		json_object_end(out);
	}
	json_array_end(out);
	json_key(out, "counters");
	json_object_begin(out);
	for (size_t c = 0; c < N_COUNTERS; c++)
		json_put_int(out, counter_names[c], totals[c]);
	json_object_end(out);
	json_put_time(out, "last_event_time", newest);
}

static int read_sources(struct pg *pg, int64_t model_id, struct json_out *out,
			struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT applied, duplicate, late, rejected, corrupt, lost,"
		     " key_conflict, source_id, max_event_time,"
		     " last_received_at, caught_up_to"
		     " FROM driftd.source_position WHERE model_id = $1"
		     " ORDER BY source_id",
		     &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	put_sources(r, out);
	pg_result_free(r);
	return 0;
}

int result_store_glance(struct pg *pg, const struct config_model *m,
			struct json_out *out, struct err *e)
{
	json_put_string(out, "name", m->name);
	json_put_string(out, "version", m->version);
	if (put_active(pg, m->model_id, out, e) ||
	    put_newest(pg, m->model_id, out, e) ||
	    put_final(pg, m->model_id, out, e) ||
	    read_sources(pg, m->model_id, out, e))
		return -1;
	json_key(out, "label_coverage");
	json_null(out);
	return 0;
}
