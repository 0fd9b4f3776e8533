/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_COMPRESS_H
#define DRIFTD_BASE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * compress - the door to zlib and zstd.
 */

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD };

/* "gzip", "x-gzip", "zstd", "identity", "" (any case); -1 for others. */
int encoding_parse(const char *text, enum encoding *out);

/* By the magic bytes at the start of a file (needs 4 bytes, or all). */
enum encoding encoding_sniff(const void *data, size_t len);

/*
 * inflater - decompress a stream in pieces.  Output goes to ${sink} in runs
 * of at most 64 KiB; a sink that returns -1 stops it with its error.
 * Concatenated members are read on; what follows a member and is no member
 * is an error.  More than ${max_output} bytes in all: ERR_LIMIT (the bound
 * against bombs).  zstd windows are limited to 8 MiB.
 */
struct inflater;
typedef int inflater_sink(void *arg, const char *data, size_t len,
			  struct err *e);

struct inflater *inflater_new(enum encoding encoding, uint64_t max_output);
void inflater_free(struct inflater *z);
int inflater_feed(struct inflater *z, const char *data, size_t len,
		  inflater_sink *sink, void *arg, struct err *e);

/* The input has ended: an error when a member is incomplete. */
int inflater_end(struct inflater *z, struct err *e);

/* Whole buffers with zstd; the size is kept in the frame. */
void zstd_pack(const void *data, size_t len, struct buf *out);
int zstd_unpack(const void *data, size_t len, struct buf *out, struct err *e);

/*
 * input - a file of any size, plain, gzip or zstd by its first bytes, or "-"
 * for standard input, read in pieces.
 */
struct input;
struct input *input_open(const char *path, struct err *e);
void input_close(struct input *in);

/* Up to ${size} bytes: the count, 0 at the end, -1 and ${e}. */
long input_read(struct input *in, char *out, size_t size, struct err *e);

/* Bytes of the file consumed and its size (0 when unknown), for progress. */
void input_progress(const struct input *in, uint64_t *done, uint64_t *total);

#endif
