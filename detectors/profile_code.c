/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile_code - profiles as bytes.
 *
 *	version, kind, hash of the cells (0 = none), valid, missing, invalid
 *	numeric:     runs of cells, [min, max], tails
 *	categorical: runs of cells, extras, n_other, truncated
 *
 * Cells go as runs: the length of a run of zeros, the length of the run after
 * it, its cells.  A numeric cell is count * 4 + form; the forms spare what
 * follows from the count: NO_EDGE (equal = 0), ATOM (all on the upper edge, so
 * sum = 4096 * count), FULL.
 *
 * Equal profiles give equal bytes.  What is decoded adds up, or is refused.
 */
#include "detectors/profile_parts.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "detectors/cells.h"
#include "detectors/cells_category.h"

enum { PROFILE_VERSION = 1 };
enum { FORM_NO_EDGE, FORM_ATOM, FORM_FULL, FORM_BITS = 2 };

static void encode_number_cell(const struct profile *p, uint32_t j,
			       struct buf *out)
{
	uint64_t count = p->count[j], equal = p->equal[j];
	uint64_t sum = (uint64_t)p->sum[j], form = FORM_FULL;

	if (equal == 0)
		form = FORM_NO_EDGE;
	else if (equal == count && sum == PROFILE_OFFSET_UNITS * count)
		form = FORM_ATOM;
	buf_add_varint(out, count << FORM_BITS | form);
	if (form == FORM_FULL)
		buf_add_varint(out, equal);
	if (form != FORM_ATOM)
		buf_add_varint(out, sum);
}

static void encode_cells(const struct profile *p, struct buf *out)
{
	uint32_t n = profile_n_cells(p), j = 0, end;

	while (j < n) {
		for (end = j; end < n && p->count[end] == 0; end++)
			;
		buf_add_varint(out, end - j);
		if (end == n)
			break;
		for (j = end; end < n && p->count[end] > 0; end++)
			;
		buf_add_varint(out, end - j);
		for (; j < end; j++) {
			if (p->kind == COLUMN_NUMERIC)
				encode_number_cell(p, j, out);
			else
				buf_add_varint(out, p->count[j]);
		}
	}
}

static void encode_tails(const struct profile *p, struct buf *out)
{
	int64_t previous = 0;
	size_t i;

	buf_add_varint(out, p->n_tails);
	for (i = 0; i < p->n_tails; i++) {
		buf_add_zigzag(out, p->tails[i].key - previous);
		buf_add_varint(out, p->tails[i].count);
		previous = p->tails[i].key;
	}
}

static void encode_extras(const struct profile *p, struct buf *out)
{
	size_t i;

	buf_add_varint(out, p->n_extras);
	for (i = 0; i < p->n_extras; i++) {
		buf_add_string(out, p->extras[i].text, p->extras[i].len);
		buf_add_varint(out, p->extras[i].count);
	}
	buf_add_varint(out, p->n_other);
	buf_add_u8(out, p->truncated);
}

void profile_encode(const struct profile *p, struct buf *out)
{
	buf_add_u8(out, PROFILE_VERSION);
	buf_add_u8(out, (uint8_t)p->kind);
	buf_add_u64(out, p->cells != NULL ? p->cells->hash : 0);
	buf_add_varint(out, p->n_valid);
	buf_add_varint(out, p->n_missing);
	buf_add_varint(out, p->n_invalid);
	encode_cells(p, out);
	if (p->kind == COLUMN_CATEGORICAL) {
		encode_extras(p, out);
		return;
	}
	if (p->n_valid > 0) {
		buf_add_f64(out, p->min);
		buf_add_f64(out, p->max);
	}
	encode_tails(p, out);
}

static int bad(struct err *e)
{
	return err_set(e, ERR_INVALID, "the bytes of a profile do not add up");
}

static int decode_number_cell(struct profile *p, struct reader *in, uint64_t j)
{
	uint64_t head = reader_varint(in);
	uint64_t count = head >> FORM_BITS, equal = 0, sum = 0;
	uint64_t form = head & ((1U << FORM_BITS) - 1);

	if (count > PROFILE_COUNT_MAX || form > FORM_FULL)
		return -1;
	if (form == FORM_ATOM) {
		equal = count;
		sum = count * PROFILE_OFFSET_UNITS;
	} else {
		if (form == FORM_FULL)
			equal = reader_varint(in);
		sum = reader_varint(in);
	}
	if (equal > count || sum > count * PROFILE_OFFSET_UNITS)
		return -1;
	p->count[j] = count;
	p->equal[j] = equal;
	p->sum[j] = (int64_t)sum;
	return 0;
}

/* The cells' counts; ${total} gets their sum. */
static int decode_cells(struct profile *p, struct reader *in, uint64_t *total)
{
	uint64_t n = profile_n_cells(p), j = 0, run;

	*total = 0;
	while (j < n) {
		run = reader_varint(in);
		if (in->failed || run > n - j)
			return -1;
		j += run;
		if (j == n)
			break;
		run = reader_varint(in);
		if (in->failed || run == 0 || run > n - j)
			return -1;
		for (; run > 0; run--, j++) {
			if (p->kind == COLUMN_CATEGORICAL)
				p->count[j] = reader_varint(in);
			else if (decode_number_cell(p, in, j) != 0)
				return -1;
			if (p->count[j] == 0 ||
			    p->count[j] > p->n_valid - *total)
				return -1;
			*total += p->count[j];
		}
	}
	return 0;
}

