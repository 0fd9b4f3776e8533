/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cells_search - values to cells without a branch that data could mislead.
 *
 * The cell of v is the number of edges below v.  Both searches count from a
 * first candidate b: with h = 2^(s-1) … 1, if padded[b + h - 1] < v, then
 * b += h.  The padding of +inf makes the fixed number of steps safe.  Four
 * values go side by side, because each step waits for a load.
 */
#include "detectors/cells_search.h"

#include "base/dict.h"
#include "base/mem.h"
#include "detectors/cells.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	TABLE_MIN = 64,
	TABLE_MAX = 4096,
	TABLE_STEPS_MAX = 3, /* at most 7 edges in a bucket */
	OFFSET_UNITS = 4096
};

static inline uint32_t bucket_of(const struct cells_search *s, double v)
{
	double x = (v - s->base) * s->scale;

	x = x > 0.0 ? x : 0.0;
	x = x < s->last ? x : s->last;
	return (uint32_t)(int32_t)x;
}

/*
 * gcc 12 turns a conditional sum back into a branch and clang 14 even this
 * mask (170 ns a value instead of 14): an empty asm hides what it is made of.
 */
static inline uint32_t step(const double *padded, uint32_t b, uint32_t h,
			    double v)
{
	uint32_t mask = -(uint32_t)(padded[b + h - 1] < v);

	__asm__("" : "+r"(mask));
	return b + (h & mask);
}

static inline void search_four(const struct cells_search *s, const double *v,
			       uint32_t *out, uint32_t steps, bool has_table)
{
	uint32_t b0 = 0, b1 = 0, b2 = 0, b3 = 0, h;

	if (has_table) {
		b0 = s->table[bucket_of(s, v[0])];
		b1 = s->table[bucket_of(s, v[1])];
		b2 = s->table[bucket_of(s, v[2])];
		b3 = s->table[bucket_of(s, v[3])];
	}
	for (h = (1U << steps) >> 1; h > 0; h >>= 1) {
		b0 = step(s->padded, b0, h, v[0]);
		b1 = step(s->padded, b1, h, v[1]);
		b2 = step(s->padded, b2, h, v[2]);
		b3 = step(s->padded, b3, h, v[3]);
	}
	out[0] = b0;
	out[1] = b1;
	out[2] = b2;
	out[3] = b3;
}

static inline void search_run(const struct cells_search *s, const double *v,
			      uint32_t *out, size_t n, uint32_t steps,
			      bool has_table)
{
	double last[4] = {0.0, 0.0, 0.0, 0.0};
	uint32_t cells[4];
	size_t i;

	for (i = 0; i + 4 <= n; i += 4)
		search_four(s, v + i, out + i, steps, has_table);
	if (i == n)
		return;
	memcpy(last, v + i, (n - i) * sizeof(*v));
	search_four(s, last, cells, steps, has_table);
	memcpy(out + i, cells, (n - i) * sizeof(*out));
}

void cells_search_many(const struct cells_search *s, const double *values,
		       uint32_t *cells, size_t n)
{
	if (s->table == NULL) {
		search_run(s, values, cells, n, s->steps, false);
		return;
	}
	switch (s->steps) { /* constants unroll the loop */
	case 1:
		search_run(s, values, cells, n, 1, true);
		break;
	case 2:
		search_run(s, values, cells, n, 2, true);
		break;
	default:
		search_run(s, values, cells, n, 3, true);
		break;
	}
}

static uint32_t steps_for(uint32_t n_edges)
{
	uint32_t steps = 1;

	while (((1U << steps) - 1) < n_edges)
		steps++;
	return steps;
}

/* The most edges in one of ${size} buckets. */
static uint32_t most_in_bucket(struct cells_search *s, const struct cells *c,
			       uint32_t size)
{
	uint32_t i, run = 0, most = 0, previous = UINT32_MAX;

	s->base = c->edges[0];
	s->scale = size / (c->edges[c->n_edges - 1] - c->edges[0]);
	s->last = size - 1;
	for (i = 0; i < c->n_edges; i++) {
		uint32_t b = bucket_of(s, c->edges[i]);

		run = b == previous ? run + 1 : 1;
		previous = b;
		if (run > most)
			most = run;
	}
	return most;
}

/*
 * The smallest table with at most one edge to a bucket, else the largest one
 * with at most seven.
 */
static void choose_table(struct cells_search *s, const struct cells *c)
{
	double span;
	uint32_t size, most = UINT32_MAX, i, k;

	if (c->n_edges < 2)
		return;
	span = c->edges[c->n_edges - 1] - c->edges[0];
	if (!isfinite(span) || !isfinite(TABLE_MAX / span))
		return;
	for (size = TABLE_MIN; size <= TABLE_MAX; size *= 2) {
		most = most_in_bucket(s, c, size);
		if (most <= 1 || size == TABLE_MAX)
			break;
	}
	if (steps_for(most) > TABLE_STEPS_MAX)
		return;
	s->steps = steps_for(most);
	s->table = xcalloc(size, sizeof(*s->table));
	for (i = 0, k = 0; k < size; k++) {
		while (i < c->n_edges && bucket_of(s, c->edges[i]) < k)
			i++;
		s->table[k] = (uint16_t)i;
	}
}

static void fill_geometry(struct cells_search *s, const struct cells *c)
{
	uint32_t j;

	s->geometry = xcalloc(c->n_cells, sizeof(*s->geometry));
	for (j = 0; j < c->n_cells; j++) {
		struct cell_geometry *g = &s->geometry[j];

		g->upper = j < c->n_edges ? c->edges[j] : HUGE_VAL;
		if (j == 0 || j >= c->n_edges)
			continue;
		g->lower = c->edges[j - 1];
		g->inverse = OFFSET_UNITS / (g->upper - g->lower);
	}
}

struct cells_search *cells_search_new(const struct cells *c)
{
	struct cells_search *s = xcalloc(1, sizeof(*s));
	size_t i, n_padded;

	s->first_edge = HUGE_VAL;
	s->last_edge = -HUGE_VAL;
	if (c->kind != COLUMN_NUMERIC)
		return s;
	if (c->n_edges > 0) {
		s->first_edge = c->edges[0];
		s->last_edge = c->edges[c->n_edges - 1];
	}
	s->steps = steps_for(c->n_edges);
	choose_table(s, c);
	n_padded = c->n_edges + ((size_t)1 << s->steps);
	s->padded = xcalloc(n_padded, sizeof(*s->padded));
	for (i = 0; i < n_padded; i++)
		s->padded[i] = i < c->n_edges ? c->edges[i] : HUGE_VAL;
	fill_geometry(s, c);
	return s;
}

void cells_search_free(struct cells_search *s)
{
	if (s == NULL)
		return;
	free(s->padded);
	free(s->table);
	free(s->geometry);
	free(s->slot_bits);
	free(s->slot_cell);
	free(s);
}

size_t cells_search_memory(const struct cells *c)
{
	const struct cells_search *s = c->search;
	size_t n = sizeof(*s);

	if (s->padded != NULL) {
		n += (c->n_edges + ((size_t)1 << s->steps)) * sizeof(double);
		n += c->n_cells * sizeof(*s->geometry);
	}
	if (s->table != NULL)
		n += ((size_t)s->last + 1) * sizeof(*s->table);
	return n + s->n_slots * (sizeof(uint64_t) + sizeof(uint32_t));
}
