/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_HASH_H
#define DRIFTD_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * hash - the door to xxHash and GnuTLS, and CRC32C.
 *
 * xxHash (fast, stable across machines, not against an adversary) names
 * categories and bodies; SHA-256 names what must not be forged: baselines,
 * models, definitions, tokens.
 */

enum { SHA256_SIZE = 32, SHA256_HEX = 65, HASH128_SIZE = 16 };

/* XXH3, 64 bits, no seed. */
uint64_t hash64(const void *data, size_t len);

/* XXH3, 128 bits, in a stream: the identity of a request body. */
struct hash128; /* opaque */
struct hash128 *hash128_new(void);
void hash128_free(struct hash128 *h);
void hash128_reset(struct hash128 *h);
void hash128_add(struct hash128 *h, const void *data, size_t len);
void hash128_get(const struct hash128 *h, uint8_t out[HASH128_SIZE]);

void sha256(const void *data, size_t len, uint8_t out[SHA256_SIZE]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		 uint8_t out[SHA256_SIZE]);

/*
 * The first 63 bits of the SHA-256, never negative: ids that an older
 * database cannot hand out twice.
 */
int64_t hash_id63(const void *data, size_t len);

/* CRC-32C (Castagnoli) continued from ${crc} (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* Lower-case hexadecimal with a NUL: 2 * len + 1 bytes at ${out}. */
void hex_encode(const void *data, size_t len, char *out);

/* ${len} hexadecimal digits into len/2 bytes; -1 when they are not. */
int hex_decode(const char *hex, size_t len, uint8_t *out);

void base64_encode(const void *data, size_t len, struct buf *out);
int base64_decode(const char *text, size_t len, struct buf *out, struct err *e);

/* From the kernel's generator. */
void random_bytes(void *out, size_t len);

/* Compare in a time that does not depend on the contents. */
bool bytes_equal_ct(const void *a, const void *b, size_t len);

#endif