static int decode_tails(struct profile *p, struct reader *in, uint64_t *total)
{
	uint64_t n = reader_varint(in), i;
	int64_t key = 0;

	*total = 0;
	if (in->failed || n > (in->len - in->pos) / 2)
		return -1;
	for (i = 0; i < n; i++) {
		int64_t delta = reader_zigzag(in);
		struct tail_cell cell = {.count = reader_varint(in)};

		if (delta < INT32_MIN || delta > INT32_MAX ||
		    (i > 0 && delta <= 0) || cell.count == 0 ||
		    cell.count > p->n_valid - *total)
			return -1;
		key += delta;
		if (key < profile_tail_key(-HUGE_VAL) ||
		    key > profile_tail_key(HUGE_VAL))
			return -1;
		cell.key = (int32_t)key;
		*total += cell.count;
		profile_tails_merge(p, &cell, 1);
	}
	return in->failed ? -1 : 0;
}

/* Values that have to be in tail cells. */
static uint64_t count_outside(const struct profile *p)
{
	uint32_t n = profile_n_cells(p);

	if (n == 0)
		return p->n_valid;
	if (n == 1)
		return p->count[0];
	return p->count[0] - p->equal[0] + p->count[n - 1];
}

static int decode_numeric(struct profile *p, struct reader *in)
{
	uint64_t n_cells, n_tails;

	if (decode_cells(p, in, &n_cells) != 0 ||
	    (p->cells != NULL && n_cells != p->n_valid))
		return -1;
	if (p->n_valid > 0) {
		p->min = reader_f64(in);
		p->max = reader_f64(in);
		if (!isfinite(p->min) || !isfinite(p->max) || p->min > p->max)
			return -1;
	}
	if (decode_tails(p, in, &n_tails) != 0)
		return -1;
	return n_tails == count_outside(p) ? 0 : -1;
}

/*
 * The extras in their order.  Those beyond max_categories, which may have
 * been greater when the bytes were written, become n_other.
 */
static int decode_extras(struct profile *p, struct reader *in, uint64_t *total)
{
	uint64_t n = reader_varint(in), i, count, hash, last_hash = 0;
	const char *text, *last = NULL;
	size_t len, last_len = 0;

	if (in->failed || n > in->len - in->pos)
		return -1;
	for (i = 0; i < n; i++) {
		text = reader_string(in, &len);
		count = reader_varint(in);
		if (text == NULL || len > UINT32_MAX || count == 0 ||
		    count > p->n_valid - *total)
			return -1;
		hash = hash64(text, len);
		if (i > 0 &&
		    (hash < last_hash ||
		     (hash == last_hash &&
		      cells_category_compare(last, last_len, text, len) >= 0)))
			return -1;
		last = text;
		last_len = len;
		last_hash = hash;
		*total += count;
		profile_extras_add(p, text, len, hash, count);
	}
	return 0;
}

static int decode_categorical(struct profile *p, struct reader *in)
{
	uint64_t total, n_other;
	uint8_t truncated;

	if (decode_cells(p, in, &total) != 0 ||
	    decode_extras(p, in, &total) != 0)
		return -1;
	n_other = reader_varint(in);
	truncated = reader_u8(in);
	if (truncated > 1 || n_other != p->n_valid - total ||
	    (n_other > 0 && truncated == 0))
		return -1;
	p->n_other += n_other;
	p->truncated = p->truncated || truncated;
	return in->failed ? -1 : 0;
}

static int decode_counts(struct profile *p, struct reader *in)
{
	p->n_valid = reader_varint(in);
	p->n_missing = reader_varint(in);
	p->n_invalid = reader_varint(in);
	if (in->failed || p->n_valid > PROFILE_COUNT_MAX ||
	    p->n_missing > PROFILE_COUNT_MAX ||
	    p->n_invalid > PROFILE_COUNT_MAX)
		return -1;
	return profile_total(p) <= PROFILE_COUNT_MAX ? 0 : -1;
}

struct profile *profile_decode(struct reader *in, const struct cells *cells,
			       uint32_t max_categories, struct err *e)
{
	struct profile *p = NULL;
	uint8_t version = reader_u8(in), kind = reader_u8(in);
	uint64_t hash = reader_u64(in);
	int rc;

	if (in->failed || version != PROFILE_VERSION ||
	    kind > COLUMN_CATEGORICAL) {
		err_set(e, ERR_INVALID,
			"a profile has an unknown version or kind");
		return NULL;
	}
	p = profile_new((enum column_kind)kind, cells, max_categories);
	if (hash != (p->cells != NULL ? p->cells->hash : 0)) {
		err_set(e, ERR_CONFLICT, "a profile is over other cells");
		goto fail;
	}
	rc = decode_counts(p, in);
	if (rc == 0)
		rc = p->kind == COLUMN_NUMERIC ? decode_numeric(p, in)
					       : decode_categorical(p, in);
	if (rc != 0 || in->failed) {
		bad(e);
		goto fail;
	}
	return p;
fail:
	profile_free(p);
	return NULL;
}
