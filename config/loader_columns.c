/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - the columns of a model by their roles. */
#include "config/loader.h"

#include "base/attr.h"
#include "base/dict.h"
#include "base/mem.h"
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
	const struct node *at; /* whose text is the column's name */
	enum column_kind kind;
	enum column_role role;
	const char *class_name; /* NULL: none */
};

static bool is_same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

static void append_column(struct config_model *m, const struct wanted *w)
{
	struct config_column *c;
	size_t n = m->n_columns;

	/* Full at powers of two. */
	if ((n & (n - 1)) == 0)
		m->columns = xrealloc_array(m->columns, n ? 2 * n : 1,
					    sizeof(*m->columns));
	c = &m->columns[m->n_columns++];
	memset(c, 0, sizeof(*c));
	c->name = xstrdup(w->at->text);
	c->kind = w->kind;
	c->role = w->role;
	c->importance = (double)NAN;
	c->class_name = w->class_name ? xstrdup(w->class_name) : NULL;
}

static void add_column(struct loader *l, struct config_model *m,
		       const struct wanted *w)
{
	const char *name = w->at->text;
	const char *role = column_role_name(w->role);
	uint32_t known;

	if (!loader_check_name(l, w->at, "column"))
		return;
	known = dict_find(m->names, name, strlen(name));
	if (known != DICT_NONE && m->columns[known].role == w->role)
		problems_add(&l->problems, w->at, "column \"%s\" is a %s twice",
			     name, role);
	else if (known != DICT_NONE)
		problems_add(&l->problems, w->at,
			     "column \"%s\" is a %s and a %s", name,
			     column_role_name(m->columns[known].role), role);
	else if (is_same(m->id, name) || is_same(m->timestamp, name))
		problems_add(&l->problems, w->at,
			     "column \"%s\" is the %s and a %s", name,
			     is_same(m->id, name) ? "id" : "timestamp", role);
	else if ((int64_t)m->n_columns >= l->config->server.max_columns)
		problems_add(&l->problems, w->at,
			     "more columns than \"max_columns\", %lld",
			     (long long)l->config->server.max_columns);
	else {
		dict_add(m->names, name, strlen(name));
		append_column(m, w);
	}
}

static void add_features(struct loader *l, struct config_model *m,
			 const struct node *features)
{
	static const char *const kinds[] = {"numeric", "categorical"};
	const struct node *list;
	struct wanted w = {.role = ROLE_FEATURE};

	if (!loader_is(l, features, NODE_MAPPING))
		return;
	loader_check_keys(l, features, kinds, ARRAY_LEN(kinds));
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		list = node_find(features, kinds[k]);
		if (!loader_is(l, list, NODE_SEQUENCE))
			continue;
		w.kind = k == 0 ? COLUMN_NUMERIC : COLUMN_CATEGORICAL;
		for (size_t i = 0; i < list->n_items; i++) {
			w.at = list->items[i];
			if (w.at->kind == NODE_SCALAR)
				add_column(l, m, &w);
			else
				problems_add(&l->problems, w.at,
					     "\"%s\" must be a list of "
					     "column names",
					     list->key);
		}
	}
}

static void add_single(struct loader *l, struct config_model *m,
		       const struct node *at, enum column_kind kind,
		       enum column_role role)
{
	const struct wanted w = {at, kind, role, NULL};

	if (at && at->kind == NODE_SCALAR && !at->is_null)
		add_column(l, m, &w);
}

/* One column, or for multiclass one per class. */
static void add_scores(struct loader *l, struct config_model *m,
		       const struct node *score)
{
	struct wanted w = {.kind = COLUMN_NUMERIC, .role = ROLE_SCORE};

	if (!score || (score->kind == NODE_SCALAR && score->is_null))
		return;
	if (m->task != TASK_MULTICLASS) {
		if (!loader_is(l, score, NODE_SCALAR))
			return;
		m->score = xstrdup(score->text);
		add_single(l, m, score, COLUMN_NUMERIC, ROLE_SCORE);
		return;
	}
	if (score->kind != NODE_MAPPING) {
		problems_add(&l->problems, score,
			     "\"score\" of a multiclass model must be a "
			     "mapping of class to column");
		return;
	}
	for (size_t i = 0; i < score->n_items; i++) {
		w.at = score->items[i];
		w.class_name = w.at->key;
		if (strlen(w.class_name) > CONFIG_NAME_MAX)
			problems_add_key(&l->problems, w.at,
					 "a class is longer than %d bytes",
					 CONFIG_NAME_MAX);
		else if (loader_is(l, w.at, NODE_SCALAR))
			add_column(l, m, &w);
	}
}

static void check_latency(struct loader *l, const struct node *at)
{
	static const char *const endings[] = {"_ms", "_us", "_s"};
	size_t len, n;

	if (!at || at->kind != NODE_SCALAR || at->is_null)
		return;
	len = strlen(at->text);
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		n = strlen(endings[i]);
		if (len > n && strcmp(at->text + len - n, endings[i]) == 0)
			return;
	}
	problems_add(&l->problems, at,
		     "latency column \"%s\" must end in its unit: _ms, _us or "
		     "_s",
		     at->text);
}

static void check_ignored(struct loader *l, const struct config_model *m,
			  const struct node *list)
{
	const struct node *item;

	if (!list || list->kind != NODE_SEQUENCE)
		return;
	for (size_t i = 0; i < list->n_items; i++) {
		item = list->items[i];
		if (item->kind != NODE_SCALAR)
			continue;
		if (dict_find(m->names, item->text, strlen(item->text)) !=
			    DICT_NONE ||
		    is_same(m->id, item->text) ||
		    is_same(m->timestamp, item->text))
			problems_add(&l->problems, item,
				     "column \"%s\" is used and ignored",
				     item->text);
	}
}

void loader_read_columns(struct loader *l, const struct node *map,
			 struct config_model *m)
{
	enum column_kind kind = m->task == TASK_REGRESSION ? COLUMN_NUMERIC
							   : COLUMN_CATEGORICAL;
	const struct node *timestamp = node_find(map, "timestamp");
	unsigned n = l->problems.n;

	m->names = dict_new(0, 0);
	if (m->timestamp && is_same(m->id, m->timestamp))
		problems_add(&l->problems, timestamp,
			     "column \"%s\" is the id and the timestamp",
			     m->timestamp);
	add_features(l, m, node_find(map, "features"));
	add_single(l, m, node_find(map, "prediction"), kind, ROLE_PREDICTION);
	add_scores(l, m, node_find(map, "score"));
	add_single(l, m, node_find(map, "label"), kind, ROLE_LABEL);
	check_latency(l, node_find(map, "latency"));
	add_single(l, m, node_find(map, "latency"), COLUMN_NUMERIC,
		   ROLE_LATENCY);
	add_single(l, m, node_find(map, "status"), COLUMN_CATEGORICAL,
		   ROLE_STATUS);
	if (m->n_columns == 0 && n == l->problems.n)
		problems_add(&l->problems, map,
			     "a model needs at least one column: \"features\" "
			     "or \"prediction\"");
	check_ignored(l, m, node_find(map, "ignore"));
}
