/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pg_result - reading binary results.  A struct pg_result is libpq's
 * PGresult under a name that other files may know.
 */
#include "storage/pg.h"

#include "base/number.h"
#include "storage/pg_internal.h"

#include <endian.h>
#include <math.h>
#include <string.h>

static const PGresult *inner(const struct pg_result *r)
{
	return (const PGresult *)r;
}

size_t pg_rows(const struct pg_result *r)
{
	return (size_t)PQntuples(inner(r));
}

int64_t pg_affected(const struct pg_result *r)
{
	/* libpq declares it without const, and only reads. */
	PGresult *p = NULL;
	const char *text;
	int64_t n;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer is copied */
	memcpy(&p, &r, sizeof(p));
	text = PQcmdTuples(p);
	if (!number_parse_int(text, strlen(text), 0, INT64_MAX, &n))
		return 0;
	return n;
}

bool pg_is_null(const struct pg_result *r, size_t row, int col)
{
	return PQgetisnull(inner(r), (int)row, col) != 0;
}

static uint64_t get_u64(const char *p)
{
	uint64_t be;

	memcpy(&be, p, sizeof(be));
	return be64toh(be);
}

bool pg_get_bool(const struct pg_result *r, size_t row, int col)
{
	const PGresult *p = inner(r);

	return PQgetlength(p, (int)row, col) == 1 &&
	       *PQgetvalue(p, (int)row, col) != 0;
}

int64_t pg_get_int(const struct pg_result *r, size_t row, int col)
{
	const PGresult *p = inner(r);
	const char *v = PQgetvalue(p, (int)row, col);
	uint16_t be16;
	uint32_t be32;

	if (pg_is_null(r, row, col))
		return 0;
	switch (PQgetlength(p, (int)row, col)) {
	case 2:
		memcpy(&be16, v, sizeof(be16));
		return (int16_t)be16toh(be16);
	case 4:
		memcpy(&be32, v, sizeof(be32));
		return (int32_t)be32toh(be32);
	case 8:
		return (int64_t)get_u64(v);
	default:
		return 0;
	}
}

double pg_get_float8(const struct pg_result *r, size_t row, int col)
{
	const PGresult *p = inner(r);
	uint64_t bits;
	double v;

	if (pg_is_null(r, row, col) || PQgetlength(p, (int)row, col) != 8)
		return (double)NAN;
	bits = get_u64(PQgetvalue(p, (int)row, col));
	memcpy(&v, &bits, sizeof(v));
	return v;
}

int64_t pg_get_time(const struct pg_result *r, size_t row, int col)
{
	int64_t us;

	if (pg_is_null(r, row, col))
		return INT64_MIN;
	us = pg_get_int(r, row, col);
	if (us == INT64_MAX || us == INT64_MIN)
		return us; /* infinity, -infinity */
	return us + PG_EPOCH_US;
}

const char *pg_get_text(const struct pg_result *r, size_t row, int col)
{
	if (pg_is_null(r, row, col))
		return NULL;
	return PQgetvalue(inner(r), (int)row, col);
}

const void *pg_get_bytea(const struct pg_result *r, size_t row, int col,
			 size_t *len)
{
	*len = 0;
	if (pg_is_null(r, row, col))
		return NULL;
	*len = (size_t)PQgetlength(inner(r), (int)row, col);
	return PQgetvalue(inner(r), (int)row, col);
}

void pg_result_free(struct pg_result *r)
{
	PQclear((PGresult *)r);
}
