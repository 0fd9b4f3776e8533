/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_FILE_H
#define DRIFTD_CONFIG_FILE_H

#include <stddef.h>

struct err;

/*
 * file - all of a small file: at most ${max} bytes, followed by a NUL and
 * without one inside.  NULL and errno (EFBIG: too large, EILSEQ: a NUL) when
 * it is not to be had; file_read_failure, called right after, says so.
 */
char *file_read(const char *path, size_t max, size_t *len);
int file_read_failure(const char *path, size_t max, struct err *e);

#endif
