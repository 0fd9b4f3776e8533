/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_scores - counting, adding up, bytes; and cells as groups.
 *
 * A cell is two groups: the scores strictly within it, of which the sum of
 * offsets is known but for its rounding (detectors/moments.c has the bound),
 * and those equal to its upper edge, of which everything is known.
 */
#include "detectors/quality_scores.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_VERSION = 1 };

#define ROUNDING 0.5001 /* of one offset, and of its product */

void quality_scores_init(struct quality_scores *s, const double *edges,
			 uint32_t n_edges)
{
	*s = (struct quality_scores){.edges = edges, .n_edges = n_edges};
	s->cells = xcalloc((size_t)n_edges + 1, sizeof(*s->cells));
}

void quality_scores_release(struct quality_scores *s)
{
	free(s->cells);
	*s = (struct quality_scores){.n_edges = 0};
}

uint32_t quality_scores_cell(const struct quality_scores *s, double score)
{
	uint32_t low = 0, high = s->n_edges;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->edges[mid] < score)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void quality_scores_add(struct quality_scores *s, double score, unsigned class)
{
	uint32_t j = quality_scores_cell(s, score);
	struct quality_cell *cell = &s->cells[j];

	cell->n[class]++;
	s->n_outside += score < 0.0 || score > 1.0;
	if (j == s->n_edges)
		return;
	cell->equal[class] += score == s->edges[j];
	if (j > 0) {
		double width = s->edges[j] - s->edges[j - 1];

		cell->offset[class] +=
			(uint64_t)((score - s->edges[j - 1]) *
					   (QUALITY_OFFSET_UNITS / width) +
				   0.5);
	}
}

uint64_t quality_scores_total(const struct quality_scores *s, unsigned class)
{
	uint64_t sum = 0;

	for (uint32_t j = 0; s->cells != NULL && j <= s->n_edges; j++)
		sum += s->cells[j].n[class];
	return sum;
}

static int check_edges(const struct quality_scores *a,
		       const struct quality_scores *b, struct err *e)
{
	if ((a->cells == NULL) == (b->cells == NULL) &&
	    a->n_edges == b->n_edges &&
	    (a->edges == b->edges || a->n_edges == 0 ||
	     memcmp(a->edges, b->edges, a->n_edges * sizeof(*a->edges)) == 0))
		return 0;
	return err_set(e, ERR_CONFLICT, "scores are over different cells");
}

int quality_scores_merge(struct quality_scores *to,
			 const struct quality_scores *from, struct err *e)
{
	uint64_t total = 0;

	if (check_edges(to, from, e) < 0)
		return -1;
	for (unsigned c = 0; c < 2; c++)
		total += quality_scores_total(to, c) +
			 quality_scores_total(from, c);
	if (total > QUALITY_COUNT_MAX / QUALITY_OFFSET_UNITS)
		return err_set(e, ERR_LIMIT, "too many scores to count");
	for (uint32_t j = 0; to->cells != NULL && j <= to->n_edges; j++) {
		for (unsigned c = 0; c < 2; c++) {
			to->cells[j].n[c] += from->cells[j].n[c];
			to->cells[j].equal[c] += from->cells[j].equal[c];
			to->cells[j].offset[c] += from->cells[j].offset[c];
		}
	}
	to->n_outside += from->n_outside;
	return 0;
}

/* What is left of a cell could have been counted. */
static bool is_sound(const struct quality_cell *cell)
{
	for (unsigned c = 0; c < 2; c++) {
		uint64_t n = cell->n[c];

		if (n > QUALITY_COUNT_MAX / QUALITY_OFFSET_UNITS ||
		    cell->equal[c] > n ||
		    cell->offset[c] > n * QUALITY_OFFSET_UNITS)
			return false;
	}
	return true;
}

int quality_scores_subtract(struct quality_scores *from,
			    const struct quality_scores *part, struct err *e)
{
	if (check_edges(from, part, e) < 0)
		return -1;
	for (uint32_t j = 0; from->cells != NULL && j <= from->n_edges; j++) {
		struct quality_cell *a = &from->cells[j];
		const struct quality_cell *b = &part->cells[j];

		for (unsigned c = 0; c < 2; c++)
			if (a->n[c] < b->n[c] || a->equal[c] < b->equal[c] ||
			    a->offset[c] < b->offset[c])
				return err_set(e, ERR_CONFLICT,
					       "scores were not counted that "
					       "are to be taken away");
	}
	for (uint32_t j = 0; from->cells != NULL && j <= from->n_edges; j++) {
		for (unsigned c = 0; c < 2; c++) {
			from->cells[j].n[c] -= part->cells[j].n[c];
			from->cells[j].equal[c] -= part->cells[j].equal[c];
			from->cells[j].offset[c] -= part->cells[j].offset[c];
		}
	}
	from->n_outside -= part->n_outside < from->n_outside ? part->n_outside
							     : from->n_outside;
	return 0;
}

static uint64_t hash_of_edges(const double *edges, uint32_t n)
{
	return hash64(edges, n * sizeof(*edges));
}

