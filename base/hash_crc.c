/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crc32c - with the processor's instruction where there is one, else by
 * tables, eight bytes a step.
 *
 * The instruction takes 3 cycles but a new one can start in each, so three
 * blocks are taken side by side and joined: the CRC is linear, and moving it
 * over the n bytes of the next block is a matrix that depends on n alone,
 * kept as four tables of 256 words.
 */

#include "base/hash.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/* Castagnoli's polynomial, bits reversed. */
#define POLYNOMIAL UINT32_C(0x82F63B78)

static const size_t block = 512;

/* Written once before any use: constants in effect. */
static uint32_t table[8][256];
static uint32_t over_block[4][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t step(uint32_t crc, uint8_t byte)
{
	return table[0][(crc ^ byte) & 0xFF] ^ crc >> 8;
}

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (POLYNOMIAL & (0 - (crc & 1)));
		table[0][i] = crc;
	}
	for (unsigned k = 1; k < 8; k++)
		for (unsigned i = 0; i < 256; i++)
			table[k][i] = step(table[k - 1][i], 0);
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t crc = UINT32_C(1) << bit;

		for (unsigned i = 0; i < block; i++)
			crc = step(crc, 0);
		over_block[bit / 8][1U << bit % 8] = crc;
	}
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = 1; i < 256; i++)
			over_block[k][i] = over_block[k][i & (i - 1)] ^
					   over_block[k][i & (0 - i)];
#if defined(__x86_64__)
	has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint32_t low =
			crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
			       (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

		crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^
		      table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
		      table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	for (; len > 0; p++, len--)
		crc = step(crc, *p);
	return crc;
}

#if defined(__x86_64__)
static uint32_t skip_block(uint32_t crc)
{
	return over_block[0][crc & 0xFF] ^ over_block[1][crc >> 8 & 0xFF] ^
	       over_block[2][crc >> 16 & 0xFF] ^ over_block[3][crc >> 24];
}

static uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t a = crc;

	while (len >= 3 * block) {
		uint64_t b = 0, c = 0;

		for (size_t i = 0; i < block; i += 8) {
			a = _mm_crc32_u64(a, load(p + i));
			b = _mm_crc32_u64(b, load(p + block + i));
			c = _mm_crc32_u64(c, load(p + 2 * block + i));
		}
		a = skip_block((uint32_t)a) ^ (uint32_t)b;
		a = skip_block((uint32_t)a) ^ (uint32_t)c;
		p += 3 * block;
		len -= 3 * block;
	}
	for (; len >= 8; p += 8, len -= 8)
		a = _mm_crc32_u64(a, load(p));
	for (; len > 0; p++, len--)
		a = _mm_crc32_u8((uint32_t)a, *p);
	return (uint32_t)a;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	(void)pthread_once(&once, make_tables);
#if defined(__x86_64__)
	if (has_instruction)
		return ~by_instruction(~crc, data, len);
#endif
	return ~by_table(~crc, data, len);
}
