/* SPDX-License-Identifier: GPL-3.0-or-later */
/* expand - environment variables in the values of a configuration. */
#include "config/expand.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static size_t name_length(const char *s)
{
	size_t n = 0;

	if (isdigit((unsigned char)*s))
		return 0;
	while (s[n] == '_' || (isalnum((unsigned char)s[n]) && s[n] > 0))
		n++;
	return n;
}

/* ${text} follows "${"; *${end} gets what follows the closing brace. */
static int expand_one(const char *text, const char **end, struct buf *out,
		      struct err *e)
{
	size_t n = name_length(text);
	const char *close = strchr(text, '}');
	const char *value;
	char *name;
	int result = 0;

	if (!close)
		return err_set(e, ERR_INVALID, "\"${\" is not closed");
	*end = close + 1;
	if (n == 0 || (text[n] != '}' && strncmp(text + n, ":-", 2) != 0))
		return err_set(e, ERR_INVALID,
			       "\"${%.*s}\" is no variable: write ${NAME} or "
			       "${NAME:-default}, and $$ for a dollar",
			       (int)(close - text), text);
	name = xstrndup(text, n);
	/* Nobody changes the environment while threads run. */
	value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
	if (text[n] == ':' && (!value || !*value))
		buf_add(out, text + n + 2, (size_t)(close - text) - n - 2);
	else if (!value)
		result =
			err_set(e, ERR_INVALID,
				"environment variable \"%s\" is not set", name);
	else if (!utf8_is_valid(value, strlen(value), NULL))
		result = err_set(e, ERR_INVALID,
				 "environment variable \"%s\" is not UTF-8",
				 name);
	else
		buf_add_str(out, value);
	free(name);
	return result;
}

int expand_environment(const char *text, struct buf *out, struct err *e)
{
	const char *dollar;

	while ((dollar = strchr(text, '$'))) {
		buf_add(out, text, (size_t)(dollar - text));
		text = dollar + 1;
		if (*text == '{') {
			if (expand_one(text + 1, &text, out, e) != 0)
				return -1;
		} else {
			buf_add_char(out, '$');
			if (*text == '$')
				text++;
		}
	}
	buf_add_str(out, text);
	if (out->failed)
		return err_set(e, ERR_INVALID, "the value is too long");
	return 0;
}
