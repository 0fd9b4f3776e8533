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
 *    and the quotient mantissa / 5^e, and whether there is a remainder, can
 *    be had from 128 bits of the reciprocal; rounding is done by hand.
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

/*
 * 1 / 5^k in 128 bits, the upper half first: 2^(127 + bits of 5^k) / 5^k,
 * rounded up.
 */
static const uint64_t reciprocal[MAX_FIVES + 1][2] = {
	{0, 0}, /* not used */
	{UINT64_C(0xcccccccccccccccc), UINT64_C(0xcccccccccccccccd)},
	{UINT64_C(0xa3d70a3d70a3d70a), UINT64_C(0x3d70a3d70a3d70a4)},
	{UINT64_C(0x83126e978d4fdf3b), UINT64_C(0x645a1cac083126ea)},
	{UINT64_C(0xd1b71758e219652b), UINT64_C(0xd3c36113404ea4a9)},
	{UINT64_C(0xa7c5ac471b478423), UINT64_C(0x0fcf80dc33721d54)},
	{UINT64_C(0x8637bd05af6c69b5), UINT64_C(0xa63f9a49c2c1b110)},
	{UINT64_C(0xd6bf94d5e57a42bc), UINT64_C(0x3d32907604691b4d)},
	{UINT64_C(0xabcc77118461cefc), UINT64_C(0xfdc20d2b36ba7c3e)},
	{UINT64_C(0x89705f4136b4a597), UINT64_C(0x31680a88f8953031)},
	{UINT64_C(0xdbe6fecebdedd5be), UINT64_C(0xb573440e5a884d1c)},
	{UINT64_C(0xafebff0bcb24aafe), UINT64_C(0xf78f69a51539d749)},
	{UINT64_C(0x8cbccc096f5088cb), UINT64_C(0xf93f87b7442e45d4)},
	{UINT64_C(0xe12e13424bb40e13), UINT64_C(0x2865a5f206b06fba)},
	{UINT64_C(0xb424dc35095cd80f), UINT64_C(0x538484c19ef38c95)},
	{UINT64_C(0x901d7cf73ab0acd9), UINT64_C(0x0f9d37014bf60a11)},
	{UINT64_C(0xe69594bec44de15b), UINT64_C(0x4c2ebe687989a9b4)},
	{UINT64_C(0xb877aa3236a4b449), UINT64_C(0x09befeb9fad487c3)},
	{UINT64_C(0x9392ee8e921d5d07), UINT64_C(0x3aff322e62439fd0)},
	{UINT64_C(0xec1e4a7db69561a5), UINT64_C(0x2b31e9e3d06c32e6)},
	{UINT64_C(0xbce5086492111aea), UINT64_C(0x88f4bb1ca6bcf585)},
	{UINT64_C(0x971da05074da7bee), UINT64_C(0xd3f6fc16ebca5e04)},
	{UINT64_C(0xf1c90080baf72cb1), UINT64_C(0x5324c68b12dd6339)},
	{UINT64_C(0xc16d9a0095928a27), UINT64_C(0x75b7053c0f178294)},
	{UINT64_C(0x9abe14cd44753b52), UINT64_C(0xc4926a9672793543)},
	{UINT64_C(0xf79687aed3eec551), UINT64_C(0x3a83ddbd83f52205)},
	{UINT64_C(0xc612062576589dda), UINT64_C(0x95364afe032a819e)},
	{UINT64_C(0x9e74d1b791e07e48), UINT64_C(0x775ea264cf55347e)},
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

/* How many of eight bytes, the first one lowest, are digits before one that
 * is none. */
static unsigned count_digits(uint64_t v)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	/* '0' to '9' become 0 to 9, and what is more than 9 reaches 0x80.  A
	 * carry only comes from a byte that is no digit, and goes upwards. */
	uint64_t x = v ^ UINT64_C(0x3030303030303030);
	uint64_t other = (x | (x + UINT64_C(0x7676767676767676))) & high;

	return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* Eight digits at once: neighbours are joined to numbers of two, four and
 * eight digits.  A byte of 0 is a 0, too. */
static uint64_t eight_digits(uint64_t v)
{
	v &= UINT64_C(0x0F0F0F0F0F0F0F0F);
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
	return (v * 10000 + (v >> 32)) & UINT64_C(0x00000000FFFFFFFF);
}

static uint64_t load_eight(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/*
 * Digits from ${p} on, into ${m}, which may wrap; returns their end.  Of the
 * last bytes of a text that begins at ${begin}, eight are looked at as well:
 * those before them are shifted out.
 */
static inline __attribute__((always_inline)) const char *
scan_digits(const char *begin, const char *p, const char *end, uint64_t *m)
{
	static const uint64_t powers[8] = {1,	  10,	  100,	   1000,
					   10000, 100000, 1000000, 10000000};

	while (end - begin >= 8 && p < end) {
		unsigned left = end - p < 8 ? (unsigned)(end - p) : 8, n;
		uint64_t v = load_eight(left < 8 ? end - 8 : p);

		v >>= 8 * (8 - left);
		n = count_digits(v);
		if (n == 0)
			return p;
		p += n;
		v <<= 8 * (8 - n);
		if (n < 8) {
			*m = *m * powers[n] + eight_digits(v);
			return p;
		}
		*m = *m * 100000000 + eight_digits(v);
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

/* They are no part of the mantissa. */
static size_t leading_zeros(const struct decimal *d)
{
	size_t n = 0;

	for (const char *p = d->digits; p < d->digits_end; p++) {
		if (*p != '0' && *p != '.')
			break;
		n += *p == '0';
	}
	return n;
}

/* "[+-]digits" at ${p}, saturating; its end, or NULL when it is none. */
static const char *scan_exponent(const char *p, const char *end, int64_t *out)
{
	bool negative = false;
	const char *digits;
	int64_t v = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	digits = p;
	for (; p < end && is_digit(*p); p++)
		if (v < HUGE_EXPONENT)
			v = v * 10 + (*p - '0');
	*out = negative ? -v : v;
	return p > digits ? p : NULL;
}

/* The number at the beginning of ${text}; its end, or NULL. */
static inline const char *scan(const char *text, const char *end,
			       struct decimal *d)
{
	const char *p = text, *point = NULL;
	uint64_t m = 0;
	int64_t written = 0;
	size_t n;

	d->negative = false;
	if (p < end && (*p == '-' || *p == '+'))
		d->negative = *p++ == '-';
	d->digits = p;
	p = scan_digits(text, p, end, &m);
	n = (size_t)(p - d->digits);
	d->scale = 0;
	if (p < end && *p == '.') {
		point = ++p;
		p = scan_digits(text, p, end, &m);
		n += (size_t)(p - point);
		d->scale = -(int64_t)(p - point);
	}
	if (n == 0)
		return NULL;
	d->digits_end = p;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p = scan_exponent(p + 1, end, &written);
		if (p == NULL)
			return NULL;
		d->scale += written;
	}
	d->mantissa = m;
	d->exponent = d->scale;
	d->cut = false;
	if (UNLIKELY(n > MANTISSA_DIGITS) &&
	    n - leading_zeros(d) > MANTISSA_DIGITS)
		scan_long(d);
	return p;
}

/*
 * The double nearest to value * 2^exponent; ${value} has its top bit at 62 or
 * 63, ${more} tells of bits below it.  The result is a normal number.
 */
static inline double round_to_double(uint64_t value, int exponent, bool more)
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
static inline double exact(uint64_t mantissa, int exponent)
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

	/*
	 * floor(w 2^(bits - 1) / 5^k), w the mantissa with its top bit set, is
	 * the top of the product with the reciprocal: that is less than w
	 * too large, which is less than one in the middle 64 bits.  A fraction
	 * that is not 0 is at least 1/5^k and at most 1 less that, two or more
	 * in the middle away from a carry; and of none the middle is 0.
	 */
	const uint64_t *r = reciprocal[-exponent];
	int gap = __builtin_clzll(power_of_five[-exponent]);
	uint64_t w = mantissa << zeros;
	u128 top = (u128)w * r[0] + (uint64_t)((u128)w * r[1] >> 64);

	return round_to_double((uint64_t)(top >> 64),
			       exponent - zeros - 63 + gap, (uint64_t)top != 0);
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

const char *number_parse_prefix(const char *text, const char *end, double *out)
{
	struct decimal d;
	const char *stop = scan(text, end, &d);
	double v;

	if (stop == NULL)
		return NULL;
	v = magnitude(&d);
	if (!isfinite(v))
		return NULL;
	*out = d.negative ? -v : v;
	return stop;
}

bool number_parse(const char *text, size_t len, double *out)
{
	double v;

	if (number_parse_prefix(text, text + len, &v) != text + len)
		return false;
	*out = v;
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
