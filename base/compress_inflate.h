/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_COMPRESS_INFLATE_H
#define DRIFTD_BASE_COMPRESS_INFLATE_H

#include "base/compress.h"

/*
 * The pull side of the inflater, for base/compress_input.c: the caller owns
 * the output, so that a bomb expands no further than it asks for.
 */
struct inflate_step {
	const char *in; /* moved over what was taken */
	size_t in_len;
	char *out;
	size_t out_size;
	size_t out_len; /* set: bytes written */
};

/*
 * Decompress until the input is used up or the output is full.  When it is
 * full there may be more without further input.
 */
int inflater_pull(struct inflater *z, struct inflate_step *s, struct err *e);

#endif
