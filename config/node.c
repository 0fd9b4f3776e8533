/* SPDX-License-Identifier: GPL-3.0-or-later */
/* node - from libyaml's events to a tree with places. */
#include "config/node.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/expand.h"
#include "config/file.h"
#include "config/problems.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { NODE_TEXT_MAX = NODE_FILE_MAX };

struct builder {
	yaml_parser_t parser;
	struct document *document;
	struct problems *problems;
};

static unsigned place(size_t mark)
{
	return mark < UINT_MAX ? (unsigned)mark + 1 : UINT_MAX;
}

#define REFUSE(b, event, ...)                                                  \
	problems_add_place((b)->problems, (b)->document,                       \
			   place((event)->start_mark.line),                    \
			   place((event)->start_mark.column), __VA_ARGS__)

static void node_free(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_items; i++)
		node_free(n->items[i]);
	free(n->items);
	free(n->key);
	free(n->text);
	free(n);
}

const struct node *node_find(const struct node *mapping, const char *key)
{
	if (!mapping || mapping->kind != NODE_MAPPING)
		return NULL;
	for (size_t i = 0; i < mapping->n_items; i++)
		if (strcmp(mapping->items[i]->key, key) == 0)
			return mapping->items[i];
	return NULL;
}

const char *node_kind_name(const struct node *n)
{
	switch (n->kind) {
	case NODE_SCALAR:
		return "a single value";
	case NODE_SEQUENCE:
		return "a list";
	case NODE_MAPPING:
		return "a mapping";
	}
	return "nothing";
}

/* The next event; false, and a problem, when the text is no YAML. */
static bool next(struct builder *b, yaml_event_t *event)
{
	const yaml_parser_t *y = &b->parser;
	const char *problem;

	if (yaml_parser_parse(&b->parser, event))
		return true;
	problem = y->problem ? y->problem : "is not YAML";
	if (y->context)
		problems_add_place(b->problems, b->document,
				   place(y->problem_mark.line),
				   place(y->problem_mark.column), "%s (%s)",
				   problem, y->context);
	else
		problems_add_place(
			b->problems, b->document, place(y->problem_mark.line),
			place(y->problem_mark.column), "%s", problem);
	return false;
}

static bool is_core_tag(const char *tag)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	static const char *const core[] = {"str",  "int", "float", "bool",
					   "null", "seq", "map"};

	if (strncmp(tag, prefix, sizeof(prefix) - 1) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(core); i++)
		if (strcmp(tag + sizeof(prefix) - 1, core[i]) == 0)
			return true;
	return false;
}

/* What an event of a node has beside its content must be plain. */
static bool is_allowed(struct builder *b, const yaml_event_t *event,
		       const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor) {
		REFUSE(b, event, "anchors are not supported");
		return false;
	}
	if (tag && !is_core_tag((const char *)tag)) {
		REFUSE(b, event, "tag \"%s\" is not supported",
		       (const char *)tag);
		return false;
	}
	return true;
}

