/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - alerts: receivers and rules. */
#include "config/loader.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/option.h"
#include "config/config.h"
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

enum {
	RULE_WINDOWS_MAX = 100,
	NAMES_MAX = 128, /* looked through for a suggestion */
	RECEIVERS_MAX = 1000,
	RULES_MAX = 1000
};

static const struct node *required(struct loader *l, const struct node *map,
				   const char *key, const char *what)
{
	const struct node *n = node_find(map, key);

	if (!n || (n->kind == NODE_SCALAR && n->is_null)) {
		problems_add(&l->problems, map, "a %s needs \"%s\"", what, key);
		return NULL;
	}
	return n;
}

static void check_receiver(struct loader *l, const struct node *map,
			   struct config_receiver *r)
{
	const struct node *name = required(l, map, "name", "receiver");
	const struct node *url = node_find(map, "url");
	const struct node *secret = node_find(map, "secret");
	const struct config *c = l->config;

	if (name && r->name && loader_check_name(l, name, "receiver"))
		for (size_t i = 0; i < c->n_receivers; i++)
			if (c->receivers[i].name &&
			    strcmp(c->receivers[i].name, r->name) == 0)
				problems_add(&l->problems, name,
					     "receiver \"%s\" is defined "
					     "twice, first in line %u",
					     r->name, c->receivers[i].line);
	loader_read_twin(l, map, "secret", &r->secret);
	if (r->secret && !*r->secret)
		problems_add(&l->problems, secret, "\"secret\" is empty");
	if (loader_read_twin(l, map, "url", &r->url)) {
		r->url_is_secret = true;
		url = node_find(map, "url_file");
	}
	if (r->url && url)
		loader_check_url(l, url, r->url);
	else if (!node_find(map, "url_file"))
		problems_add(&l->problems, map, "a receiver needs \"url\"");
}

static void read_receivers(struct loader *l, const struct node *list)
{
	static const char *const others[] = {"url_file", "secret_file"};
	const struct loader_table t = {settings_receiver, settings_n_receiver,
				       "", others, ARRAY_LEN(others)};
	struct config *c = l->config;
	struct config_receiver *r;

	if (!loader_is(l, list, NODE_SEQUENCE) || list->n_items == 0 ||
	    !loader_check_count(l, list, RECEIVERS_MAX))
		return;
	c->receivers = xcalloc(list->n_items, sizeof(*c->receivers));
	for (size_t i = 0; i < list->n_items; i++) {
		if (!loader_is(l, list->items[i], NODE_MAPPING))
			continue;
		r = &c->receivers[c->n_receivers];
		r->line = list->items[i]->line;
		r->column = list->items[i]->column;
		option_set_defaults(settings_receiver, settings_n_receiver, r);
		loader_read_table(l, list->items[i], &t, r);
		check_receiver(l, list->items[i], r);
		c->n_receivers++;
	}
}

/* "2 of 3" */
static bool parse_for(const char *text, int64_t *k, int64_t *m)
{
	const char *of = strstr(text, " of ");

	return of &&
	       number_parse_int(text, (size_t)(of - text), 1, RULE_WINDOWS_MAX,
				k) &&
	       number_parse_int(of + 4, strlen(of + 4), 1, RULE_WINDOWS_MAX,
				m) &&
	       *k <= *m;
}

static void read_for(struct loader *l, const struct node *n,
		     struct config_rule *r)
{
	r->k = r->m = 1;
	if (loader_is(l, n, NODE_SCALAR) && !parse_for(n->text, &r->k, &r->m))
		problems_add(&l->problems, n,
			     "\"for\" must be \"k of m\" with 1 <= k <= m <= "
			     "%d, not \"%s\"",
			     RULE_WINDOWS_MAX, n->text);
}

static void read_severity(struct loader *l, const struct node *n,
			  struct config_rule *r)
{
	static const char *const names[] = {"info", "warning", "error",
					    "critical", "page"};

