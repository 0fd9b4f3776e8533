/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * stream_adwin - adaptive window (Bifet, Gavalda 2007): the longest window of
 * the newest values in which no two parts differ.
 *
 * The window is kept as buckets of 2^row values, a few of each size, oldest
 * in the highest row.  So its memory is the logarithm of its length, and
 * bounded: a window of more than 2^ADWIN_ROWS values would lose its oldest.
 */

#include "detectors/stream_parts.h"

#include "base/buf.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

enum { ADWIN_ROWS = 40, ADWIN_BUCKETS_MAX = 16 };

struct adwin_options {
	int64_t clock, max_buckets, min_subwindow, min_window;
	double delta;
};

struct adwin_bucket {
	double sum;
	double spread; /* sum of squared deviations within */
};

struct adwin_row {
	uint32_t n;
	struct adwin_bucket buckets[ADWIN_BUCKETS_MAX + 1]; /* oldest first */
};

struct adwin {
	uint64_t ticks;
	uint64_t width;
	double total;
	double spread;
	struct adwin_row rows[ADWIN_ROWS];
};

static double bucket_size(int row)
{
	return (double)(UINT64_C(1) << row);
}

static void remove_oldest(struct adwin_row *r, uint32_t n)
{
	r->n -= n;
	memmove(r->buckets, r->buckets + n, r->n * sizeof(r->buckets[0]));
}

/* The oldest bucket leaves the window. */
static void drop_oldest(struct adwin *s)
{
	int row = ADWIN_ROWS - 1;
	const struct adwin_bucket *b;
	double size, mean, rest, difference;

	while (row > 0 && s->rows[row].n == 0)
		row--;
	if (s->rows[row].n == 0)
		return;
	b = &s->rows[row].buckets[0];
	size = bucket_size(row);
	mean = b->sum / size;
	s->width -= UINT64_C(1) << row;
	s->total -= b->sum;
	rest = (double)s->width;
	if (s->width > 0) {
		difference = mean - s->total / rest;
		s->spread -= b->spread + size * rest * difference * difference /
						 (size + rest);
	} else {
		s->spread = 0;
	}
	remove_oldest(&s->rows[row], 1);
}

/* Two buckets of row ${row} as one of the next. */
static struct adwin_bucket merge(const struct adwin_bucket *a,
				 const struct adwin_bucket *b, int row)
{
	double n = bucket_size(row);
	double difference = a->sum / n - b->sum / n;

	return (struct adwin_bucket){.sum = a->sum + b->sum,
				     .spread = a->spread + b->spread +
					       n * n * difference * difference /
						       (n + n)};
}

static void compress(struct adwin *s, uint32_t max_buckets)
{
	for (int i = 0; i < ADWIN_ROWS && s->rows[i].n > max_buckets; i++) {
		struct adwin_row *r = &s->rows[i];
		struct adwin_row *next = r + 1;

		if (i == ADWIN_ROWS - 1) {
			drop_oldest(s);
			return;
		}
		next->buckets[next->n++] =
			merge(&r->buckets[0], &r->buckets[1], i);
		remove_oldest(r, 2);
	}
}

static void insert(struct adwin *s, uint32_t max_buckets, double x)
{
	struct adwin_row *r = &s->rows[0];

	s->width++;
	if (s->width > 1) {
		double before = (double)s->width - 1;
		double difference = x - s->total / before;

		s->spread +=
			before * difference * difference / (double)s->width;
	}
	s->total += x;
	r->buckets[r->n++] = (struct adwin_bucket){.sum = x};
	compress(s, max_buckets);
}

/* Whether means over n0 and n1 values differ by more than chance. */
static bool differ(const struct adwin *s, const struct adwin_options *o,
		   double n0, double n1, double u0, double u1)
{
	double min = (double)o->min_subwindow;
	double width = (double)s->width;
	double d = log(2 * log(width) / o->delta);
	double v = s->spread / width;
	double m = 1 / (n0 - min + 1) + 1 / (n1 - min + 1);
	double epsilon = sqrt(2 * m * v * d) + 2.0 / 3 * d * m;

	return fabs(u0 / n0 - u1 / n1) > epsilon;
}

/* Walk from the oldest bucket: is there a place to cut? */
static bool has_cut(const struct adwin *s, const struct adwin_options *o)
{
	double min = (double)o->min_subwindow;
	double n0 = 0, n1 = (double)s->width;
	double u0 = 0, u1 = s->total;

	for (int i = ADWIN_ROWS - 1; i >= 0; i--) {
		const struct adwin_row *r = &s->rows[i];

		for (uint32_t j = 0; j < r->n; j++) {
			/* Nothing is behind the newest bucket. */
			if (i == 0 && j == r->n - 1)
				return false;
			n0 += bucket_size(i);
			n1 -= bucket_size(i);
			u0 += r->buckets[j].sum;
			u1 -= r->buckets[j].sum;
			if (n0 >= min && n1 >= min &&
			    differ(s, o, n0, n1, u0, u1))
				return true;
		}
	}
	return false;
}

