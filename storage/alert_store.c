/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Alert rows and their history: read under a lock, written back whole.
 */
#include "storage/alert_store.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/pg.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void alert_id_make(int64_t model_id, const char *rule, char out[ALERT_ID_SIZE])
{
	uint64_t model = htobe64((uint64_t)model_id);
	uint8_t bytes[16], digest[SHA256_SIZE];

	sha256(rule, strlen(rule), digest);
	memcpy(bytes, &model, 8);
	memcpy(bytes + 8, digest, 8);
	hex_encode(bytes, sizeof(bytes), out);
}

int alert_id_model(const char *alert_id, int64_t *model_id)
{
	uint8_t bytes[16];
	uint64_t model;

	if (strlen(alert_id) != ALERT_ID_SIZE - 1 ||
	    hex_decode(alert_id, ALERT_ID_SIZE - 1, bytes) < 0)
		return -1;
	memcpy(&model, bytes, 8);
	model = be64toh(model);
	if (model > INT64_MAX)
		return -1;
	*model_id = (int64_t)model;
	return 0;
}

int alert_store_now(struct pg *pg, int64_t *now_us, struct err *e)
{
	struct pg_result *r = NULL;

	if (pg_exec(pg, "SELECT clock_timestamp()", NULL, &r, e))
		return -1;
	*now_us = pg_get_time(r, 0, 0);
	pg_result_free(r);
	return 0;
}