	r->severity = SEVERITY_WARNING;
	if (loader_is(l, n, NODE_SCALAR) &&
	    (!*n->text || severity_parse(n->text, &r->severity) != 0))
		loader_unknown(l, n, false, "severity", n->text, names,
			       ARRAY_LEN(names));
}

static void read_signal(struct loader *l, const struct node *map,
			struct config_rule *r)
{
	const struct node *n = required(l, map, "signal", "rule");
	const char *names[N_SIGNALS];

	if (!n || !loader_is(l, n, NODE_SCALAR) ||
	    signal_parse(n->text, &r->signal) == 0)
		return;
	for (int i = 0; i < N_SIGNALS; i++)
		names[i] = signal_name((enum signal)i);
	loader_unknown(l, n, false, "signal", n->text, names, N_SIGNALS);
}

/* A rule's metric is one that can make a column drift. */
static void read_metric(struct loader *l, const struct node *n,
			struct config_rule *r)
{
	const char *names[2 * DETECTORS_MAX];
	const struct detector *const *list;
	const struct detector *d;
	size_t n_list, count = 0;

	if (!loader_is(l, n, NODE_SCALAR))
		return;
	d = detector_find(n->text);
	if (d && d->decides) {
		r->metric = xstrdup(d->metric);
		return;
	}
	if (d) {
		problems_add(&l->problems, n,
			     "metric \"%s\" never decides, so that a rule on "
			     "it could not fire",
			     n->text);
		return;
	}
	list = detector_list(&n_list);
	for (size_t i = 0; i < n_list; i++)
		if (list[i]->decides)
			names[count++] = list[i]->metric;
	loader_unknown(l, n, false, "metric", n->text, names, count);
}

static void read_rule_receivers(struct loader *l, const struct node *map,
				struct config_rule *r)
{
	const struct node *list = required(l, map, "receivers", "rule");
	const struct config *c = l->config;
	const char *names[NAMES_MAX];
	size_t n = 0, k;

	if (!list)
		return;
	r->receivers = loader_texts(l, list, "receiver", &r->n_receivers);
	if (list->kind != NODE_SEQUENCE)
		return;
	for (size_t i = 0; i < c->n_receivers && n < NAMES_MAX; i++)
		if (c->receivers[i].name)
			names[n++] = c->receivers[i].name;
	for (size_t i = 0; i < list->n_items; i++) {
		if (list->items[i]->kind != NODE_SCALAR)
			continue;
		for (k = 0; k < c->n_receivers; k++)
			if (c->receivers[k].name &&
			    strcmp(c->receivers[k].name,
				   list->items[i]->text) == 0)
				break;
		if (k == c->n_receivers)
			loader_unknown(l, list->items[i], false, "receiver",
				       list->items[i]->text, names, n);
	}
}

static void read_rule(struct loader *l, const struct node *map,
		      struct config_rule *r)
{
	static const char *const others[] = {"signal",	 "metric", "columns",
					     "models",	 "for",	   "severity",
					     "receivers"};
	const struct loader_table t = {settings_rule, settings_n_rule, "",
				       others, ARRAY_LEN(others)};
	const struct node *name = required(l, map, "name", "rule");
	const struct config *c = l->config;

	r->line = map->line;
	r->column_number = map->column;
	option_set_defaults(settings_rule, settings_n_rule, r);
	loader_read_table(l, map, &t, r);
	if (name && r->name && loader_check_name(l, name, "rule"))
		for (size_t i = 0; i < c->n_rules; i++)
			if (c->rules[i].name &&
			    strcmp(c->rules[i].name, r->name) == 0)
				problems_add(&l->problems, name,
					     "rule \"%s\" is defined twice, "
					     "first in line %u",
					     r->name, c->rules[i].line);
	read_signal(l, map, r);
	read_metric(l, node_find(map, "metric"), r);
	read_for(l, node_find(map, "for"), r);
	read_severity(l, node_find(map, "severity"), r);
	read_rule_receivers(l, map, r);
	r->columns = loader_texts(l, node_find(map, "columns"), "column",
				  &r->n_columns);
	r->models = loader_texts(l, node_find(map, "models"), "model",
				 &r->n_models);
}

