/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * baseline_store - baselines in PostgreSQL: content by its SHA-256, versions
 * as names for it.  Which one is active is a fact of the model's row and
 * changes only under that row's lock.
 */
#include "storage/baseline_store.h"

#include "base/buf.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "storage/baseline_internal.h"
#include "storage/pg.h"

#include <stdlib.h>
#include <string.h>

static const char sql_add_model[] =
	"INSERT INTO driftd.model (model_id, name, version, registered_at) "
	"VALUES ($1, $2, $3, clock_timestamp()) ON CONFLICT DO NOTHING";

static const char sql_lock_model[] =
	"SELECT active_version, clock_timestamp() FROM driftd.model "
	"WHERE model_id = $1 FOR NO KEY UPDATE";

static const char sql_version[] =
	"SELECT baseline FROM driftd.baseline_version "
	"WHERE model_id = $1 AND version = $2";

static const char sql_add_content[] =
	"INSERT INTO driftd.baseline (model_id, baseline, content, n_rows, "
	"n_columns, created_at) VALUES ($1, $2, $3, $4, $5, "
	"clock_timestamp()) ON CONFLICT DO NOTHING";

static const char sql_add_version[] =
	"INSERT INTO driftd.baseline_version (model_id, version, baseline, "
	"created_at) VALUES ($1, $2, $3, $4)";

static const char sql_activate[] =
	"UPDATE driftd.model SET active_version = $2, active_baseline = $3 "
	"WHERE model_id = $1";

static const char sql_activated[] =
	"UPDATE driftd.baseline_version SET activated_at = $3 "
	"WHERE model_id = $1 AND version = $2";

#define SQL_INFO                                                               \
	"SELECT v.version, v.baseline, b.n_rows, b.n_columns, v.created_at, "  \
	"v.activated_at, coalesce(m.active_version = v.version, false)"

static const char sql_list[] = SQL_INFO
	" FROM driftd.baseline_version v "
	"JOIN driftd.model m ON m.model_id = v.model_id "
	"LEFT JOIN driftd.baseline b ON b.model_id = v.model_id "
	"AND b.baseline = v.baseline "
	"WHERE v.model_id = $1 ORDER BY v.created_at DESC, v.version DESC "
	"LIMIT 10000";

static const char sql_get[] =
	SQL_INFO ", b.content FROM driftd.baseline_version v "
		 "JOIN driftd.model m ON m.model_id = v.model_id "
		 "LEFT JOIN driftd.baseline b ON b.model_id = v.model_id "
		 "AND b.baseline = v.baseline "
		 "WHERE v.model_id = $1 "
		 "AND v.version = coalesce($2, m.active_version)";

static const char sql_content[] = "SELECT content FROM driftd.baseline "
				  "WHERE model_id = $1 AND baseline = $2";

static int add_model(struct pg *pg, int64_t model_id, const char *model,
		     const char *version, struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, model);
	pg_add_text(&p, version ? version : "");
	rc = pg_exec(pg, sql_add_model, &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

/* Is a baseline active, and the database's clock, behind the lock. */
static int lock_model(struct pg *pg, int64_t model_id, bool *has_active,
		      int64_t *now_us, struct err *e)
{
	struct pg_params p;
	struct pg_result *r;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg, sql_lock_model, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1) {
		*has_active = !pg_is_null(r, 0, 0);
		*now_us = pg_get_time(r, 0, 1);
	} else {
		rc = err_set(e, ERR_NOT_FOUND, "the model has no row yet");
	}
	pg_result_free(r);
	return rc;
}

/* 1: ${hash} is filled; 0: there is no such version. */
static int find_version(struct pg *pg, int64_t model_id, const char *version,
			uint8_t hash[SHA256_SIZE], struct err *e)
{
	struct pg_params p;
	struct pg_result *r;
	const void *bytes;
	size_t len;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, version);
	rc = pg_exec(pg, sql_version, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1) {
		bytes = pg_get_bytea(r, 0, 0, &len);
		rc = 1;
		if (len == SHA256_SIZE)
			memcpy(hash, bytes, SHA256_SIZE);
		else
			rc = err_set(e, ERR_INVALID,
				     "baseline \"%s\" has no hash", version);
	}
	pg_result_free(r);
	return rc;
}

