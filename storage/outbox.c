/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The outbox: every statement stays with one model, so that claims need no
 * lock across shards.
 */
#include "storage/outbox.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "storage/pg.h"

#include <stdlib.h>

/* ${p} is released; rows touched, or -1. */
static long exec_count(struct pg *pg, const char *sql, struct pg_params *p,
		       struct err *e)
{
	struct pg_result *r = NULL;
	long n;
	int rc;

	rc = pg_exec(pg, sql, p, &r, e);
	pg_params_release(p);
	if (rc)
		return -1;
	n = (long)pg_affected(r);
	pg_result_free(r);
	return n;
}

int outbox_add(struct pg *pg, const struct outbox_new *m, struct err *e)
{
	static const char sql[] =
		"INSERT INTO driftd.outbox (model_id, message_id, receiver,"
		" alert_id, seq, body, state, created_at, updated_at,"
		" next_attempt_at, attempts)"
		" VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $7, $7, 0)"
		" ON CONFLICT (model_id, message_id, receiver) DO NOTHING";
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_text(&p, m->message_id);
	pg_add_text(&p, m->receiver);
	pg_add_text(&p, m->alert_id);
	pg_add_int8(&p, m->seq);
	pg_add_text(&p, m->body);
	pg_add_time(&p, m->now_us);
	return exec_count(pg, sql, &p, e) < 0 ? -1 : 0;
}

int outbox_pairs(struct pg *pg, const int64_t *model_ids, size_t n_models,
		 int64_t now_us, struct outbox_pair **out, size_t *n,
		 struct err *e)
{
	static const char sql[] =
		"SELECT model_id, receiver, count(*),"
		" count(*) FILTER (WHERE next_attempt_at <= $2"
		" AND (leased_until IS NULL OR leased_until <= $2))"
		" FROM driftd.outbox"
		" WHERE model_id = ANY ($1::bigint[]) AND state = 'queued'"
		" GROUP BY model_id, receiver ORDER BY min(next_attempt_at)";
	struct pg_result *r = NULL;
	struct outbox_pair *pairs;
	struct pg_params p;
	size_t rows;
	int rc;

	pg_params_init(&p);
	pg_add_int8_array(&p, model_ids, n_models);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rows = pg_rows(r);
	pairs = xcalloc(rows + 1, sizeof(*pairs));
	for (size_t i = 0; i < rows; i++) {
		pairs[i].model_id = pg_get_int(r, i, 0);
		alert_row_set_text(pairs[i].receiver, sizeof(pairs[i].receiver),
				   pg_get_text(r, i, 1));
		pairs[i].n_queued = pg_get_int(r, i, 2);
		pairs[i].n_due = pg_get_int(r, i, 3);
	}
	pg_result_free(r);
	*out = pairs;
	*n = rows;
	return 0;
}

void outbox_message_release(struct outbox_message *m)
{
	free(m->body);
	m->body = NULL;
}

/*
 * The first part locks one row and passes over locked ones: two notifiers at
 * once claim two messages.  MATERIALIZED, for as a plain subquery it might
 * run again for each row it is joined with, and lock another one each time.
 * The order within an alert holds because what is claimed is still `queued`.
 */
static const char claim_sql[] =
	"WITH c AS MATERIALIZED (SELECT q.message_id FROM driftd.outbox q"
	" WHERE q.model_id = $1 AND q.receiver = $2 AND q.state = 'queued'"
	" AND q.next_attempt_at <= $3"
	" AND (q.leased_until IS NULL OR q.leased_until <= $3)"
	" AND NOT EXISTS (SELECT 1 FROM driftd.outbox b"
	" WHERE b.model_id = $1 AND b.receiver = $2 AND b.state = 'queued'"
	" AND b.alert_id = q.alert_id AND b.seq < q.seq)"
	" ORDER BY q.next_attempt_at, q.seq LIMIT 1"
	" FOR UPDATE SKIP LOCKED)"
	" UPDATE driftd.outbox o SET leased_until = $4, lease_token = $5,"
	" attempts = o.attempts + 1 FROM c"
	" WHERE o.model_id = $1 AND o.receiver = $2"
	" AND o.message_id = c.message_id"
	" RETURNING o.message_id, o.alert_id, o.attempts, o.body";

int outbox_claim(struct pg *pg, int64_t model_id, const char *receiver,
		 int64_t now_us, int64_t lease_us, struct outbox_message *out,
		 struct err *e)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int64_t token;
	int rc;

	random_bytes(&token, sizeof(token));
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, receiver);
	pg_add_time(&p, now_us);
	pg_add_time(&p, now_us + lease_us);
	pg_add_int8(&p, token);
	rc = pg_exec(pg, claim_sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	rc = pg_rows(r) == 1;
	if (rc) {
		*out = (struct outbox_message){
			.model_id = model_id,
			.attempts = (int)pg_get_int(r, 0, 2),
			.lease_token = token,
			.body = xstrdup(pg_get_text(r, 0, 3)),
		};
		alert_row_set_text(out->message_id, sizeof(out->message_id),
				   pg_get_text(r, 0, 0));
		alert_row_set_text(out->alert_id, sizeof(out->alert_id),
				   pg_get_text(r, 0, 1));
		alert_row_set_text(out->receiver, sizeof(out->receiver),
				   receiver);
	}
	pg_result_free(r);
	return rc;
}

