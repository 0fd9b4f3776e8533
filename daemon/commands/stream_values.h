/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_STREAM_VALUES_H
#define DRIFTD_DAEMON_COMMANDS_STREAM_VALUES_H

#include <stdint.h>

struct err;

/*
 * stream_values - the numbers of a file one after the other: one a line, or
 * one column of CSV with a header row or of NDJSON; plain, gzip or zstd.
 *
 * Each must be a number: a series with holes is another series, so a value
 * that is missing is an error, too.  Errors of the input name its place.
 */
struct stream_values;

/* ${column} may be NULL: one number a line.  Both texts are borrowed. */
struct stream_values *stream_values_open(const char *path, const char *column,
					 struct err *e);
void stream_values_close(struct stream_values *v);

/* The next one: 1; 0 at the end; -1. */
int stream_values_next(struct stream_values *v, double *x, struct err *e);

/* Put the place of the last value before the message; returns -1. */
int stream_values_blame(const struct stream_values *v, struct err *e);

void stream_values_progress(const struct stream_values *v, uint64_t *done,
			    uint64_t *total);

#endif
