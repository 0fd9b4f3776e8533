/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_TRAINING_H
#define DRIFTD_DAEMON_INGEST_TRAINING_H

#include <stddef.h>
#include <stdint.h>

struct baseline;
struct config_model;
struct err;

/*
 * training - training data to a baseline, through the decoders of events: so
 * that a value counts in training as it does in production.
 *
 * CSV with a header row, NDJSON or a JSON array, told apart by the first
 * byte.  Training data are to be right as a whole: one record that cannot be
 * read is an error, and so is a feature whose name never comes.  Other columns
 * of the model (label, latency, …) may be absent: the baseline is then
 * without them.
 */
struct training;

/*
 * ${max_bytes} bounds the values held (0: unbounded): ERR_LIMIT beyond it.
 * ${m} outlives the training.
 */
struct training *training_begin(const struct config_model *m, size_t max_bytes,
				struct err *e);

/* The next piece, decompressed. */
int training_feed(struct training *t, const char *data, size_t len,
		  struct err *e);

/* NULL and ${e} when the data are no baseline.  ${t} stays the caller's. */
struct baseline *training_end(struct training *t, struct err *e);

void training_free(struct training *t);

/*
 * A file: plain, .gz or .zst by its first bytes, "-" for standard input.
 * ${progress} (may be NULL) is called after each piece with bytes of the file
 * and its size (0: unknown).
 */
struct baseline *training_read(const char *path, const struct config_model *m,
			       void (*progress)(void *arg, uint64_t done,
						uint64_t total),
			       void *arg, size_t max_bytes, struct err *e);

#endif
