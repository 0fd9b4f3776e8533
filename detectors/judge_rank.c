/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge_rank - which columns need a person first; see the header. */
#include "detectors/judge.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A threshold of zero bears nothing: any effect is beyond all others. */
#define EFFECT_MAX 1e9

static double effect_of(const struct verdict *v)
{
	double effect;

	if (isnan(v->bound) || isnan(v->threshold) || !(v->bound > 0.0))
		return 0.0;
	effect = v->threshold > 0.0 ? v->bound / v->threshold : EFFECT_MAX;
	return effect < EFFECT_MAX ? effect : EFFECT_MAX;
}

static int compare(const void *a, const void *b)
{
	const struct judge_ranked *x = a, *y = b;

	if (x->drifted != y->drifted)
		return x->drifted ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return strcmp(x->column, y->column);
}

/* Add a row of the column that ${r} is about. */
static void consider(struct judge_ranked *r, const struct verdict *v)
{
	double effect = effect_of(v);

	if (r->worst == NULL || effect > r->effect) {
		r->worst = v;
		r->effect = effect;
	}
	r->drifted = r->drifted || v->drifted;
}

size_t judge_rank(const struct judge_spec *spec, const struct verdicts *v,
		  struct judge_ranked *out, size_t max)
{
	struct judge_ranked *all = NULL;
	size_t i, row = 0, n = 0;

	if (spec->n_columns == 0)
		return 0;
	all = xcalloc(spec->n_columns, sizeof(*all));
	/* rows stand in the order of the spec */
	for (i = 0; i < spec->n_columns && row < v->n; i++) {
		const struct judge_column *c = &spec->columns[i];
		struct judge_ranked *r = &all[n];

		if (strcmp(v->items[row].column, c->name) != 0)
			continue;
		r->column = c->name;
		for (; row < v->n; row++) {
			if (strcmp(v->items[row].column, c->name) != 0)
				break;
			consider(r, &v->items[row]);
		}
		r->score = r->effect *
			   (isnan(c->importance) ? 1.0 : c->importance);
		n++;
	}
	qsort(all, n, sizeof(*all), compare);
	n = n < max ? n : max;
	memcpy(out, all, n * sizeof(*out));
	free(all);
	return n;
}
