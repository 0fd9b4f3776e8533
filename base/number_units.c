/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Durations and sizes: whole numbers with units, for people who write
 * configuration.  What is printed can be read back.
 */

#include "base/number.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t size;
};

/* From the widest: parts of a duration come in this order. */
static const struct unit duration_units[] = {
	{"w", 7 * CLOCK_DAY_US},
	{"d", CLOCK_DAY_US},
	{"h", CLOCK_HOUR_US},
	{"m", CLOCK_MINUTE_US},
	{"s", CLOCK_SECOND_US},
	{"ms", 1000},
	{"us", 1},
};

static const struct unit size_units[] = {
	{"TiB", UINT64_C(1) << 40},
	{"GiB", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10},
	{"TB", UINT64_C(1000000000000)},
	{"GB", 1000000000},
	{"MB", 1000000},
	{"KB", 1000},
	{"kB", 1000},
	{"B", 1},
	{"", 1},
};

/* The count at ${*text}, which moves behind it. */
static bool take_count(const char **text, uint64_t *out)
{
	size_t n = strspn(*text, "0123456789");
	int64_t v;

	if (n == 0 || !number_parse_int(*text, n, 0, INT64_MAX, &v))
		return false;
	*text += n;
	*out = (uint64_t)v;
	return true;
}

int duration_parse(const char *text, int64_t *us, struct err *e)
{
	const char *p = text;
	uint64_t total = 0;
	size_t next = 0; /* units before it are used up */

	if (strcmp(text, "0") == 0) {
		*us = 0;
		return 0;
	}
	do {
		uint64_t count;
		size_t len, i;

		if (!take_count(&p, &count))
			goto fail;
		len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
		for (i = next; i < ARRAY_LEN(duration_units); i++)
			if (strlen(duration_units[i].name) == len &&
			    memcmp(duration_units[i].name, p, len) == 0)
				break;
		if (i == ARRAY_LEN(duration_units))
			goto fail;
		if (__builtin_mul_overflow(count, duration_units[i].size,
					   &count) ||
		    __builtin_add_overflow(total, count, &total) ||
		    total > INT64_MAX)
			return err_set(e, ERR_INVALID,
				       "duration \"%s\" is too long", text);
		next = i + 1;
		p += len;
	} while (*p != '\0');
	*us = (int64_t)total;
	return 0;
fail:
	return err_set(e, ERR_INVALID,
		       "\"%s\" is not a duration such as 250ms, 1h30m or 7d",
		       text);
}

size_t duration_format(int64_t us, char out[NUMBER_TEXT_MAX])
{
	uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	size_t len = 0;

	if (us == 0)
		out[len++] = '0';
	else if (us < 0)
		out[len++] = '-';
	out[len] = '\0';
	/* Not in weeks: a retention of 400d should stay one. */
	for (size_t i = 1; i < ARRAY_LEN(duration_units); i++) {
		uint64_t count = left / duration_units[i].size;

		left %= duration_units[i].size;
		if (count > 0)
			len += (size_t)snprintf(
				out + len, NUMBER_TEXT_MAX - len,
				"%" PRIu64 "%s", count, duration_units[i].name);
	}
	return len;
}

int size_parse(const char *text, uint64_t *bytes, struct err *e)
{
	const char *p = text;
	uint64_t count;

	if (take_count(&p, &count)) {
		for (size_t i = 0; i < ARRAY_LEN(size_units); i++) {
			if (strcmp(p, size_units[i].name) != 0)
				continue;
			if (__builtin_mul_overflow(count, size_units[i].size,
						   &count))
				return err_set(e, ERR_INVALID,
					       "size \"%s\" is too large",
					       text);
			*bytes = count;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
		       "\"%s\" is not a size such as 64KiB, 512MiB or 8GB",
		       text);
}

/* In the unit that leaves the smallest whole number. */
size_t size_format(uint64_t bytes, char out[NUMBER_TEXT_MAX])
{
	const char *name = "";
	uint64_t count = bytes;

	for (size_t i = 0; i < ARRAY_LEN(size_units); i++) {
		uint64_t n = bytes / size_units[i].size;

		if (bytes % size_units[i].size == 0 && n < count) {
			count = n;
			name = size_units[i].name;
		}
	}
	return (size_t)snprintf(out, NUMBER_TEXT_MAX, "%" PRIu64 "%s", count,
				name);
}
