/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluation_register - a model's definition, named by its SHA-256, before
 * anything is judged with it.
 */
#include "storage/evaluation.h"

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "storage/pg.h"

#include <string.h>

enum { DEFINITION_MAX = 16 << 20 };

static int model_row(struct pg *pg, const struct config_model *m, int64_t now,
		     struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_text(&p, m->name);
	pg_add_text(&p, m->version ? m->version : "");
	pg_add_time(&p, now);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.model"
		     " (model_id, name, version, registered_at)"
		     " VALUES ($1, $2, $3, $4)"
		     " ON CONFLICT (model_id) DO NOTHING",
		     &p, NULL, e);
	if (rc)
		goto out;
	pg_params_clear(&p);
	pg_add_int8(&p, m->model_id);
	rc = pg_exec(pg,
		     "SELECT 1 FROM driftd.model WHERE model_id = $1"
		     " FOR NO KEY UPDATE",
		     &p, NULL, e);
out:
	pg_params_release(&p);
	return rc;
}

static int definition_rows(struct pg *pg, const struct config_model *m,
			   const struct buf *body,
			   const uint8_t hash[SHA256_SIZE], int64_t now,
			   struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	pg_add_text_n(&p, buf_str(body), body->len);
	pg_add_time(&p, now);
	rc = pg_exec(pg,
		     "INSERT INTO driftd.definition"
		     " (model_id, definition, body, registered_at)"
		     " VALUES ($1, $2, $3, $4)"
		     " ON CONFLICT (model_id, definition) DO NOTHING",
		     &p, NULL, e);
	if (rc)
		goto out;
	pg_params_clear(&p);
	pg_add_int8(&p, m->model_id);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	rc = pg_exec(pg,
		     "UPDATE driftd.model SET definition = $2"
		     " WHERE model_id = $1"
		     " AND definition IS DISTINCT FROM $2",
		     &p, NULL, e);
out:
	pg_params_release(&p);
	return rc;
}

int evaluation_register(struct pg *pg, const struct config_model *m,
			uint8_t hash[SHA256_SIZE], struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct buf body;
	int64_t now;
	int rc = -1;

	buf_init(&body, DEFINITION_MAX);
	config_model_definition(m, &body);
	if (body.failed) {
		err_set(e, ERR_LIMIT, "definition of model \"%s\" is too long",
			m->name);
		goto out;
	}
	sha256(buf_str(&body), body.len, digest);
	if (pg_begin(pg, e))
		goto out;
	if (evaluation_clock(pg, &now, e) || model_row(pg, m, now, e) ||
	    definition_rows(pg, m, &body, digest, now, e)) {
		pg_rollback(pg);
		goto out;
	}
	if (pg_commit(pg, e))
		goto out;
	memcpy(hash, digest, sizeof(digest));
	rc = 0;
out:
	buf_release(&body);
	return rc;
}
