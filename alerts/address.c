/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which addresses a receiver may have: two tables of prefixes. */
#include "alerts/address.h"

#include "base/attr.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct prefix4 {
	uint8_t bytes[4];
	unsigned bits;
	enum address_class class;
};

/* The IANA special-purpose registry; the first match holds. */
static const struct prefix4 prefixes4[] = {
	{{169, 254, 0, 0}, 16, ADDRESS_FORBIDDEN}, /* link-local, metadata */
	{{100, 100, 100, 200}, 32, ADDRESS_FORBIDDEN}, /* metadata */
	{{192, 0, 0, 192}, 32, ADDRESS_FORBIDDEN},     /* metadata */
	{{168, 63, 129, 16}, 32, ADDRESS_FORBIDDEN},   /* metadata */
	/* 0.0.0.0 connects to this host; the rest of the block is unused. */
	{{0, 0, 0, 0}, 8, ADDRESS_FORBIDDEN},
	{{224, 0, 0, 0}, 4, ADDRESS_FORBIDDEN}, /* multicast */
	{{240, 0, 0, 0}, 4, ADDRESS_FORBIDDEN}, /* reserved, broadcast */
	{{127, 0, 0, 0}, 8, ADDRESS_PRIVATE},
	{{10, 0, 0, 0}, 8, ADDRESS_PRIVATE},
	{{172, 16, 0, 0}, 12, ADDRESS_PRIVATE},
	{{192, 168, 0, 0}, 16, ADDRESS_PRIVATE},
	{{100, 64, 0, 0}, 10, ADDRESS_PRIVATE}, /* carrier-grade NAT */
	{{192, 0, 0, 0}, 24, ADDRESS_PRIVATE},
	{{192, 0, 2, 0}, 24, ADDRESS_PRIVATE},	/* documentation */
	{{198, 18, 0, 0}, 15, ADDRESS_PRIVATE}, /* benchmarks */
	{{198, 51, 100, 0}, 24, ADDRESS_PRIVATE},
	{{203, 0, 113, 0}, 24, ADDRESS_PRIVATE},
};

struct prefix6 {
	uint8_t bytes[16];
	unsigned bits;
	enum address_class class;
	int embedded; /* offset of an IPv4 address that decides; -1: none */
	uint8_t mask; /* what that address is XORed with (Teredo) */
};

static const struct prefix6 prefixes6[] = {
	{{0xfd, 0, 0x0e, 0xc2, [15] = 0xfe}, 48, ADDRESS_FORBIDDEN, -1, 0},
	{{0xfe, 0x80}, 10, ADDRESS_FORBIDDEN, -1, 0}, /* link-local */
	{{0xfe, 0xc0}, 10, ADDRESS_FORBIDDEN, -1, 0}, /* site-local */
	{{0xff}, 8, ADDRESS_FORBIDDEN, -1, 0},	      /* multicast */
	{{0}, 128, ADDRESS_FORBIDDEN, -1, 0},	      /* :: */
	{{[15] = 1}, 128, ADDRESS_PRIVATE, -1, 0},    /* ::1 */
	{{[10] = 0xff, [11] = 0xff}, 96, ADDRESS_PUBLIC, 12, 0}, /* mapped */
	{{[8] = 0xff, [9] = 0xff}, 96, ADDRESS_PUBLIC, 12, 0}, /* translated */
	{{0}, 96, ADDRESS_PUBLIC, 12, 0},		       /* compatible */
	{{0, 0x64, 0xff, 0x9b}, 96, ADDRESS_PUBLIC, 12, 0},    /* NAT64 */
	/* NAT64 of a local network: where it leads only that network knows */
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48, ADDRESS_FORBIDDEN, -1, 0},
	{{0x20, 0x02}, 16, ADDRESS_PUBLIC, 2, 0},     /* 6to4 */
	{{0x20, 0x01}, 32, ADDRESS_PUBLIC, 12, 0xff}, /* Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_PRIVATE, -1, 0},
	{{0x01}, 64, ADDRESS_FORBIDDEN, -1, 0}, /* discard */
	{{0xfc}, 7, ADDRESS_PRIVATE, -1, 0},	/* unique local */
};

static bool has_prefix(const uint8_t *address, const uint8_t *prefix,
		       unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, prefix, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static enum address_class classify4(const uint8_t address[4])
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes4); i++) {
		const struct prefix4 *p = &prefixes4[i];

		if (has_prefix(address, p->bytes, p->bits))
			return p->class;
	}
	return ADDRESS_PUBLIC;
}

static enum address_class classify6(const uint8_t address[16])
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes6); i++) {
		const struct prefix6 *p = &prefixes6[i];
		uint8_t inner[4];

		if (!has_prefix(address, p->bytes, p->bits))
			continue;
		if (p->embedded < 0)
			return p->class;
		for (int k = 0; k < 4; k++)
			inner[k] = address[p->embedded + k] ^ p->mask;
		return classify4(inner);
	}
	return ADDRESS_PUBLIC;
}

enum address_class address_classify(const struct sockaddr *sa, size_t len)
{
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		return classify4((const uint8_t *)&in.sin_addr.s_addr);
	}
	if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		return classify6(in6.sin6_addr.s6_addr);
	}
	return ADDRESS_FORBIDDEN;
}

bool address_is_allowed(const struct sockaddr *sa, size_t len,
			bool allow_private)
{
	switch (address_classify(sa, len)) {
	case ADDRESS_PUBLIC:
		return true;
	case ADDRESS_PRIVATE:
		return allow_private;
	case ADDRESS_FORBIDDEN:
		return false;
	}
	return false;
}
