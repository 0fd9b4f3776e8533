/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_FLUSH_FIXTURE_H
#define DRIFTD_TESTS_FLUSH_FIXTURE_H

/*
 * A journal in a directory of its own, a flusher in a thread, and an oracle:
 * every frame carries one category that no other frame has, so that the
 * merged deltas say of each frame how often it was counted.
 */

#include "tests/unit/storage/pg_proxy.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compress.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "storage/baseline_store.h"
#include "storage/batch.h"
#include "storage/flush.h"
#include "storage/journal.h"
#include "storage/schema.h"

#include <ftw.h>
#include <inttypes.h>

#define HOUR CLOCK_HOUR_US
#define T0   INT64_C(1767225600000000) /* 2026-01-01 */

enum { WAIT_S = 30 };

struct world {
	char dir[64];
	char model[32];
	int64_t model_id;
	struct journal *journal;
	struct flusher *flusher;
	pthread_t thread;
	struct pg *pg; /* the oracle's own */
	int64_t horizon_us;
	int64_t retain_us;
	uint64_t n_commits; /* written by the flusher's thread */
};

/* One frame to write. */
struct frame {
	const char *model; /* NULL: the world's */
	const char *key;   /* NULL: none */
	const char *mark;  /* its category; NULL: "none" */
	int64_t time_us;   /* of the first event */
	int64_t step_us;   /* between events */
	uint32_t n, n_rejected;
	const char *garbage; /* instead of a batch */
	uint32_t n_claimed;  /* n_events of garbage */
	bool categorical_x;
};

ATTR_UNUSED static struct err fixture_e;

#define fixture_ok(expression)                                                 \
	do {                                                                   \
		memset(&fixture_e, 0, sizeof(fixture_e));                      \
		if ((expression) != 0) {                                       \
			print_error("%s:%d: %s\n", __FILE__, __LINE__,         \
				    fixture_e.message);                        \
			fail();                                                \
		}                                                              \
	} while (0)

