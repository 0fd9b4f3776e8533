/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * baseline - lookup and bytes; baseline_builder.c makes them.
 *
 * Encoding: version, rows, blocks, first and last event time, then each
 * column by name: kind, role, cells, the profile of each block.  The profile
 * over all rows is the sum of the blocks and is not written.
 */
#include "detectors/baseline.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "detectors/baseline_parts.h"
#include "detectors/cells.h"
#include "detectors/cells_search.h"
#include "detectors/profile.h"
#include "detectors/profile_parts.h"

#include <stdlib.h>
#include <string.h>

enum { BASELINE_VERSION = 1 };

void baseline_free(struct baseline *b)
{
	uint32_t i, j;

	if (b == NULL)
		return;
	for (i = 0; i < b->n_columns; i++) {
		struct baseline_column *c = &b->columns[i];

		for (j = 0; c->blocks != NULL && j < b->n_blocks; j++)
			profile_free(c->blocks[j]);
		free(c->blocks);
		profile_free(c->profile);
		cells_free(c->cells);
		free(c->name);
	}
	free(b->columns);
	free(b);
}

const struct baseline_column *baseline_find(const struct baseline *b,
					    const char *name, size_t len)
{
	uint32_t lo = 0, hi = b->n_columns;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const char *other = b->columns[mid].name;
		int order = strncmp(other, name, len);

		if (order == 0 && other[len] != '\0')
			order = 1;
		if (order == 0)
			return &b->columns[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void baseline_encode(const struct baseline *b, struct buf *out)
{
	uint32_t i, j;

	buf_add_u8(out, BASELINE_VERSION);
	buf_add_varint(out, b->n_rows);
	buf_add_varint(out, b->n_blocks);
	buf_add_zigzag(out, b->first_us);
	buf_add_zigzag(out, b->last_us);
	buf_add_varint(out, b->n_columns);
	for (i = 0; i < b->n_columns; i++) {
		const struct baseline_column *c = &b->columns[i];

		buf_add_string(out, c->name, strlen(c->name));
		buf_add_u8(out, (uint8_t)c->role);
		cells_encode(c->cells, out);
		for (j = 0; j < b->n_blocks; j++)
			profile_encode(c->blocks[j], out);
	}
}

int baseline_sum_blocks(const struct baseline *b, struct baseline_column *c,
			struct err *e)
{
	uint32_t j;

	c->profile = profile_new(c->kind, c->cells, 0);
	for (j = 0; j < b->n_blocks; j++) {
		if (profile_merge(c->profile, c->blocks[j], e) != 0)
			return -1;
	}
	if (profile_total(c->profile) != b->n_rows)
		return err_set(e, ERR_INVALID,
			       "column \"%s\" of a baseline lacks rows",
			       c->name);
	return 0;
}

static size_t text_memory(const struct cells *c)
{
	return c->categories != NULL ? dict_memory(c->categories) : 0;
}

size_t baseline_memory(const struct baseline *b)
{
	size_t n = sizeof(*b) + b->n_columns * sizeof(*b->columns);
	uint32_t i;

	for (i = 0; i < b->n_columns; i++) {
		const struct baseline_column *c = &b->columns[i];

		n += strlen(c->name) + 1 + sizeof(*c->cells);
		n += c->cells->n_edges * sizeof(double);
		n += c->cells->n_cells * sizeof(uint32_t);
		n += cells_search_memory(c->cells) + text_memory(c->cells);
		n += (b->n_blocks + (size_t)1) *
		     (profile_memory(c->kind, c->cells) + sizeof(void *));
	}
	return n;
}

static int decode_column(struct baseline *b, struct reader *in, uint32_t i,
			 struct err *e)
{
	struct baseline_column *c = &b->columns[i];
	size_t len;
	const char *name = reader_string(in, &len);
	uint8_t role = reader_u8(in);
	uint32_t j;

	if (name == NULL || memchr(name, '\0', len) != NULL ||
	    role > ROLE_STATUS)
		return err_set(e, ERR_INVALID,
			       "a baseline has a column without a name");
	c->name = xstrndup(name, len);
	if (i > 0 && strcmp(b->columns[i - 1].name, c->name) >= 0)
		return err_set(e, ERR_INVALID,
			       "columns of a baseline are not ascending");
	c->role = (enum column_role)role;
	c->cells = cells_decode(in, e);
	if (c->cells == NULL)
		return err_wrap(e, "column \"%s\"", c->name);
	c->kind = c->cells->kind;
	c->blocks = xcalloc(b->n_blocks, sizeof(struct profile *));
	for (j = 0; j < b->n_blocks; j++) {
		c->blocks[j] = profile_decode(in, c->cells, 0, e);
		if (c->blocks[j] == NULL)
			return err_wrap(e, "column \"%s\"", c->name);
		if (c->blocks[j]->kind != c->kind)
			return err_set(e, ERR_INVALID,
				       "column \"%s\" is of two kinds",
				       c->name);
	}
	return baseline_sum_blocks(b, c, e);
}

static int decode_head(struct baseline *b, struct reader *in, struct err *e)
{
	uint8_t version = reader_u8(in);
	uint64_t n_blocks, n_columns;

	if (in->failed || version != BASELINE_VERSION)
		return err_set(e, ERR_INVALID,
			       "a baseline has an unknown version");
	b->n_rows = reader_varint(in);
	n_blocks = reader_varint(in);
	b->first_us = reader_zigzag(in);
	b->last_us = reader_zigzag(in);
	n_columns = reader_varint(in);
	if (in->failed || n_blocks < 1 || n_blocks > BASELINE_BLOCKS ||
	    n_blocks > b->n_rows)
		return err_set(e, ERR_INVALID, "a baseline has no rows");
	if (n_columns > in->len - in->pos)
		return err_set(e, ERR_INVALID, "a baseline is cut short");
	b->n_blocks = (uint32_t)n_blocks;
	b->columns =
		xcalloc(n_columns > 0 ? n_columns : 1, sizeof(*b->columns));
	b->n_columns = (uint32_t)n_columns;
	return 0;
}

struct baseline *baseline_decode(const void *data, size_t len, struct err *e)
{
	struct baseline *b = xcalloc(1, sizeof(*b));
	struct reader in;
	uint32_t i;

	reader_init(&in, data, len);
	if (decode_head(b, &in, e) != 0)
		goto fail;
	for (i = 0; i < b->n_columns; i++) {
		if (decode_column(b, &in, i, e) != 0)
			goto fail;
	}
	if (!reader_is_done(&in)) {
		err_set(e, ERR_INVALID,
			"a baseline is followed by other bytes");
		goto fail;
	}
	sha256(data, len, b->hash);
	b->memory = baseline_memory(b);
	return b;
fail:
	baseline_free(b);
	return NULL;
}
