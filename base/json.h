/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_JSON_H
#define DRIFTD_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/*
 * json - writing JSON into a buf, and the door to the tree reader (jansson).
 *
 * The writer puts commas itself.  Text that is not UTF-8 is written with
 * U+FFFD in place of the bad bytes; numbers that are not finite are null;
 * finite ones in their shortest round-trip form.
 */

struct json_out {
	struct buf *buf; /* borrowed */
	unsigned depth;
	uint64_t has_item; /* bit d: the container at depth d has an item */
	bool after_key;
};

/* libjansson.so has functions of these names, and would call ours. */
#define json_string json_out_string
#define json_null   json_out_null

void json_out_init(struct json_out *w, struct buf *buf);
void json_object_begin(struct json_out *w);
void json_object_end(struct json_out *w);
void json_array_begin(struct json_out *w);
void json_array_end(struct json_out *w);
void json_key(struct json_out *w, const char *key);
void json_key_n(struct json_out *w, const char *key, size_t len);
void json_string(struct json_out *w, const char *s); /* NULL -> null */
void json_string_n(struct json_out *w, const char *s, size_t len);
void json_number(struct json_out *w, double v);
void json_int(struct json_out *w, int64_t v);
void json_bool(struct json_out *w, bool v);
void json_null(struct json_out *w);
void json_time(struct json_out *w, int64_t us); /* INT64_MIN -> null */

/* Already valid JSON, copied as it is. */
void json_raw(struct json_out *w, const char *json, size_t len);

/* Key and value in one call. */
void json_put_string(struct json_out *w, const char *key, const char *s);
void json_put_number(struct json_out *w, const char *key, double v);
void json_put_int(struct json_out *w, const char *key, int64_t v);
void json_put_bool(struct json_out *w, const char *key, bool v);
void json_put_time(struct json_out *w, const char *key, int64_t us);

/*
 * Trees.  A struct json_value is owned by the tree it is part of; only the
 * root that json_parse returned is freed.  Accessors take NULL and answer
 * NULL, so that chains need one check.
 */
struct json_value;

/* Duplicate keys are refused.  NULL and ${e} with line and column if bad. */
struct json_value *json_parse(const char *text, size_t len, struct err *e);
void json_free(struct json_value *root);

const struct json_value *json_get(const struct json_value *object,
				  const char *key);
const struct json_value *json_at(const struct json_value *array, size_t i);
size_t json_count(const struct json_value *v);	   /* array or object; else 0 */
const char *json_text(const struct json_value *v); /* NULL if no string */
bool json_is_number(const struct json_value *v);
double json_value_number(const struct json_value *v, double otherwise);
int64_t json_value_int(const struct json_value *v, int64_t otherwise);
bool json_value_bool(const struct json_value *v, bool otherwise);

#endif
