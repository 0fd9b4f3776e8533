/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_COMPARE_PARTS_H
#define DRIFTD_DAEMON_COMMANDS_COMPARE_PARTS_H

#include "base/buf.h"
#include "detectors/judge.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct baseline;
struct config_model;
struct dataset;
struct err;
struct learned;

/*
 * compare_parts - what the files of `driftd compare` share: files to columns
 * (compare_read.c), rows to chunks (compare_chunk.c), what is asked for
 * (compare_metrics.c), thresholds (compare_learn.c), a baseline instead of a
 * reference (compare_frozen.c), every column in its thread (compare_run.c), and
 * one file for each format.
 */

enum {
	COMPARE_CHUNKS_MAX = 100000,
	COMPARE_TOP = 5 /* bins told of a measure that adds up over them */
};

/* Rows [start, end) of the current file. */
struct compare_chunk {
	size_t start, end;
	int64_t start_us, end_us; /* of time; INT64_MIN otherwise */
};

enum compare_unit {
	COMPARE_WHOLE,
	COMPARE_ROWS,
	COMPARE_DAY,
	COMPARE_MONTH,
	COMPARE_YEAR
};

struct compare_chunking {
	enum compare_unit unit;
	size_t rows; /* COMPARE_ROWS */
};

/* "whole", "rows:1000", "day", "month", "year"; false for others. */
bool compare_chunking_parse(const char *text, struct compare_chunking *out);
bool compare_chunking_is_time(const struct compare_chunking *c);

/* Owned by the caller. */
struct compare_chunk *compare_chunks_new(const struct compare_chunking *c,
					 const struct dataset *current,
					 size_t *n, struct err *e);

/* What --metrics asks for. */
struct compare_metrics {
	char **names; /* owned; NULL: everything */
	size_t n;
	uint64_t detectors; /* bits */
	bool describe;	    /* any descriptive row */
	bool reference;	    /* any that the reference has, too */
	bool quality;	    /* any of the model */
};

/* ${list} NULL: everything. */
int compare_metrics_init(struct compare_metrics *m, const char *list,
			 struct err *e);
void compare_metrics_release(struct compare_metrics *m);
bool compare_metrics_has(const struct compare_metrics *m, const char *metric);

/* The bins that make up most of one measure in one chunk. */
struct compare_top {
	size_t chunk;
	const char *metric; /* static */
	size_t n;
	struct top_bin bins[COMPARE_TOP];
};

struct compare_column {
	size_t index; /* in the model's columns */
	bool in_reference, in_current;
	struct buf rows;	   /* of format long */
	struct verdicts *verdicts; /* owned; by chunk; NULL: not judged */
	struct compare_top *tops;  /* owned; in order of chunks */
	size_t n_tops, cap_tops;
	struct learned *learned; /* owned; NULL: nothing, or the spec's */
	bool is_done;
};

struct compare;

/* Columns are told as they are done, in order; or all at the end. */
struct compare_format {
	const char *name;
	bool wants_rows, wants_verdicts;
	int (*begin)(struct compare *c, struct err *e);
	int (*column)(struct compare *c, const struct compare_column *column,
		      struct err *e);
	int (*end)(struct compare *c, struct err *e);
};

extern const struct compare_format compare_table;
extern const struct compare_format compare_long;
extern const struct compare_format compare_json;

struct compare {
	const struct config_model *model; /* borrowed */
	const struct compare_format *format;
	struct compare_metrics metrics;
	bool judges; /* verdicts are wanted, by the format or --exit-code */
	struct baseline *baseline; /* owned; NULL: there is a reference */
	struct learned *learned;   /* owned; from the baseline */
	struct dataset *reference, *current; /* owned; with a baseline
						reference is NULL */
	uint64_t n_reference;		     /* rows of either */
	int64_t *times; /* owned; of the reference; NULL: nothing is learned */
	struct dataset_labels *labels; /* owned; NULL: none */
	struct compare_chunk *chunks;  /* owned */
	size_t n_chunks;
	struct compare_column *columns; /* owned; those that are compared */
	size_t n_columns;
	struct judge_column *judge_columns; /* owned; as columns */
	struct judge_spec spec;
	double alpha;		   /* of one column */
	struct verdicts *verdicts; /* owned; by chunk, of all columns */
	bool has_drifted;
	FILE *out;	 /* borrowed */
	struct buf text; /* on its way there */
};

struct compare_files {
	const char *reference, *baseline; /* one of them is NULL */
	const char *current, *labels;	  /* labels NULL: none */
	struct compare_chunking chunking;
};

/* The files, the columns that are compared, the chunks. */
int compare_read(struct compare *c, const struct compare_files *f,
		 struct err *e);

/* The reference's event times, where thresholds are to be learned. */
int compare_learn_times(struct compare *c, struct err *e);

/*
 * What the reference's column (numbers or codes, as they were read) varies by
 * itself.  Learning looks at one column at a time, so that a baseline of this
 * one gives what a baseline of all would.
 */
int compare_learn(const struct compare *c, struct compare_column *column,
		  const void *values, struct err *e);

/* --baseline: the file, and what it varies by itself, for the spec. */
int compare_frozen_read(struct compare *c, const char *path, struct err *e);
void compare_frozen_learn(struct compare *c);
bool compare_frozen_has(const struct compare *c, size_t column);

/* Every chunk of a column that the baseline has; ${values}: room for the
 * current file's. */
int compare_frozen_column(const struct compare *c,
			  struct compare_column *column, void *values,
			  struct err *e);

/* What is wanted of one pair. */
struct pair;
void compare_look_at(const struct compare *c, struct compare_column *column,
		     size_t chunk, const struct pair *p);

/* Compare every column over every chunk, and judge. */
int compare_run(struct compare *c, struct err *e);

/* ${text} to the output; with ${all} false only when it is worth a call. */
int compare_write(struct compare *c, bool all, struct err *e);

/* Descriptive rows (of a reference's values) and findings of a chunk, or of
 * the reference (NULL). */
void compare_long_rows(const struct compare *c, struct compare_column *column,
		       const struct compare_chunk *chunk, const struct pair *p);

/* The tops of a column's measure in a chunk; NULL if there are none. */
const struct compare_top *compare_top_find(const struct compare *c,
					   size_t chunk,
					   const struct verdict *v);

#endif
