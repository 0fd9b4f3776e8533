/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_RESULT_STORE_PRIVATE_H
#define DRIFTD_STORAGE_RESULT_STORE_PRIVATE_H

#include <stdint.h>

struct buf;
struct err;

/* result_store_private - the cursor of result pages: the key of a row. */
struct result_key {
	int64_t window_start_us;
	const char *column; /* borrowed; NUL-terminated */
	const char *metric;
	const char *slice;
	const char *signal;
	int64_t revision;
};

/* URL-safe text of a key. */
void result_cursor_write(const struct result_key *key, struct buf *out);

/* The key back, its texts in ${memory} (initialised by the caller, who
 * releases it).  ERR_INVALID for what is no cursor. */
int result_cursor_read(const char *text, struct result_key *key,
		       struct buf *memory, struct err *e);

#endif
