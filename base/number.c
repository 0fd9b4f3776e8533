/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * number_parse - the hot path of ingest.
 *
 * Text is scanned to mantissa * 10^exponent, the mantissa being its first 19
 * significant digits.  Then, cheapest first:
 *
 * 1. Mantissa <= 2^53 and |exponent| <= 22: both are exact doubles, so one
 *    multiplication or division rounds once, correctly (Clinger 1990).
 * 2. |exponent| <= 27: 5^27 < 2^63, so mantissa * 5^e is exact in 128 bits
 *    and mantissa / 5^e has an exact remainder; rounding is done by hand.
 *    This is what doubles printed with 17 digits need.
 * 3. Digits were dropped: if the mantissa and its successor round to the
 *    same double, so does everything between.
 * 4. strtod on a copy of bounded length.
 */

#include "base/number.h"

#include "base/attr.h"

#include <endian.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

enum {
	MANTISSA_DIGITS = 19,
	MAX_EXACT_POWER = 22, /* 10^22 is a double */
	MAX_FIVES = 27,	      /* 5^27 has 63 bits */
	/*
	 * A double's midpoints have at most 767 significant digits: more
	 * digits than that matter only by not being all zero.
	 */
	MAX_DIGITS = 780,
	/* No digits that fit into memory bring such an exponent back. */
	HUGE_EXPONENT = 2000000000
};

static const double power_of_ten[MAX_EXACT_POWER + 1] = {
	1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static const uint64_t power_of_five[MAX_FIVES + 1] = {
	UINT64_C(1),
	UINT64_C(5),
	UINT64_C(25),
	UINT64_C(125),
	UINT64_C(625),
	UINT64_C(3125),
	UINT64_C(15625),
	UINT64_C(78125),
	UINT64_C(390625),
	UINT64_C(1953125),
	UINT64_C(9765625),
	UINT64_C(48828125),
	UINT64_C(244140625),
	UINT64_C(1220703125),
	UINT64_C(6103515625),
	UINT64_C(30517578125),
	UINT64_C(152587890625),
	UINT64_C(762939453125),
	UINT64_C(3814697265625),
	UINT64_C(19073486328125),
	UINT64_C(95367431640625),
	UINT64_C(476837158203125),
	UINT64_C(2384185791015625),
	UINT64_C(11920928955078125),
	UINT64_C(59604644775390625),
	UINT64_C(298023223876953125),
	UINT64_C(1490116119384765625),
	UINT64_C(7450580596923828125),
};

struct decimal {
	uint64_t mantissa;
	int64_t exponent;
	bool negative;
	bool cut;	    /* digits that are not zero follow the mantissa */
	const char *digits; /* in the text, with the point among them */
	const char *digits_end;
	int64_t scale; /* exponent as written, less digits after the point */
};

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale; /* written once */

static void make_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		abort(); /* out of memory: "C" is always there */
}

