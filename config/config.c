/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config - loading as a whole, sharing, looking up. */
#include "config/config.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/option.h"
#include "config/loader.h"
#include "config/settings.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What users see is the first member. */
struct config_shared {
	struct config config;
	atomic_uint references;
};

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

static void release_model(struct config_model *m)
{
	option_release(settings_model, settings_n_model, m);
	free(m->score);
	free(m->file);
	free_texts(m->missing, m->n_missing);
	free_texts(m->ignore, m->n_ignore);
	for (size_t i = 0; i < m->n_columns; i++) {
		free(m->columns[i].name);
		free(m->columns[i].class_name);
		free(m->columns[i].thresholds);
	}
	free(m->columns);
	free(m->thresholds);
	dict_free(m->names);
}

static void config_free(struct config *c)
{
	option_release(settings_daemon, settings_n_daemon, c);
	for (size_t i = 0; i < c->n_receivers; i++)
		option_release(settings_receiver, settings_n_receiver,
			       &c->receivers[i]);
	for (size_t i = 0; i < c->n_rules; i++) {
		option_release(settings_rule, settings_n_rule, &c->rules[i]);
		free(c->rules[i].metric);
		free_texts(c->rules[i].columns, c->rules[i].n_columns);
		free_texts(c->rules[i].models, c->rules[i].n_models);
		free_texts(c->rules[i].receivers, c->rules[i].n_receivers);
	}
	for (size_t i = 0; i < c->n_models; i++)
		release_model(&c->models[i]);
	free(c->receivers);
	free(c->rules);
	free(c->models);
	free(c->path);
	free(c);
}

static struct config_shared *shared_of(struct config *c)
{
	/* `config` is the first member. */
	return (struct config_shared *)(void *)c;
}

static struct config *config_new(const char *path)
{
	struct config_shared *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->references, 1);
	s->config.path = xstrdup(path);
	option_set_defaults(settings_daemon, settings_n_daemon, &s->config);
	return &s->config;
}

struct config *config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&shared_of(c)->references, 1,
				  memory_order_relaxed);
	return c;
}

void config_unref(struct config *c)
{
	if (c && atomic_fetch_sub_explicit(&shared_of(c)->references, 1,
					   memory_order_acq_rel) == 1)
		config_free(c);
}

static void read_root(struct loader *l, const struct node *root)
{
	static const char *const keys[] = {"server",	"storage", "journal",
					   "log",	"alerts",  "models",
					   "models_dir"};
	const struct node *alerts = node_find(root, "alerts");

	/* An empty file is the defaults. */
	if (root && loader_is(l, root, NODE_MAPPING))
		loader_check_keys(l, root, keys, ARRAY_LEN(keys));
	loader_read_settings(l, root);
	loader_read_alerts(l, alerts);
	loader_read_models(l, root);
	loader_check_rules(l, alerts);
}

/* The configuration in ${path}, or the one of a model file alone. */
static struct config *load(const char *path, bool is_model, struct err *e)
{
	struct config *c = config_new(path);
	struct loader l = {.config = c, .offline = is_model};
	const struct document *d;

	problems_init(&l.problems);
	d = loader_open(&l, path, NULL);
	if (is_model) {
		loader_read_settings(&l, NULL);
		loader_read_single(&l, d);
	} else if (!l.problems.any || d->root) {
		read_root(&l, d->root);
	}
	for (size_t i = 0; i < l.n_documents; i++)
		document_free(l.documents[i]);
	free(l.documents);
	if (!l.problems.any)
		return c;
	if (e)
		*e = l.problems.err;
	config_unref(c);
	return NULL;
}

struct config *config_load(const char *path, struct err *e)
{
	return load(path, false, e);
}

struct config *config_load_model(const char *path, struct err *e)
{
	return load(path, true, e);
}

const struct config_model *
config_find_model(const struct config *c, const char *name, const char *version)
{
	const struct config_model *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->n_models; i++) {
		const struct config_model *m = &c->models[i];

		if (strcmp(m->name, name) != 0)
			continue;
		if (version ? strcmp(m->version, version) == 0 : m->is_default)
			return m;
		only = m;
		n++;
	}
	return !version && n == 1 ? only : NULL;
}

bool config_has_model(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (strcmp(c->models[i].name, name) == 0)
			return true;
	return false;
}

static bool is_equal(const struct option *o, const struct config *a,
		     const struct config *b)
{
	struct buf left, right;
	bool result;

	buf_init(&left, NODE_FILE_MAX);
	buf_init(&right, NODE_FILE_MAX);
	result = option_print(o, a, &left) == option_print(o, b, &right) &&
		 strcmp(buf_str(&left), buf_str(&right)) == 0;
	buf_release(&left);
	buf_release(&right);
	return result;
}

const char *config_needs_restart(const struct config *before,
				 const struct config *after)
{
	for (size_t i = 0; i < settings_n_daemon; i++)
		if (settings_daemon[i].needs_restart &&
		    !is_equal(&settings_daemon[i], before, after))
			return settings_daemon[i].name;
	return NULL;
}