static bool is_null_text(const char *text)
{
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
	       strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static bool build_scalar(struct builder *b, const yaml_event_t *event,
			 struct node *n)
{
	const char *text = (const char *)event->data.scalar.value;
	struct buf expanded;
	struct err e;

	if (!is_allowed(b, event, event->data.scalar.anchor,
			event->data.scalar.tag))
		return false;
	if (strlen(text) != event->data.scalar.length) {
		REFUSE(b, event, "a value holds a NUL");
		return false;
	}
	n->kind = NODE_SCALAR;
	n->is_null = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     !event->data.scalar.tag && is_null_text(text);
	buf_init(&expanded, NODE_TEXT_MAX);
	/* The tree is whole all the same: later problems keep their place. */
	if (expand_environment(text, &expanded, &e) != 0)
		problems_add(b->problems, n, "%s", e.message);
	n->text = xstrdup(buf_str(&expanded));
	buf_release(&expanded);
	return true;
}

static void append(struct node *parent, struct node *child)
{
	size_t n = parent->n_items;

	/* Full at powers of two. */
	if ((n & (n - 1)) == 0)
		parent->items = xrealloc_array(parent->items, n ? 2 * n : 1,
					       sizeof(struct node *));
	parent->items[parent->n_items++] = child;
}

static struct node *build(struct builder *b, const yaml_event_t *event,
			  unsigned depth);

static bool build_sequence(struct builder *b, struct node *n, unsigned depth)
{
	yaml_event_t event;
	bool done = false;
	struct node *child;

	n->kind = NODE_SEQUENCE;
	while (!done) {
		if (!next(b, &event))
			return false;
		done = event.type == YAML_SEQUENCE_END_EVENT;
		child = done ? NULL : build(b, &event, depth + 1);
		yaml_event_delete(&event);
		if (child)
			append(n, child);
		else if (!done)
			return false;
	}
	return true;
}

static char *build_key(struct builder *b, const yaml_event_t *event)
{
	const char *text;

	if (event->type == YAML_ALIAS_EVENT) {
		REFUSE(b, event, "aliases are not supported");
		return NULL;
	}
	if (event->type != YAML_SCALAR_EVENT) {
		REFUSE(b, event, "a key must be a single value");
		return NULL;
	}
	if (!is_allowed(b, event, event->data.scalar.anchor,
			event->data.scalar.tag))
		return NULL;
	text = (const char *)event->data.scalar.value;
	if (strlen(text) != event->data.scalar.length) {
		REFUSE(b, event, "a key holds a NUL");
		return NULL;
	}
	return xstrdup(text);
}

/* One member, whose key is ${event}. */
static struct node *build_member(struct builder *b, const yaml_event_t *event,
				 unsigned depth)
{
	char *key = build_key(b, event);
	yaml_event_t value;
	struct node *child;

	if (!key)
		return NULL;
	if (!next(b, &value)) {
		free(key);
		return NULL;
	}
	child = build(b, &value, depth + 1);
	yaml_event_delete(&value);
	if (!child) {
		free(key);
		return NULL;
	}
	child->key = key;
	child->key_line = place(event->start_mark.line);
	child->key_column = place(event->start_mark.column);
	return child;
}

static int compare_keys(const void *left, const void *right)
{
	const struct node *const *a = left;
	const struct node *const *b = right;
	int order = strcmp((*a)->key, (*b)->key);

	if (order)
		return order;
	if ((*a)->key_line != (*b)->key_line)
		return (*a)->key_line < (*b)->key_line ? -1 : 1;
	return (*a)->key_column < (*b)->key_column ? -1 : 1;
}

static void check_duplicates(struct builder *b, const struct node *n)
{
	const struct node **sorted;

	if (n->n_items < 2)
		return;
	sorted = xcalloc(n->n_items, sizeof(struct node *));
	for (size_t i = 0; i < n->n_items; i++)
		sorted[i] = n->items[i];
	qsort(sorted, n->n_items, sizeof(struct node *), compare_keys);
	for (size_t i = 1; i < n->n_items; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			problems_add_key(b->problems, sorted[i],
					 "key \"%s\" is given twice, first in "
					 "line %u",
					 sorted[i]->key,
					 sorted[i - 1]->key_line);
	free(sorted);
}

static bool build_mapping(struct builder *b, struct node *n, unsigned depth)
{
	yaml_event_t event;
	bool done = false;
	struct node *child;

	n->kind = NODE_MAPPING;
	while (!done) {
		if (!next(b, &event))
			return false;
		done = event.type == YAML_MAPPING_END_EVENT;
		child = done ? NULL : build_member(b, &event, depth);
		yaml_event_delete(&event);
		if (child)
			append(n, child);
		else if (!done)
			return false;
	}
	check_duplicates(b, n);
	return true;
}

/* The node that begins with ${event}; NULL and a problem. */
static struct node *build(struct builder *b, const yaml_event_t *event,
			  unsigned depth)
{
	struct node *n;
	bool good = false;

	if (depth > NODE_DEPTH_MAX) {
		REFUSE(b, event, "nested more than %d deep", NODE_DEPTH_MAX);
		return NULL;
	}
	n = xcalloc(1, sizeof(*n));
	n->document = b->document;
	n->line = place(event->start_mark.line);
	n->column = place(event->start_mark.column);
	if (event->type == YAML_SCALAR_EVENT)
		good = build_scalar(b, event, n);
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		good = is_allowed(b, event, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag) &&
		       build_sequence(b, n, depth);
	else if (event->type == YAML_MAPPING_START_EVENT)
		good = is_allowed(b, event, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag) &&
		       build_mapping(b, n, depth);
	else
		REFUSE(b, event, "aliases are not supported");
	if (!good) {
		node_free(n);
		return NULL;
	}
	return n;
}

/* The whole stream: at most one document. */
static struct node *build_stream(struct builder *b)
{
	struct node *root = NULL;
	yaml_event_t event;
	yaml_event_type_t type;
	bool good = true;

	do {
		if (!next(b, &event)) {
			good = false;
			break;
		}
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && root) {
			REFUSE(b, &event, "only one document is allowed");
			good = false;
		} else if (type != YAML_STREAM_START_EVENT &&
			   type != YAML_STREAM_END_EVENT &&
			   type != YAML_DOCUMENT_START_EVENT &&
			   type != YAML_DOCUMENT_END_EVENT) {
			root = build(b, &event, 1);
			good = root != NULL;
		}
		yaml_event_delete(&event);
	} while (good && type != YAML_STREAM_END_EVENT);
	if (!good) {
		node_free(root);
		root = NULL;
	}
	return root;
}

/* Bytes that libyaml need not see; true when there are none. */
static bool is_clean(const struct document *d, const char *text, size_t len,
		     struct problems *p)
{
	const char *line = text;
	unsigned number = 1;
	size_t bad;

	if (!utf8_is_valid(text, len, &bad)) {
		for (size_t i = 0; i < bad; i++)
			if (text[i] == '\n') {
				number++;
				line = text + i + 1;
			}
		problems_add_place(p, d, number,
				   place((size_t)(text + bad - line)),
				   "the text is not UTF-8");
		return false;
	}
	/* libyaml compares each %TAG with all before it. */
	for (; line; number++) {
		if (strncmp(line, "%TAG", 4) == 0) {
			problems_add_place(p, d, number, 1,
					   "%%TAG is not supported");
			return false;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return true;
}

static void parse(struct document *d, const char *text, size_t len,
		  struct problems *p)
{
	struct builder b = {.document = d, .problems = p};

	if (!is_clean(d, text, len, p))
		return;
	if (!yaml_parser_initialize(&b.parser)) {
		problems_add_place(p, d, 0, 0, "out of memory");
		return;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text,
				     len);
	d->root = build_stream(&b);
	yaml_parser_delete(&b.parser);
}

/* Of the path as given: a link to a file elsewhere (as Kubernetes mounts
 * them) stays a file of this directory. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory, *resolved;

	if (!slash)
		directory = xstrdup(".");
	else
		directory = xstrndup(
			path, slash == path ? 1 : (size_t)(slash - path));
	resolved = realpath(directory, NULL);
	if (!resolved)
		return directory;
	free(directory);
	return resolved;
}

struct document *document_load(const char *path, unsigned index,
			       const struct node *at, struct problems *p)
{
	struct document *d = xcalloc(1, sizeof(*d));
	size_t len;
	char *text = file_read(path, NODE_FILE_MAX, &len);
	struct err e;

	if (!text)
		file_read_failure(path, NODE_FILE_MAX, &e);
	d->path = xstrdup(path);
	d->index = index;
	d->directory = directory_of(path);
	if (text)
		parse(d, text, len, p);
	else if (at)
		problems_add(p, at, "%s", e.message);
	else
		problems_add_place(p, d, 0, 0, "%s", e.message);
	free(text);
	return d;
}

void document_free(struct document *d)
{
	if (!d)
		return;
	node_free(d->root);
	free(d->directory);
	free(d->path);
	free(d);
}
