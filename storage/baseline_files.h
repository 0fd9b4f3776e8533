/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_BASELINE_FILES_H
#define DRIFTD_STORAGE_BASELINE_FILES_H

#include "base/hash.h"

struct baseline;
struct buf;
struct err;

/*
 * baseline_files - copies of the baselines that windows are counted on, beside
 * the journal: `DIR/<sha256>.baseline`, zstd.  A database that went back to an
 * older state gets them from here again, also after a restart.
 */

/* Write it unless it is there; DIR is made.  0 or -1. */
int baseline_files_save(const char *dir, const struct baseline *b,
			struct err *e);

/* What such a file holds; ERR_LIMIT when that is too much. */
int baseline_files_pack(const struct baseline *b, struct buf *out,
			struct err *e);

/* A file of any name, which says nothing of the content. */
struct baseline *baseline_files_read(const char *path, struct err *e);

/* NULL and ERR_NOT_FOUND; ERR_INVALID when the content is not the hash's. */
struct baseline *baseline_files_load(const char *dir,
				     const uint8_t hash[SHA256_SIZE],
				     struct err *e);

#endif
