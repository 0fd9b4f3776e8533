/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - the tools that the readers of a configuration share. */
#include "config/loader.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/option.h"
#include "base/utf8.h"
#include "config/file.h"

#include <stdlib.h>
#include <string.h>

enum { SECRET_FILE_MAX = 64 << 10, KEYS_MAX = 128 };

const struct document *loader_open(struct loader *l, const char *path,
				   const struct node *at)
{
	struct document *d =
		document_load(path, (unsigned)l->n_documents, at, &l->problems);

	l->documents = xrealloc_array(l->documents, l->n_documents + 1,
				      sizeof(struct document *));
	l->documents[l->n_documents++] = d;
	return d;
}

void loader_unknown(struct loader *l, const struct node *at, bool key,
		    const char *kind, const char *wrong,
		    const char *const *names, size_t n)
{
	const char *near = NULL;
	struct buf text;

	if (strlen(wrong) <= CONFIG_NAME_MAX)
		near = option_suggest(names, n, wrong);
	buf_init(&text, NODE_MESSAGE_MAX);
	buf_printf(&text, "unknown %s \"%s\"", kind, wrong);
	if (near)
		buf_printf(&text, ", did you mean \"%s\"?", near);
	if (key)
		problems_add_key(&l->problems, at, "%s", buf_str(&text));
	else
		problems_add(&l->problems, at, "%s", buf_str(&text));
	buf_release(&text);
}

bool loader_is(struct loader *l, const struct node *n, enum node_kind kind)
{
	const struct node wanted = {.kind = kind};

	if (!n || (n->kind == NODE_SCALAR && n->is_null))
		return false;
	if (n->kind == kind)
		return true;
	if (n->key)
		problems_add(&l->problems, n, "\"%s\" must be %s, not %s",
			     n->key, node_kind_name(&wanted),
			     node_kind_name(n));
	else
		problems_add(&l->problems, n, "expected %s, not %s",
			     node_kind_name(&wanted), node_kind_name(n));
	return false;
}

