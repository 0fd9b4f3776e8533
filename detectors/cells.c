/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cells - numeric cells from sorted training data, and the bytes of cells of
 * both kinds.
 *
 * The quantile at i/r of n sorted values stands at t = (n-1) * i in integers:
 * k = t div r, f = (t mod r) / r, x[k] + (x[k+1] - x[k]) * f.  In this form
 * the edge is exactly the value when x[k] = x[k+1]; x[k]*(1-f) + x[k+1]*f
 * misses ties by one ulp.
 *
 * Encoding: version, kind, then for numeric columns the edges and, for each
 * inner decile, the index of the edge that it is; for categorical ones the
 * texts in order and whether there were more.
 */
#include "detectors/cells.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "detectors/cells_category.h"
#include "detectors/cells_search.h"

#include <math.h>
#include <stdlib.h>

enum {
	CELLS_VERSION = 1,
	DECILES = 10,
	/* resolution of 4096, the deciles, both ends; tables hold uint16_t */
	EDGES_MAX = 8192,
	CELLS_ENCODING_MAX = 1 << 30
};

static double quantile(const double *x, size_t n, uint64_t i, uint64_t r)
{
	uint64_t t = (uint64_t)(n - 1) * i;
	size_t k = (size_t)(t / r);
	double f = (double)(t % r) / (double)r;
	double d;

	if (k + 1 >= n)
		return x[n - 1];
	d = x[k + 1] - x[k];
	if (!isfinite(d)) /* the range itself overflows: no exact form left */
		return x[k] * (1.0 - f) + x[k + 1] * f + 0.0;
	return x[k] + d * f + 0.0;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint32_t unique(double *v, uint32_t n)
{
	uint32_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (k == 0 || v[i] > v[k - 1])
			v[k++] = v[i];
	}
	return k;
}

/* The distinct values, or none when there are more than ${max}. */
static uint32_t distinct_values(const double *sorted, size_t n, double *out,
				uint32_t max)
{
	uint32_t k = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (k > 0 && !(sorted[i] > out[k - 1]))
			continue;
		if (k == max)
			return 0;
		out[k++] = sorted[i];
	}
	return k;
}

static void build_edges(struct cells *c, const double *sorted, size_t n,
			unsigned resolution, const double *deciles)
{
	double *e;
	uint32_t k, i;

	e = xcalloc((size_t)resolution + 1 + DECILES, sizeof(*e));
	k = distinct_values(sorted, n, e, resolution);
	if (k == 0) {
		for (i = 0; i <= resolution; i++)
			e[k++] = quantile(sorted, n, i, resolution);
	}
	for (i = 0; i < DECILES - 1; i++)
		e[k++] = deciles[i];
	qsort(e, k, sizeof(*e), compare_doubles);
	c->n_edges = unique(e, k);
	c->edges = e;
	c->n_cells = c->n_edges + 1;
}

/*
 * Cell j lies in bin b when decile[b-1] < e[j] <= decile[b]; the cells after
 * the last decile, also the one above the maximum, are the last bin's.
 */
static void build_bins(struct cells *c, const uint32_t *decile_edges,
		       uint32_t n_deciles)
{
	uint32_t j, b = 0;

	c->n_bins = n_deciles + 1;
	c->bin = xcalloc(c->n_cells, sizeof(*c->bin));
	for (j = 0; j < c->n_cells; j++) {
		while (b < n_deciles && j > decile_edges[b])
			b++;
		c->bin[j] = b;
	}
}

static uint32_t edge_index(const struct cells *c, double edge)
{
	const double *at = bsearch(&edge, c->edges, c->n_edges, sizeof(edge),
				   compare_doubles);

	return (uint32_t)(at - c->edges);
}

static void seal(struct cells *c)
{
	struct buf b;

	buf_init(&b, CELLS_ENCODING_MAX);
	cells_encode(c, &b);
	c->hash = hash64(buf_str(&b), b.len);
	buf_release(&b);
	c->search = cells_search_new(c);
	cells_category_index(c);
}

struct cells *cells_new_numeric(const double *sorted, size_t n,
				unsigned resolution)
{
	struct cells *c = xcalloc(1, sizeof(*c));
	double deciles[DECILES - 1];
	uint32_t edges[DECILES - 1], n_deciles = 0, i;

	c->kind = COLUMN_NUMERIC;
	c->n_cells = 1;
	if (n > 0) {
		for (i = 1; i < DECILES; i++)
			deciles[i - 1] = quantile(sorted, n, i, DECILES);
		build_edges(c, sorted, n, resolution, deciles);
		n_deciles = unique(deciles, DECILES - 1);
		for (i = 0; i < n_deciles; i++)
			edges[i] = edge_index(c, deciles[i]);
	}
	build_bins(c, edges, n_deciles);
	seal(c);
	return c;
}

