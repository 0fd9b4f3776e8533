/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - one model: its settings beside columns and detectors. */
#include "config/loader.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/option.h"
#include "base/window.h"
#include "config/config.h"
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

enum { DEDUPE_BATCH, DEDUPE_ID, DEDUPE_NONE };

static int64_t make_model_id(const struct config_model *m)
{
	struct buf key;
	int64_t id;

	buf_init(&key, NODE_MESSAGE_MAX);
	buf_add(&key, m->name, strlen(m->name) + 1);
	buf_add_str(&key, m->version);
	id = hash_id63(key.data, key.len);
	buf_release(&key);
	return id;
}

static void check_names(struct loader *l, const struct node *map)
{
	static const struct {
		const char *key, *kind;
	} rows[] = {
		{"name", "model"},	  {"version", "version"},
		{"id", "column"},	  {"timestamp", "column"},
		{"label_time", "column"}, {"baseline", "version"},
	};
	const struct node *n;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		n = node_find(map, rows[i].key);
		if (n && n->kind == NODE_SCALAR && !n->is_null)
			loader_check_name(l, n, rows[i].kind);
	}
}

static void read_name(struct loader *l, const struct node *map,
		      struct config_model *m)
{
	const struct node *name = node_find(map, "name");

	check_names(l, map);
	if (!m->name) {
		if (!name || (name->kind == NODE_SCALAR && name->is_null))
			problems_add(&l->problems, map,
				     "a model needs a \"name\"");
		m->name = xstrdup("");
	}
	m->model_id = make_model_id(m);
}

static void read_missing(struct loader *l, const struct node *list,
			 struct config_model *m)
{
	m->missing = loader_texts(l, list, NULL, &m->n_missing);
	if (m->missing)
		return;
	m->missing = xcalloc(1, sizeof(*m->missing));
	m->missing[m->n_missing++] = xstrdup("");
}

/* true, false, or {sample: share}. */
static void read_labels(struct loader *l, const struct node *n,
			struct config_model *m)
{
	static const struct option row = {
		.name = "labels",
		.type = OPTION_BOOL,
		.offset = offsetof(struct config_model, labels),
		.fallback = "false",
	};
	static const char *const keys[] = {"sample"};
	const struct node *sample;
	struct err e;

	m->label_sample = 1;
	if (!n || (n->kind == NODE_SCALAR && n->is_null))
		return;
	if (n->kind == NODE_MAPPING) {
		loader_check_keys(l, n, keys, ARRAY_LEN(keys));
		m->labels = true;
		sample = node_find(n, "sample");
		if (sample &&
		    loader_number(l, sample, 0, 1, &m->label_sample) &&
		    m->label_sample <= 0)
			problems_add(&l->problems, sample,
				     "\"sample\" must be above 0");
	} else if (loader_is(l, n, NODE_SCALAR) &&
		   option_set(&row, m, n->text, &e) != 0) {
		problems_add(&l->problems, n, "%s", e.message);
	}
	if (m->labels && (!m->id || !m->label))
		problems_add_key(&l->problems, n,
				 "\"labels\" needs \"%s\": labels are joined "
				 "on it",
				 m->id ? "label" : "id");
}

/* Whether every window of ${wide} is made of whole windows of ${base}. */
static bool is_made_of(struct window_width wide, struct window_width base)
{
	const int64_t day_us = INT64_C(86400) * 1000000;
	const int64_t week_us = 7 * day_us;

	if (base.unit == wide.unit)
		return wide.n % base.n == 0 && wide.n > base.n;
	if (base.unit != WINDOW_FIXED)
		return false;
	/* Fixed windows are aligned to 1970-01-01, a Thursday: beyond a day
	 * they do not begin with a week or a month. */
	if (base.n > day_us || day_us % base.n != 0)
		return false;
	return wide.unit == WINDOW_MONTH || week_us % base.n == 0;
}

static void read_windows(struct loader *l, const struct node *list,
			 const struct config_model *m)
{
	const struct node *item;
	struct window_width w;
	struct err e;
	size_t n_good = 0;

	if (!loader_is(l, list, NODE_SEQUENCE))
		return;
	for (size_t i = 0; i < list->n_items; i++) {
		item = list->items[i];
		if (!loader_is(l, item, NODE_SCALAR))
			continue;
		if (window_parse(item->text, &w, &e) != 0)
			problems_add(&l->problems, item, "%s", e.message);
		else if (!is_made_of(w, m->window))
			problems_add(&l->problems, item,
				     "window \"%s\" is not made of whole "
				     "windows of \"window\"",
				     item->text);
		else
			n_good++;
	}
	if (!l->offline && n_good == list->n_items && n_good)
		problems_add_key(&l->problems, list,
				 "\"windows\" is not supported yet");
}

static bool names_column(const struct config_model *m, const char *name)
{
	for (size_t i = 0; i < m->n_columns; i++)
		if (strcmp(m->columns[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < m->n_ignore; i++)
		if (strcmp(m->ignore[i], name) == 0)
			return true;
	return false;
}

static void read_slices(struct loader *l, const struct node *list,
			const struct config_model *m)
{
	const char **names;
	size_t n, n_good = 0;
	char **slices = loader_texts(l, list, "column", &n);

	if (!slices)
		return;
	names = xcalloc(m->n_columns + 1, sizeof(*names));
	for (size_t i = 0; i < m->n_columns; i++)
		names[i] = m->columns[i].name;
	for (size_t i = 0; i < list->n_items; i++) {
		if (list->items[i]->kind != NODE_SCALAR)
			continue;
		if (names_column(m, list->items[i]->text))
			n_good++;
		else
			loader_unknown(l, list->items[i], false, "column",
				       list->items[i]->text, names,
				       m->n_columns);
	}
	if (!l->offline && n_good == list->n_items)
		problems_add_key(&l->problems, list,
				 "\"slices\" is not supported yet");
	free(names);
	for (size_t i = 0; i < n; i++)
		free(slices[i]);
	free(slices);
}

static void check_dedupe(struct loader *l, const struct node *n,
			 const struct config_model *m)
{
	if (!n || m->dedupe != DEDUPE_ID)
		return;
	if (!m->labels)
		problems_add(&l->problems, n,
			     "\"dedupe: id\" needs \"labels: true\"");
	else if (!l->offline)
		problems_add(&l->problems, n,
			     "\"dedupe: id\" is not supported yet");
}

void loader_read_model(struct loader *l, const struct node *map,
		       struct config_model *m)
{
	static const char *const others[] = {
		"score",   "missing", "features", "ignore",	"detectors",
		"windows", "slices",  "labels",	  "thresholds", "columns",
	};
	const struct loader_table t = {settings_model, settings_n_model, "",
				       others, ARRAY_LEN(others)};

	m->line = map->line;
	m->column = map->column;
	m->file = xstrdup(map->document->path);
	option_set_defaults(settings_model, settings_n_model, m);
	loader_read_table(l, map, &t, m);
	read_name(l, map, m);
	read_missing(l, node_find(map, "missing"), m);
	m->ignore = loader_texts(l, node_find(map, "ignore"), "column",
				 &m->n_ignore);
	loader_read_columns(l, map, m);
	loader_read_detectors(l, map, m);
	read_labels(l, node_find(map, "labels"), m);
	read_windows(l, node_find(map, "windows"), m);
	read_slices(l, node_find(map, "slices"), m);
	check_dedupe(l, node_find(map, "dedupe"), m);
}
