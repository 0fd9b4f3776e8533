/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge_window - the columns of a window as pairs with their baseline, one at
 * a time: a model may have a thousand columns of some thousand cells.
 */
#include "detectors/judge.h"

#include "detectors/baseline.h"
#include "detectors/judge_parts.h"
#include "detectors/pair.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"

#include <string.h>

static const struct baseline_column *
reference_of(const struct baseline *baseline, const struct judge_column *c)
{
	if (baseline == NULL)
		return NULL;
	return baseline_find(baseline, c->name, strlen(c->name));
}

static double alpha_of_column(const struct judge_spec *spec,
			      const struct baseline *baseline)
{
	size_t i, k = 0;

	for (i = 0; i < spec->n_columns; i++) {
		k += spec->columns[i].role != ROLE_LABEL &&
		     reference_of(baseline, &spec->columns[i]) != NULL;
	}
	return judge_alpha(spec, k);
}

/* Only the shares of what the baseline does not have. */
static void init_without_reference(struct pair *p, enum column_kind kind,
				   const struct profile *current)
{
	*p = (struct pair){.kind = kind};
	if (current == NULL)
		return;
	p->cur.n = current->n_valid;
	p->cur.n_missing = current->n_missing;
	p->cur.n_invalid = current->n_invalid;
}

static void judge_entry(const struct judge_spec *spec, size_t i, double alpha,
			const struct baseline *baseline,
			const struct profile_set *window, struct verdicts *out)
{
	const struct judge_column *column = &spec->columns[i];
	const struct baseline_column *reference =
		reference_of(baseline, column);
	const struct profile_entry *entry =
		profile_set_find(window, column->name);
	const struct profile *p = entry != NULL ? entry->profile : NULL;
	uint64_t n_rows;
	struct pair pair;

	if (column->role == ROLE_LABEL && (p == NULL || p->n_valid == 0))
		return;
	if (reference != NULL)
		pair_init(&pair, reference, p);
	else
		init_without_reference(&pair, column->kind, p);
	/* events that lack the column hold a missing value of it */
	n_rows = pair.cur.n + pair.cur.n_missing + pair.cur.n_invalid;
	if (window->n_events > n_rows)
		pair.cur.n_missing += window->n_events - n_rows;
	judge_column(spec, i, alpha, &pair, out);
	pair_release(&pair);
}

void judge_window(const struct judge_spec *spec,
		  const struct baseline *baseline,
		  const struct profile_set *window, struct verdicts *out)
{
	double alpha = alpha_of_column(spec, baseline);
	size_t i;

	if (window->n_events == 0) {
		judge_empty_window(out);
		return;
	}
	judge_begin(out);
	for (i = 0; i < spec->n_columns; i++)
		judge_entry(spec, i, alpha, baseline, window, out);
	judge_finish(baseline != NULL ? baseline->n_rows : 0, window->n_events,
		     out);
}

void judge_volume_ratio(const struct baseline *baseline, int64_t window_us,
			uint64_t n_events, struct verdicts *out)
{
	double usual;

	if (baseline == NULL || baseline->first_us == INT64_MIN ||
	    baseline->last_us <= baseline->first_us || window_us <= 0)
		return;
	usual = (double)baseline->n_rows * (double)window_us /
		(double)(baseline->last_us - baseline->first_us);
	judge_add_model_row("volume_ratio", (double)n_events / usual,
			    baseline->n_rows, n_events, out);
}