struct cells *cells_new_categorical(const struct category_text *texts, size_t n,
				    uint32_t max_categories)
{
	struct cells *c = xcalloc(1, sizeof(*c));

	c->kind = COLUMN_CATEGORICAL;
	cells_category_choose(c, texts, n, max_categories);
	c->n_cells = c->n_categories + 1;
	seal(c);
	return c;
}

void cells_free(struct cells *c)
{
	if (c == NULL)
		return;
	free(c->edges);
	free(c->bin);
	dict_free(c->categories);
	cells_search_free(c->search);
	free(c);
}

uint32_t cells_find_number(const struct cells *c, double v)
{
	uint32_t cell;

	v += 0.0; /* -0.0 counts as 0.0 */
	cells_search_many(c->search, &v, &cell, 1);
	return cell;
}

static void encode_numeric(const struct cells *c, struct buf *out)
{
	uint32_t j;

	buf_add_varint(out, c->n_edges);
	for (j = 0; j < c->n_edges; j++)
		buf_add_f64(out, c->edges[j]);
	buf_add_varint(out, c->n_bins);
	for (j = 0; j + 1 < c->n_cells; j++) {
		if (c->bin[j] != c->bin[j + 1])
			buf_add_varint(out, j);
	}
}

void cells_encode(const struct cells *c, struct buf *out)
{
	uint32_t i;
	size_t len;

	buf_add_u8(out, CELLS_VERSION);
	buf_add_u8(out, (uint8_t)c->kind);
	if (c->kind == COLUMN_NUMERIC) {
		encode_numeric(c, out);
		return;
	}
	buf_add_u8(out, c->truncated);
	buf_add_varint(out, c->n_categories);
	for (i = 0; i < c->n_categories; i++) {
		const char *text = dict_text(c->categories, i, &len);

		buf_add_string(out, text, len);
	}
}

static int decode_numeric(struct cells *c, struct reader *in, struct err *e)
{
	uint64_t n_edges = reader_varint(in), n_bins, j;
	uint32_t deciles[DECILES - 1];

	if (in->failed || n_edges > EDGES_MAX ||
	    n_edges > (in->len - in->pos) / sizeof(double))
		return err_set(e, ERR_INVALID, "cells have too many edges");
	c->n_edges = (uint32_t)n_edges;
	c->n_cells = c->n_edges + 1;
	c->edges = xcalloc(c->n_cells, sizeof(*c->edges));
	for (j = 0; j < n_edges; j++) {
		double v = reader_f64(in);

		if (!isfinite(v) || (v == 0.0 && signbit(v)) ||
		    (j > 0 && !(v > c->edges[j - 1])))
			return err_set(e, ERR_INVALID,
				       "edges of cells are not ascending");
		c->edges[j] = v;
	}
	n_bins = reader_varint(in);
	if (n_bins < 1 || n_bins > DECILES)
		return err_set(e, ERR_INVALID, "cells have no valid bins");
	for (j = 0; j + 1 < n_bins; j++) {
		uint64_t edge = reader_varint(in);

		if (edge >= n_edges || (j > 0 && edge <= deciles[j - 1]))
			return err_set(e, ERR_INVALID,
				       "bins of cells are not ascending");
		deciles[j] = (uint32_t)edge;
	}
	if (in->failed)
		return err_set(e, ERR_INVALID, "cells are cut short");
	build_bins(c, deciles, (uint32_t)n_bins - 1);
	return 0;
}

struct cells *cells_decode(struct reader *in, struct err *e)
{
	struct cells *c = xcalloc(1, sizeof(*c));
	uint8_t version = reader_u8(in), kind = reader_u8(in);
	int rc;

	if (in->failed || version != CELLS_VERSION ||
	    kind > COLUMN_CATEGORICAL) {
		err_set(e, ERR_INVALID,
			"cells have an unknown version or kind");
		goto fail;
	}
	c->kind = (enum column_kind)kind;
	if (c->kind == COLUMN_NUMERIC)
		rc = decode_numeric(c, in, e);
	else
		rc = cells_category_decode(c, in, e);
	if (rc != 0)
		goto fail;
	seal(c);
	return c;
fail:
	cells_free(c);
	return NULL;
}
