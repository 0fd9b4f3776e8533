/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_LOADER_H
#define DRIFTD_CONFIG_LOADER_H

#include "config/node.h"
#include "config/problems.h"

#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_model;
struct option;

/*
 * loader - what the readers of the parts of a configuration share.  Each of
 * them takes a node, fills its part of ${config} and reports every problem it
 * meets; after a problem it leaves the part in a state that can be released.
 */

enum { CONFIG_NAME_MAX = 200 }; /* bytes of a name */

struct loader {
	struct config *config;	     /* borrowed: being filled */
	struct document **documents; /* owned */
	size_t n_documents;
	struct problems problems;
	bool offline; /* a model alone: what only the daemon lacks is fine */
};

/* Open one more file; ${at} names it, NULL for the first. */
const struct document *loader_open(struct loader *l, const char *path,
				   const struct node *at);

/* A mapping read by a table. */
struct loader_table {
	const struct option *options; /* named "prefix" + key */
	size_t n_options;
	const char *prefix;	   /* "" or "server." */
	const char *const *others; /* keys that the caller reads itself */
	size_t n_others;
};

/* Set what ${map} gives of the table; refuse keys that nobody knows. */
void loader_read_table(struct loader *l, const struct node *map,
		       const struct loader_table *t, void *target);

/* Refuse keys that are not in ${names}. */
void loader_check_keys(struct loader *l, const struct node *map,
		       const char *const *names, size_t n);

/* Whether ${n} is there and of that kind; a problem if of another.  An empty
 * value counts as absent. */
bool loader_is(struct loader *l, const struct node *n, enum node_kind kind);

/* "x is no KIND; did you mean y?" at the node's value, or at its key. */
void loader_unknown(struct loader *l, const struct node *at, bool key,
		    const char *kind, const char *wrong,
		    const char *const *names, size_t n);

/* What names must be: 1 to 200 bytes of UTF-8 without control characters. */
bool loader_check_name(struct loader *l, const struct node *n,
		       const char *kind);

/* A list of single values as owned texts; entries given twice are refused.
 * ${name_kind} NULL: any text, else they are names of that kind. */
char **loader_texts(struct loader *l, const struct node *list,
		    const char *name_kind, size_t *n);

/* At most ${max} entries. */
bool loader_check_count(struct loader *l, const struct node *list, size_t max);

/* A finite number in [min, max]. */
bool loader_number(struct loader *l, const struct node *n, double min,
		   double max, double *out);

/* Absolute: relative to the file that ${n} stands in.  Owned by the caller. */
char *loader_path(const struct node *n, const char *path);

/*
 * The twin ${key}_file of a secret ${key}: when given, its content without
 * the trailing newline replaces *${secret}.  True when it did.
 */
bool loader_read_twin(struct loader *l, const struct node *map, const char *key,
		      char **secret);

/* An http or https address. */
bool loader_check_url(struct loader *l, const struct node *n, const char *url);

/* The parts. */
void loader_read_settings(struct loader *l, const struct node *root);
void loader_read_alerts(struct loader *l, const struct node *alerts);
void loader_read_models(struct loader *l, const struct node *root);

/* The file of one model. */
void loader_read_single(struct loader *l, const struct document *d);

/* What rules say of models, once these are there. */
void loader_check_rules(struct loader *l, const struct node *alerts);

/* One model from its mapping. */
void loader_read_model(struct loader *l, const struct node *map,
		       struct config_model *m);

/* Its columns: features, prediction, scores, label, latency, status. */
void loader_read_columns(struct loader *l, const struct node *map,
			 struct config_model *m);

/* Its `detectors:`, `thresholds:` and what `columns:` says of them. */
void loader_read_detectors(struct loader *l, const struct node *map,
			   struct config_model *m);

#endif
