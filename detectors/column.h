/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_COLUMN_H
#define DRIFTD_DETECTORS_COLUMN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * column - what a column is, and how its values stand in memory.
 *
 * Numeric columns are arrays of double.  Two quiet NaNs with payloads stand
 * for what is no number: MISSING (null, absent, empty) and INVALID (NaN,
 * infinities, text that is no number).  Any other NaN or an infinity counts
 * as INVALID too, so that a profile never holds one.
 * Categorical columns are arrays of uint32_t codes into a list of texts.
 */

enum column_kind { COLUMN_NUMERIC, COLUMN_CATEGORICAL };

enum column_role {
	ROLE_FEATURE,
	ROLE_PREDICTION,
	ROLE_SCORE,
	ROLE_LABEL,
	ROLE_LATENCY,
	ROLE_STATUS
};

/* Which kind of drift a result is about. */
enum signal {
	SIGNAL_INPUT,
	SIGNAL_OUTPUT,
	SIGNAL_QUALITY,
	SIGNAL_HEALTH,
	SIGNAL_DATA
};
enum { N_SIGNALS = SIGNAL_DATA + 1 };

const char *column_kind_name(enum column_kind kind);
const char *column_role_name(enum column_role role);
const char *signal_name(enum signal signal);

/* The name back; -1 when it is none. */
int signal_parse(const char *name, enum signal *out);

/* feature -> input; prediction, score -> output; label -> quality; latency, status -> health */
enum signal column_signal(enum column_role role);

#define VALUE_MISSING_BITS UINT64_C(0x7ff8000000000001)
#define VALUE_INVALID_BITS UINT64_C(0x7ff8000000000002)

#define CODE_MISSING UINT32_MAX
#define CODE_INVALID (UINT32_MAX - 1)

/* One entry of a batch's list of texts. */
struct category_text {
	const char *text; /* borrowed */
	uint32_t len;
	bool is_number; /* it stood as a JSON number: 1.0 may mean "1" */
};

static inline double value_from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline double value_missing(void)
{
	return value_from_bits(VALUE_MISSING_BITS);
}

static inline double value_invalid(void)
{
	return value_from_bits(VALUE_INVALID_BITS);
}

static inline bool value_is_missing(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits == VALUE_MISSING_BITS;
}

#endif
