/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_ALERT_STORE_H
#define DRIFTD_STORAGE_ALERT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json_out;
struct pg;
struct pg_result;

/*
 * alert_store - the SQL of alerts: what final verdicts say, alert rows and
 * their history.  What happens to an alert is decided in alerts/.
 *
 * An alert id is 32 hexadecimal digits: model_id, then 64 bits of the hash of
 * the rule's name, so that an id alone leads to one model.
 */

enum { ALERT_ID_SIZE = 33, ALERT_NAME_MAX = 256 };

void alert_id_make(int64_t model_id, const char *rule, char out[ALERT_ID_SIZE]);

/* The model of a well-formed id; -1 when it is none. */
int alert_id_model(const char *alert_id, int64_t *model_id);

/* The database's clock. */
int alert_store_now(struct pg *pg, int64_t *now_us, struct err *e);

/* --- verdicts ----------------------------------------------------------- */

struct alert_store_window {
	int64_t start_us, end_us;
	int revision; /* the newest */
};

/* Which verdicts: those of a signal and, unless NULL, of one metric.  Rows of
 * the model as a whole only count under a metric. */
struct alert_store_about {
	int64_t model_id;
	const char *signal;
	const char *metric;
};

/*
 * The last ${max} final windows that were judged, newest first, of those that
 * start after ${after_us} (INT64_MIN: of all); windows without a judged
 * verdict are passed over, at most ALERT_STORE_WALK of them.  The count, or
 * -1.
 */
enum { ALERT_STORE_WALK = 256 };
long alert_store_windows(struct pg *pg, const struct alert_store_about *about,
			 int64_t after_us, struct alert_store_window *out,
			 size_t max, struct err *e);

/* Whether a column was drifted in a window, by column, then window. */
struct alert_store_cell {
	const char *column; /* borrowed from `result` */
	size_t window;	    /* index into the windows asked for */
	bool drifted;	    /* in any of its metrics */
};
struct alert_store_cells {
	struct alert_store_cell *items; /* owned */
	size_t n;
	struct pg_result *result; /* owned */
};
int alert_store_cells(struct pg *pg, const struct alert_store_about *about,
		      const struct alert_store_window *windows,
		      size_t n_windows, struct alert_store_cells *out,
		      struct err *e);
void alert_store_cells_release(struct alert_store_cells *c);

/* Of every column that drifted in these windows, the worst metric in the
 * newest window where it did; by severity, then bound / threshold. */
struct alert_store_detail {
	const char *column, *metric, *severity; /* borrowed from `result` */
	double value, bound, threshold;		/* NaN: none */
	int64_t n_reference, n_current;
	int64_t window_start_us;
};
struct alert_store_details {
	struct alert_store_detail *items; /* owned */
	size_t n;
	struct pg_result *result; /* owned */
};
int alert_store_details(struct pg *pg, const struct alert_store_about *about,
			const struct alert_store_window *windows,
			size_t n_windows, struct alert_store_details *out,
			struct err *e);
void alert_store_details_release(struct alert_store_details *d);

/* --- alert rows --------------------------------------------------------- */

struct alert_row {
	int64_t model_id;
	char alert_id[ALERT_ID_SIZE];
	char rule[ALERT_NAME_MAX];
	char signal[16], severity[16], state[16];
	int episode;
	int revision;
	int64_t window_start_us,
		window_end_us; /* INT64_MIN: none, as all below */
	int64_t starts_at_us, ends_at_us;
	int64_t fired_at_us, resolved_at_us;
	int64_t acknowledged_at_us;
	char acknowledged_by[ALERT_NAME_MAX];
	int64_t silenced_until_us;
	char silenced_by[ALERT_NAME_MAX];
	int64_t ignored_through_us;
	int64_t last_notified_at_us;
	int n_repeats;
	char *columns; /* owned; JSON array */
	int columns_total;
	int64_t last_seq;
};

/* An alert that has never been seen: inactive. */
void alert_row_init(struct alert_row *a, int64_t model_id, const char *rule);
void alert_row_release(struct alert_row *a);
void alert_row_set_columns(struct alert_row *a, const char *json, int total);

/* Copy into one of its arrays; NULL is "", what is too long is cut. */
void alert_row_set_text(char *out, size_t size, const char *text);

/* Inside a transaction: wait for the model's lock (a person's action). */
int alert_store_lock_model(struct pg *pg, int64_t model_id, struct err *e);

/* Inside a transaction: lock the row and read it.  ${a} is initialised (to
 * inactive and ${rule}, when there is no row).  1 found, 0 not, -1. */
int alert_store_lock(struct pg *pg, int64_t model_id, const char *alert_id,
		     const char *rule, struct alert_row *a, struct err *e);
int alert_store_save(struct pg *pg, const struct alert_row *a, int64_t now_us,
		     struct err *e);

/* One line of history; takes the alert's next seq (saved by the caller). */
struct alert_store_event {
	const char *event, *from, *to;
	const char *actor, *note; /* NULL: none */
	int64_t at_us;
};
int alert_store_add_event(struct pg *pg, struct alert_row *a,
			  const struct alert_store_event *ev, struct err *e);

/* Alerts of the model that are open although their rule is not among
 * ${rules}: resolved, with a line of history.  How many, or -1. */
long alert_store_close_others(struct pg *pg, int64_t model_id,
			      const char *const *rules, size_t n_rules,
			      int64_t now_us, struct err *e);

/* --- reading ------------------------------------------------------------ */

struct alert_query {
	const int64_t *model_ids; /* NULL: all */
	size_t n_models;
	const char *model;  /* name; NULL: any */
	const char *state;  /* NULL: all but inactive; "open": not resolved */
	int limit;	    /* 1 to 1000 */
	const char *cursor; /* NULL: from the start */
};

/* Writes {"alerts": […], "next_cursor": …}.  ERR_INVALID: a bad cursor or
 * state. */
int alert_store_query(struct pg *pg, const struct alert_query *q,
		      struct json_out *out, struct err *e);

/* One alert with its history: {…, "history": […]}.  ERR_NOT_FOUND. */
int alert_store_show(struct pg *pg, const char *alert_id, struct json_out *out,
		     struct err *e);

struct alert_count {
	char state[16], severity[16];
	int64_t n;
};

/* How many alerts of these models are in each state; up to ${max} rows. */
long alert_store_counts(struct pg *pg, const int64_t *model_ids,
			size_t n_models, struct alert_count *out, size_t max,
			struct err *e);

/* Delete history older than ${before_us}; rows, or -1. */
long alert_store_prune(struct pg *pg, int64_t model_id, int64_t before_us,
		       struct err *e);

#endif