int baseline_store_restore(struct pg *pg, int64_t model_id,
			   const struct baseline *b, struct err *e)
{
	struct buf raw, packed;
	struct pg_params p;
	int rc = -1;

	buf_init(&raw, BASELINE_BYTES_MAX);
	buf_init(&packed, BASELINE_BYTES_MAX);
	pg_params_init(&p);
	baseline_encode(b, &raw);
	zstd_pack(buf_str(&raw), raw.len, &packed);
	if (raw.failed || packed.failed) {
		err_set(e, ERR_LIMIT, "the baseline is larger than %d bytes",
			BASELINE_BYTES_MAX);
		goto out;
	}
	pg_add_int8(&p, model_id);
	pg_add_bytea(&p, b->hash, SHA256_SIZE);
	pg_add_bytea(&p, packed.data, packed.len);
	pg_add_int8(&p, (int64_t)b->n_rows);
	pg_add_int4(&p, (int32_t)b->n_columns);
	rc = pg_exec(pg, sql_add_content, &p, NULL, e);
out:
	pg_params_release(&p);
	buf_release(&packed);
	buf_release(&raw);
	return rc;
}

static int add_version(struct pg *pg, int64_t model_id, const char *version,
		       const uint8_t hash[SHA256_SIZE], int64_t now_us,
		       struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, version);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	pg_add_time(&p, now_us);
	rc = pg_exec(pg, sql_add_version, &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

static int activate_locked(struct pg *pg, int64_t model_id, const char *version,
			   const uint8_t hash[SHA256_SIZE], int64_t now_us,
			   struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, version);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	rc = pg_exec(pg, sql_activate, &p, NULL, e);
	if (rc == 0) {
		pg_params_clear(&p);
		pg_add_int8(&p, model_id);
		pg_add_text(&p, version);
		pg_add_time(&p, now_us);
		rc = pg_exec(pg, sql_activated, &p, NULL, e);
	}
	pg_params_release(&p);
	return rc;
}

/* The body of baseline_store_put, inside its transaction. */
static int put_locked(struct pg *pg, int64_t model_id, const char *version,
		      const struct baseline *b, bool activate,
		      enum baseline_put_outcome *outcome, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	bool has_active = false;
	int64_t now = 0;
	int found;

	if (lock_model(pg, model_id, &has_active, &now, e))
		return -1;
	found = find_version(pg, model_id, version, hash, e);
	if (found < 0)
		return -1;
	if (found && memcmp(hash, b->hash, SHA256_SIZE) != 0)
		return err_set(e, ERR_CONFLICT,
			       "baseline \"%s\" exists with other content",
			       version);
	/* Also when the version is known: the content may have been lost. */
	if (baseline_store_restore(pg, model_id, b, e))
		return -1;
	if (!found && add_version(pg, model_id, version, b->hash, now, e))
		return -1;
	if ((activate || !has_active) &&
	    activate_locked(pg, model_id, version, b->hash, now, e))
		return -1;
	*outcome = found ? BASELINE_EXISTED : BASELINE_CREATED;
	return 0;
}

int baseline_store_put(struct pg *pg, int64_t model_id, const char *model,
		       const char *model_version, const char *version,
		       const struct baseline *b, bool activate,
		       enum baseline_put_outcome *outcome, struct err *e)
{
	enum baseline_put_outcome result = BASELINE_CREATED;
	struct baseline_info info;

	if (strlen(version) >= sizeof(info.version))
		return err_set(e, ERR_INVALID,
			       "the name of a baseline version is longer than "
			       "%zu bytes",
			       sizeof(info.version) - 1);
	if (pg_begin(pg, e))
		return -1;
	if (add_model(pg, model_id, model, model_version, e) ||
	    put_locked(pg, model_id, version, b, activate, &result, e)) {
		pg_rollback(pg);
		return -1;
	}
	if (pg_commit(pg, e))
		return -1;
	*outcome = result;
	return 0;
}

int baseline_store_activate(struct pg *pg, int64_t model_id,
			    const char *version, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	bool has_active = false;
	int64_t now = 0;
	int found;

	if (pg_begin(pg, e))
		return -1;
	if (lock_model(pg, model_id, &has_active, &now, e))
		goto fail;
	found = find_version(pg, model_id, version, hash, e);
	if (found == 0)
		err_set(e, ERR_NOT_FOUND, "there is no baseline \"%s\"",
			version);
	if (found <= 0)
		goto fail;
	if (activate_locked(pg, model_id, version, hash, now, e))
		goto fail;
	return pg_commit(pg, e);
fail:
	pg_rollback(pg);
	return -1;
}

static void read_info(const struct pg_result *r, size_t row,
		      struct baseline_info *out)
{
	const char *version = pg_get_text(r, row, 0);
	const void *hash;
	size_t len;