void loader_read_alerts(struct loader *l, const struct node *alerts)
{
	static const char *const keys[] = {"receivers", "rules"};
	const struct node *rules;
	struct config *c = l->config;

	if (!loader_is(l, alerts, NODE_MAPPING))
		return;
	loader_check_keys(l, alerts, keys, ARRAY_LEN(keys));
	read_receivers(l, node_find(alerts, "receivers"));
	rules = node_find(alerts, "rules");
	if (!loader_is(l, rules, NODE_SEQUENCE) || rules->n_items == 0 ||
	    !loader_check_count(l, rules, RULES_MAX))
		return;
	c->rules = xcalloc(rules->n_items, sizeof(*c->rules));
	for (size_t i = 0; i < rules->n_items; i++)
		if (loader_is(l, rules->items[i], NODE_MAPPING)) {
			read_rule(l, rules->items[i], &c->rules[c->n_rules]);
			c->n_rules++;
		}
}

static bool rule_wants(const struct config_rule *r, const char *model)
{
	if (!r->models)
		return true;
	for (size_t i = 0; i < r->n_models; i++)
		if (strcmp(r->models[i], model) == 0)
			return true;
	return false;
}

static bool model_has(const struct config_model *m, const char *column,
		      enum signal signal)
{
	for (size_t i = 0; i < m->n_columns; i++)
		if (column_signal(m->columns[i].role) == signal &&
		    strcmp(m->columns[i].name, column) == 0)
			return true;
	return false;
}

static void check_rule_models(struct loader *l, const struct node *list)
{
	const struct config *c = l->config;
	const char *names[NAMES_MAX];
	size_t n = 0;

	if (!list || list->kind != NODE_SEQUENCE)
		return;
	for (size_t i = 0; i < c->n_models && n < NAMES_MAX; i++)
		names[n++] = c->models[i].name;
	for (size_t i = 0; i < list->n_items; i++)
		if (list->items[i]->kind == NODE_SCALAR &&
		    !config_has_model(c, list->items[i]->text))
			loader_unknown(l, list->items[i], false, "model",
				       list->items[i]->text, names, n);
}

static void check_rule_columns(struct loader *l, const struct node *list,
			       const struct config_rule *r)
{
	const struct config *c = l->config;
	const char *names[NAMES_MAX];
	const struct config_column *column;
	size_t n = 0;
	bool found;

	if (!list || list->kind != NODE_SEQUENCE || c->n_models == 0)
		return;
	for (size_t i = 0; i < c->n_models; i++)
		for (size_t k = 0; k < c->models[i].n_columns; k++) {
			column = &c->models[i].columns[k];
			if (n < NAMES_MAX && rule_wants(r, c->models[i].name) &&
			    column_signal(column->role) == r->signal)
				names[n++] = column->name;
		}
	for (size_t i = 0; i < list->n_items; i++) {
		if (list->items[i]->kind != NODE_SCALAR)
			continue;
		found = false;
		for (size_t k = 0; k < c->n_models && !found; k++)
			found = rule_wants(r, c->models[k].name) &&
				model_has(&c->models[k], list->items[i]->text,
					  r->signal);
		if (!found)
			loader_unknown(l, list->items[i], false, "column",
				       list->items[i]->text, names, n);
	}
}

void loader_check_rules(struct loader *l, const struct node *alerts)
{
	const struct node *rules = node_find(alerts, "rules");
	size_t k = 0;

	if (!rules || rules->kind != NODE_SEQUENCE || !l->config->rules)
		return;
	for (size_t i = 0; i < rules->n_items; i++) {
		if (rules->items[i]->kind != NODE_MAPPING)
			continue;
		check_rule_models(l, node_find(rules->items[i], "models"));
		check_rule_columns(l, node_find(rules->items[i], "columns"),
				   &l->config->rules[k++]);
	}
}
