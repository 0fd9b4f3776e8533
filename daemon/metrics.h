/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_METRICS_H
#define DRIFTD_DAEMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/*
 * metrics - what the process has counted since it started, and the Prometheus
 * text format.  Safe from every thread.  Names of models are those of the
 * configuration, so their number is bounded.
 */

enum event_outcome {
	EVENT_APPLIED,
	EVENT_DUPLICATE,
	EVENT_LATE,
	EVENT_REJECTED,
	EVENT_CORRUPT,
	EVENT_LOST
};
enum { N_EVENT_OUTCOMES = EVENT_LOST + 1 };

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

void metrics_add_events(struct metrics *m, const char *model,
			enum event_outcome outcome, uint64_t n);

/* ${route}: the pattern of a route, static. */
void metrics_add_request(struct metrics *m, const char *route, int code);

/* A column that a model's events had and its definition has not. */
void metrics_add_unknown(struct metrics *m, const char *model,
			 const char *column, uint64_t n);

/* Calls ${each} for the unknown columns of a model, under the lock. */
void metrics_each_unknown(struct metrics *m, const char *model,
			  void (*each)(void *arg, const char *column,
				       uint64_t n),
			  void *arg);

/* The counters above in Prometheus' text format. */
void metrics_write(struct metrics *m, struct buf *out);

/* --- the format --- */

/* # HELP and # TYPE lines. */
void metrics_family(struct buf *out, const char *name, const char *type,
		    const char *help);

/*
 * One sample; ${labels}: name, value, name, value, …, NULL.  Values are
 * escaped.
 */
void metrics_sample(struct buf *out, const char *name,
		    const char *const *labels, double value);

#endif
