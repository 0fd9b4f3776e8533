/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Alerts as the API shows them.  Pages are in order of (model_id, alert_id),
 * which is the order of the ids' text: a cursor is the last id of a page.
 */
#include "storage/alert_store.h"

#include "base/err.h"
#include "base/json.h"
#include "storage/pg.h"

#include <string.h>

#define ALERT_COLUMNS                                                          \
	"a.alert_id, a.rule, a.state, a.severity, m.name, m.version,"          \
	" a.signal, a.episode, a.window_start, a.window_end, a.revision,"      \
	" a.starts_at, a.ends_at, a.fired_at, a.resolved_at,"                  \
	" a.acknowledged_at, a.acknowledged_by, a.silenced_until,"             \
	" a.silenced_by, a.last_notified_at, a.columns_total, a.columns"       \
	" FROM driftd.alert a LEFT JOIN driftd.model m"                        \
	" ON m.model_id = a.model_id"

/* The columns above as members of an object that is begun. */
static void write_alert(struct json_out *out, const struct pg_result *r,
			size_t i)
{
	const char *columns = pg_get_text(r, i, 21);

	json_put_string(out, "alert_id", pg_get_text(r, i, 0));
	json_put_string(out, "rule", pg_get_text(r, i, 1));
	json_put_string(out, "state", pg_get_text(r, i, 2));
	json_put_string(out, "severity", pg_get_text(r, i, 3));
	json_put_string(out, "model", pg_get_text(r, i, 4));
	json_put_string(out, "version", pg_get_text(r, i, 5));
	json_put_string(out, "signal", pg_get_text(r, i, 6));
	json_put_int(out, "episode", pg_get_int(r, i, 7));
	json_put_time(out, "window_start", pg_get_time(r, i, 8));
	json_put_time(out, "window_end", pg_get_time(r, i, 9));
	json_put_int(out, "revision", pg_get_int(r, i, 10));
	json_put_time(out, "starts_at", pg_get_time(r, i, 11));
	json_put_time(out, "ends_at", pg_get_time(r, i, 12));
	json_put_time(out, "fired_at", pg_get_time(r, i, 13));
	json_put_time(out, "resolved_at", pg_get_time(r, i, 14));
	json_put_time(out, "acknowledged_at", pg_get_time(r, i, 15));
	json_put_string(out, "acknowledged_by", pg_get_text(r, i, 16));
	json_put_time(out, "silenced_until", pg_get_time(r, i, 17));
	json_put_string(out, "silenced_by", pg_get_text(r, i, 18));
	json_put_time(out, "last_notified_at", pg_get_time(r, i, 19));
	json_put_int(out, "columns_total", pg_get_int(r, i, 20));
	json_key(out, "columns");
	json_raw(out, columns, strlen(columns));
}

/* A state of its own, or a word for several; -1 for anything else. */
static int states_of(const char *state, const char *out[4])
{
	static const char *const known[] = {"pending", "firing", "acknowledged",
					    "resolved"};
	static const int n_open = 3;
	int n = 0;

	if (state && strcmp(state, "inactive") == 0) {
		out[n++] = "inactive";
		return n;
	}
	for (int i = 0; i < 4; i++)
		if (!state || strcmp(state, known[i]) == 0 ||
		    (strcmp(state, "open") == 0 && i < n_open))
			out[n++] = known[i];
	return n > 0 ? n : -1;
}

int alert_store_query(struct pg *pg, const struct alert_query *q,
		      struct json_out *out, struct err *e)
{
	static const char sql[] =
		"SELECT " ALERT_COLUMNS " WHERE a.state = ANY ($1::text[])"
		" AND ($2 OR a.model_id = ANY ($3::bigint[]))"
		" AND ($4 IS NULL OR m.name = $4)"
		" AND (a.model_id, a.alert_id) > ($5, $6)"
		" ORDER BY a.model_id, a.alert_id LIMIT $7";
	int64_t after_model = -1;
	struct pg_result *r = NULL;
	const char *states[4];
	struct pg_params p;
	size_t n, shown;
	int n_states, rc;

