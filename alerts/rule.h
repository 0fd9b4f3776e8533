/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_RULE_H
#define DRIFTD_ALERTS_RULE_H

#include "alerts/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alert_store_cell;
struct alert_store_window;
struct config_model;
struct config_rule;

/*
 * rule - what a rule says of the last m judged windows.  Pure: no clock, no
 * database, no memory.
 *
 * A column breaches when it drifted in at least k of the windows.  The rule
 * holds when a column breaches or, with `share`, when the breaching columns
 * weigh at least that share of all judged ones (weight: importance, 1 when
 * not given).  The newest window breaches in the same sense with k = 1.
 */
struct rule_outcome {
	enum alert_event event; /* ALERT_CLEAR, ALERT_BREACH or ALERT_HELD */
	int64_t first_us;	/* start of the first breaching window */
	/* Columns that breach (ALERT_HELD), else those of the newest window;
	 * borrowed from the cells; owned array. */
	const char **columns;
	size_t n_columns;
};

/* Whether the rule is about this model. */
bool rule_is_about(const struct config_rule *rule,
		   const struct config_model *model);

/* Whether the rule is about this column. */
bool rule_has_column(const struct config_rule *rule, const char *column);

/* ${windows} newest first, at most rule->m; ${cells} by column. */
void rule_evaluate(const struct config_rule *rule,
		   const struct config_model *model,
		   const struct alert_store_window *windows, size_t n_windows,
		   const struct alert_store_cell *cells, size_t n_cells,
		   struct rule_outcome *out);
void rule_outcome_release(struct rule_outcome *o);

/* Whether the column is among the outcome's. */
bool rule_outcome_has(const struct rule_outcome *o, const char *column);

#endif