static bool is_one_of(const char *key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

void loader_check_keys(struct loader *l, const struct node *map,
		       const char *const *names, size_t n)
{
	for (size_t i = 0; i < map->n_items; i++) {
		if (is_one_of(map->items[i]->key, names, n))
			continue;
		loader_unknown(l, map->items[i], true, "key",
			       map->items[i]->key, names, n);
		return; /* the others stand behind it */
	}
}

/* The keys that a mapping of this table may have. */
static size_t known_keys(const struct loader_table *t,
			 const char *names[KEYS_MAX])
{
	size_t n = 0, skip = strlen(t->prefix);

	for (size_t i = 0; i < t->n_options && n < KEYS_MAX; i++)
		if (strncmp(t->options[i].name, t->prefix, skip) == 0 &&
		    !strchr(t->options[i].name + skip, '.'))
			names[n++] = t->options[i].name + skip;
	for (size_t i = 0; i < t->n_others && n < KEYS_MAX; i++)
		names[n++] = t->others[i];
	return n;
}

static void set_option(struct loader *l, const struct option *o,
		       const struct node *n, void *target)
{
	struct err e;

	if (!loader_is(l, n, NODE_SCALAR))
		return; /* an empty value leaves the default */
	if (option_set(o, target, n->text, &e) != 0)
		problems_add(&l->problems, n, "%s", e.message);
}

static const struct option *find_option(const struct loader_table *t,
					const char *key)
{
	const struct option *o;
	struct buf name;

	buf_init(&name, NODE_MESSAGE_MAX);
	buf_add_str(&name, t->prefix);
	buf_add_str(&name, key);
	o = name.failed ? NULL
			: option_find(t->options, t->n_options, buf_str(&name));
	buf_release(&name);
	return o;
}

void loader_read_table(struct loader *l, const struct node *map,
		       const struct loader_table *t, void *target)
{
	const char *names[KEYS_MAX];
	size_t n = known_keys(t, names);
	const struct option *o;

	if (!loader_is(l, map, NODE_MAPPING))
		return;
	loader_check_keys(l, map, names, n);
	for (size_t i = 0; i < map->n_items; i++) {
		o = find_option(t, map->items[i]->key);
		if (o)
			set_option(l, o, map->items[i], target);
	}
}

/* C0, DEL and C1. */
static bool has_control(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	for (; *s; s++)
		if (*s < 0x20 || *s == 0x7f ||
		    (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0))
			return true;
	return false;
}

bool loader_check_name(struct loader *l, const struct node *n, const char *kind)
{
	size_t len = strlen(n->text);

	if (len == 0)
		problems_add(&l->problems, n, "the name of a %s is empty",
			     kind);
	else if (len > CONFIG_NAME_MAX)
		problems_add(&l->problems, n,
			     "the name of a %s is longer than %d bytes", kind,
			     CONFIG_NAME_MAX);
	else if (has_control(n->text))
		problems_add(&l->problems, n,
			     "the name of a %s holds a control character",
			     kind);
	else if (strcmp(n->text, "__model__") == 0)
		problems_add(&l->problems, n,
			     "\"__model__\" is reserved and cannot name a %s",
			     kind);
	else
		return true;
	return false;
}

char **loader_texts(struct loader *l, const struct node *list,
		    const char *name_kind, size_t *n)
{
	char **texts;
	const struct node *item;
	struct dict *seen;

	*n = 0;
	if (!loader_is(l, list, NODE_SEQUENCE) || list->n_items == 0)
		return NULL;
	texts = xcalloc(list->n_items, sizeof(*texts));
	seen = dict_new(0, 0);
	for (size_t i = 0; i < list->n_items; i++) {
		item = list->items[i];
		if (item->kind != NODE_SCALAR) {
			problems_add(&l->problems, item,
				     "\"%s\" must be a list of single values",
				     list->key);
			continue;
		}
		if (name_kind && !loader_check_name(l, item, name_kind))
			continue;
		if (dict_find(seen, item->text, strlen(item->text)) !=
		    DICT_NONE) {
			problems_add(&l->problems, item,
				     "\"%s\" is listed twice", item->text);
			continue;
		}
		dict_add(seen, item->text, strlen(item->text));
		texts[(*n)++] = xstrdup(item->text);
	}
	dict_free(seen);
	return texts;
}

bool loader_check_count(struct loader *l, const struct node *list, size_t max)
{
	if (list->n_items <= max)
		return true;
	problems_add(&l->problems, list->items[max],
		     "more than %zu entries in \"%s\"", max, list->key);
	return false;
}

bool loader_number(struct loader *l, const struct node *n, double min,
		   double max, double *out)
{
	const char *key = n->key ? n->key : "value";
	double v;

	if (!loader_is(l, n, NODE_SCALAR))
		return false;
	if (!number_parse(n->text, strlen(n->text), &v)) {
		problems_add(&l->problems, n,
			     "\"%s\" must be a number, not \"%s\"", key,
			     n->text);
		return false;
	}
	if (!(v >= min && v <= max)) {
		problems_add(&l->problems, n,
			     "\"%s\" must be from %g to %g, not %s", key, min,
			     max, n->text);
		return false;
	}
	*out = v;
	return true;
}

char *loader_path(const struct node *n, const char *path)
{
	struct buf joined;
	char *result;

	if (path[0] == '/')
		return xstrdup(path);
	buf_init(&joined, SIZE_MAX / 2);
	if (strcmp(n->document->directory, "/") != 0)
		buf_add_str(&joined, n->document->directory);
	buf_printf(&joined, "/%s", path);
	result = xstrdup(buf_str(&joined));
	buf_release(&joined);
	return result;
}

static const struct node *find_twin(const struct node *map, const char *key)
{
	const struct node *twin;
	struct buf name;

	buf_init(&name, NODE_MESSAGE_MAX);
	buf_printf(&name, "%s_file", key);
	twin = node_find(map, buf_str(&name));
	buf_release(&name);
	return twin;
}

/* The one line of a secret's file; NULL and a problem. */
static char *read_secret(struct loader *l, const struct node *twin)
{
	char *path = loader_path(twin, twin->text);
	size_t len = 0;
	char *text = file_read(path, SECRET_FILE_MAX, &len);
	struct err e;

	if (!text) {
		file_read_failure(path, SECRET_FILE_MAX, &e);
		problems_add(&l->problems, twin, "%s", e.message);
		goto out;
	}
	if (len && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len && text[len - 1] == '\r')
		text[--len] = '\0';
	if (len == 0)
		problems_add(&l->problems, twin, "\"%s\" is empty", path);
	else if (!utf8_is_valid(text, len, NULL) || has_control(text))
		problems_add(&l->problems, twin,
			     "\"%s\" must hold one line of text", path);
	else
		goto out;
	free(text);
	text = NULL;
out:
	free(path);
	return text;
}

bool loader_read_twin(struct loader *l, const struct node *map, const char *key,
		      char **secret)
{
	const struct node *plain = node_find(map, key);
	const struct node *twin = find_twin(map, key);
	const struct node *later;
	char *text;

	if (!loader_is(l, twin, NODE_SCALAR))
		return false;
	if (plain) {
		later = plain->key_line > twin->key_line ||
					(plain->key_line == twin->key_line &&
					 plain->key_column > twin->key_column)
				? plain
				: twin;
		problems_add_key(&l->problems, later,
				 "\"%s\" and \"%s\" exclude each other",
				 plain->key, twin->key);
		return false;
	}
	text = read_secret(l, twin);
	if (!text)
		return false;
	free(*secret);
	*secret = xstrdup(text);
	free(text);
	return true;
}
