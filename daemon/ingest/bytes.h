/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_BYTES_H
#define DRIFTD_DAEMON_INGEST_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/*
 * bytes - looking at eight bytes at a time.
 *
 * A mask has the high bit of each byte that was looked for.  Bytes above the
 * lowest one found may be marked wrongly (a borrow runs upwards), so only the
 * lowest is of use; masks may be joined, since a wrong mark stands above a
 * right one of the same mask.
 */
#define BYTES_EACH(b) (UINT64_C(0x0101010101010101) * (uint8_t)(b))
#define BYTES_HIGH    BYTES_EACH(0x80)

/* Eight bytes, the first one lowest. */
static inline uint64_t bytes_load(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return le64toh(w);
}

/* Those that are ${c}. */
static inline uint64_t bytes_equal_to(uint64_t w, char c)
{
	uint64_t x = w ^ BYTES_EACH(c);

	return (x - BYTES_EACH(1)) & ~x & BYTES_HIGH;
}

/* Those that are below ${c}, which is at most 0x80. */
static inline uint64_t bytes_below(uint64_t w, char c)
{
	return (w - BYTES_EACH(c)) & ~w & BYTES_HIGH;
}

/* How many bytes come before the lowest one in a mask that is not 0. */
static inline unsigned bytes_first(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask) / 8;
}

#endif
