/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timestamp - RFC 3339 and epoch numbers.  Dates go through days since 1970
 * in the proleptic Gregorian calendar, counted in 400-year eras that begin on
 * 1 March, so that the leap day is the last of its year.
 */

#include "base/timestamp.h"

#include "base/clock.h"
#include "base/number.h"

#include <math.h>
#include <string.h>

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t civil_to_days(int year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = floor_div(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
		(153 * (int64_t)((month + 9) % 12) + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 -
	       year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
	int64_t z = days + DAYS_TO_1970;
	int64_t era = floor_div(z, DAYS_PER_ERA);
	int64_t d = z - era * DAYS_PER_ERA;
	int64_t year_of_era =
		(d - d / 1460 + d / 36524 - d / (DAYS_PER_ERA - 1)) / 365;
	int64_t day_of_year =
		d - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;

	*day = (unsigned)(day_of_year - (153 * from_march + 2) / 5 + 1);
	*month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static unsigned days_in_month(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
				       31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29U : days[month - 1];
}

/* Exactly ${n} digits at ${s}. */
static bool digits(const char *s, unsigned n, unsigned *out)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned d = (unsigned)(unsigned char)s[i] - '0';

		if (d > 9)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

static bool parse_date(const char *s, int64_t *days)
{
	unsigned year, month, day;

	if (!digits(s, 4, &year) || s[4] != '-' || !digits(s + 5, 2, &month) ||
	    s[7] != '-' || !digits(s + 8, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month))
		return false;
	*days = civil_to_days((int)year, month, day);
	return true;
}

/* "", "Z" or "+hh:mm": seconds to subtract. */
static bool parse_offset(const char *s, size_t len, int64_t *seconds)
{
	unsigned hours, minutes;

	*seconds = 0;
	if (len == 0 || (len == 1 && (*s == 'Z' || *s == 'z')))
		return true;
	if (len != 6 || (s[0] != '+' && s[0] != '-') ||
	    !digits(s + 1, 2, &hours) || s[3] != ':' ||
	    !digits(s + 4, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
	if (s[0] == '-')
		*seconds = -*seconds;
	return true;
}

/* ".123456789" at ${*s}: moves it on, cuts to microseconds. */
static bool parse_fraction(const char **s, const char *end, int64_t *us)
{
	int64_t unit = 100000;
	const char *p = *s;

	*us = 0;
	if (p == end || *p != '.')
		return true;
	for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
		*us += unit * (*p - '0');
		unit /= 10;
	}
	if (p == *s + 1)
		return false;
	*s = p;
	return true;
}

static bool parse_time(const char *s, size_t len, int64_t days, int64_t *us)
{
	const char *end = s + len;
	unsigned hour, minute, second;
	int64_t fraction, offset, at;

	if (len < 8 || !digits(s, 2, &hour) || s[2] != ':' ||
	    !digits(s + 3, 2, &minute) || s[5] != ':' ||
	    !digits(s + 6, 2, &second) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	s += 8;
	if (!parse_fraction(&s, end, &fraction) ||
	    !parse_offset(s, (size_t)(end - s), &offset))
		return false;
	at = days * 86400 + (int64_t)hour * 3600 + (int64_t)minute * 60 +
	     second - offset;
	/* Leap seconds are inserted at midnight UTC and nowhere else. */
	if (second == 60 && at % 86400 != 0)
		return false;
	at = at * CLOCK_SECOND_US + fraction;
	if (at < TIMESTAMP_MIN || at > TIMESTAMP_MAX)
		return false;
	*us = at;
	return true;
}

/* The same rule for numbers that are whole, without rounding. */
static bool from_int(int64_t value, int64_t *us)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	int64_t at;

	if (size < UINT64_C(100000000000))
		at = value * CLOCK_SECOND_US;
	else if (size < UINT64_C(100000000000000))
		at = value * 1000;
	else if (size < UINT64_C(100000000000000000))
		at = value;
	else
		at = floor_div(value, 1000);
	if (at < TIMESTAMP_MIN || at > TIMESTAMP_MAX)
		return false;
	*us = at;
	return true;
}

bool timestamp_from_number(double value, int64_t *us)
{
	double size = fabs(value), scaled;

	if (!isfinite(value))
		return false;
	if (size < 9e18 && value == floor(value))
		return from_int((int64_t)value, us);
	/* A fraction in binary is seldom what was meant: to the nearest. */
	if (size < 1e11)
		scaled = rint(value * 1e6);
	else if (size < 1e14)
		scaled = rint(value * 1e3);
	else if (size < 1e17)
		scaled = rint(value);
	else
		scaled = floor(value / 1e3);
	if (scaled < (double)TIMESTAMP_MIN || scaled >= (double)TIMESTAMP_MAX)
		return false;
	*us = (int64_t)scaled;
	return true;
}

bool timestamp_parse(const char *text, size_t len, int64_t *us)
{
	int64_t days, whole;
	double value;

	if (len >= 10 && parse_date(text, &days)) {
		if (len == 10) {
			*us = days * CLOCK_DAY_US;
			return true;
		}
		if (text[10] != 'T' && text[10] != 't' && text[10] != ' ')
			return false;
		return parse_time(text + 11, len - 11, days, us);
	}
	if (number_parse_int(text, len, INT64_MIN, INT64_MAX, &whole))
		return from_int(whole, us);
	return number_parse(text, len, &value) &&
	       timestamp_from_number(value, us);
}

static char *put(char *p, unsigned value, unsigned width)
{
	for (unsigned i = width; i > 0; i--) {
		p[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + width;
}

size_t timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX])
{
	int64_t days = floor_div(us, CLOCK_DAY_US);
	int64_t rest = us - days * CLOCK_DAY_US;
	unsigned second = (unsigned)(rest / CLOCK_SECOND_US);
	unsigned fraction = (unsigned)(rest % CLOCK_SECOND_US);
	unsigned month, day;
	char *p = out;
	int year;

	out[0] = '\0';
	if (us < TIMESTAMP_MIN || us > TIMESTAMP_MAX)
		return 0;
	civil_from_days(days, &year, &month, &day);
	p = put(p, (unsigned)year, 4);
	*p++ = '-';
	p = put(p, month, 2);
	*p++ = '-';
	p = put(p, day, 2);
	*p++ = 'T';
	p = put(p, second / 3600, 2);
	*p++ = ':';
	p = put(p, second / 60 % 60, 2);
	*p++ = ':';
	p = put(p, second % 60, 2);
	if (fraction) {
		*p++ = '.';
		p = put(p, fraction, 6);
	}
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - out);
}
