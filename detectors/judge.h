/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_JUDGE_H
#define DRIFTD_DETECTORS_JUDGE_H

#include "detectors/column.h"
#include "detectors/detector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baseline;
struct learned;
struct pair;
struct profile_set;

/*
 * judge - from pairs to verdicts: the only place that says `drifted`, for the
 * daemon's windows and for files alike.  Pure: the same input gives the same
 * verdicts, in the same order.
 *
 * A column is drifted when the `bound` of one of its deciding metrics is
 * above the `error` threshold.  alpha is per model and window; each of the K
 * judged columns gets alpha / K.  K counts the columns of the spec that the
 * reference has and that are not labels: what the window holds cannot change
 * it, so a column that breaks leaves the verdicts of the others alone.
 *
 * A threshold that is a detector's own default may be raised by what the
 * baseline varies anyway (`learned`, learn.h); one that was set never is.
 */

enum verdict_status {
	VERDICT_OK,
	VERDICT_INSUFFICIENT_DATA, /* n_current below min_rows; value kept */
	VERDICT_NO_BASELINE,
	VERDICT_EMPTY,		    /* all missing */
	VERDICT_CONSTANT_REFERENCE, /* judged all the same */
	VERDICT_TYPE_CHANGED,	    /* numeric column, most values invalid */
	VERDICT_NOT_APPLICABLE
};

enum severity {
	SEVERITY_NONE,
	SEVERITY_INFO,
	SEVERITY_WARNING,
	SEVERITY_ERROR,
	SEVERITY_CRITICAL
};

const char *verdict_status_name(enum verdict_status status);
int verdict_status_parse(const char *name, enum verdict_status *out);
const char *severity_name(enum severity severity); /* "" for none */

/* "page" is critical; -1 when it is no severity. */
int severity_parse(const char *name, enum severity *out);

struct judge_column {
	const char *name; /* borrowed */
	enum column_kind kind;
	enum column_role role;
	double importance; /* >= 0; NaN = not given (counts as 1) */
	/* by detector_index; borrowed, detector_list's length */
	const struct thresholds *thresholds;
};

struct judge_spec {
	const struct judge_column *columns; /* borrowed */
	size_t n_columns;
	uint64_t detectors; /* bit per detector_index that runs */
	double alpha;
	uint64_t min_rows;
	const struct learned *learned; /* borrowed; NULL = none */
};

struct verdict {
	const char *column; /* borrowed from the spec, or "__model__" */
	const char *metric; /* static */
	enum signal signal;
	enum verdict_status status;
	enum severity severity; /* highest threshold that bound is above */
	bool drifted;
	double value, lower, upper;
	double p_value;	   /* NaN when none */
	double p_adjusted; /* Benjamini-Hochberg over the columns, per metric */
	double threshold;  /* the `error` one that held; NaN when none */
	double bound;	   /* what was compared with it; NaN when none */
	uint64_t n_reference, n_current;
};

struct verdicts {
	struct verdict *items; /* owned */
	size_t n, cap;
	size_t n_judged[N_SIGNALS];  /* columns with a judged metric */
	size_t n_drifted[N_SIGNALS]; /* columns that drifted */
	double drifted_share
		[N_SIGNALS];	  /* weighted by importance; NaN if none */
	double weight[N_SIGNALS]; /* importance of the judged columns */
};

/*
 * Judge the columns of the spec (rows for labels only when the window holds
 * some), then the model rows: "volume" (signal data; value = n_events) and
 * "drifted_columns_share" per signal with judged columns.
 * ${baseline} NULL: every column gets one row no_baseline (metric
 * missing_share with its value), and volume.
 */
void judge_window(const struct judge_spec *spec,
		  const struct baseline *baseline,
		  const struct profile_set *window, struct verdicts *out);

/*
 * Row "volume_ratio" (signal data): the window's events over the usual number
 * for its length, which is what the baseline had in that time: n_rows * width
 * / (last - first event time).  No row when the baseline has no times or no
 * extent.  It informs: training data are often a sample.
 */
void judge_volume_ratio(const struct baseline *baseline, int64_t window_us,
			uint64_t n_events, struct verdicts *out);

/* The rows of a window without events: volume 0. */
void judge_empty_window(struct verdicts *out);

/*
 * The same of ready-made pairs, one per column of the spec, NULL = neither
 * side has it (no row).  A pair whose reference has no rows at all stands for
 * a column that the reference lacks: no_baseline.  ${n_reference} and
 * ${n_current}: rows of the two sides, for the model rows.
 */
void judge_pairs(const struct judge_spec *spec, const struct pair *const *pairs,
		 uint64_t n_reference, uint64_t n_current,
		 struct verdicts *out);

/*
 * The steps of judge_pairs, for who makes one pair at a time or works on
 * columns in threads: judge_column for each column into verdicts of its own
 * (zeroed at first) or into the same, in order; judge_append to join them in
 * the order of the spec; judge_finish corrects p-values and adds the model
 * rows.  ${alpha} is judge_alpha of ${k} = K.
 */
double judge_alpha(const struct judge_spec *spec, size_t k);
void judge_column(const struct judge_spec *spec, size_t i, double alpha,
		  const struct pair *pair, struct verdicts *out);
void judge_append(struct verdicts *to, const struct verdicts *from);
void judge_finish(uint64_t n_reference, uint64_t n_current,
		  struct verdicts *out);

void verdicts_release(struct verdicts *v);

/*
 * Columns of ${v} in the order in which they need a person: those that
 * drifted first, then by effect times importance, then by name.  The effect
 * is the largest bound of a judged metric over its threshold: 1 = as much as
 * is borne.  Returns how many of ${max} were written; columns without a
 * verdict on enough data come last, with effect 0.
 */
struct judge_ranked {
	const char *column;   /* as in the verdicts */
	double effect, score; /* score = effect * importance */
	bool drifted;
	const struct verdict *worst; /* the row of that effect, or the first */
};
size_t judge_rank(const struct judge_spec *spec, const struct verdicts *v,
		  struct judge_ranked *out, size_t max);

/*
 * What moved: the bins with the largest contribution to psi, largest first.
 * Returns how many of ${max} were written.  ${label} is the bin as a person
 * reads it: "(12.5, 80]" or the category.
 */
struct top_bin {
	char label[96];
	double contribution;
	double share_ref, share_cur;
};
size_t judge_top_bins(const struct baseline *baseline,
		      const struct profile_set *window, const char *column,
		      struct top_bin *out, size_t max);

/* The same of a pair, by any detector that has contributions, else 0. */
size_t judge_top_of_pair(const struct pair *p, const struct detector *d,
			 struct top_bin *out, size_t max);

#endif
