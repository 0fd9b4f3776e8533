/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_DETECTOR_H
#define DRIFTD_DETECTORS_DETECTOR_H

#include "detectors/column.h"

#include <stddef.h>
#include <stdint.h>

struct pair;

/*
 * detector - one drift measure.  A detector is a pure function of a pair: no
 * I/O, no clock, no globals, no memory of earlier windows.  One detector is
 * one file; registry.c lists them all.
 */

enum finding_status {
	FINDING_OK,
	FINDING_EMPTY,		/* no current value, or no reference value */
	FINDING_NOT_APPLICABLE, /* this column has no such measure */
	FINDING_UNDEFINED, /* its formula divides by zero here: no number */
};

/* A further number of the same measure: {"chi2_dof", 3}. */
struct finding_extra {
	const char *metric; /* static */
	double value;
};

enum { FINDING_EXTRAS_MAX = 16 };

struct finding {
	enum finding_status status;
	double value;	     /* NaN unless FINDING_OK */
	double lower, upper; /* always hold the exact value; equal when exact */
	double p_value;	     /* NaN when there is none */
	uint64_t n_ref;	     /* sample sizes the value rests on */
	uint64_t n_cur;
	uint32_t n_extras; /* 0 unless FINDING_OK */
	struct finding_extra extras[FINDING_EXTRAS_MAX];
};

enum {
	DETECTOR_KINDS_NUMERIC = 1 << COLUMN_NUMERIC,
	DETECTOR_KINDS_CATEGORICAL = 1 << COLUMN_CATEGORICAL,
	DETECTOR_KINDS_ALL = 3
};

struct thresholds {
	double warning, error, critical; /* NaN: no such level */
};

struct detector {
	const char *name;    /* in `detectors:`: "ks" */
	const char *metric;  /* in results and `thresholds:`: "ks_statistic" */
	const char *summary; /* one line */
	unsigned kinds;	     /* bit 1 << column_kind */
	bool decides;	     /* whether it can make a column `drifted`, where a
				threshold is given here or by the user */
	bool by_default;     /* runs when `detectors:` is not given */
	bool always;	     /* runs whatever `detectors:` says (shares) */
	bool over_rows;	     /* rests on all rows, not on the valid values */
	bool offline;	     /* needs an exact pair: not_applicable online */
	bool described;	     /* describe.h gives the same number, too */
	const char *pvalue_metric; /* what p_value is called; NULL: has none */
	struct thresholds thresholds; /* used when nothing else is given */

	/* Fill ${out}.  Counts of any size, empty sides and bins included. */
	void (*run)(const struct pair *p, struct finding *out);

	/*
	 * What is compared with the threshold: a lower confidence bound of the
	 * effect at error probability ${alpha} (already divided by the number
	 * of judged columns); 0 when the effect cannot be told from none at
	 * this sample size.  NULL when !decides.  Only called for FINDING_OK.
	 */
	double (*bound)(const struct pair *p, const struct finding *f,
			double alpha);

	/*
	 * Share of bin ${i} (of p->n_bins) in the value, for "what moved"; of
	 * a maximum, what the bin alone comes to.  Never negative.  NULL when
	 * the measure is not made of bins.
	 */
	double (*contribution)(const struct pair *p, uint32_t i);
};

/* All detectors, in the order of results; ${n} gets their number. */
const struct detector *const *detector_list(size_t *n);

/* By name or by metric; NULL when there is none. */
const struct detector *detector_find(const char *name);

/* Its index in detector_list. */
size_t detector_index(const struct detector *d);

enum { DETECTORS_MAX = 64 }; /* registry.c asserts that the list fits */

#endif
