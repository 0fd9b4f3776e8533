/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pg_params - values in PostgreSQL's binary wire format, network byte order.
 * An array is {dimensions, has nulls, element type, length, lower bound} and
 * for each element its length (-1 = NULL) and its bytes.
 */
#include "storage/pg.h"

#include "base/buf.h"
#include "base/mem.h"
#include "storage/pg_internal.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void pg_params_init(struct pg_params *p)
{
	p->n = 0;
	p->data = xmalloc(sizeof(*p->data));
	buf_init(p->data, PG_PARAMS_BYTES);
}

void pg_params_clear(struct pg_params *p)
{
	p->n = 0;
	buf_clear(p->data);
}

void pg_params_release(struct pg_params *p)
{
	if (!p->data)
		return;
	buf_release(p->data);
	free(p->data);
	p->data = NULL;
	p->n = 0;
}

static void put_u32(struct buf *b, uint32_t v)
{
	uint32_t be = htobe32(v);

	buf_add(b, &be, sizeof(be));
}

static void put_u64(struct buf *b, uint64_t v)
{
	uint64_t be = htobe64(v);

	buf_add(b, &be, sizeof(be));
}

static uint64_t float_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* The 33rd parameter is our bug; the statement then fails as too large. */
static struct pg_param *param_begin(struct pg_params *p, unsigned oid)
{
	struct pg_param *item;

	if (p->n == PG_PARAMS_MAX) {
		p->data->failed = true;
		p->n--;
	}
	item = &p->items[p->n++];
	item->oid = oid;
	item->offset = p->data->len;
	item->len = 0;
	return item;
}

static void param_end(struct pg_params *p)
{
	struct pg_param *item = &p->items[p->n - 1];
	size_t len = p->data->len - item->offset;

	if (len > INT_MAX)
		p->data->failed = true;
	else
		item->len = (int)len;
}

void pg_add_null(struct pg_params *p, unsigned oid_of_type)
{
	param_begin(p, oid_of_type)->offset = SIZE_MAX;
}

void pg_add_bool(struct pg_params *p, bool v)
{
	param_begin(p, PG_BOOL);
	buf_add_char(p->data, v ? 1 : 0);
	param_end(p);
}

void pg_add_int4(struct pg_params *p, int32_t v)
{
	param_begin(p, PG_INT4);
	put_u32(p->data, (uint32_t)v);
	param_end(p);
}

void pg_add_int8(struct pg_params *p, int64_t v)
{
	param_begin(p, PG_INT8);
	put_u64(p->data, (uint64_t)v);
	param_end(p);
}

void pg_add_float8(struct pg_params *p, double v)
{
	param_begin(p, PG_FLOAT8);
	put_u64(p->data, float_bits(v));
	param_end(p);
}

void pg_add_text_n(struct pg_params *p, const char *s, size_t len)
{
	param_begin(p, PG_TEXT);
	buf_add(p->data, s, len);
	param_end(p);
}

void pg_add_text(struct pg_params *p, const char *s)
{
	if (!s)
		pg_add_null(p, PG_TEXT);
	else
		pg_add_text_n(p, s, strlen(s));
}

void pg_add_bytea(struct pg_params *p, const void *data, size_t len)
{
	if (!data) {
		pg_add_null(p, PG_BYTEA);
		return;
	}
	param_begin(p, PG_BYTEA);
	buf_add(p->data, data, len);
	param_end(p);
}

/* INT64_MAX is PostgreSQL's infinity on both sides. */
static uint64_t time_bits(int64_t us)
{
	if (us == INT64_MAX)
		return (uint64_t)us;
	if (us < INT64_MIN + PG_EPOCH_US + 1)
		return (uint64_t)(INT64_MIN + 1); /* refused: out of range */
	return (uint64_t)(us - PG_EPOCH_US);
}

void pg_add_time(struct pg_params *p, int64_t us)
{
	if (us == INT64_MIN) {
		pg_add_null(p, PG_TIMESTAMPTZ);
		return;
	}
	param_begin(p, PG_TIMESTAMPTZ);
	put_u64(p->data, time_bits(us));
	param_end(p);
}

static void array_begin(struct pg_params *p, unsigned array, unsigned element,
			bool has_nulls, size_t n)
{
	param_begin(p, array);
	if (n > INT_MAX)
		p->data->failed = true;
	put_u32(p->data, n ? 1 : 0);
	put_u32(p->data, has_nulls);
	put_u32(p->data, element);
	if (!n)
		return;
	put_u32(p->data, (uint32_t)n);
	put_u32(p->data, 1);
}

static void element(struct buf *b, const void *data, size_t len)
{
	if (!data) {
		put_u32(b, UINT32_MAX);
		return;
	}
	if (len > INT_MAX)
		b->failed = true;
	put_u32(b, (uint32_t)len);
	buf_add(b, data, len);
}

void pg_add_int8_array(struct pg_params *p, const int64_t *v, size_t n)
{
	array_begin(p, PG_INT8_ARRAY, PG_INT8, false, n);
	for (size_t i = 0; i < n; i++) {
		put_u32(p->data, 8);
		put_u64(p->data, (uint64_t)v[i]);
	}
	param_end(p);
}

void pg_add_float8_array(struct pg_params *p, const double *v, size_t n)
{
	array_begin(p, PG_FLOAT8_ARRAY, PG_FLOAT8, false, n);
	for (size_t i = 0; i < n; i++) {
		put_u32(p->data, 8);
		put_u64(p->data, float_bits(v[i]));
	}
	param_end(p);
}

void pg_add_bool_array(struct pg_params *p, const bool *v, size_t n)
{
	array_begin(p, PG_BOOL_ARRAY, PG_BOOL, false, n);
	for (size_t i = 0; i < n; i++) {
		put_u32(p->data, 1);
		buf_add_char(p->data, v[i] ? 1 : 0);
	}
	param_end(p);
}

void pg_add_text_array(struct pg_params *p, const char *const *v, size_t n)
{
	bool has_nulls = false;

	for (size_t i = 0; i < n && !has_nulls; i++)
		has_nulls = !v[i];
	array_begin(p, PG_TEXT_ARRAY, PG_TEXT, has_nulls, n);
	for (size_t i = 0; i < n; i++)
		element(p->data, v[i], v[i] ? strlen(v[i]) : 0);
	param_end(p);
}

void pg_add_bytea_array(struct pg_params *p, const void *const *v,
			const size_t *len, size_t n)
{
	bool has_nulls = false;

	for (size_t i = 0; i < n && !has_nulls; i++)
		has_nulls = !v[i];
	array_begin(p, PG_BYTEA_ARRAY, PG_BYTEA, has_nulls, n);
	for (size_t i = 0; i < n; i++)
		element(p->data, v[i], len[i]);
	param_end(p);
}

void pg_add_time_array(struct pg_params *p, const int64_t *us, size_t n)
{
	bool has_nulls = false;

	for (size_t i = 0; i < n && !has_nulls; i++)
		has_nulls = us[i] == INT64_MIN;
	array_begin(p, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ, has_nulls, n);
	for (size_t i = 0; i < n; i++) {
		if (us[i] == INT64_MIN) {
			put_u32(p->data, UINT32_MAX);
			continue;
		}
		put_u32(p->data, 8);
		put_u64(p->data, time_bits(us[i]));
	}
	param_end(p);
}
