/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge_adjust - Benjamini-Hochberg's correction; see the header. */
#include "detectors/judge_parts.h"

#include "base/mem.h"
#include "detectors/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
	struct verdict *verdict; /* borrowed */
	size_t index;
};

/* By metric, then the largest p first; the index makes the order total. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->verdict->metric, y->verdict->metric);

	if (order != 0)
		return order;
	if (x->verdict->p_value != y->verdict->p_value)
		return x->verdict->p_value > y->verdict->p_value ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static bool is_candidate(const struct verdict *v)
{
	return !isnan(v->p_value) && (v->status == VERDICT_OK ||
				      v->status == VERDICT_CONSTANT_REFERENCE);
}

/* ${n} verdicts of one metric, the largest p first. */
static void adjust_metric(struct candidate *c, size_t n)
{
	double least = 1.0;
	size_t i;

	for (i = 0; i < n; i++) {
		double p = c[i].verdict->p_value * (double)n / (double)(n - i);

		least = p < least ? p : least;
		c[i].verdict->p_adjusted = least;
	}
}

void judge_adjust(struct verdicts *v)
{
	struct candidate *c = xcalloc(v->n > 0 ? v->n : 1, sizeof(*c));
	size_t i, n = 0, start, end;

	for (i = 0; i < v->n; i++) {
		if (!is_candidate(&v->items[i]))
			continue;
		c[n].verdict = &v->items[i];
		c[n++].index = i;
	}
	qsort(c, n, sizeof(*c), compare);
	for (start = 0; start < n; start = end) {
		for (end = start; end < n; end++) {
			if (strcmp(c[end].verdict->metric,
				   c[start].verdict->metric) != 0)
				break;
		}
		adjust_metric(c + start, end - start);
	}
	free(c);
}
