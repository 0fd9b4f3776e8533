/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_RECORD_FILE_H
#define DRIFTD_DAEMON_COMMANDS_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * record_file - a data file cut into records without reading them: rows of
 * CSV (a quoted field may hold line ends) or lines of NDJSON.
 */

struct record_file;

struct record_file *record_file_open(const char *path, struct err *e);
void record_file_close(struct record_file *f);

/* "text/csv" or "application/x-ndjson". */
const char *record_file_type(const struct record_file *f);
bool record_file_is_csv(const struct record_file *f);

/* CSV: the header row with its line end. */
const char *record_file_header(const struct record_file *f, size_t *len);

/*
 * The next record with its line end, in the file's memory until the next
 * call: 1; 0 at the end; -1.
 */
int record_file_next(struct record_file *f, const char **text, size_t *len,
		     struct err *e);

void record_file_progress(const struct record_file *f, uint64_t *done,
			  uint64_t *total);

/*
 * The value of field ${name} of a record as event time; false when there is
 * none that is a time.
 */
bool record_file_time(const struct record_file *f, const char *text, size_t len,
		      const char *name, int64_t *us);

#endif
