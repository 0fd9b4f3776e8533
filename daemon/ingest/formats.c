/* SPDX-License-Identifier: GPL-3.0-or-later */

/* formats - the list: which decoder reads what. */

#include "daemon/ingest/decoder.h"

#include "base/attr.h"
#include "base/err.h"

#include <string.h>
#include <strings.h>

static const struct ingest_decoder *const decoders[INGEST_FORMATS] = {
	[INGEST_JSON] = &ingest_json,
	[INGEST_CSV] = &ingest_csv,
};

static const struct {
	const char *type;
	enum ingest_format format;
} types[] = {
	{"application/json", INGEST_JSON},
	{"application/x-ndjson", INGEST_JSON},
	{"application/ndjson", INGEST_JSON},
	{"application/jsonlines", INGEST_JSON},
	{"application/x-jsonlines", INGEST_JSON},
	{"application/json-lines", INGEST_JSON},
	{"application/jsonl", INGEST_JSON},
	{"text/json", INGEST_JSON},
	{"text/csv", INGEST_CSV},
	{"application/csv", INGEST_CSV},
};

/* What clients send when nobody told them the type. */
static const char *const unspecific[] = {
	"",
	"application/octet-stream",
	"text/plain",
	"application/x-www-form-urlencoded",
};

const struct ingest_decoder *ingest_decoder_of(enum ingest_format format)
{
	return decoders[format];
}

enum ingest_format ingest_format_sniff(char first)
{
	return first == '{' || first == '[' ? INGEST_JSON : INGEST_CSV;
}

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

/* "name=value" at ${s}: a charset that is neither UTF-8 nor ASCII. */
static bool is_foreign_charset(const char *s)
{
	size_t len;

	if (strncasecmp(s, "charset=", 8) != 0)
		return false;
	s += 8;
	if (*s == '"')
		s++;
	len = strcspn(s, "\"; \t");
	return !(len == 5 && strncasecmp(s, "utf-8", len) == 0) &&
	       !(len == 4 && strncasecmp(s, "utf8", len) == 0) &&
	       !(len == 8 && strncasecmp(s, "us-ascii", len) == 0);
}

int ingest_format_parse(const char *content_type, enum ingest_format *out,
			bool *known, struct err *e)
{
	const char *type = skip_space(content_type != NULL ? content_type : "");
	size_t len = strcspn(type, "; \t");
	const char *parameter = type;

	while ((parameter = strchr(parameter, ';')) != NULL) {
		parameter = skip_space(parameter + 1);
		if (is_foreign_charset(parameter))
			return err_set(e, ERR_UNSUPPORTED,
				       "content type \"%s\": only UTF-8 is "
				       "read",
				       content_type);
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strlen(types[i].type) == len &&
		    strncasecmp(type, types[i].type, len) == 0) {
			*out = types[i].format;
			*known = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_LEN(unspecific); i++)
		if (strlen(unspecific[i]) == len &&
		    strncasecmp(type, unspecific[i], len) == 0) {
			*known = false;
			return 0;
		}
	return err_set(e, ERR_UNSUPPORTED,
		       "content type \"%.*s\" is not one that events come in",
		       (int)(len < 80 ? len : 80), type);
}
