/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_NODE_H
#define DRIFTD_CONFIG_NODE_H

#include <stdbool.h>
#include <stddef.h>

struct problems;

/*
 * node - a YAML file as a tree in which everything knows its place.  The door
 * to libyaml.
 *
 * Refused: files beyond 1 MiB, nesting beyond 32 (while parsing, as libyaml's
 * time is quadratic in the depth), anchors, aliases, duplicate keys, keys that
 * are no text, tags outside the core schema, %TAG, a second document, NUL,
 * text that is not UTF-8.  Environment variables are expanded in values.
 */

enum {
	NODE_FILE_MAX = 1 << 20, /* bytes of a file */
	NODE_DEPTH_MAX = 32,
	NODE_MESSAGE_MAX = 4 * NODE_FILE_MAX /* that quotes any of it */
};

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
	enum node_kind kind;
	const struct document *document; /* borrowed: the one it is part of */
	unsigned line, column;		 /* 1-based */
	char *key;			 /* owned; NULL unless in a mapping */
	unsigned key_line, key_column;
	char *text;	     /* owned; NODE_SCALAR: the value, expanded */
	bool is_null;	     /* an unquoted empty value, ~ or null */
	struct node **items; /* owned, as the nodes are */
	size_t n_items;
};

struct document {
	char *path;	   /* owned; as errors show it */
	char *directory;   /* owned; absolute: relative paths start here */
	unsigned index;	   /* in order of opening */
	struct node *root; /* owned; NULL for an empty file */
};

/*
 * Read ${path}.  Never NULL; what is wrong goes to ${p} (a file that cannot
 * be read: at ${at}, the node that names it, unless NULL) and the root is
 * then NULL.
 */
struct document *document_load(const char *path, unsigned index,
			       const struct node *at, struct problems *p);
void document_free(struct document *d);

/* The member ${key} of a mapping; NULL when absent or no mapping. */
const struct node *node_find(const struct node *mapping, const char *key);

/* "a list", "a mapping" or "a single value". */
const char *node_kind_name(const struct node *n);

#endif
