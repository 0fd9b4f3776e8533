/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * isotonic - pool adjacent violators: a block whose share of positives is not
 * above that of the block before is merged with it.  Shares are compared as
 * fractions of integers, so that no rounding makes or breaks a pool.
 */
#include "detectors/isotonic.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "detectors/quality_scores.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { ENCODING_VERSION = 1 };

__extension__ typedef unsigned __int128 uint128;

/* Points that share a level. */
struct block {
	uint64_t positive, total;
	double first, last; /* x */
};

/* Where a group stands: the mean of all its scores. */
static double place(const struct quality_group *g)
{
	double n0 = (double)g->n[0], n1 = (double)g->n[1];
	double low = g->lower, sum = 0.0;

	if (g->lower == g->upper)
		return low;
	if (g->n[0] > 0)
		sum += n0 * (interval_middle(g->mean[0]) - low);
	if (g->n[1] > 0)
		sum += n1 * (interval_middle(g->mean[1]) - low);
	return low + sum / (n0 + n1);
}

static bool is_above(const struct block *a, const struct block *b)
{
	return (uint128)a->positive * b->total >
	       (uint128)b->positive * a->total;
}

void isotonic_fit(struct isotonic *iso, const struct quality_group *groups,
		  size_t n)
{
	struct block *blocks = xcalloc(n + 1, sizeof(*blocks));
	size_t n_blocks = 0;

	for (size_t i = 0; i < n; i++) {
		double x = place(&groups[i]);
		struct block b = {groups[i].n[1],
				  groups[i].n[0] + groups[i].n[1], x, x};

		/* a group without an end has no place */
		if (b.total == 0 || !isfinite(x))
			continue;
		while (n_blocks > 0 && (!is_above(&b, &blocks[n_blocks - 1]) ||
					b.first <= blocks[n_blocks - 1].last)) {
			const struct block *before = &blocks[--n_blocks];

			b.positive += before->positive;
			b.total += before->total;
			b.first = smaller(b.first, before->first);
			b.last = larger(b.last, before->last);
		}
		blocks[n_blocks++] = b;
	}
	iso->x = xcalloc(2 * n_blocks + 1, sizeof(*iso->x));
	iso->y = xcalloc(2 * n_blocks + 1, sizeof(*iso->y));
	iso->n = 0;
	for (size_t i = 0; i < n_blocks; i++) {
		const struct block *b = &blocks[i];
		double level = (double)b->positive / (double)b->total;

		iso->x[iso->n] = b->first;
		iso->y[iso->n++] = level;
		if (b->first == b->last)
			continue;
		iso->x[iso->n] = b->last;
		iso->y[iso->n++] = level;
	}
	free(blocks);
}

void isotonic_release(struct isotonic *iso)
{
	free(iso->x);
	free(iso->y);
	*iso = (struct isotonic){.n = 0};
}

double isotonic_at(const struct isotonic *iso, double x)
{
	size_t low = 0, high = iso->n;
	double share;

	if (iso->n == 0)
		return (double)NAN;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (iso->x[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	/* iso->x[low] is the first that is not below */
	if (low == iso->n)
		return iso->y[iso->n - 1];
	if (low == 0 || iso->x[low] == x)
		return iso->y[low];
	share = (x - iso->x[low - 1]) / (iso->x[low] - iso->x[low - 1]);
	return iso->y[low - 1] + (iso->y[low] - iso->y[low - 1]) * share;
}

void isotonic_encode(const struct isotonic *iso, struct buf *out)
{
	buf_add_u8(out, ENCODING_VERSION);
	buf_add_varint(out, iso->n);
	for (size_t i = 0; i < iso->n; i++) {
		buf_add_f64(out, iso->x[i]);
		buf_add_f64(out, iso->y[i]);
	}
}

/* Whether point ${i} may follow those before it. */
static bool is_sound(const struct isotonic *iso, size_t i)
{
	if (!isfinite(iso->x[i]) || !(iso->y[i] >= 0.0 && iso->y[i] <= 1.0))
		return false;
	return i == 0 ||
	       (iso->x[i] > iso->x[i - 1] && iso->y[i] >= iso->y[i - 1]);
}

int isotonic_decode(struct isotonic *iso, struct reader *in, struct err *e)
{
	struct isotonic new = {.n = 0};
	uint8_t version = reader_u8(in);
	uint64_t n = reader_varint(in);

	if (in->failed || version != ENCODING_VERSION ||
	    n > (in->len - in->pos) / (2 * sizeof(double)))
		return err_set(e, ERR_INVALID, "this is no calibration");
	new.x = xcalloc(n + 1, sizeof(*new.x));
	new.y = xcalloc(n + 1, sizeof(*new.y));
	for (; new.n < n; new.n++) {
		new.x[new.n] = reader_f64(in);
		new.y[new.n] = reader_f64(in);
		if (in->failed || !is_sound(&new, new.n)) {
			isotonic_release(&new);
			return err_set(e, ERR_INVALID,
				       "a calibration is damaged");
		}
	}
	*iso = new;
	return 0;
}
