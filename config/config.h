/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_CONFIG_H
#define DRIFTD_CONFIG_CONFIG_H

#include "base/window.h"
#include "detectors/column.h"
#include "detectors/detector.h"
#include "detectors/judge.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct dict;
struct err;

/*
 * config - the YAML file as one immutable struct.  Built whole or not at all;
 * shared and counted: a reload swaps the pointer, users keep theirs until
 * they let it go.
 */

/* Names of the enums below, NULL-terminated. */
extern const char *const config_receiver_types[];
extern const char *const config_action_names[];
extern const char *const config_task_names[];
extern const char *const config_dedupe_names[];

/* Bytes appended to the journal and not yet written, at most. */
#define CONFIG_JOURNAL_PENDING_MAX (UINT64_C(64) << 20)

struct config_server {
	char *listen;	      /* "127.0.0.1:8717" or "[::1]:8717" */
	char *metrics_listen; /* NULL: none */
	char *external_url;   /* base of links; default from `listen` */
	char *tokens_file;    /* NULL: every route is open */
	bool allow_unauthenticated;
	int64_t workers; /* HTTP threads */
	/* server.limits */
	uint64_t max_body;   /* bytes, decoded */
	uint64_t max_record; /* bytes */
	int64_t max_columns; /* a model; and names counted as unknown */
	int64_t max_connections;
	uint64_t ingest_memory;	    /* bytes, of all batches being built */
	int64_t request_timeout_us; /* absolute, first byte to last */
	int64_t idle_timeout_us;    /* between requests */
	int64_t idempotency_ttl_us;
};

struct config_storage {
	char *dsn;
	bool migrate;
	int64_t connect_timeout_us;
	int64_t statement_timeout_us;
	int64_t retention_results_us;
	int64_t retention_profiles_us;
	int64_t retention_predictions_us;
};

struct config_journal {
	char *dir;
	int sync; /* enum journal_sync by its index: always, interval */
	int64_t sync_interval_us;
	uint64_t max_bytes;
	uint64_t segment_bytes;
	int64_t retain_us;
	int64_t flush_interval_us;
	uint64_t flush_memory; /* bytes of accumulators */
};

struct config_receiver {
	char *name;
	int type;  /* by its index in `config_receiver_types`: webhook */
	char *url; /* or read from url_file */
	bool url_is_secret; /* it was: not to be shown beyond its host */
	char *secret;	    /* whsec_…; or read from secret_file */
	bool allow_private;
	int64_t timeout_us;
	int64_t max_attempts;
	unsigned line, column; /* where it stands */
};

struct config_rule {
	char *name;
	enum signal signal;
	char *metric;	/* NULL: the columns' `drifted`; else this metric's */
	char **columns; /* NULL: all of the signal */
	size_t n_columns;
	char **models; /* NULL: all */
	size_t n_models;
	double share; /* > 0: fires when at least this (weighted) share of
			       columns drifts; 0: when any does */
	int64_t k, m; /* `for: k of m` */
	enum severity severity;
	char **receivers;
	size_t n_receivers;
	bool send_resolved;
	int64_t repeat_interval_us;
	int action; /* notify, retrain */
	unsigned line, column_number;
};

struct config_column {
	char *name;
	enum column_kind kind;
	enum column_role role;
	double importance; /* NaN: not given */
	char *class_name;  /* multiclass scores: the class; else NULL */
	struct thresholds *thresholds; /* owned; detector_list's length */
};

enum config_task { TASK_BINARY, TASK_MULTICLASS, TASK_REGRESSION, TASK_NONE };

struct config_model {
	char *name;
	char *version;
	int64_t model_id; /* hash_id63 of name, NUL, version */
	bool is_default;  /* events without a version go here */
	int task;	  /* enum config_task */
	char *id;	  /* column names; NULL: none */
	char *timestamp;
	char *prediction;
	char *score; /* binary, regression; NULL with scores by class */
	char *label;
	char *label_time;
	char *positive;
	char *latency;
	char *status;
	char **missing; /* spellings of missing in CSV; at least "" */
	size_t n_missing;
	char **ignore;
	size_t n_ignore;
	struct config_column *columns; /* features, prediction, score(s), label,
					  latency, status; no id, no time */
	size_t n_columns;
	struct dict *names; /* every column name -> its index in `columns` */
	/* daemon */
	struct window_width window;
	int64_t lateness_us;
	int64_t idle_timeout_us;
	int64_t source_timeout_us;
	int64_t max_future_us;
	int64_t revise_horizon_us;
	int64_t min_rows;
	double alpha;
	int64_t resolution;
	int64_t max_categories;
	uint64_t detectors;	       /* bit per detector_index */
	struct thresholds *thresholds; /* of the model; the columns' own hold
					  them already */
	bool labels;
	double label_sample; /* share of ids whose predictions are kept */
	int dedupe;	     /* batch, id, none */
	char *baseline;	     /* version pinned; NULL: the active one */
	char *file;	     /* where it was defined */
	unsigned line, column;
};

struct config {
	char *path;
	struct config_server server;
	struct config_storage storage;
	struct config_journal journal;
	struct config_receiver *receivers;
	size_t n_receivers;
	struct config_rule *rules;
	size_t n_rules;
	struct config_model *models;
	size_t n_models;
	int log_level;
};

/*
 * Load ${path}, the files it names and those in models_dir.  NULL and ${e}
 * (code ERR_INVALID, message `file:line:column: …`) when anything is wrong.
 * The result has one reference.
 */
struct config *config_load(const char *path, struct err *e);

/* A model file alone (for offline commands): a config with that one model. */
struct config *config_load_model(const char *path, struct err *e);

struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/*
 * The entry that events of ${name} go to: the one of ${version}, or with
 * NULL the default one (the only one, or `default: true`).  NULL if none.
 */
const struct config_model *config_find_model(const struct config *c,
					     const char *name,
					     const char *version);

/* Whether an entry has that name, of any version. */
bool config_has_model(const struct config *c, const char *name);

/* The whole configuration as YAML that loads again unchanged; secrets as
 * "<secret>" unless ${with_secrets}. */
void config_print(const struct config *c, bool with_secrets, struct buf *out);

/* The worst case of the daemon, from the configuration alone. */
struct config_bounds {
	uint64_t ingest_bytes;
	uint64_t journal_pending_bytes;
	uint64_t flush_bytes;
	uint64_t connection_bytes;
	uint64_t baseline_bytes; /* cells and profiles of all models */
	uint64_t evaluate_bytes;
	uint64_t fixed_bytes;
	uint64_t memory_bytes; /* the sum */
	uint64_t disk_bytes;
};
void config_bounds(const struct config *c, struct config_bounds *out);

/* The first setting that a reload cannot change and that differs, or NULL. */
const char *config_needs_restart(const struct config *before,
				 const struct config *after);

/* What the evaluator needs of a model's definition, canonical JSON: its
 * SHA-256 is the definition's identity in the database. */
void config_model_definition(const struct config_model *m, struct buf *out);

#endif
