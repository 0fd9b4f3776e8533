/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - the models: inline, from files, from a directory. */
#include "config/loader.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 10000 };

static struct config_model *append_model(struct config *c)
{
	size_t n = c->n_models;

	/* Full at powers of two. */
	if ((n & (n - 1)) == 0)
		c->models = xrealloc_array(c->models, n ? 2 * n : 1,
					   sizeof(*c->models));
	memset(&c->models[n], 0, sizeof(*c->models));
	c->n_models++;
	return &c->models[n];
}

/* Names and versions are unique, and so is the default among versions. */
static void check_unique(struct loader *l, const struct node *map,
			 const struct config_model *m)
{
	const struct config_model *other;
	const struct node *name = node_find(map, "name");
	const struct node *fallback = node_find(map, "default");

	for (size_t i = 0; i + 1 < l->config->n_models; i++) {
		other = &l->config->models[i];
		if (strcmp(other->name, m->name) != 0)
			continue;
		if (strcmp(other->version, m->version) == 0)
			problems_add(&l->problems, name ? name : map,
				     "model \"%s\" version \"%s\" is "
				     "defined twice, first in %s:%u",
				     m->name, m->version, other->file,
				     other->line);
		else if (other->is_default && m->is_default)
			problems_add(&l->problems, fallback ? fallback : map,
				     "model \"%s\" has two defaults, versions "
				     "\"%s\" and \"%s\"",
				     m->name, other->version, m->version);
	}
}

static void read_model(struct loader *l, const struct node *map)
{
	struct config_model *m = append_model(l->config);

	loader_read_model(l, map, m);
	check_unique(l, map, m);
}

/* The entry's keys, and those of the file that it does not have. */
static struct node overlay(const struct node *entry, const struct node *file)
{
	struct node n = *entry;

	n.items = xcalloc(entry->n_items + file->n_items + 1,
			  sizeof(struct node *));
	n.n_items = 0;
	for (size_t i = 0; i < entry->n_items; i++)
		if (strcmp(entry->items[i]->key, "file") != 0)
			n.items[n.n_items++] = entry->items[i];
	for (size_t i = 0; i < file->n_items; i++)
		if (!node_find(entry, file->items[i]->key))
			n.items[n.n_items++] = file->items[i];
	return n;
}

/* The root of a model's file; NULL and a problem. */
static const struct node *open_model(struct loader *l, const char *path,
				     const struct node *at)
{
	unsigned n = l->problems.n;
	const struct document *d = loader_open(l, path, at);

	if (loader_is(l, d->root, NODE_MAPPING))
		return d->root;
	/* Unless that was said already. */
	if (n == l->problems.n)
		problems_add_place(&l->problems, d, 0, 0,
				   "\"%s\" defines no model", d->path);
	return NULL;
}

/* One entry of `models:`. */
static void read_entry(struct loader *l, const struct node *entry)
{
	const struct node *file = node_find(entry, "file");
	const struct node *root;
	struct node whole;
	char *path;

	if (!loader_is(l, entry, NODE_MAPPING))
		return;
	if (!file) {
		read_model(l, entry);
		return;
	}
	if (!loader_is(l, file, NODE_SCALAR))
		return;
	path = loader_path(file, file->text);
	root = open_model(l, path, file);
	free(path);
	if (!root)
		return;
	whole = overlay(entry, root);
	read_model(l, &whole);
	free(whole.items);
}

static int is_yaml(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	       strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_file(struct loader *l, const struct node *at,
		      const char *directory, const char *name)
{
	const struct node *root;
	struct buf path;

	buf_init(&path, NODE_FILE_MAX + 4096);
	buf_printf(&path, "%s/%s", directory, name);
	root = open_model(l, buf_str(&path), at);
	buf_release(&path);
	if (root)
		read_model(l, root);
}

/* Every *.yaml, sorted by name. */
static void read_directory(struct loader *l, const struct node *at)
{
	struct dirent **entries = NULL;
	char *directory;
	struct err e;
	int n;

	if (!loader_is(l, at, NODE_SCALAR))
		return;
	directory = loader_path(at, at->text);
	n = scandir(directory, &entries, is_yaml, compare_entries);
	if (n < 0) {
		err_errno(&e, "cannot read \"%s\"", directory);
		problems_add(&l->problems, at, "%s", e.message);
	} else if (n > MODELS_MAX) {
		problems_add(&l->problems, at, "more than %d models",
			     MODELS_MAX);
	}
	for (int i = 0; i < n; i++) {
		if (n <= MODELS_MAX)
			read_file(l, at, directory, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(directory);
}

void loader_read_models(struct loader *l, const struct node *root)
{
	const struct node *list = node_find(root, "models");

	if (loader_is(l, list, NODE_SEQUENCE) &&
	    loader_check_count(l, list, MODELS_MAX))
		for (size_t i = 0; i < list->n_items; i++)
			read_entry(l, list->items[i]);
	read_directory(l, node_find(root, "models_dir"));
}

void loader_read_single(struct loader *l, const struct document *d)
{
	if (loader_is(l, d->root, NODE_MAPPING))
		read_model(l, d->root);
	else if (!l->problems.any)
		problems_add_place(&l->problems, d, 0, 0,
				   "\"%s\" defines no model", d->path);
}