/* NULL is ""; what is too long is cut, at a character. */
static void copy_text(char *out, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

void alert_row_init(struct alert_row *a, int64_t model_id, const char *rule)
{
	*a = (struct alert_row){
		.model_id = model_id,
		.window_start_us = INT64_MIN,
		.window_end_us = INT64_MIN,
		.starts_at_us = INT64_MIN,
		.ends_at_us = INT64_MIN,
		.fired_at_us = INT64_MIN,
		.resolved_at_us = INT64_MIN,
		.acknowledged_at_us = INT64_MIN,
		.silenced_until_us = INT64_MIN,
		.ignored_through_us = INT64_MIN,
		.last_notified_at_us = INT64_MIN,
		.columns = xstrdup("[]"),
	};
	copy_text(a->rule, sizeof(a->rule), rule);
	copy_text(a->state, sizeof(a->state), "inactive");
	alert_id_make(model_id, rule, a->alert_id);
}

void alert_row_release(struct alert_row *a)
{
	free(a->columns);
	a->columns = NULL;
}

void alert_row_set_columns(struct alert_row *a, const char *json, int total)
{
	char *copy = xstrdup(json);

	free(a->columns);
	a->columns = copy;
	a->columns_total = total;
}

void alert_row_set_text(char *out, size_t size, const char *text)
{
	copy_text(out, size, text);
}

int alert_store_lock_model(struct pg *pg, int64_t model_id, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg,
		     "SELECT 1 FROM driftd.model WHERE model_id = $1"
		     " FOR NO KEY UPDATE",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static const char lock_sql[] =
	"SELECT rule, signal, severity, state, episode, window_start,"
	" window_end, revision, starts_at, ends_at, fired_at, resolved_at,"
	" acknowledged_at, acknowledged_by, silenced_until, silenced_by,"
	" ignored_through, last_notified_at, n_repeats, columns,"
	" columns_total, last_seq"
	" FROM driftd.alert WHERE model_id = $1 AND alert_id = $2 FOR UPDATE";

static void read_row(const struct pg_result *r, struct alert_row *a)
{
	copy_text(a->rule, sizeof(a->rule), pg_get_text(r, 0, 0));
	copy_text(a->signal, sizeof(a->signal), pg_get_text(r, 0, 1));
	copy_text(a->severity, sizeof(a->severity), pg_get_text(r, 0, 2));
	copy_text(a->state, sizeof(a->state), pg_get_text(r, 0, 3));
	a->episode = (int)pg_get_int(r, 0, 4);
	a->window_start_us = pg_get_time(r, 0, 5);
	a->window_end_us = pg_get_time(r, 0, 6);
	a->revision = (int)pg_get_int(r, 0, 7);
	a->starts_at_us = pg_get_time(r, 0, 8);
	a->ends_at_us = pg_get_time(r, 0, 9);
	a->fired_at_us = pg_get_time(r, 0, 10);
	a->resolved_at_us = pg_get_time(r, 0, 11);
	a->acknowledged_at_us = pg_get_time(r, 0, 12);
	copy_text(a->acknowledged_by, sizeof(a->acknowledged_by),
		  pg_get_text(r, 0, 13));
	a->silenced_until_us = pg_get_time(r, 0, 14);
	copy_text(a->silenced_by, sizeof(a->silenced_by),
		  pg_get_text(r, 0, 15));
	a->ignored_through_us = pg_get_time(r, 0, 16);
	a->last_notified_at_us = pg_get_time(r, 0, 17);
	a->n_repeats = (int)pg_get_int(r, 0, 18);
	alert_row_set_columns(a, pg_get_text(r, 0, 19),
			      (int)pg_get_int(r, 0, 20));
	a->last_seq = pg_get_int(r, 0, 21);
}

int alert_store_lock(struct pg *pg, int64_t model_id, const char *alert_id,
		     const char *rule, struct alert_row *a, struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, alert_id);
	rc = pg_exec(pg, lock_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	alert_row_init(a, model_id, rule);
	copy_text(a->alert_id, sizeof(a->alert_id), alert_id);
	rc = pg_rows(r) == 1;
	if (rc)
		read_row(r, a);
	pg_result_free(r);
	return rc;
}

static const char save_sql[] =
	"INSERT INTO driftd.alert (model_id, alert_id, rule, signal, severity,"
	" state, episode, window_start, window_end, revision, starts_at,"
	" ends_at, fired_at, resolved_at, acknowledged_at, acknowledged_by,"
	" silenced_until, silenced_by, ignored_through, last_notified_at,"
	" n_repeats, columns, columns_total, last_seq, updated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)"
	" ON CONFLICT (model_id, alert_id) DO UPDATE SET"
	" signal = excluded.signal, severity = excluded.severity,"
	" state = excluded.state, episode = excluded.episode,"
	" window_start = excluded.window_start,"
	" window_end = excluded.window_end, revision = excluded.revision,"
	" starts_at = excluded.starts_at, ends_at = excluded.ends_at,"
	" fired_at = excluded.fired_at, resolved_at = excluded.resolved_at,"
	" acknowledged_at = excluded.acknowledged_at,"
	" acknowledged_by = excluded.acknowledged_by,"
	" silenced_until = excluded.silenced_until,"
	" silenced_by = excluded.silenced_by,"
	" ignored_through = excluded.ignored_through,"
	" last_notified_at = excluded.last_notified_at,"
	" n_repeats = excluded.n_repeats, columns = excluded.columns,"
	" columns_total = excluded.columns_total,"
	" last_seq = excluded.last_seq, updated_at = excluded.updated_at";

static void add_text_or_null(struct pg_params *p, const char *text)
{
	pg_add_text(p, *text ? text : NULL);
}

int alert_store_save(struct pg *pg, const struct alert_row *a, int64_t now_us,
		     struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, a->model_id);
	pg_add_text(&p, a->alert_id);
	pg_add_text(&p, a->rule);
	pg_add_text(&p, a->signal);
	pg_add_text(&p, a->severity);
	pg_add_text(&p, a->state);
	pg_add_int4(&p, a->episode);
	pg_add_time(&p, a->window_start_us);
	pg_add_time(&p, a->window_end_us);
	pg_add_int4(&p, a->revision);
	pg_add_time(&p, a->starts_at_us);
	pg_add_time(&p, a->ends_at_us);
	pg_add_time(&p, a->fired_at_us);
	pg_add_time(&p, a->resolved_at_us);
	pg_add_time(&p, a->acknowledged_at_us);
	add_text_or_null(&p, a->acknowledged_by);
	pg_add_time(&p, a->silenced_until_us);
	add_text_or_null(&p, a->silenced_by);
	pg_add_time(&p, a->ignored_through_us);
	pg_add_time(&p, a->last_notified_at_us);
	pg_add_int4(&p, a->n_repeats);
	pg_add_text(&p, a->columns);
	pg_add_int4(&p, a->columns_total);
	pg_add_int8(&p, a->last_seq);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg, save_sql, &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

int alert_store_add_event(struct pg *pg, struct alert_row *a,
			  const struct alert_store_event *ev, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, a->model_id);
	pg_add_text(&p, a->alert_id);
	pg_add_int8(&p, ++a->last_seq);
	pg_add_time(&p, ev->at_us);
	pg_add_text(&p, ev->event);
	pg_add_text(&p, ev->from);
	pg_add_text(&p, ev->to);
	pg_add_time(&p, a->window_start_us);
	pg_add_int4(&p, a->revision);
	pg_add_text(&p, ev->actor);
	pg_add_text(&p, ev->note);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.alert_event (model_id, alert_id, seq,"
		     " at, event, from_state, to_state, window_start,"
		     " revision, actor, note) VALUES"
		     " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

long alert_store_close_others(struct pg *pg, int64_t model_id,
			      const char *const *rules, size_t n_rules,
			      int64_t now_us, struct err *e)
{
	static const char sql[] =
		"WITH gone AS ("
		" SELECT model_id, alert_id, state FROM driftd.alert"
		" WHERE model_id = $1"
		" AND state IN ('pending', 'firing', 'acknowledged')"
		" AND rule <> ALL ($2::text[]) ORDER BY alert_id FOR UPDATE),"
		" closed AS (UPDATE driftd.alert a SET state = 'resolved',"
		" resolved_at = $3, last_seq = a.last_seq + 1, updated_at = $3"
		" FROM gone g WHERE a.model_id = $1"
		" AND a.alert_id = g.alert_id"
		" RETURNING a.alert_id, a.last_seq, g.state, a.window_start,"
		" a.revision)"
		" INSERT INTO driftd.alert_event (model_id, alert_id, seq, at,"
		" event, from_state, to_state, window_start, revision, note)"
		" SELECT $1, c.alert_id, c.last_seq, $3, 'resolve', c.state,"
		" 'resolved', c.window_start, c.revision,"
		" 'its rule was removed' FROM closed c";
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text_array(&p, rules, n_rules);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_affected(r);
	pg_result_free(r);
	return n;
}

long alert_store_prune(struct pg *pg, int64_t model_id, int64_t before_us,
		       struct err *e)
{
	static const char sql[] =
		"DELETE FROM driftd.alert_event WHERE model_id = $1"
		" AND (alert_id, seq) IN (SELECT alert_id, seq"
		" FROM driftd.alert_event WHERE model_id = $1 AND at < $2"
		" LIMIT 5000)";
	struct pg_result *r = NULL;
	struct pg_params p;
	long n;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, before_us);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	n = (long)pg_affected(r);
	pg_result_free(r);
	return n;
}
