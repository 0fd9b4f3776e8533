/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_ADDRESS_H
#define DRIFTD_ALERTS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/*
 * address - which addresses a receiver may have.  Judged on the address that
 * is connected to, so that no name, spelling, redirect or second resolution
 * leads around it.  IPv6 addresses that carry an IPv4 one (mapped, compatible,
 * 6to4, NAT64, Teredo) are judged by that, too.
 */

enum address_class {
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE,  /* loopback, private, shared, unique local */
	ADDRESS_FORBIDDEN /* link-local, metadata, multicast, unspecified … */
};

enum address_class address_classify(const struct sockaddr *sa, size_t len);

bool address_is_allowed(const struct sockaddr *sa, size_t len,
			bool allow_private);

#endif
