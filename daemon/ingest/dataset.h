/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_DATASET_H
#define DRIFTD_DAEMON_INGEST_DATASET_H

#include "detectors/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_model;
struct dataset_labels;
struct err;

/*
 * dataset - a file as columns, read through the decoders of events, so that a
 * value is in a file what it is in production.
 *
 * CSV with a header row, NDJSON or a JSON array, told apart by the first byte;
 * plain, gzip or zstd.  CSV is decoded by as many threads as there are
 * processors.  The file is to be right as a whole: one record that cannot be
 * read is an error, with the line of the first one.
 *
 * Columns are kept in blocks of rows, in memory as far as DATASET_MEMORY
 * goes and beyond it in a file without a name in $TMPDIR (/var/tmp): so a
 * file may be larger than memory, and a column is whole in memory only while
 * it is looked at.  Where no such file can be made, all stays in memory.
 */
struct dataset;

enum { DATASET_MEMORY = 32 * 1024 * 1024 };

struct dataset_options {
	const struct config_model *model;    /* outlives the dataset */
	bool with_times;		     /* in order of time, or an error */
	bool any_times;			     /* kept, whatever their order */
	const struct dataset_labels *labels; /* NULL: none; outlives it */
	size_t memory;			     /* 0: DATASET_MEMORY */
	void (*progress)(void *arg, uint64_t done,
			 uint64_t total); /* or NULL */
	void *arg;
};

/* NULL and ${e}: ERR_INVALID `file:line:column: …`, ERR_IO, ERR_LIMIT. */
struct dataset *dataset_read(const char *path, const struct dataset_options *o,
			     struct err *e);
void dataset_free(struct dataset *d);

size_t dataset_n_rows(const struct dataset *d);

/* Any record named the model's column ${column}, or the labels have it. */
bool dataset_has(const struct dataset *d, size_t column);

/*
 * A whole column into ${out}, of n_rows; safe in several threads at a time.
 * -1 (ERR_IO) when the file beyond memory cannot be read.
 */
int dataset_numbers(const struct dataset *d, size_t column, double *out,
		    struct err *e);
int dataset_codes(const struct dataset *d, size_t column, uint32_t *out,
		  struct err *e);

/* What the codes index; each text is followed by a NUL. */
const struct category_text *dataset_texts(const struct dataset *d,
					  size_t column, size_t *n);

/* Event times, with_times or any_times only; INT64_MIN: the row has none. */
int dataset_times(const struct dataset *d, int64_t *out, struct err *e);

/*
 * Labels by id, from a file with the columns of the model's `id`, its label
 * (by its name, or `label`) and `label_time` (or `time`).  Of labels with one
 * id the one with the greatest time counts, the last in the file of those.
 */
struct dataset_labels *dataset_labels_read(const char *path,
					   const struct config_model *model,
					   struct err *e);
void dataset_labels_free(struct dataset_labels *l);

#endif