static locale_t get_c_locale(void)
{
	(void)pthread_once(&locale_once, make_locale);
	return c_locale;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Eight digits at once, the first in the lowest byte: neighbours are joined
 * to numbers of two, four and eight digits.  False when one is no digit.
 */
static bool eight_digits(const char *p, uint64_t *out)
{
	const uint64_t high = UINT64_C(0xF0F0F0F0F0F0F0F0);
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	v = le64toh(v);
	/* '0' to '9' are 0x30 to 0x39: adding 6 must not reach 0x40. */
	if ((v & high) != (high & UINT64_C(0x3333333333333333)) ||
	    ((v + UINT64_C(0x0606060606060606)) & high) != (v & high))
		return false;
	v &= ~high;
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
	v = (v * 10000 + (v >> 32)) & UINT64_C(0x00000000FFFFFFFF);
	*out = v;
	return true;
}

/* Digits from ${p} on, into ${m}, which may wrap; returns their end. */
static const char *scan_digits(const char *p, const char *end, uint64_t *m)
{
	uint64_t eight;

	while (end - p >= 8 && eight_digits(p, &eight)) {
		*m = *m * 100000000 + eight;
		p += 8;
	}
	for (; p < end && is_digit(*p); p++)
		*m = *m * 10 + (uint64_t)(*p - '0');
	return p;
}

/* More than 19 digits: again, without leading zeros, counting what is cut. */
static void scan_long(struct decimal *d)
{
	unsigned n = 0;
	int64_t dropped = 0;

	d->mantissa = 0;
	d->cut = false;
	for (const char *p = d->digits; p < d->digits_end; p++) {
		if (*p == '.')
			continue;
		if (n == 0 && *p == '0')
			continue;
		if (n < MANTISSA_DIGITS) {
			d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
			n++;
		} else {
			d->cut |= *p != '0';
			dropped++;
		}
	}
	d->exponent = d->scale + dropped;
}

/* "[+-]digits" in ${p}, all of it; saturates. */
static bool scan_exponent(const char *p, const char *end, int64_t *out)
{
	bool negative = false;
	int64_t v = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		if (v < HUGE_EXPONENT)
			v = v * 10 + (*p - '0');
	}
	*out = negative ? -v : v;
	return true;
}

static bool scan(const char *text, size_t len, struct decimal *d)
{
	const char *p = text, *end = text + len, *point = NULL;
	uint64_t m = 0;
	int64_t written = 0;
	size_t n;

	d->negative = false;
	if (p < end && (*p == '-' || *p == '+'))
		d->negative = *p++ == '-';
	d->digits = p;
	p = scan_digits(p, end, &m);
	n = (size_t)(p - d->digits);
	d->scale = 0;
	if (p < end && *p == '.') {
		point = ++p;
		p = scan_digits(p, end, &m);
		n += (size_t)(p - point);
		d->scale = -(int64_t)(p - point);
	}
	if (n == 0)
		return false;
	d->digits_end = p;
	if (p < end) {
		if ((*p != 'e' && *p != 'E') ||
		    !scan_exponent(p + 1, end, &written))
			return false;
		d->scale += written;
	}
	d->mantissa = m;
	d->exponent = d->scale;
	d->cut = false;
	if (UNLIKELY(n > MANTISSA_DIGITS))
		scan_long(d);
	return true;
}

/*
 * The double nearest to value * 2^exponent; ${value} has its top bit at 62 or
 * 63, ${more} tells of bits below it.  The result is a normal number.
 */
static double round_to_double(uint64_t value, int exponent, bool more)
{
	unsigned shift = value >> 63 ? 11 : 10;
	uint64_t half = UINT64_C(1) << (shift - 1);
	uint64_t rest = value & (2 * half - 1);
	uint64_t bits = value >> shift;
	double out;

	/* A carry out of the fraction moves into the exponent: right. */
	bits += rest > half || (rest == half && (more || (bits & 1)));
	bits += (uint64_t)(exponent + (int)shift + 1023 + 51) << 52;
	memcpy(&out, &bits, sizeof(out));
	return out;
}

/* Step 2; ${mantissa} > 0, |exponent| <= MAX_FIVES. */
static double exact(uint64_t mantissa, int exponent)
{
	int zeros = __builtin_clzll(mantissa);

	if (exponent >= 0) {
		u128 product = (u128)mantissa * power_of_five[exponent];
		uint64_t high = (uint64_t)(product >> 64);
		int shift = high ? 64 - __builtin_clzll(high) : 0;
		uint64_t top = (uint64_t)(product >> shift);
		bool more = ((u128)top << shift) != product;

		if (!high) {
			zeros = __builtin_clzll(top);
			top <<= zeros;
			shift = -zeros;
		}
		return round_to_double(top, exponent + shift, more);
	}

	uint64_t divisor = power_of_five[-exponent];
	int gap = __builtin_clzll(divisor);
	u128 numerator = (u128)(mantissa << zeros) << 63;
	uint64_t quotient = (uint64_t)(numerator / (divisor << gap));
	bool more = (u128)quotient * (divisor << gap) != numerator;

	return round_to_double(quotient, exponent - zeros - 63 + gap, more);
}

