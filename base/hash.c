/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash - XXH3 and SHA-256 behind our own names.  xxHash is compiled in: for
 * the short strings that categories are, the call costs as much as the hash.
 */

#include "base/hash.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash128 {
	XXH3_state_t state; /* wants 64-byte alignment */
};

uint64_t hash64(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

struct hash128 *hash128_new(void)
{
	struct hash128 *h = xaligned(sizeof(*h));

	hash128_reset(h);
	return h;
}

void hash128_free(struct hash128 *h)
{
	free(h);
}

void hash128_reset(struct hash128 *h)
{
	(void)XXH3_128bits_reset(&h->state);
}

void hash128_add(struct hash128 *h, const void *data, size_t len)
{
	if (len > 0)
		(void)XXH3_128bits_update(&h->state, data, len);
}

void hash128_get(const struct hash128 *h, uint8_t out[HASH128_SIZE])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&h->state));
	for (unsigned i = 0; i < HASH128_SIZE; i++)
		out[i] = canonical.digest[i];
}

/* Fails only where the library forbids SHA-256: nothing works without. */
static void must(int status, const char *what)
{
	if (status < 0) {
		log_error("hash", "%s failed: %s", what,
			  gnutls_strerror(status));
		abort();
	}
}

void sha256(const void *data, size_t len, uint8_t out[SHA256_SIZE])
{
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, out), "SHA-256");
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		 uint8_t out[SHA256_SIZE])
{
	must(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, data, len, out),
	     "HMAC-SHA-256");
}

int64_t hash_id63(const void *data, size_t len)
{
	uint8_t digest[SHA256_SIZE];
	uint64_t v = 0;

	sha256(data, len, digest);
	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | digest[i];
	return (int64_t)(v >> 1);
}

bool bytes_equal_ct(const void *a, const void *b, size_t len)
{
	return gnutls_memcmp(a, b, len) == 0;
}
