/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * option - reading and printing settings by their table rows.
 */

#include "base/option.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/window.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct option *option_find(const struct option *table, size_t n,
				 const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static void *member(const struct option *o, void *target)
{
	return (char *)target + o->offset;
}

static const void *const_member(const struct option *o, const void *target)
{
	return (const char *)target + o->offset;
}

static void format_value(const struct option *o, double v,
			 char out[NUMBER_TEXT_MAX])
{
	if (o->type == OPTION_DURATION && v > -9e18 && v < 9e18)
		(void)duration_format((int64_t)v, out);
	else if (o->type == OPTION_SIZE && v >= 0 && v < 1.8e19)
		(void)size_format((uint64_t)v, out);
	else
		(void)number_format(v, out);
}

static int check_range(const struct option *o, double v, const char *text,
		       struct err *e)
{
	char min[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];

	if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max))
		return 0;
	format_value(o, o->min, min);
	format_value(o, o->max, max);
	return err_set(e, ERR_INVALID,
		       "option \"%s\": \"%s\" is not between %s and %s",
		       o->name, text, min, max);
}

static int set_bool(const struct option *o, bool *out, const char *text,
		    struct err *e)
{
	static const char *const no_yes[] = {"false", "true", "no",
					     "yes",   "off",  "on"};

	for (size_t i = 0; i < ARRAY_LEN(no_yes); i++) {
		if (strcasecmp(text, no_yes[i]) == 0) {
			*out = i % 2 == 1;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
		       "option \"%s\": \"%s\" is neither true nor false",
		       o->name, text);
}

static int set_int(const struct option *o, int64_t *out, const char *text,
		   struct err *e)
{
	int64_t v;

	if (!number_parse_int(text, strlen(text), INT64_MIN, INT64_MAX, &v))
		return err_set(e, ERR_INVALID,
			       "option \"%s\": \"%s\" is not a whole number",
			       o->name, text);
	if (check_range(o, (double)v, text, e) < 0)
		return -1;
	*out = v;
	return 0;
}

static int set_double(const struct option *o, double *out, const char *text,
		      struct err *e)
{
	double v;

	if (!number_parse(text, strlen(text), &v))
		return err_set(e, ERR_INVALID,
			       "option \"%s\": \"%s\" is not a number", o->name,
			       text);
	if (check_range(o, v, text, e) < 0)
		return -1;
	*out = v;
	return 0;
}

static int set_duration(const struct option *o, int64_t *out, const char *text,
			struct err *e)
{
	int64_t v;

	if (duration_parse(text, &v, e) < 0)
		return err_wrap(e, "option \"%s\"", o->name);
	if (check_range(o, (double)v, text, e) < 0)
		return -1;
	*out = v;
	return 0;
}

static int set_size(const struct option *o, uint64_t *out, const char *text,
		    struct err *e)
{
	uint64_t v;

	if (size_parse(text, &v, e) < 0)
		return err_wrap(e, "option \"%s\"", o->name);
	if (check_range(o, (double)v, text, e) < 0)
		return -1;
	*out = v;
	return 0;
}

static int set_enum(const struct option *o, int *out, const char *text,
		    struct err *e)
{
	struct buf list;

	for (int i = 0; o->names[i]; i++) {
		if (strcmp(text, o->names[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	buf_init(&list, ERR_MESSAGE_MAX);
	for (int i = 0; o->names[i]; i++) {
		buf_add_str(&list, i == 0	     ? ""
				   : o->names[i + 1] ? ", "
						     : " or ");
		buf_add_str(&list, o->names[i]);
	}
	err_set(e, ERR_INVALID, "option \"%s\": \"%s\" is not one of %s",
		o->name, text, buf_str(&list));
	buf_release(&list);
	return -1;
}

static int set_window(const struct option *o, struct window_width *out,
		      const char *text, struct err *e)
{
	if (window_parse(text, out, e) < 0)
		return err_wrap(e, "option \"%s\"", o->name);
	return 0;
}

static int set_string(char **out, const char *text)
{
	char *copy = xstrdup(text);

	free(*out);
	*out = copy;
	return 0;
}

int option_set(const struct option *o, void *target, const char *text,
	       struct err *e)
{
	void *p = member(o, target);

	switch (o->type) {
	case OPTION_BOOL:
		return set_bool(o, p, text, e);
	case OPTION_INT:
		return set_int(o, p, text, e);
	case OPTION_DOUBLE:
		return set_double(o, p, text, e);
	case OPTION_DURATION:
		return set_duration(o, p, text, e);
	case OPTION_SIZE:
		return set_size(o, p, text, e);
	case OPTION_STRING:
		return set_string(p, text);
	case OPTION_ENUM:
		return set_enum(o, p, text, e);
	case OPTION_WINDOW:
		return set_window(o, p, text, e);
	}
	return err_set(e, ERR_BUG, "option \"%s\" has no type", o->name);
}

void option_set_defaults(const struct option *table, size_t n, void *target)
{
	struct err e;

	for (size_t i = 0; i < n; i++) {
		if (!table[i].fallback)
			continue;
		if (option_set(&table[i], target, table[i].fallback, &e) < 0) {
			log_error("option", "bad default: %s", e.message);
			abort();
		}
	}
}

static bool print_window(const struct window_width *w, struct buf *out)
{
	char text[32];

	if (w->n == 0)
		return false;
	buf_add(out, text, window_format(*w, text));
	return true;
}

bool option_print(const struct option *o, const void *target, struct buf *out)
{
	const void *p = const_member(o, target);
	char text[NUMBER_TEXT_MAX];
	const char *string;

	switch (o->type) {
	case OPTION_BOOL:
		buf_add_str(out, *(const bool *)p ? "true" : "false");
		return true;
	case OPTION_INT:
		buf_printf(out, "%" PRId64, *(const int64_t *)p);
		return true;
	case OPTION_DOUBLE:
		buf_add(out, text, number_format(*(const double *)p, text));
		return true;
	case OPTION_DURATION:
		buf_add(out, text, duration_format(*(const int64_t *)p, text));
		return true;
	case OPTION_SIZE:
		buf_add(out, text, size_format(*(const uint64_t *)p, text));
		return true;
	case OPTION_STRING:
		string = *(char *const *)p;
		if (string)
			buf_add_str(out, string);
		return string != NULL;
	case OPTION_ENUM:
		buf_add_str(out, o->names[*(const int *)p]);
		return true;
	case OPTION_WINDOW:
		return print_window(p, out);
	}
	return false;
}

void option_release(const struct option *table, size_t n, void *target)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].type == OPTION_STRING) {
			char **p = member(&table[i], target);

			free(*p);
			*p = NULL;
		}
	}
}

enum { SUGGEST_LENGTH = 64, SUGGEST_DISTANCE = 3 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * Edits that make ${b} of ${a}: inserting, deleting, replacing a character or
 * exchanging two neighbours, each at most once in a place.
 */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned rows[3][SUGGEST_LENGTH + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= m; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]),
				       least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

const char *option_suggest(const char *const *names, size_t n,
			   const char *wrong)
{
	size_t wrong_len = strlen(wrong);
	unsigned best = SUGGEST_DISTANCE + 1;
	const char *found = NULL;

	if (wrong_len > SUGGEST_LENGTH)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]);
		size_t longest = len > wrong_len ? len : wrong_len;
		unsigned d;

		if (len > SUGGEST_LENGTH)
			continue;
		d = distance(wrong, wrong_len, names[i], len);
		/* Words with little in common are no suggestion. */
		if (d < best && d <= longest / 2) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