	n_states = states_of(q->state, states);
	if (n_states < 0)
		return err_set(e, ERR_INVALID, "\"%s\" is no state of an alert",
			       q->state);
	if (q->cursor && alert_id_model(q->cursor, &after_model) < 0)
		return err_set(e, ERR_INVALID, "the cursor is not one of ours");
	pg_params_init(&p);
	pg_add_text_array(&p, states, (size_t)n_states);
	pg_add_bool(&p, q->model_ids == NULL);
	pg_add_int8_array(&p, q->model_ids, q->model_ids ? q->n_models : 0);
	pg_add_text(&p, q->model);
	pg_add_int8(&p, after_model);
	pg_add_text(&p, q->cursor ? q->cursor : "");
	pg_add_int8(&p, (int64_t)q->limit + 1);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = pg_rows(r);
	shown = n > (size_t)q->limit ? (size_t)q->limit : n;
	json_object_begin(out);
	json_key(out, "alerts");
	json_array_begin(out);
	for (size_t i = 0; i < shown; i++) {
		json_object_begin(out);
		write_alert(out, r, i);
		json_object_end(out);
	}
	json_array_end(out);
	json_put_string(out, "next_cursor",
			n > shown ? pg_get_text(r, shown - 1, 0) : NULL);
	json_object_end(out);
	pg_result_free(r);
	return 0;
}

static int write_history(struct pg *pg, const struct pg_params *p,
			 struct json_out *out, struct err *e)
{
	static const char sql[] =
		"SELECT seq, at, event, from_state, to_state, window_start,"
		" revision, actor, note FROM driftd.alert_event"
		" WHERE model_id = $1 AND alert_id = $2"
		" ORDER BY seq DESC LIMIT 1000";
	struct pg_result *r = NULL;

	if (pg_exec(pg, sql, p, &r, e))
		return -1;
	json_key(out, "history");
	json_array_begin(out);
	for (size_t i = 0; i < pg_rows(r); i++) {
		json_object_begin(out);
		json_put_int(out, "seq", pg_get_int(r, i, 0));
		json_put_time(out, "at", pg_get_time(r, i, 1));
		json_put_string(out, "event", pg_get_text(r, i, 2));
		json_put_string(out, "from", pg_get_text(r, i, 3));
		json_put_string(out, "to", pg_get_text(r, i, 4));
		json_put_time(out, "window_start", pg_get_time(r, i, 5));
		json_put_int(out, "revision", pg_get_int(r, i, 6));
		json_put_string(out, "actor", pg_get_text(r, i, 7));
		json_put_string(out, "note", pg_get_text(r, i, 8));
		json_object_end(out);
	}
	json_array_end(out);
	pg_result_free(r);
	return 0;
}

int alert_store_show(struct pg *pg, const char *alert_id, struct json_out *out,
		     struct err *e)
{
	static const char sql[] = "SELECT " ALERT_COLUMNS
				  " WHERE a.model_id = $1 AND a.alert_id = $2";
	struct pg_result *r = NULL;
	struct pg_params p;
	int64_t model_id;
	int rc;

	if (alert_id_model(alert_id, &model_id) < 0)
		return err_set(e, ERR_NOT_FOUND, "there is no alert \"%.64s\"",
			       alert_id);
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, alert_id);
	rc = pg_exec(pg, sql, &p, &r, e);
	if (rc)
		goto out;
	if (pg_rows(r) == 0) {
		rc = err_set(e, ERR_NOT_FOUND, "there is no alert \"%s\"",
			     alert_id);
		goto out;
	}
	json_object_begin(out);
	write_alert(out, r, 0);
	rc = write_history(pg, &p, out, e);
	json_object_end(out);
out:
	pg_result_free(r);
	pg_params_release(&p);
	return rc;
}

long alert_store_counts(struct pg *pg, const int64_t *model_ids,
			size_t n_models, struct alert_count *out, size_t max,
			struct err *e)
{
	static const char sql[] =
		"SELECT state, severity, count(*) FROM driftd.alert"
		" WHERE model_id = ANY ($1::bigint[])"
		" GROUP BY state, severity ORDER BY state, severity LIMIT $2";
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	pg_add_int8_array(&p, model_ids, n_models);
	pg_add_int8(&p, (int64_t)max);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_rows(r);
	for (size_t i = 0; i < (size_t)n; i++) {
		alert_row_set_text(out[i].state, sizeof(out[i].state),
				   pg_get_text(r, i, 0));
		alert_row_set_text(out[i].severity, sizeof(out[i].severity),
				   pg_get_text(r, i, 1));
		out[i].n = pg_get_int(r, i, 2);
	}
	pg_result_free(r);
	return n;
}