void quality_scores_encode(const struct quality_scores *s, struct buf *out)
{
	buf_add_u8(out, ENCODING_VERSION);
	buf_add_u8(out, s->cells != NULL);
	if (s->cells == NULL)
		return;
	buf_add_u64(out, hash_of_edges(s->edges, s->n_edges));
	buf_add_varint(out, s->n_outside);
	for (uint32_t j = 0; j <= s->n_edges; j++) {
		const struct quality_cell *cell = &s->cells[j];

		for (unsigned c = 0; c < 2; c++) {
			buf_add_varint(out, cell->n[c]);
			if (cell->n[c] == 0)
				continue;
			buf_add_varint(out, cell->equal[c]);
			buf_add_varint(out, cell->offset[c]);
		}
	}
}

int quality_scores_decode(struct quality_scores *s, struct reader *in,
			  const double *edges, uint32_t n_edges, struct err *e)
{
	uint8_t version = reader_u8(in), has_cells = reader_u8(in);
	struct quality_scores new = {.n_edges = 0};
	uint64_t hash;

	if (in->failed || version != ENCODING_VERSION || has_cells > 1)
		return err_set(e, ERR_INVALID, "these are no scores");
	if (has_cells == 0) {
		*s = new;
		return 0;
	}
	hash = reader_u64(in);
	if (!in->failed && hash != hash_of_edges(edges, n_edges))
		return err_set(e, ERR_CONFLICT,
			       "scores are over different cells");
	quality_scores_init(&new, edges, n_edges);
	new.n_outside = reader_varint(in);
	for (uint32_t j = 0; j <= n_edges && !in->failed; j++) {
		struct quality_cell *cell = &new.cells[j];

		for (unsigned c = 0; c < 2; c++) {
			cell->n[c] = reader_varint(in);
			if (cell->n[c] == 0)
				continue;
			cell->equal[c] = reader_varint(in);
			cell->offset[c] = reader_varint(in);
		}
		if (!is_sound(cell) ||
		    (j == n_edges && cell->equal[0] + cell->equal[1] > 0))
			in->failed = true;
	}
	if (in->failed) {
		quality_scores_release(&new);
		return err_set(e, ERR_INVALID, "scores are damaged");
	}
	*s = new;
	return 0;
}

/* Where the mean of ${n} scores within (low, high) lies, from their offsets. */
static struct interval inner_mean(double low, double high, double n,
				  double offset)
{
	double unit = (high - low) / QUALITY_OFFSET_UNITS;

	/* near 1 a cell may be no wider than a few doubles: round outwards */
	return (struct interval){
		nextafter(low + unit * (offset / n - ROUNDING), -HUGE_VAL),
		nextafter(low + unit * (offset / n + ROUNDING), HUGE_VAL)};
}

/* Whatever the counts say, within the group. */
static struct interval cut(struct interval i, const struct quality_group *g)
{
	return (struct interval){smaller(larger(i.lower, g->lower), g->upper),
				 smaller(larger(i.upper, g->lower), g->upper)};
}

static bool inner_group(const struct quality_scores *s, uint32_t j,
			struct quality_group *g)
{
	const struct quality_cell *cell = &s->cells[j];
	bool ends = j > 0 && j < s->n_edges;
	double low = j > 0 ? s->edges[j - 1] : -HUGE_VAL;
	double high = j < s->n_edges ? s->edges[j] : HUGE_VAL;

	/* a cell may reach beyond where all scores are */
	g->lower = s->n_outside == 0 ? larger(low, 0.0) : low;
	g->upper = s->n_outside == 0 ? smaller(high, 1.0) : high;
	for (unsigned c = 0; c < 2; c++) {
		double skipped =
			(double)(cell->equal[c] * QUALITY_OFFSET_UNITS);

		g->n[c] = cell->n[c] - cell->equal[c];
		g->mean[c] = (struct interval){g->lower, g->upper};
		if (g->n[c] > 0 && ends)
			g->mean[c] = cut(
				inner_mean(low, high, (double)g->n[c],
					   (double)cell->offset[c] - skipped),
				g);
	}
	return g->n[0] + g->n[1] > 0;
}

struct quality_group *quality_scores_groups(const struct quality_scores *s,
					    size_t *n)
{
	struct quality_group *groups =
		xcalloc(2 * ((size_t)s->n_edges + 1), sizeof(*groups));

	*n = 0;
	for (uint32_t j = 0; s->cells != NULL && j <= s->n_edges; j++) {
		const struct quality_cell *cell = &s->cells[j];
		struct quality_group *g = &groups[*n];

		if (inner_group(s, j, g))
			g = &groups[++*n];
		/* the last cell has no edge to be equal to */
		if (j == s->n_edges || cell->equal[0] + cell->equal[1] == 0)
			continue;
		*g = (struct quality_group){
			.n = {cell->equal[0], cell->equal[1]},
			.lower = s->edges[j],
			.upper = s->edges[j],
			.mean = {{s->edges[j], s->edges[j]},
				 {s->edges[j], s->edges[j]}},
		};
		++*n;
	}
	return groups;
}
