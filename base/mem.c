/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mem - allocation that aborts on exhaustion.  A request of zero bytes gets
 * one, so that NULL always means failure to the callees below us.
 */

#include "base/mem.h"

#include "base/log.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p, size_t size)
{
	if (!p) {
		log_error("memory", "cannot allocate %zu bytes", size);
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return check(malloc(size ? size : 1), size);
}

void *xcalloc(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return check(calloc(n, size), n * size);
}

void *xrealloc_array(void *p, size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return check(reallocarray(p, n, size), n * size);
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = xmalloc(n + 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void *xaligned(size_t size)
{
	/* aligned_alloc wants a multiple of the alignment. */
	size_t rounded = size > SIZE_MAX - 63 ? 0 : (size + 63) & ~(size_t)63;

	if (rounded == 0 && size != 0)
		return check(NULL, size);
	return check(aligned_alloc(64, rounded ? rounded : 64), size);
}
