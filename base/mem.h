/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_MEM_H
#define DRIFTD_BASE_MEM_H

#include <stddef.h>

/*
 * mem - allocation that cannot fail: on exhaustion it logs and aborts.  For
 * start-up, configuration and structures whose size the configuration bounds.
 * Memory whose size the input decides goes through base/buf, which refuses.
 */

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);

/* Room for ${n} elements of ${size}; the product is checked. */
void *xrealloc_array(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);

/* ${size} bytes at a 64-byte boundary; free() releases them. */
void *xaligned(size_t size);

#endif
