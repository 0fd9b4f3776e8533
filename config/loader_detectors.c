/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - which detectors a model runs, and their thresholds. */
#include "config/loader.h"

#include "base/attr.h"
#include "base/dict.h"
#include "base/mem.h"
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THRESHOLD_MAX  1e9
#define IMPORTANCE_MAX 1e9

enum { NAMES_MAX = 2 * DETECTORS_MAX };

static const char *const level_names[] = {"warning", "error", "critical"};

/* Names first, then metrics: a detector goes by both. */
static const struct detector *find_detector(struct loader *l,
					    const struct node *at, bool key,
					    const char *name)
{
	const struct detector *d = detector_find(name);
	const struct detector *const *list;
	const char *names[NAMES_MAX];
	size_t n, count = 0;

	if (d)
		return d;
	list = detector_list(&n);
	for (size_t i = 0; i < n && count + 2 <= NAMES_MAX; i++) {
		names[count++] = list[i]->name;
		names[count++] = list[i]->metric;
	}
	loader_unknown(l, at, key, "detector", name, names, count);
	return NULL;
}

static void read_list(struct loader *l, const struct node *list,
		      struct config_model *m)
{
	const struct detector *const *all;
	const struct detector *d;
	bool given = loader_is(l, list, NODE_SEQUENCE);
	uint64_t bit;
	size_t n;

	all = detector_list(&n);
	for (size_t i = 0; i < n; i++)
		if (all[i]->always || (!given && all[i]->by_default))
			m->detectors |= UINT64_C(1) << i;
	for (size_t i = 0; given && i < list->n_items; i++) {
		if (!loader_is(l, list->items[i], NODE_SCALAR))
			continue;
		d = find_detector(l, list->items[i], false,
				  list->items[i]->text);
		if (!d)
			continue;
		bit = UINT64_C(1) << detector_index(d);
		if ((m->detectors & bit) && !d->always)
			problems_add(&l->problems, list->items[i],
				     "\"%s\" is listed twice",
				     list->items[i]->text);
		m->detectors |= bit;
	}
}

/* A level that was not given goes where it would contradict one that was. */
static void drop_contradictions(struct thresholds *t, bool warning_given,
				bool critical_given)
{
	double low = isnan(t->error) ? t->critical : t->error;
	double high = isnan(t->error) ? t->warning : t->error;

	if (!warning_given && t->warning > low)
		t->warning = (double)NAN;
	if (!critical_given && t->critical < high)
		t->critical = (double)NAN;
}

static bool are_ordered(const struct thresholds *t)
{
	return !(t->warning > t->error) && !(t->error > t->critical) &&
	       !(t->warning > t->critical);
}

/* {warning: 0.1, error: 0.2, critical: null}: null takes a level away. */
static void read_levels(struct loader *l, const struct node *map,
			struct thresholds *t)
{
	double *levels[] = {&t->warning, &t->error, &t->critical};
	bool given[ARRAY_LEN(level_names)] = {false};
	const struct node *n;

	loader_check_keys(l, map, level_names, ARRAY_LEN(level_names));
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		n = node_find(map, level_names[i]);
		if (!n)
			continue;
		given[i] = true;
		if (n->kind == NODE_SCALAR && n->is_null)
			*levels[i] = (double)NAN;
		else
			loader_number(l, n, 0, THRESHOLD_MAX, levels[i]);
	}
	drop_contradictions(t, given[0], given[2]);
	if (!are_ordered(t))
		problems_add(&l->problems, map,
			     "thresholds of \"%s\" must rise from warning to "
			     "error to critical",
			     map->key);
}

static void read_threshold(struct loader *l, const struct node *n,
			   struct thresholds *all)
{
	const struct detector *d = find_detector(l, n, true, n->key);
	struct thresholds *t;

	if (!d)
		return;
	if (!d->decides) {
		problems_add_key(&l->problems, n,
				 "\"%s\" never decides: a threshold would "
				 "have no effect",
				 n->key);
		return;
	}
	t = &all[detector_index(d)];
	if (n->kind == NODE_MAPPING)
		read_levels(l, n, t);
	else if (loader_number(l, n, 0, THRESHOLD_MAX, &t->error))
		drop_contradictions(t, false, false);
}

static void read_thresholds(struct loader *l, const struct node *map,
			    struct thresholds *all)
{
	if (!loader_is(l, map, NODE_MAPPING))
		return;
	for (size_t i = 0; i < map->n_items; i++)
		read_threshold(l, map->items[i], all);
}

static void read_column(struct loader *l, const struct node *map,
			struct config_column *c)
{
	static const char *const keys[] = {"importance", "thresholds"};
	const struct node *importance;

	if (!loader_is(l, map, NODE_MAPPING))
		return;
	loader_check_keys(l, map, keys, ARRAY_LEN(keys));
	importance = node_find(map, "importance");
	if (importance && !importance->is_null)
		loader_number(l, importance, 0, IMPORTANCE_MAX, &c->importance);
	read_thresholds(l, node_find(map, "thresholds"), c->thresholds);
}

static void read_columns(struct loader *l, const struct node *map,
			 struct config_model *m)
{
	const char **names;
	const struct node *n;
	uint32_t at;

	if (!loader_is(l, map, NODE_MAPPING))
		return;
	names = xcalloc(m->n_columns + 1, sizeof(*names));
	for (size_t i = 0; i < m->n_columns; i++)
		names[i] = m->columns[i].name;
	for (size_t i = 0; i < map->n_items; i++) {
		n = map->items[i];
		at = dict_find(m->names, n->key, strlen(n->key));
		if (at != DICT_NONE) {
			read_column(l, n, &m->columns[at]);
			continue;
		}
		loader_unknown(l, n, true, "column", n->key, names,
			       m->n_columns);
		break;
	}
	free(names);
}

void loader_read_detectors(struct loader *l, const struct node *map,
			   struct config_model *m)
{
	const struct detector *const *list;
	size_t n;

	read_list(l, node_find(map, "detectors"), m);
	list = detector_list(&n);
	m->thresholds = xcalloc(n + 1, sizeof(*m->thresholds));
	for (size_t i = 0; i < n; i++)
		m->thresholds[i] = list[i]->thresholds;
	read_thresholds(l, node_find(map, "thresholds"), m->thresholds);
	for (size_t i = 0; i < m->n_columns; i++) {
		m->columns[i].thresholds =
			xcalloc(n + 1, sizeof(struct thresholds));
		memcpy(m->columns[i].thresholds, m->thresholds,
		       n * sizeof(struct thresholds));
	}
	read_columns(l, node_find(map, "columns"), m);
}
