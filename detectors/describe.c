/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * describe - one side of a pair in numbers; quantiles of type 7 in one walk
 * over the cells (quantile.h).
 */
#include "detectors/describe.h"

#include "base/attr.h"
#include "detectors/effect.h"
#include "detectors/pair.h"
#include "detectors/quantile.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { BINS_MAX = 10 };

static const char *const edge_names[BINS_MAX] = {
	"",	      "bin_edge_1", "bin_edge_2", "bin_edge_3", "bin_edge_4",
	"bin_edge_5", "bin_edge_6", "bin_edge_7", "bin_edge_8", "bin_edge_9"};
static const char *const count_names[BINS_MAX] = {
	"bin_count_0", "bin_count_1", "bin_count_2", "bin_count_3",
	"bin_count_4", "bin_count_5", "bin_count_6", "bin_count_7",
	"bin_count_8", "bin_count_9"};

static const struct {
	unsigned percent;
	const char *metric;
} quantiles[] = {
	{1, "q01"},  {5, "q05"},  {25, "q25"}, {50, "q50"},
	{75, "q75"}, {95, "q95"}, {99, "q99"},
};

struct writer {
	struct description *out;
	size_t n;
};

static void put(struct writer *w, const char *metric, double value)
{
	assert(w->n < DESCRIBE_MAX);
	w->out[w->n++] = (struct description){metric, value};
}

static void put_quantiles(struct writer *w, const struct pair *p,
			  const struct pair_side *s)
{
	uint64_t before = 0;
	uint32_t j = 0, next_j;
	size_t i;

	for (i = 0; i < ARRAY_LEN(quantiles); i++) {
		struct quantile_place at =
			quantile_place(s->n, quantiles[i].percent, 100);

		while (at.rank >= before + s->count[j])
			before += s->count[j++];
		next_j = j;
		if (at.next >= before + s->count[j]) {
			do
				next_j++;
			while (s->count[next_j] == 0);
		}
		put(w, quantiles[i].metric,
		    quantile_between(p->edges[j], p->edges[next_j], at.part));
	}
}

static double count_unique(const struct pair *p, const struct pair_side *s)
{
	uint32_t j, n = 0;

	for (j = 0; j < p->n_cells; j++)
		n += s->count[j] > 0;
	return n;
}

static void put_numeric(struct writer *w, const struct pair *p,
			const struct pair_side *s, bool is_reference)
{
	uint32_t i;

	if (p->is_exact) {
		put(w, "mean", s->mean);
		put(w, "std0", s->std0);
		put(w, "std", s->std);
	}
	put(w, "min", s->min);
	put(w, "max", s->max);
	if (p->is_exact) {
		put(w, "n_unique", count_unique(p, s));
		put_quantiles(w, p, s);
	}
	if (!is_reference && p->ref.n > 0)
		put(w, "out_of_range_share",
		    (double)(p->n_below + p->n_above) / (double)s->n);
	for (i = 1; is_reference && i < p->n_bins; i++)
		put(w, edge_names[i], p->bin_edges[i - 1]);
	for (i = 0; i < p->n_bins; i++)
		put(w, count_names[i], (double)s->bin[i]);
}

static void put_categorical(struct writer *w, const struct pair *p,
			    const struct pair_side *s, bool is_reference)
{
	uint32_t i, n_new = 0, n_lost = 0;

	if (p->ref_truncated)
		return;
	put(w, "n_categories", count_unique(p, s));
	if (is_reference || s->n == 0)
		return;
	for (i = 0; i < p->n_cells; i++) {
		n_new += p->is_new[i] && p->cur.count[i] > 0;
		n_lost += p->ref.count[i] > 0 && p->cur.count[i] == 0;
	}
	put(w, "n_new_categories", n_new);
	put(w, "n_lost_categories", n_lost);
}

static size_t describe(const struct pair *p, const struct pair_side *s,
		       bool is_reference, struct description *out)
{
	double rows = (double)effect_rows(s);
	struct writer w = {out, 0};

	put(&w, "n", (double)s->n);
	put(&w, "n_missing", (double)s->n_missing);
	if (rows > 0.0)
		put(&w, "missing_share", (double)s->n_missing / rows);
	if (p->kind == COLUMN_CATEGORICAL)
		put_categorical(&w, p, s, is_reference);
	else if (s->n > 0)
		put_numeric(&w, p, s, is_reference);
	return w.n;
}

size_t describe_reference(const struct pair *p,
			  struct description out[DESCRIBE_MAX])
{
	return describe(p, &p->ref, true, out);
}

size_t describe_current(const struct pair *p,
			struct description out[DESCRIBE_MAX])
{
	return describe(p, &p->cur, false, out);
}