static int fixture_remove(const char *path, const struct stat *st, int type,
			  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

ATTR_UNUSED static void remove_tree(const char *dir)
{
	nftw(dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

ATTR_UNUSED static void random_name(char name[32])
{
	uint64_t r;

	random_bytes(&r, sizeof(r));
	snprintf(name, 32, "m%016" PRIx64, r);
}

ATTR_UNUSED static void world_init(struct world *w)
{
	test_dsn(); /* skips before anything is made */
	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/driftd-flush-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	random_name(w->model);
	w->model_id = hash_id63(w->model, strlen(w->model));
	w->pg = test_pg(test_dsn());
	w->horizon_us = 1000 * CLOCK_DAY_US;
	w->retain_us = CLOCK_HOUR_US;
	fixture_ok(schema_migrate(w->pg, &fixture_e));
}

ATTR_UNUSED static void world_open_journal(struct world *w)
{
	const struct journal_options o = {
		.dir = w->dir,
		.sync = JOURNAL_SYNC_ALWAYS,
		.max_bytes = 64 << 20,
		.segment_bytes = 1 << 20,
		.retain_us = w->retain_us,
		.max_pending_bytes = 16 << 20,
	};
	struct journal_recovery recovery;

	w->journal = journal_open(&o, &recovery, &fixture_e);
	if (!w->journal) {
		print_error("%s\n", fixture_e.message);
		fail();
	}
}

static void *fixture_run(void *arg)
{
	flusher_run(arg);
	return NULL;
}

static void fixture_commit(void *arg, int64_t model_id,
			   const struct flush_counts *counts, int64_t max_us)
{
	struct world *w = arg;

	(void)model_id;
	(void)counts;
	(void)max_us;
	w->n_commits++;
}

ATTR_UNUSED static void world_start(struct world *w, const char *dsn,
				    bool migrate)
{
	const struct flush_options o = {
		.journal = w->journal,
		.pg =
			{
				.dsn = dsn,
				.application = "flush",
				.connect_timeout_us = 2 * CLOCK_SECOND_US,
				.statement_timeout_us = 2 * CLOCK_SECOND_US,
			},
		.migrate = migrate,
		.interval_us = CLOCK_SECOND_US / 10,
		.memory = 1 << 20,
		.idempotency_ttl_us = CLOCK_DAY_US,
		.on_commit = fixture_commit,
		.arg = w,
	};

	w->flusher = flusher_new(&o);
	assert_int_equal(
		pthread_create(&w->thread, NULL, fixture_run, w->flusher), 0);
}

ATTR_UNUSED static void world_stop(struct world *w)
{
	if (!w->flusher)
		return;
	flusher_stop(w->flusher, false, 0);
	pthread_join(w->thread, NULL);
	flusher_free(w->flusher);
	w->flusher = NULL;
}

ATTR_UNUSED static void world_close(struct world *w)
{
	world_stop(w);
	journal_close(w->journal);
	w->journal = NULL;
}

ATTR_UNUSED static void world_release(struct world *w)
{
	world_close(w);
	pg_free(w->pg);
	remove_tree(w->dir);
}

struct fixture_wait {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	enum journal_outcome outcome;
};

static void fixture_done(struct journal_entry *entry,
			 enum journal_outcome outcome)
{
	struct fixture_wait *wait = entry->arg;

	pthread_mutex_lock(&wait->mutex);
	wait->done = true;
	wait->outcome = outcome;
	pthread_cond_signal(&wait->cond);
	pthread_mutex_unlock(&wait->mutex);
}

static void append_payload(struct world *w, int64_t model_id,
			   const struct buf *payload, uint32_t n,
			   uint32_t n_rejected)
{
	struct fixture_wait wait = {.done = false};
	struct journal_entry entry = {
		.model_id = model_id,
		.payload = payload->data,
		.len = payload->len,
		.n_events = n,
		.n_rejected = n_rejected,
		.done = fixture_done,
		.arg = &wait,
	};

	pthread_mutex_init(&wait.mutex, NULL);
	pthread_cond_init(&wait.cond, NULL);
	fixture_ok(journal_append(w->journal, &entry, &fixture_e));
	pthread_mutex_lock(&wait.mutex);
	while (!wait.done)
		pthread_cond_wait(&wait.cond, &wait.mutex);
	pthread_mutex_unlock(&wait.mutex);
	pthread_mutex_destroy(&wait.mutex);
	pthread_cond_destroy(&wait.cond);
	assert_int_equal(wait.outcome, JOURNAL_DURABLE);
}

static void encode_frame(const struct world *w, const struct frame *fr,
			 struct buf *out)
{
	struct batch_schema_column schema[2] = {
		{"mark", COLUMN_CATEGORICAL, ROLE_FEATURE},
		{"x", COLUMN_NUMERIC, ROLE_FEATURE},
	};
	const char *mark = fr->mark ? fr->mark : "none";
	const char *model = fr->model ? fr->model : w->model;
	struct batch_meta meta = {
		.model_id = hash_id63(model, strlen(model)),
		.model = model,
		.version = "1",
		.key = fr->key,
		.key_len = fr->key ? (uint32_t)strlen(fr->key) : 0,
		.received_at_us = clock_wall_us(),
		.window = {WINDOW_FIXED, HOUR},
		.revise_horizon_us = w->horizon_us,
		.max_categories = 100000,
		.n_rejected = fr->n_rejected,
	};
	struct hash128 *h = hash128_new();
	struct batch b;

	if (fr->categorical_x)
		schema[1].kind = COLUMN_CATEGORICAL;
	batch_init(&b, NULL);
	assert_int_equal(batch_reset(&b, schema, 2, 0), 0);
	for (uint32_t i = 0; i < fr->n; i++) {
		int64_t at = fr->time_us + (int64_t)i * fr->step_us;

		assert_int_equal(batch_row_begin(&b), 0);
		assert_int_equal(
			batch_set_text(&b, 0, mark, strlen(mark), false), 0);
		if (fr->categorical_x)
			assert_int_equal(batch_set_text(&b, 1, "x", 1, false),
					 0);
		else
			batch_set_number(&b, 1, (double)(at % 1000));
		assert_int_equal(batch_row_commit(&b, at, "", 0), 0);
	}
	/* The body is what the mark says it is. */
	hash128_add(h, mark, strlen(mark));
	hash128_get(h, meta.body_hash);
	hash128_free(h);
	batch_encode(&b, &meta, out);
	assert_false(out->failed);
	batch_release(&b);
}

ATTR_UNUSED static void append(struct world *w, const struct frame *fr)
{
	const char *model = fr->model ? fr->model : w->model;
	struct buf payload;

	buf_init(&payload, 16 << 20);
	if (fr->garbage)
		buf_add_str(&payload, fr->garbage);
	else
		encode_frame(w, fr, &payload);
	append_payload(w, hash_id63(model, strlen(model)), &payload,
		       fr->garbage ? fr->n_claimed : fr->n, fr->n_rejected);
	buf_release(&payload);
}

ATTR_UNUSED static void drain(struct world *w)
{
	struct flush_status status;

	if (flusher_flush(w->flusher, WAIT_S * CLOCK_SECOND_US))
		return;
	flusher_get_status(w->flusher, &status);
	print_error("not drained: %s\n", status.message);
	fail();
}

/* The counters of the model over all sources; each row must add up. */
struct sums {
	int64_t n_rows, n_events, applied, duplicate, late, rejected, corrupt,
		lost, conflict, seq;
};

ATTR_UNUSED static struct sums read_sums(struct world *w, int64_t model_id)
{
	struct sums s = {.n_rows = 0};
	struct pg_params p;
	struct pg_result *r;

	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	fixture_ok(pg_exec(w->pg,
			   "SELECT n_events, applied, duplicate, late, "
			   "rejected, corrupt, lost, key_conflict, seq "
			   "FROM driftd.source_position WHERE model_id = $1",
			   &p, &r, &fixture_e));
	pg_params_release(&p);
	for (size_t i = 0; i < pg_rows(r); i++) {
		int64_t v[9];

		for (int c = 0; c < 9; c++)
			v[c] = pg_get_int(r, i, c);
		assert_int_equal(v[0], v[1] + v[2] + v[3] + v[5] + v[6]);
		s.n_rows++;
		s.n_events += v[0];
		s.applied += v[1];
		s.duplicate += v[2];
		s.late += v[3];
		s.rejected += v[4];
		s.corrupt += v[5];
		s.lost += v[6];
		s.conflict += v[7];
		s.seq += v[8];
	}
	pg_result_free(r);
	return s;
}

/* The deltas of a window (INT64_MIN: of all), merged.  Windows without a
 * baseline only. */
ATTR_UNUSED static void read_profile(struct world *w, int64_t model_id,
				     int64_t window_us, struct profile_set *out)
{
	struct pg_params p;
	struct pg_result *r;
	int64_t total = 0;

	profile_set_init(out, NULL, 100000);
	pg_params_init(&p);
	pg_add_int8(&p, model_id);
	pg_add_time(&p, window_us);
	fixture_ok(pg_exec(w->pg,
			   "SELECT d.content, d.n_events, EXISTS (SELECT 1 "
			   "FROM driftd.dirty x WHERE x.model_id = d.model_id "
			   "AND x.window_start = d.window_start "
			   "AND x.source_id = d.source_id AND x.seq = d.seq) "
			   "FROM driftd.delta d WHERE d.model_id = $1 "
			   "AND ($2 IS NULL OR d.window_start = $2)",
			   &p, &r, &fixture_e));
	pg_params_release(&p);
	for (size_t i = 0; i < pg_rows(r); i++) {
		struct profile_set one;
		struct buf raw;
		const void *packed;
		size_t len;

		packed = pg_get_bytea(r, i, 0, &len);
		buf_init(&raw, 64 << 20);
		profile_set_init(&one, NULL, 100000);
		fixture_ok(zstd_unpack(packed, len, &raw, &fixture_e));
		fixture_ok(profile_set_decode(&one, raw.data, raw.len,
					      &fixture_e));
		assert_int_equal(one.n_events, pg_get_int(r, i, 1));
		assert_true(pg_get_bool(r, i, 2));
		total += pg_get_int(r, i, 1);
		fixture_ok(profile_set_merge(out, &one, &fixture_e));
		profile_set_release(&one);
		buf_release(&raw);
	}
	assert_int_equal(out->n_events, total);
	pg_result_free(r);
}

/* How often events with this mark were counted. */
ATTR_UNUSED static uint64_t count_mark(const struct profile_set *set,
				       const char *mark)
{
	const struct profile_entry *entry = profile_set_find(set, "mark");

	if (!entry)
		return 0;
	for (size_t i = 0; i < entry->profile->n_extras; i++)
		if (strcmp(entry->profile->extras[i].text, mark) == 0)
			return entry->profile->extras[i].count;
	return 0;
}

ATTR_UNUSED static void run_sql(struct pg *pg, const char *sql, int64_t id)
{
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, id);
	fixture_ok(pg_exec(pg, sql, &p, NULL, &fixture_e));
	pg_params_release(&p);
}

ATTR_UNUSED static struct baseline *make_baseline(double shift)
{
	const struct baseline_spec_column spec = {
		.name = "x", .kind = COLUMN_NUMERIC, .role = ROLE_FEATURE};
	struct baseline_builder *b = baseline_builder_new(&spec, 1, 64, 100, 0);
	struct baseline *out;
	double values[1000];

	for (int i = 0; i < 1000; i++)
		values[i] = shift + i;
	fixture_ok(baseline_builder_numbers(b, 0, values, 1000, &fixture_e));
	fixture_ok(baseline_builder_rows(b, NULL, 1000, &fixture_e));
	out = baseline_builder_finish(b, &fixture_e);
	assert_non_null(out);
	baseline_builder_free(b);
	return out;
}

ATTR_UNUSED static void run_script(struct pg *pg, const char *sql)
{
	fixture_ok(pg_exec_script(pg, sql, &fixture_e));
}

/* Frames number [from, to) with marks of their own and ${n} events. */
ATTR_UNUSED static void append_marked(struct world *w, int from, int to,
				      uint32_t n, bool with_keys)
{
	for (int i = from; i < to; i++) {
		char mark[16];

		snprintf(mark, sizeof(mark), "f%d", i);
		append(w, &(struct frame){
				  .mark = mark,
				  .key = with_keys && i % 2 ? mark : NULL,
				  .time_us = T0 + (i % 5) * HOUR,
				  .n = n,
			  });
	}
}

ATTR_UNUSED static void assert_marked(struct world *w, int from, int to,
				      uint64_t n)
{
	struct profile_set set;
	char mark[16];

	read_profile(w, w->model_id, INT64_MIN, &set);
	for (int i = from; i < to; i++) {
		snprintf(mark, sizeof(mark), "f%d", i);
		assert_int_equal(count_mark(&set, mark), n);
	}
	profile_set_release(&set);
}

ATTR_UNUSED static const char *const fixture_tables[] = {
	"model", "source_position", "batch_key", "window_state",
	"dirty", "delta",	    "baseline",	 "baseline_version",
};

/* Keep, or put back, all that the database knows of the model. */
ATTR_UNUSED static void snapshot(struct world *w, bool restore)
{
	char sql[512];

	for (size_t i = 0; i < ARRAY_LEN(fixture_tables); i++) {
		if (restore) {
			snprintf(sql, sizeof(sql),
				 "BEGIN; DELETE FROM driftd.%s WHERE model_id "
				 "= %" PRId64 "; INSERT INTO driftd.%s "
				 "SELECT * FROM old_%s; COMMIT",
				 fixture_tables[i], w->model_id,
				 fixture_tables[i], fixture_tables[i]);
		} else {
			snprintf(sql, sizeof(sql),
				 "DROP TABLE IF EXISTS old_%s; CREATE TEMP "
				 "TABLE old_%s AS SELECT * FROM driftd.%s "
				 "WHERE model_id = %" PRId64,
				 fixture_tables[i], fixture_tables[i],
				 fixture_tables[i], w->model_id);
		}
		run_script(w->pg, sql);
	}
}

#endif
