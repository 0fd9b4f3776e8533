/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a rule says of the last m judged windows. */
#include "alerts/rule.h"

#include "base/dict.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/alert_store.h"

#include <stdlib.h>
#include <string.h>

/* Shares are sums of decimals such as 0.7 + 0.1: not a hair below 0.8. */
static const double share_slack = 1e-9;

/* One side of the question: breaching in k of m, or in the newest window. */
struct tally {
	double weight;
	int64_t first_us;
	const char **columns;
	size_t n;
};

static bool is_among(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool rule_is_about(const struct config_rule *rule,
		   const struct config_model *model)
{
	return rule->n_models == 0 ||
	       is_among(rule->models, rule->n_models, model->name);
}

bool rule_has_column(const struct config_rule *rule, const char *column)
{
	return rule->n_columns == 0 ||
	       is_among(rule->columns, rule->n_columns, column);
}

static double weight_of(const struct config_model *model, const char *column)
{
	uint32_t i = DICT_NONE;

	if (model->names)
		i = dict_find(model->names, column, strlen(column));
	if (i == DICT_NONE || i >= model->n_columns ||
	    !(model->columns[i].importance >= 0))
		return 1;
	return model->columns[i].importance;
}

static void tally_add(struct tally *t, const char *column, double weight,
		      int64_t first_us)
{
	if (t->n == 0 || first_us < t->first_us)
		t->first_us = first_us;
	t->columns[t->n++] = column;
	t->weight += weight;
}

static bool tally_holds(const struct tally *t, const struct config_rule *rule,
			double judged)
{
	if (t->n == 0)
		return false;
	if (!(rule->share > 0))
		return true;
	return t->weight >= (rule->share - share_slack) * judged;
}

/* The cells [from, to) are of one column. */
static void count_column(const struct config_rule *rule, double weight,
			 const struct alert_store_window *windows,
			 const struct alert_store_cell *cells, size_t n,
			 struct tally *held, struct tally *newest)
{
	int64_t n_breaches = 0, first_us = INT64_MAX;
	bool in_newest = false;

	for (size_t i = 0; i < n; i++) {
		size_t w = cells[i].window;

		if (!cells[i].drifted)
			continue;
		n_breaches++;
		if (windows[w].start_us < first_us)
			first_us = windows[w].start_us;
		in_newest = in_newest || w == 0;
	}
	if (n_breaches >= rule->k)
		tally_add(held, cells[0].column, weight, first_us);
	if (in_newest)
		tally_add(newest, cells[0].column, weight, windows[0].start_us);
}

static void take(struct rule_outcome *out, enum alert_event event,
		 struct tally *t)
{
	out->event = event;
	out->first_us = t->first_us;
	out->columns = t->columns;
	out->n_columns = t->n;
	t->columns = NULL;
}

void rule_evaluate(const struct config_rule *rule,
		   const struct config_model *model,
		   const struct alert_store_window *windows, size_t n_windows,
		   const struct alert_store_cell *cells, size_t n_cells,
		   struct rule_outcome *out)
{
	struct tally held = {0}, newest = {0};
	double judged = 0;

	*out = (struct rule_outcome){.event = ALERT_CLEAR,
				     .first_us = INT64_MIN};
	if (n_windows == 0 || n_cells == 0)
		return;
	held.columns = xcalloc(n_cells, sizeof(*held.columns));
	newest.columns = xcalloc(n_cells, sizeof(*newest.columns));
	for (size_t i = 0, end; i < n_cells; i = end) {
		double weight;

		for (end = i + 1; end < n_cells; end++)
			if (strcmp(cells[end].column, cells[i].column) != 0)
				break;
		if (!rule_has_column(rule, cells[i].column))
			continue;
		weight = weight_of(model, cells[i].column);
		judged += weight;
		count_column(rule, weight, windows, cells + i, end - i, &held,
			     &newest);
	}
	if (tally_holds(&held, rule, judged))
		take(out, ALERT_HELD, &held);
	else if (tally_holds(&newest, rule, judged))
		take(out, ALERT_BREACH, &newest);
	free(held.columns);
	free(newest.columns);
}

void rule_outcome_release(struct rule_outcome *o)
{
	free(o->columns);
	*o = (struct rule_outcome){0};
}

bool rule_outcome_has(const struct rule_outcome *o, const char *column)
{
	for (size_t i = 0; i < o->n_columns; i++)
		if (strcmp(o->columns[i], column) == 0)
			return true;
	return false;
}
