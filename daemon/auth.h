/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_AUTH_H
#define DRIFTD_DAEMON_AUTH_H

#include "daemon/http_server.h"

/*
 * auth - bearer tokens.  A line of the file: `name scope[,scope] sha256hex
 * [model-glob]`; empty lines and lines that start with # are skipped.  A
 * token is compared by its SHA-256 with every line, in a time that does not
 * depend on where they differ.  Immutable once loaded.
 */

struct auth;

/* NULL and ${e} with file:line: when the file is bad. */
struct auth *auth_load(const char *path, struct err *e);
void auth_free(struct auth *a);

/*
 * 0 and the token's name, 401 or 403.  The scope admin includes the others.
 * ${authorization}: the header, may be NULL.  ${model}: "" when the route has
 * none; then a token with a glob is refused unless ${scope} is SCOPE_READ.
 */
int auth_check(const struct auth *a, const char *authorization,
	       enum http_scope scope, const char *model,
	       char name[HTTP_NAME_MAX]);

#endif
