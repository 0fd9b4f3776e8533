/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_UTF8_H
#define DRIFTD_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* utf8 - the one judge of what is text: RFC 3629, no surrogates, no overlong. */

/* True when all of ${s} is valid; ${bad} (may be NULL) gets the first bad byte. */
bool utf8_is_valid(const char *s, size_t len, size_t *bad);

/* Write ${code} (not a surrogate, <= U+10FFFF) at ${out}; returns 1 to 4. */
size_t utf8_put(uint32_t code, char out[4]);

#endif
