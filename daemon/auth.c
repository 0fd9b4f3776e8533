/* SPDX-License-Identifier: GPL-3.0-or-later */

/* auth - who may do what: the tokens file and the check of a request. */

#include "daemon/auth.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { AUTH_DIGEST_HEX = 2 * SHA256_SIZE };
enum { AUTH_TOKENS_MAX = 1024, AUTH_LINE_MAX = 1024, AUTH_TOKEN_MAX = 512 };

struct token {
	char *name;	 /* owned */
	char *glob;	 /* owned; NULL: every model */
	unsigned scopes; /* bit per enum http_scope */
	uint8_t digest[SHA256_SIZE];
};

struct auth {
	struct token *tokens; /* owned */
	size_t n;
};

static int parse_scopes(char *text, unsigned *out)
{
	char *rest = text, *word;

	*out = 0;
	while ((word = strsep(&rest, ","))) {
		if (!strcmp(word, "ingest"))
			*out |= 1u << SCOPE_INGEST;
		else if (!strcmp(word, "read"))
			*out |= 1u << SCOPE_READ;
		else if (!strcmp(word, "admin"))
			*out |= 1u << SCOPE_INGEST | 1u << SCOPE_READ |
				1u << SCOPE_ADMIN;
		else
			return -1;
	}
	return *out ? 0 : -1;
}

static int parse_line(char *line, struct token *t)
{
	char *rest = line, *fields[5] = {NULL}, *word;
	size_t n = 0;

	while (n < 5 && (word = strsep(&rest, " \t\r\n")))
		if (*word)
			fields[n++] = word;
	if (n < 3 || n > 4 || parse_scopes(fields[1], &t->scopes) ||
	    strlen(fields[2]) != AUTH_DIGEST_HEX ||
	    hex_decode(fields[2], AUTH_DIGEST_HEX, t->digest))
		return -1;
	t->name = xstrdup(fields[0]);
	t->glob = fields[3] ? xstrdup(fields[3]) : NULL;
	return 0;
}

static int add_line(struct auth *a, const char *path, unsigned number,
		    char *line, struct err *e)
{
	size_t blank = strspn(line, " \t\r\n");

	if (!line[blank] || line[blank] == '#')
		return 0;
	if (a->n == AUTH_TOKENS_MAX)
		return err_set(e, ERR_LIMIT, "%s:%u: more than %d tokens", path,
			       number, AUTH_TOKENS_MAX);
	if (parse_line(line, &a->tokens[a->n]))
		return err_set(e, ERR_INVALID,
			       "%s:%u: a line is `name scope[,scope] "
			       "sha256hex [model-glob]`",
			       path, number);
	a->n++;
	return 0;
}

struct auth *auth_load(const char *path, struct err *e)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	char line[AUTH_LINE_MAX];
	unsigned number = 0;
	FILE *f = fopen(path, "re");

	a->tokens = xcalloc(AUTH_TOKENS_MAX, sizeof(*a->tokens));
	if (!f) {
		err_errno(e, "could not open tokens file \"%s\"", path);
		goto fail;
	}
	while (fgets(line, sizeof(line), f))
		if (add_line(a, path, ++number, line, e))
			goto fail;
	(void)fclose(f);
	return a;
fail:
	if (f)
		(void)fclose(f);
	auth_free(a);
	return NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		free(a->tokens[i].name);
		free(a->tokens[i].glob);
	}
	free(a->tokens);
	free(a);
}

int auth_check(const struct auth *a, const char *authorization,
	       enum http_scope scope, const char *model,
	       char name[HTTP_NAME_MAX])
{
	const struct token *found = NULL;
	uint8_t digest[SHA256_SIZE];
	const char *token;

	if (scope == SCOPE_NONE)
		return 0;
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return 401;
	token = authorization + 7;
	if (strlen(token) > AUTH_TOKEN_MAX)
		return 401;
	sha256(token, strlen(token), digest);
	for (size_t i = 0; i < a->n; i++)
		if (bytes_equal_ct(a->tokens[i].digest, digest, SHA256_SIZE))
			found = &a->tokens[i];
	if (!found)
		return 401;
	if (!(found->scopes & 1u << scope))
		return 403;
	if (found->glob && (model[0] || scope != SCOPE_READ) &&
	    fnmatch(found->glob, model, 0))
		return 403;
	snprintf(name, HTTP_NAME_MAX, "%s", found->name);
	return 0;
}
