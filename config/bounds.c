/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config - the worst case in memory and on disk, from the configuration
 * alone.  Columns are taken at their ceilings: `resolution` edges with the
 * deciles and both ends, `max_categories` texts of the longest sort.
 */
#include "config/config.h"

#include "detectors/baseline.h"

#include <string.h>

enum {
	CONNECTION_BYTES = 48 << 10, /* pool, socket, state of the parser */
	FIXED_BYTES = 16 << 20,	     /* code, libraries, stacks, the log */
	EXTRA_EDGES = 11,	     /* nine deciles, minimum, maximum */
	CELL_COUNT_BYTES = 24,	     /* count, equal, sum */
	CELL_EDGE_BYTES = 16,	     /* edge, bin, a share of the search */
	CATEGORY_COUNT_BYTES = 8,
	CATEGORY_TEXT_BYTES = 96, /* text and its place in the table */
	COLUMN_BYTES = 512	  /* structs and names */
};

struct column_size {
	uint64_t cells;	  /* shared by all profiles */
	uint64_t profile; /* one */
};

static struct column_size size_of_column(const struct config_model *m,
					 enum column_kind kind)
{
	struct column_size s;
	uint64_t n;

	if (kind == COLUMN_NUMERIC) {
		n = (uint64_t)m->resolution + EXTRA_EDGES + 1;
		s.cells = n * CELL_EDGE_BYTES;
		s.profile = n * CELL_COUNT_BYTES + COLUMN_BYTES;
	} else {
		n = (uint64_t)m->max_categories + 1;
		s.cells = n * CATEGORY_TEXT_BYTES;
		s.profile = n * CATEGORY_COUNT_BYTES + COLUMN_BYTES;
	}
	return s;
}

static uint64_t baseline_bytes(const struct config_model *m)
{
	struct column_size s;
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n_columns; i++) {
		s = size_of_column(m, m->columns[i].kind);
		sum += s.cells + s.profile * (1 + BASELINE_BLOCKS);
	}
	return sum;
}

/* A window's profiles and a delta being merged into them, with as many new
 * categories as may get a count of their own. */
static uint64_t evaluate_bytes(const struct config_model *m)
{
	struct column_size s;
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n_columns; i++) {
		s = size_of_column(m, m->columns[i].kind);
		sum += 2 * s.profile;
		if (m->columns[i].kind == COLUMN_CATEGORICAL)
			sum += 2 * (uint64_t)m->max_categories *
			       CATEGORY_TEXT_BYTES;
	}
	return sum;
}

void config_bounds(const struct config *c, struct config_bounds *out)
{
	uint64_t one;

	memset(out, 0, sizeof(*out));
	out->ingest_bytes = c->server.ingest_memory;
	out->journal_pending_bytes = CONFIG_JOURNAL_PENDING_MAX;
	out->flush_bytes = c->journal.flush_memory;
	out->connection_bytes =
		(uint64_t)c->server.max_connections * CONNECTION_BYTES;
	for (size_t i = 0; i < c->n_models; i++) {
		out->baseline_bytes += baseline_bytes(&c->models[i]);
		/* One model is evaluated at a time. */
		one = evaluate_bytes(&c->models[i]);
		if (one > out->evaluate_bytes)
			out->evaluate_bytes = one;
	}
	out->fixed_bytes = FIXED_BYTES;
	out->memory_bytes = out->ingest_bytes + out->journal_pending_bytes +
			    out->flush_bytes + out->connection_bytes +
			    out->baseline_bytes + out->evaluate_bytes +
			    out->fixed_bytes;
	out->disk_bytes = c->journal.max_bytes;
}