/* Step 4: the digits once more, at most MAX_DIGITS of them. */
static double by_strtod(const struct decimal *d)
{
	char text[MAX_DIGITS + 32];
	size_t n = 0;
	int64_t dropped = 0;
	bool cut = false;

	for (const char *p = d->digits; p < d->digits_end; p++) {
		if (*p == '.' || (n == 0 && *p == '0'))
			continue;
		if (n < MAX_DIGITS) {
			text[n++] = *p;
		} else {
			cut |= *p != '0';
			dropped++;
		}
	}
	if (cut) {
		text[n++] = '1';
		dropped--;
	}
	(void)snprintf(text + n, sizeof(text) - n, "e%" PRId64,
		       d->scale + dropped);
	return strtod_l(text, NULL, get_c_locale());
}

static double magnitude(const struct decimal *d)
{
	uint64_t m = d->mantissa;
	int e = (int)d->exponent;

	if (m == 0)
		return 0.0;
	if (d->exponent < -MAX_FIVES || d->exponent > MAX_FIVES)
		return by_strtod(d);
	if (!d->cut) {
		if (m > UINT64_C(1) << 53 || e < -MAX_EXACT_POWER ||
		    e > MAX_EXACT_POWER)
			return exact(m, e);
		return e < 0 ? (double)m / power_of_ten[-e]
			     : (double)m * power_of_ten[e];
	}
	if (exact(m, e) == exact(m + 1, e))
		return exact(m, e);
	return by_strtod(d);
}

bool number_parse(const char *text, size_t len, double *out)
{
	struct decimal d;
	double v;

	if (!scan(text, len, &d))
		return false;
	v = magnitude(&d);
	if (!isfinite(v))
		return false;
	*out = d.negative ? -v : v;
	return true;
}

bool number_is_json(const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	if (p < end && *p == '-')
		p++;
	if (p == end || !is_digit(*p))
		return false;
	if (*p == '0' && end - p > 1 && is_digit(p[1]))
		return false;
	while (p < end && is_digit(*p))
		p++;
	if (p < end && *p == '.') {
		if (++p == end || !is_digit(*p))
			return false;
		while (p < end && is_digit(*p))
			p++;
	}
	if (p == end)
		return true;
	if (*p != 'e' && *p != 'E')
		return false;
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	if (p == end)
		return false;
	while (p < end && is_digit(*p))
		p++;
	return p == end;
}

bool number_parse_int(const char *text, size_t len, int64_t min, int64_t max,
		      int64_t *out)
{
	const char *p = text, *end = text + len;
	bool negative = false;
	int64_t v = 0;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++) {
		int digit = *p - '0';

		if (!is_digit(*p) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, negative ? -digit : digit, &v))
			return false;
	}
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

size_t number_format(double value, char out[NUMBER_TEXT_MAX])
{
	locale_t before;
	int n = 0;

	if (isnan(value) || isinf(value)) {
		n = snprintf(out, NUMBER_TEXT_MAX, "%s",
			     isnan(value) ? "nan"
			     : value < 0  ? "-inf"
					  : "inf");
		return (size_t)n;
	}
	/* Counts and ids: the digits themselves, without the round trip. */
	if (value == rint(value) && fabs(value) < 1e15 && value != 0.0) {
		n = snprintf(out, NUMBER_TEXT_MAX, "%" PRId64, (int64_t)value);
		return (size_t)n;
	}
	before = uselocale(get_c_locale());
	for (int precision = 15; precision <= 17; precision++) {
		double back;

		n = snprintf(out, NUMBER_TEXT_MAX, "%.*g", precision, value);
		if (number_parse(out, (size_t)n, &back) && back == value)
			break;
	}
	(void)uselocale(before);
	return (size_t)n;
}