static enum stream_signal step(void *state, const void *options, double x)
{
	const struct adwin_options *o = options;
	struct adwin *s = state;
	bool drift = false;

	s->ticks++;
	insert(s, (uint32_t)o->max_buckets, x);
	if (s->ticks % (uint64_t)o->clock != 0)
		return STREAM_NONE;
	while (s->width > (uint64_t)o->min_window && has_cut(s, o)) {
		drop_oldest(s);
		drift = true;
	}
	return drift ? STREAM_DRIFT : STREAM_NONE;
}

static bool is_valid(const void *state, const void *options)
{
	const struct adwin_options *o = options;
	const struct adwin *s = state;
	uint64_t width = 0;

	for (int i = 0; i < ADWIN_ROWS; i++) {
		if (s->rows[i].n > (uint64_t)o->max_buckets)
			return false;
		width += (uint64_t)s->rows[i].n << i;
	}
	return width == s->width && s->width <= s->ticks;
}

static void encode(const void *state, struct buf *out)
{
	const struct adwin *s = state;
	uint8_t rows = ADWIN_ROWS;

	while (rows > 0 && s->rows[rows - 1].n == 0)
		rows--;
	buf_add_u8(out, rows);
	for (int i = 0; i < rows; i++) {
		const struct adwin_row *r = &s->rows[i];

		buf_add_u8(out, (uint8_t)r->n);
		for (uint32_t j = 0; j < r->n; j++) {
			buf_add_f64(out, r->buckets[j].sum);
			buf_add_f64(out, r->buckets[j].spread);
		}
	}
}

static bool decode(void *state, struct reader *in)
{
	struct adwin *s = state;
	uint8_t rows = reader_u8(in);

	if (rows > ADWIN_ROWS)
		return false;
	for (int i = 0; i < rows; i++) {
		struct adwin_row *r = &s->rows[i];

		r->n = reader_u8(in);
		if (r->n > ADWIN_BUCKETS_MAX)
			return false;
		for (uint32_t j = 0; j < r->n; j++) {
			struct adwin_bucket *b = &r->buckets[j];

			b->sum = reader_f64(in);
			b->spread = reader_f64(in);
			if (!isfinite(b->sum) || !isfinite(b->spread))
				return false;
		}
	}
	return true;
}

static void show(const void *state, struct json_out *w)
{
	const struct adwin *s = state;
	int64_t n = 0;

	for (int i = 0; i < ADWIN_ROWS; i++)
		n += s->rows[i].n;
	json_put_int(w, "buckets", n);
	json_put_number(w, "mean", s->width ? s->total / (double)s->width : 0);
	json_put_number(w, "variance",
			s->width ? s->spread / (double)s->width : 0);
}

static const struct option options[] = {
	STREAM_OPTION(OPTION_DOUBLE, adwin_options, delta, "0.002", 1e-300, 1,
		      "error probability"),
	STREAM_OPTION(OPTION_INT, adwin_options, clock, "32", 1, 1e9,
		      "samples from test to test"),
	STREAM_OPTION(OPTION_INT, adwin_options, max_buckets, "5", 2,
		      ADWIN_BUCKETS_MAX, "buckets of one size"),
	STREAM_OPTION(OPTION_INT, adwin_options, min_window, "10", 2, 1e9,
		      "longest window that is not tested"),
	STREAM_OPTION(OPTION_INT, adwin_options, min_subwindow, "5", 1, 1e9,
		      "samples on each side of a cut, at least"),
};

static const struct stream_field fields[] = {
	STREAM_FIELD(STREAM_COUNT, adwin, ticks),
	STREAM_FIELD(STREAM_COUNT, adwin, width),
	STREAM_FIELD(STREAM_NUMBER, adwin, total),
	STREAM_FIELD(STREAM_NUMBER, adwin, spread),
};

const struct stream_detector stream_adwin = {
	.name = "adwin",
	.summary = "the mean moves: two parts of the adaptive window differ",
	.state_version = 1,
	STREAM_TABLES(options, fields),
	.options_size = sizeof(struct adwin_options),
	.state_size = sizeof(struct adwin),
	.min = -STREAM_VALUE_MAX,
	.max = STREAM_VALUE_MAX,
	.keeps_state = true,
	.step = step,
	.is_valid = is_valid,
	.encode = encode,
	.decode = decode,
	.show = show,
};
