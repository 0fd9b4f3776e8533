/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quality_regression - errors of numbers, from sums in twice the precision.
 *
 *	r2 = 1 - sum e^2 / sum (y - mean y)^2
 *	explained_variance = 1 - var e / var y
 *
 * Both are NaN when all labels are equal.  The median of absolute errors is
 * not additive: it is within a cell of 1 %, or that of a sample that somebody
 * else has kept.
 */
#include "detectors/quality.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_VERSION = 1, CELLS_MAX = 1 << 18 };

#define KEYS_PER_E 92.33248261689366 /* 64 / ln 2 */
#define KEY_SLACK  1e-12	     /* of what a logarithm is off */

/* A sum of squares around the mean that is no more than what rounding left:
 * 2^-104 of each square, and 2^20 of them. */
#define CONSTANT 0x1p-84

void quality_regression_release(struct quality_regression *q)
{
	free(q->cells);
	*q = (struct quality_regression){.n = 0};
}

int32_t quality_error_key(double error)
{
	double size = fabs(error);

	if (!(size > 0.0))
		return INT32_MIN;
	/* of finite ones the key is within 92.4 * 745 */
	return size < HUGE_VAL ? (int32_t)floor(KEYS_PER_E * log(size))
			       : INT32_MAX;
}

static size_t cell_at(const struct quality_regression *q, int32_t key)
{
	size_t low = 0, high = q->n_cells;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (q->cells[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void add_cell(struct quality_regression *q, int32_t key, uint64_t n)
{
	size_t i = cell_at(q, key);

	if (i < q->n_cells && q->cells[i].key == key) {
		q->cells[i].n += n;
		return;
	}
	if (q->n_cells == q->cap_cells) {
		q->cap_cells = q->cap_cells > 0 ? 2 * q->cap_cells : 64;
		q->cells = xrealloc_array(q->cells, q->cap_cells,
					  sizeof(*q->cells));
	}
	memmove(q->cells + i + 1, q->cells + i,
		(q->n_cells - i) * sizeof(*q->cells));
	q->cells[i] = (struct quality_error_cell){key, n};
	q->n_cells++;
}

static void add_extremes(struct quality_regression *q, double most, double min,
			 double max)
{
	bool first = q->n == 0;

	q->max_error = first ? most : larger(q->max_error, most);
	q->label_min = first ? min : smaller(q->label_min, min);
	q->label_max = first ? max : larger(q->label_max, max);
}

void quality_regression_add(struct quality_regression *q, double label,
			    double predicted)
{
	double error = predicted - label, size = fabs(error);

	add_extremes(q, size, label, label);
	q->n++;
	twofold_add(&q->error, error);
	twofold_add(&q->absolute, size);
	twofold_add_product(&q->square, error, error);
	twofold_add_product(&q->fourth, error * error, error * error);
	twofold_add(&q->label, label);
	twofold_add_product(&q->label_square, label, label);
	twofold_add(&q->relative, size / larger(fabs(label), 0x1p-52));
	if (label < 0.0 || predicted < 0.0) {
		q->n_negative++;
	} else {
		double d = log1p(predicted) - log1p(label);

		twofold_add_product(&q->log_square, d, d);
	}
	add_cell(q, quality_error_key(error), 1);
}

/* The sums, in the order in which they are stored. */
enum { N_SUMS = 8 };

static void sums_of(struct quality_regression *q, struct twofold **out)
{
	struct twofold *const all[N_SUMS] = {
		&q->error, &q->absolute,     &q->square,   &q->fourth,
		&q->label, &q->label_square, &q->relative, &q->log_square};

	memcpy(out, all, sizeof(all));
}

int quality_regression_merge(struct quality_regression *to,
			     const struct quality_regression *from,
			     struct err *e)
{
	struct quality_regression part = *from; /* its cells are borrowed */
	struct twofold *a[N_SUMS], *b[N_SUMS];

	if (to->n + from->n > QUALITY_COUNT_MAX)
		return err_set(e, ERR_LIMIT, "too many labels to count");
	if (from->n == 0)
		return 0;
	add_extremes(to, from->max_error, from->label_min, from->label_max);
	to->has_bounds = to->has_bounds || from->has_bounds;
	to->n += from->n;
	to->n_negative += from->n_negative;
	sums_of(to, a);
	sums_of(&part, b);
	for (size_t i = 0; i < N_SUMS; i++)
		twofold_merge(a[i], *b[i]);
	for (size_t i = 0; i < from->n_cells; i++)
		add_cell(to, from->cells[i].key, from->cells[i].n);
	return 0;
}

static bool holds(const struct quality_regression *q,
		  const struct quality_regression *part)
{
	if (q->n < part->n || q->n_negative < part->n_negative)
		return false;
	for (size_t i = 0; i < part->n_cells; i++) {
		size_t k = cell_at(q, part->cells[i].key);

		if (k == q->n_cells || q->cells[k].key != part->cells[i].key ||
		    q->cells[k].n < part->cells[i].n)
			return false;
	}
	return true;
}

int quality_regression_subtract(struct quality_regression *from,
				const struct quality_regression *part,
				struct err *e)
{
	struct quality_regression other = *part; /* its cells are borrowed */
	struct twofold *a[N_SUMS], *b[N_SUMS];
	size_t n = 0;

	if (!holds(from, part))
		return err_set(e, ERR_CONFLICT,
			       "labels were not counted that are to be taken "
			       "away");
	if (from->n == part->n) {
		from->n_cells = 0;
		*from = (struct quality_regression){
			.cells = from->cells, .cap_cells = from->cap_cells};
		return 0;
	}
	from->n -= part->n;
	from->n_negative -= part->n_negative;
	from->has_bounds = from->has_bounds || part->n > 0;
	sums_of(from, a);
	sums_of(&other, b);
	for (size_t i = 0; i < N_SUMS; i++)
		twofold_merge(a[i], twofold_negative(*b[i]));
	for (size_t i = 0; i < part->n_cells; i++)
		from->cells[cell_at(from, part->cells[i].key)].n -=
			part->cells[i].n;
	for (size_t i = 0; i < from->n_cells; i++)
		if (from->cells[i].n > 0)
			from->cells[n++] = from->cells[i];
	from->n_cells = n;
	return 0;
}

void quality_regression_encode(const struct quality_regression *q,
			       struct buf *out)
{
	struct quality_regression part = *q; /* its cells are borrowed */
	struct twofold *sums[N_SUMS];

	buf_add_u8(out, ENCODING_VERSION);
	buf_add_varint(out, q->n);
	buf_add_varint(out, q->n_negative);
	buf_add_u8(out, q->has_bounds);
	sums_of(&part, sums);
	for (size_t i = 0; i < N_SUMS; i++) {
		buf_add_f64(out, sums[i]->high);
		buf_add_f64(out, sums[i]->low);
	}
	buf_add_f64(out, q->max_error);
	buf_add_f64(out, q->label_min);
	buf_add_f64(out, q->label_max);
	buf_add_varint(out, q->n_cells);
	for (size_t i = 0; i < q->n_cells; i++) {
		buf_add_zigzag(out, q->cells[i].key);
		buf_add_varint(out, q->cells[i].n);
	}
}

static void decode_cells(struct quality_regression *q, struct reader *in)
{
	uint64_t n = reader_varint(in), total = 0;

	/* each takes two bytes or more */
	if (in->failed || n > (in->len - in->pos) / 2 || n > CELLS_MAX) {
		in->failed = true;
		return;
	}
	for (uint64_t i = 0; i < n && !in->failed; i++) {
		int64_t key = reader_zigzag(in);
		uint64_t count = reader_varint(in);

		if (key < INT32_MIN || key > INT32_MAX || count == 0 ||
		    count > q->n - total ||
		    (i > 0 && key <= q->cells[i - 1].key))
			in->failed = true;
		else
			add_cell(q, (int32_t)key, count);
		total += in->failed ? 0 : count;
	}
	in->failed = in->failed || total != q->n;
}

int quality_regression_decode(struct quality_regression *q, struct reader *in,
			      struct err *e)
{
	struct quality_regression new = {.n = 0};
	struct twofold *sums[N_SUMS];
	uint8_t version = reader_u8(in);

	new.n = reader_varint(in);
	new.n_negative = reader_varint(in);
	new.has_bounds = reader_u8(in) != 0;
	sums_of(&new, sums);
	for (size_t i = 0; i < N_SUMS; i++) {
		sums[i]->high = reader_f64(in);
		sums[i]->low = reader_f64(in);
	}
	new.max_error = reader_f64(in);
	new.label_min = reader_f64(in);
	new.label_max = reader_f64(in);
	if (version != ENCODING_VERSION || new.n > QUALITY_COUNT_MAX ||
	    new.n_negative > new.n)
		in->failed = true;
	decode_cells(&new, in);
	if (in->failed) {
		quality_regression_release(&new);
		return err_set(e, ERR_INVALID, "this is no quality of numbers");
	}
	*q = new;
	return 0;
}

/* The ${rank}-th (from 0) least absolute error. */
static struct interval error_at(const struct quality_regression *q,
				uint64_t rank)
{
	uint64_t below = 0;

	for (size_t i = 0; i < q->n_cells; i++) {
		double key = q->cells[i].key;

		below += q->cells[i].n;
		if (below <= rank)
			continue;
		if (q->cells[i].key == INT32_MIN)
			return (struct interval){0.0, 0.0};
		return (struct interval){
			exp(key / KEYS_PER_E) * (1.0 - KEY_SLACK),
			exp((key + 1.0) / KEYS_PER_E) * (1.0 + KEY_SLACK)};
	}
	return (struct interval){0.0, q->max_error};
}

static struct interval median(const struct quality_regression *q)
{
	struct interval a = error_at(q, (q->n - 1) / 2);
	struct interval b = error_at(q, q->n / 2);

	return (struct interval){
		(a.lower + b.lower) / 2.0,
		smaller((a.upper + b.upper) / 2.0, q->max_error)};
}

static double error_of_mean(double square, double mean, double n)
{
	return n > 1.0 ? sqrt(larger(square - mean * mean, 0.0) / (n - 1.0))
		       : (double)NAN;
}

static void put_shares(const struct quality_regression *q, double n,
		       struct quality_rows *out)
{
	double labels = twofold_around_mean(q->label_square, q->label, n);
	double errors = twofold_around_mean(q->square, q->error, n);
	bool constant =
		q->label_min == q->label_max || !(labels > 0.0) ||
		(q->has_bounds && labels <= CONSTANT * q->label_square.high);

	quality_rows_number(out, "r2",
			    constant ? (double)NAN
				     : 1.0 - twofold_value(q->square) / labels,
			    (double)NAN);
	quality_rows_number(out, "explained_variance",
			    constant ? (double)NAN
				     : 1.0 - larger(errors, 0.0) / labels,
			    (double)NAN);
}

static void put_logs(const struct quality_regression *q, double n,
		     struct quality_rows *out)
{
	double msle = twofold_value(q->log_square) / n;

	if (q->n_negative > 0)
		return;
	quality_rows_number(out, "msle", msle, (double)NAN);
	quality_rows_number(out, "rmsle", sqrt(msle), (double)NAN);
}

void quality_regression_rows(const struct quality_regression *q,
			     const double *medae, struct quality_rows *out)
{
	double n = (double)q->n, mae, mse, bias, mse_error;

	quality_rows_number(out, "n_labeled", n, (double)NAN);
	if (q->n == 0)
		return;
	mae = twofold_value(q->absolute) / n;
	mse = larger(twofold_value(q->square) / n, 0.0);
	bias = twofold_value(q->error) / n;
	mse_error = error_of_mean(twofold_value(q->fourth) / n, mse, n);
	quality_rows_number(out, "mae", mae, error_of_mean(mse, mae, n));
	quality_rows_number(out, "mse", mse, mse_error);
	quality_rows_number(out, "rmse", sqrt(mse),
			    mse > 0.0 ? mse_error / (2.0 * sqrt(mse))
				      : (double)NAN);
	quality_rows_number(out, "bias", bias, error_of_mean(mse, bias, n));
	if (medae != NULL)
		quality_rows_number(out, "medae", *medae, (double)NAN);
	else
		quality_rows_add(out, "medae", median(q), (double)NAN);
	/* the greatest is no less than the root of the mean square */
	quality_rows_add(
		out, "max_error",
		(struct interval){q->has_bounds ? sqrt(mse) : q->max_error,
				  q->max_error},
		(double)NAN);
	quality_rows_number(out, "mape", twofold_value(q->relative) / n,
			    (double)NAN);
	put_shares(q, n, out);
	put_logs(q, n, out);
}

static int compare_doubles(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

double quality_median(double *errors, size_t n)
{
	if (n == 0)
		return (double)NAN;
	for (size_t i = 0; i < n; i++)
		errors[i] = fabs(errors[i]);
	qsort(errors, n, sizeof(*errors), compare_doubles);
	return n % 2 == 1 ? errors[n / 2]
			  : (errors[n / 2 - 1] + errors[n / 2]) / 2.0;
}
