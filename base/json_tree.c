/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json trees - the only user of jansson.  A struct json_value is a json_t
 * under another name; it is never defined.
 */

#include "base/json.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

/* Three names are in both: the library's functions, our function. */
#undef json_string
#undef json_null
#include <jansson.h>
#undef json_is_number

static const json_t *tree(const struct json_value *v)
{
	return (const json_t *)v;
}

/* The library takes a NUL between tokens for the end of the text. */
static int refuse_nul(const char *text, size_t len, struct err *e)
{
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
	unsigned line = 1, column = 1;

	if (!nul)
		return 0;
	for (const char *p = text; p < nul; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return err_set_at(e, ERR_INVALID, line, column,
			  "bad JSON: NUL byte in the text");
}

struct json_value *json_parse(const char *text, size_t len, struct err *e)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t error;
	json_t *root;

	if (refuse_nul(text, len, e) < 0)
		return NULL;
	root = json_loadb(text, len, flags, &error);
	/* Integers beyond 64 bits are numbers all the same. */
	if (!root && json_error_code(&error) == json_error_numeric_overflow)
		root = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL,
				  &error);
	if (!root) {
		unsigned line = error.line > 0 ? (unsigned)error.line : 0;
		unsigned column = error.column > 0 ? (unsigned)error.column : 0;

		err_set_at(e, ERR_INVALID, line, column, "bad JSON: %s",
			   error.text);
	}
	return (struct json_value *)root;
}

void json_free(struct json_value *root)
{
	json_decref((json_t *)root);
}

const struct json_value *json_get(const struct json_value *object,
				  const char *key)
{
	return (const struct json_value *)json_object_get(tree(object), key);
}

const struct json_value *json_at(const struct json_value *array, size_t i)
{
	return (const struct json_value *)json_array_get(tree(array), i);
}

size_t json_count(const struct json_value *v)
{
	/* Both answer 0 for NULL and for other types. */
	return json_array_size(tree(v)) + json_object_size(tree(v));
}

const char *json_text(const struct json_value *v)
{
	return json_string_value(tree(v));
}

bool json_is_number(const struct json_value *v)
{
	return v && (json_is_integer(tree(v)) || json_is_real(tree(v)));
}

double json_value_number(const struct json_value *v, double otherwise)
{
	return json_is_number(v) ? json_number_value(tree(v)) : otherwise;
}

int64_t json_value_int(const struct json_value *v, int64_t otherwise)
{
	double real;

	if (v && json_is_integer(tree(v)))
		return json_integer_value(tree(v));
	if (!v || !json_is_real(tree(v)))
		return otherwise;
	real = json_real_value(tree(v));
	if (real != floor(real) || fabs(real) >= 0x1p63)
		return otherwise;
	return (int64_t)real;
}

bool json_value_bool(const struct json_value *v, bool otherwise)
{
	if (!v || !json_is_boolean(tree(v)))
		return otherwise;
	return json_is_true(tree(v));
}