	memset(out, 0, sizeof(*out));
	memcpy(out->version, version,
	       strnlen(version, sizeof(out->version) - 1));
	hash = pg_get_bytea(r, row, 1, &len);
	if (len == SHA256_SIZE)
		memcpy(out->hash, hash, len);
	out->n_rows = (uint64_t)pg_get_int(r, row, 2);
	out->n_columns = (uint32_t)pg_get_int(r, row, 3);
	out->created_at_us = pg_get_time(r, row, 4);
	out->activated_at_us = pg_get_time(r, row, 5);
	out->active = pg_get_bool(r, row, 6);
}

int baseline_store_pin(struct pg *pg, int64_t model_id, const char *version,
		       struct err *e)
{
	struct pg_params p;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, version);
	/* one statement: the row is locked by it, and left alone when it is
	 * as it should be */
	rc = pg_exec(pg,
		     "UPDATE driftd.model m SET active_version = v.version, "
		     "active_baseline = v.baseline FROM (SELECT "
		     "max(version) AS version, "
		     "(array_agg(baseline))[1] AS baseline "
		     "FROM driftd.baseline_version "
		     "WHERE model_id = $1 AND version = $2) v "
		     "WHERE m.model_id = $1 "
		     "AND m.active_version IS DISTINCT FROM v.version",
		     &p, NULL, e);
	pg_params_release(&p);
	return rc;
}

int baseline_store_list(struct pg *pg, int64_t model_id,
			struct baseline_info **out, size_t *n, struct err *e)
{
	struct baseline_info *list;
	struct pg_params p;
	struct pg_result *r;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	rc = pg_exec(pg, sql_list, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	list = xrealloc_array(NULL, pg_rows(r) + 1, sizeof(*list));
	for (size_t i = 0; i < pg_rows(r); i++)
		read_info(r, i, &list[i]);
	*out = list;
	*n = pg_rows(r);
	pg_result_free(r);
	return 0;
}

/* The database is not believed: what was read must have the hash it had. */
static struct baseline *unpack(const struct pg_result *r, int col,
			       const uint8_t hash[SHA256_SIZE], struct err *e)
{
	struct baseline *b = NULL;
	const void *packed;
	struct buf raw;
	size_t len;

	buf_init(&raw, BASELINE_BYTES_MAX);
	packed = pg_get_bytea(r, 0, col, &len);
	if (!packed)
		err_set(e, ERR_NOT_FOUND, "the baseline's content is gone");
	else if (zstd_unpack(packed, len, &raw, e) == 0)
		b = baseline_decode(buf_str(&raw), raw.len, e);
	if (b && memcmp(b->hash, hash, SHA256_SIZE) != 0) {
		err_set(e, ERR_INVALID,
			"the baseline in the database is damaged: its hash "
			"is another one");
		baseline_free(b);
		b = NULL;
	}
	buf_release(&raw);
	return b;
}

int baseline_store_get(struct pg *pg, int64_t model_id, const char *version,
		       struct baseline **out, struct baseline_info *info,
		       struct err *e)
{
	struct baseline_info local;
	struct pg_params p;
	struct pg_result *r;
	struct baseline *b = NULL;
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_text(&p, version);
	rc = pg_exec(pg, sql_get, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return -1;
	if (pg_rows(r) == 1) {
		read_info(r, 0, &local);
		b = unpack(r, 7, local.hash, e);
	} else if (version) {
		err_set(e, ERR_NOT_FOUND, "there is no baseline \"%s\"",
			version);
	} else {
		err_set(e, ERR_NOT_FOUND, "no baseline is active");
	}
	pg_result_free(r);
	if (!b)
		return -1;
	if (info)
		*info = local;
	*out = b;
	return 0;
}

struct baseline *baseline_store_read(struct pg *pg, int64_t model_id,
				     const uint8_t hash[SHA256_SIZE],
				     struct err *e)
{
	struct baseline *b = NULL;
	struct pg_params p;
	struct pg_result *r;
	char hex[SHA256_HEX];
	int rc;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_bytea(&p, hash, SHA256_SIZE);
	rc = pg_exec(pg, sql_content, &p, &r, e);
	pg_params_release(&p);
	if (rc)
		return NULL;
	if (pg_rows(r) == 1) {
		b = unpack(r, 0, hash, e);
	} else {
		hex_encode(hash, SHA256_SIZE, hex);
		err_set(e, ERR_NOT_FOUND, "the database has no baseline %s",
			hex);
	}
	pg_result_free(r);
	return b;
}