/* $4 token, $5 state, $6 whether the attempt counts, $8 next, $9 reason. */
static const char finish_sql[] =
	"UPDATE driftd.outbox SET state = $5, next_attempt_at = $8,"
	" attempts = attempts - CASE WHEN $6 THEN 0 ELSE 1 END,"
	" last_error = CASE WHEN $6 THEN $9 ELSE last_error END,"
	" leased_until = NULL, lease_token = NULL, updated_at = $7"
	" WHERE model_id = $1 AND message_id = $2 AND receiver = $3"
	" AND state = 'queued' AND lease_token = $4";

int outbox_finish(struct pg *pg, const struct outbox_message *m,
		  enum outbox_end end, int64_t now_us, int64_t next_us,
		  const char *reason, struct err *e)
{
	static const char *const states[] = {
		[OUTBOX_DELIVERED] = "delivered",
		[OUTBOX_RETRY] = "queued",
		[OUTBOX_RELEASE] = "queued",
		[OUTBOX_DEAD] = "dead",
	};
	struct pg_params p;
	long n;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_text(&p, m->message_id);
	pg_add_text(&p, m->receiver);
	pg_add_int8(&p, m->lease_token);
	pg_add_text(&p, states[end]);
	pg_add_bool(&p, end != OUTBOX_RELEASE);
	pg_add_time(&p, now_us);
	pg_add_time(&p, end == OUTBOX_RETRY ? next_us : now_us);
	pg_add_text(&p, reason);
	n = exec_count(pg, finish_sql, &p, e);
	return n < 0 ? -1 : n > 0;
}

long outbox_bury(struct pg *pg, int64_t model_id, const char *receiver,
		 int64_t before_us, int64_t now_us, const char *reason,
		 struct err *e)
{
	static const char sql[] =
		"UPDATE driftd.outbox SET state = 'dead', last_error = $5,"
		" updated_at = $4, leased_until = NULL, lease_token = NULL"
		" WHERE model_id = $1 AND receiver = $2 AND state = 'queued'"
		" AND created_at < $3"
		" AND (leased_until IS NULL OR leased_until <= $4)";
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, receiver);
	pg_add_time(&p, before_us);
	pg_add_time(&p, now_us);
	pg_add_text(&p, reason);
	return exec_count(pg, sql, &p, e);
}

int outbox_dead_letters(struct pg *pg, int64_t model_id, int limit,
			struct json_out *out, struct err *e)
{
	static const char sql[] =
		"SELECT message_id, receiver, alert_id, attempts, created_at,"
		" updated_at, last_error FROM driftd.outbox"
		" WHERE model_id = $1 AND state = 'dead'"
		" ORDER BY updated_at DESC, message_id, receiver LIMIT $2";
	struct pg_result *r = NULL;
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_int8(&p, limit);
	rc = pg_exec(pg, sql, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	json_object_begin(out);
	json_key(out, "messages");
	json_array_begin(out);
	for (size_t i = 0; i < pg_rows(r); i++) {
		json_object_begin(out);
		json_put_string(out, "message_id", pg_get_text(r, i, 0));
		json_put_string(out, "receiver", pg_get_text(r, i, 1));
		json_put_string(out, "alert_id", pg_get_text(r, i, 2));
		json_put_int(out, "attempts", pg_get_int(r, i, 3));
		json_put_time(out, "created_at", pg_get_time(r, i, 4));
		json_put_time(out, "dead_at", pg_get_time(r, i, 5));
		json_put_string(out, "error", pg_get_text(r, i, 6));
		json_object_end(out);
	}
	json_array_end(out);
	json_object_end(out);
	pg_result_free(r);
	return 0;
}

long outbox_replay(struct pg *pg, int64_t model_id, const char *message_id,
		   int64_t now_us, struct err *e)
{
	static const char sql[] =
		"UPDATE driftd.outbox SET state = 'queued', attempts = 0,"
		" next_attempt_at = $3, updated_at = $3, leased_until = NULL,"
		" lease_token = NULL"
		" WHERE model_id = $1 AND state = 'dead'"
		" AND ($2 IS NULL OR message_id = $2)";
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, message_id);
	pg_add_time(&p, now_us);
	return exec_count(pg, sql, &p, e);
}

long outbox_prune(struct pg *pg, int64_t model_id, int64_t delivered_before_us,
		  int64_t dead_before_us, struct err *e)
{
	static const char sql[] =
		"DELETE FROM driftd.outbox WHERE model_id = $1"
		" AND (message_id, receiver) IN (SELECT message_id, receiver"
		" FROM driftd.outbox WHERE model_id = $1 AND"
		" ((state = 'delivered' AND updated_at < $2)"
		" OR (state = 'dead' AND updated_at < $3)) LIMIT 5000)";
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, delivered_before_us);
	pg_add_time(&p, dead_before_us);
	return exec_count(pg, sql, &p, e);
}
