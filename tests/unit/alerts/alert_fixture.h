/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_ALERTS_ALERT_FIXTURE_H
#define DRIFTD_TESTS_ALERTS_ALERT_FIXTURE_H

/*
 * A model with a random name in a real database, results as an evaluator
 * would have saved them, and a look at what came of them.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/alert_store.h"
#include "storage/outbox.h"
#include "storage/pg.h"
#include "storage/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR CLOCK_HOUR_US
#define T0   INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

static struct err fixture_err;

#define OK(expression)                                                         \
	do {                                                                   \
		memset(&fixture_err, 0, sizeof(fixture_err));                  \
		if ((expression) < 0)                                          \
			fail_msg("%s", fixture_err.message);                   \
	} while (0)

struct fixture {
	struct pg *pg;
	char name[64];
	struct config_model model;
	struct config config;
};

static const struct pg_options *fixture_pg(void)
{
	static struct pg_options o;

	o = (struct pg_options){
		.dsn = getenv("DRIFTD_TEST_DSN"),
		.application = "test",
		.connect_timeout_us = 10 * CLOCK_SECOND_US,
		.statement_timeout_us = 30 * CLOCK_SECOND_US,
	};
	return &o;
}

static int64_t fixture_model_id(const char *name, const char *version)
{
	struct buf key;
	int64_t id;

	buf_init(&key, 1024);
	buf_add_str(&key, name);
	buf_add_char(&key, '\0');
	buf_add_str(&key, version);
	id = hash_id63(key.data, key.len);
	buf_release(&key);
	return id;
}

ATTR_UNUSED static int fixture_setup(void **state)
{
	static char version[] = "1";
	struct fixture *f = xcalloc(1, sizeof(*f));
	uint8_t random[8];
	struct pg_params p;

	if (!getenv("DRIFTD_TEST_DSN")) {
		print_message("SKIPPED: DRIFTD_TEST_DSN is not set\n");
		free(f);
		*state = NULL;
		return 0;
	}
	random_bytes(random, sizeof(random));
	memcpy(f->name, "alerts_", 7);
	hex_encode(random, sizeof(random), f->name + 7);
	f->model.name = f->name;
	f->model.version = version;
	f->model.model_id = fixture_model_id(f->name, version);
	f->config.models = &f->model;
	f->config.n_models = 1;
	f->pg = pg_new(fixture_pg());
	OK(schema_migrate(f->pg, &fixture_err));
	pg_params_init(&p);
	pg_add_int8(&p, f->model.model_id);
	pg_add_text(&p, f->name);
	pg_add_time(&p, T0);
	OK(pg_exec(f->pg,
		   "INSERT INTO driftd.model (model_id, name, version,"
		   " registered_at) VALUES ($1, $2, '1', $3)",
		   &p, NULL, &fixture_err));
	pg_params_release(&p);
	*state = f;
	return 0;
}

ATTR_UNUSED static int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	if (f) {
		pg_free(f->pg);
		free(f);
	}
	return 0;
}

#define FIXTURE(f, state)                                                      \
	struct fixture *f = *(state);                                          \
	if (!f)                                                                \
	skip()

/* A final result of window ${hour}; ${what}: 'B' drifted, '.' not, 'i' too
 * little data, 'T' drifted because its type changed. */
ATTR_UNUSED static void add_result(struct fixture *f, int hour, int revision,
				   const char *column, const char *metric,
				   char what)
{
	const char *status = what == 'i'   ? "insufficient_data"
			     : what == 'T' ? "type_changed"
					   : "ok";
	bool drifted = what == 'B' || what == 'T';
	struct pg_params p;

	pg_params_init(&p);
	pg_add_int8(&p, f->model.model_id);
	pg_add_time(&p, T0 + hour * HOUR);
	pg_add_int4(&p, revision);
	pg_add_text(&p, column);
	pg_add_text(&p, metric);
	pg_add_time(&p, T0 + (hour + 1) * HOUR);
	pg_add_text(&p, status);
	pg_add_text(&p, drifted ? "error" : "");
	pg_add_bool(&p, drifted);
	pg_add_float8(&p, drifted ? 0.5 : 0.01);
	pg_add_float8(&p, drifted ? 0.4 : 0.0);
	OK(pg_exec(f->pg,
		   "INSERT INTO driftd.result (model_id, window_start,"
		   " revision, slice, column_name, metric, window_end, signal,"
		   " status, severity, drifted, value, lower, upper, threshold,"
		   " bound, n_reference, n_current, evaluated_at)"
		   " VALUES ($1, $2, $3, '', $4, $5, $6, 'input', $7, $8, $9,"
		   " $10, $10, $10, 0.2, $11, 4000, 600, $6)",
		   &p, NULL, &fixture_err));
	pg_params_release(&p);
}

/* The first column of the first row, as a number; -1: no row. */
ATTR_UNUSED static int64_t query_int(struct fixture *f, const char *sql)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	int64_t v;

	pg_params_init(&p);
	pg_add_int8(&p, f->model.model_id);
	OK(pg_exec(f->pg, sql, &p, &r, &fixture_err));
	pg_params_release(&p);
	v = pg_rows(r) > 0 ? pg_get_int(r, 0, 0) : -1;
	pg_result_free(r);
	return v;
}

/* All rows of one text column, joined by spaces; the caller's (free). */
ATTR_UNUSED static char *query_text(struct fixture *f, const char *sql)
{
	struct pg_result *r = NULL;
	struct pg_params p;
	struct buf out;

	buf_init(&out, 1 << 20);
	pg_params_init(&p);
	pg_add_int8(&p, f->model.model_id);
	OK(pg_exec(f->pg, sql, &p, &r, &fixture_err));
	pg_params_release(&p);
	for (size_t i = 0; i < pg_rows(r); i++)
		buf_printf(&out, "%s%s", i ? " " : "",
			   pg_is_null(r, i, 0) ? "null" : pg_get_text(r, i, 0));
	pg_result_free(r);
	return out.data ? out.data : xstrdup("");
}

#define EXPECT_TEXT(f, sql, want)                                              \
	do {                                                                   \
		char *got_ = query_text(f, sql);                               \
                                                                               \
		assert_string_equal(got_, want);                               \
		free(got_);                                                    \
	} while (0)

#endif
