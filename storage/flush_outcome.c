/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_outcome - step 5b: the predictions and the labels of the span that
 * are to be joined, upserted by id.
 *
 * Like the fold it reads the span and its context only: which columns are the
 * prediction and the score is the columns' role in the frame, which ids are
 * kept is the frame's sample.  Halves are gathered up to a bound, ordered by
 * id (two flushes then take row locks in one order) and sent in one statement.
 * Of predictions of one id the first committed wins, of labels the greatest
 * (label time, time of receipt, value), whatever the order of arrival.
 */
#include "storage/flush_internal.h"

#include "base/mem.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fourth powers and their sums must stay finite. */
static const double value_max = 1e70;

/* Integers up to here have one spelling as a double. */
static const double integer_max = 9007199254740992.0;

struct gatherer {
	struct flusher *f;
	struct flush_stream *s;
	uint64_t seq;
	struct flush_halves predictions, labels;
	struct flush_outcome_counts counts;
};

static void halves_init(struct flush_halves *h)
{
	*h = (struct flush_halves){0};
	buf_init(&h->bytes, SIZE_MAX / 2);
}

static void halves_release(struct flush_halves *h)
{
	free(h->items);
	buf_release(&h->bytes);
}

static bool halves_are_full(const struct flush_halves *h)
{
	return h->n >= FLUSH_OUTCOME_ROWS ||
	       h->bytes.len >= FLUSH_OUTCOME_BYTES;
}

static size_t put_text(struct flush_halves *h, const char *text, size_t len)
{
	size_t at = h->bytes.len;

	buf_add(&h->bytes, text, len);
	buf_add_char(&h->bytes, '\0');
	return at;
}

/* A class by its value where it stood as a number: 1.0 is "1". */
static size_t put_class(struct flush_halves *h, const struct category_text *t)
{
	double v;
	size_t at = h->bytes.len;

	if (t->is_number && number_parse(t->text, t->len, &v) &&
	    fabs(v) < integer_max && floor(v) == v) {
		buf_printf(&h->bytes, "%lld", (long long)v);
		buf_add_char(&h->bytes, '\0');
		return at;
	}
	return put_text(h, t->text, t->len);
}

static bool is_kept(uint32_t sample, const char *id, size_t len)
{
	return len > 0 && sample > 0 &&
	       (sample == BATCH_SAMPLE_ALL ||
		(uint32_t)(hash64(id, len) >> 32) <= sample);
}

/* The value of a row as text or number; false: it has none. */
static bool take_value(struct flush_halves *h, struct flush_half *half,
		       const struct batch_column *c, uint32_t row)
{
	half->text = SIZE_MAX;
	half->value = (double)NAN;
	if (c->kind == COLUMN_NUMERIC) {
		if (!(fabs(c->numbers[row]) <= value_max))
			return false;
		half->value = c->numbers[row];
		return true;
	}
	if (c->codes[row] >= c->n_texts)
		return false;
	half->text = put_class(h, &c->texts[c->codes[row]]);
	return true;
}

static void put_half(struct flush_halves *h, const struct flush_half *half)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 1024;
		h->items = xrealloc_array(h->items, h->cap, sizeof(*h->items));
	}
	h->items[h->n] = *half;
	h->items[h->n].order = h->n;
	h->n++;
}

/* The column of a role; with more than one of it, none. */
static const struct batch_column *column_of(const struct batch_view *v,
					    enum column_role role)
{
	const struct batch_column *found = NULL;

	for (uint32_t i = 0; i < v->n_columns; i++) {
		if (v->columns[i].role != role)
			continue;
		if (found)
			return NULL;
		found = &v->columns[i];
	}
	return found;
}

static int compare_ids(const struct flush_halves *h, const struct flush_half *a,
		       const struct flush_half *b)
{
	const char *bytes = buf_str(&h->bytes);

	return strcmp(bytes + a->id, bytes + b->id);
}

static int compare_predictions(const void *left, const void *right, void *arg)
{
	const struct flush_half *a = left, *b = right;
	int c = compare_ids(arg, a, b);

	return c ? c : (a->order > b->order) - (a->order < b->order);
}

/* The greatest first. */
static int compare_labels(const void *left, const void *right, void *arg)
{
	const struct flush_halves *h = arg;
	const struct flush_half *a = left, *b = right;
	const char *bytes = buf_str(&h->bytes);
	int c = compare_ids(h, a, b);

	if (!c)
		c = (a->time_us < b->time_us) - (a->time_us > b->time_us);
	if (!c)
		c = (a->received_us < b->received_us) -
		    (a->received_us > b->received_us);
	if (!c && a->text != SIZE_MAX && b->text != SIZE_MAX)
		c = strcmp(bytes + b->text, bytes + a->text);
	if (!c)
		c = (a->value < b->value) - (a->value > b->value);
	return c;
}

/* Each id once: how many were dropped. */
static size_t make_unique(struct flush_halves *h)
{
	size_t n = 0, before = h->n;

	for (size_t i = 0; i < h->n; i++)
		if (n == 0 || compare_ids(h, &h->items[n - 1], &h->items[i]))
			h->items[n++] = h->items[i];
	h->n = n;
	return before - n;
}

static void empty(struct flush_halves *h)
{
	h->n = 0;
	buf_clear(&h->bytes);
}

static int check_bytes(const struct flush_halves *h, struct err *e)
{
	if (h->bytes.failed)
		return err_set(e, ERR_LIMIT, "too many ids at once");
	return 0;
}

static int send_predictions(struct gatherer *g, struct err *e)
{
	struct flush_halves *h = &g->predictions;

	if (h->n == 0)
		return 0;
	if (check_bytes(h, e))
		return -1;
	qsort_r(h->items, h->n, sizeof(*h->items), compare_predictions, h);
	g->counts.repeated += (int64_t)make_unique(h);
	if (flush_sql_predictions(g->f, g->s, g->seq, h, &g->counts, e))
		return -1;
	empty(h);
	return 0;
}

static int send_labels(struct gatherer *g, struct err *e)
{
	struct flush_halves *h = &g->labels;

	if (h->n == 0)
		return 0;
	if (check_bytes(h, e))
		return -1;
	qsort_r(h->items, h->n, sizeof(*h->items), compare_labels, h);
	g->counts.superseded += (int64_t)make_unique(h);
	if (flush_sql_labels(g->f, g->s, g->seq, h, &g->counts, e))
		return -1;
	empty(h);
	return 0;
}

/* The window that the event was counted in; false: it came too late. */
static bool find_window(const struct flush_span *span,
			const struct flush_frame *it, int64_t time_us,
			int64_t *start_us)
{
	for (size_t j = 0; j < it->n_parts; j++) {
		const struct flush_part *p = &span->parts[it->first_part + j];

		if (time_us < p->start_us || time_us >= p->end_us)
			continue;
		*start_us = p->start_us;
		return !p->is_late;
	}
	return false;
}

static int gather_events(struct gatherer *g, const struct flush_frame *it,
			 struct err *e)
{
	const struct batch_view *v = &g->f->view;
	const struct batch_column *prediction = column_of(v, ROLE_PREDICTION);
	const struct batch_column *score = column_of(v, ROLE_SCORE);
	struct flush_halves *h = &g->predictions;
	struct reader ids;

	if (!prediction)
		return 0;
	reader_init(&ids, v->ids, v->ids_len);
	for (uint32_t row = 0; row < v->n_rows; row++) {
		struct flush_half half = {.time_us = v->event_time_us[row],
					  .score = (double)NAN};
		size_t len;
		const char *id = reader_string(&ids, &len);

		if (!id || !is_kept(it->outcome_sample, id, len) ||
		    !find_window(&g->s->span, it, half.time_us,
				 &half.window_us) ||
		    !take_value(h, &half, prediction, row))
			continue;
		if (score && score->kind == COLUMN_NUMERIC &&
		    fabs(score->numbers[row]) <= value_max)
			half.score = score->numbers[row];
		half.id = put_text(h, id, len);
		put_half(h, &half);
		if (halves_are_full(h) && send_predictions(g, e))
			return -1;
	}
	return 0;
}

static int gather_labels(struct gatherer *g, const struct flush_frame *it,
			 struct err *e)
{
	const struct batch_view *v = &g->f->view;
	struct flush_halves *h = &g->labels;
	struct reader ids;

	reader_init(&ids, v->ids, v->ids_len);
	for (uint32_t row = 0; row < v->n_rows; row++) {
		struct flush_half half = {.time_us = v->event_time_us[row],
					  .received_us =
						  v->meta.received_at_us};
		size_t len;
		const char *id = reader_string(&ids, &len);
		bool has_value = false;

		if (!id || !is_kept(it->outcome_sample, id, len))
			continue;
		/* Under either of its names. */
		for (uint32_t i = 0; i < v->n_columns && !has_value; i++)
			has_value = take_value(h, &half, &v->columns[i], row);
		if (!has_value)
			continue;
		half.id = put_text(h, id, len);
		put_half(h, &half);
		if (halves_are_full(h) && send_labels(g, e))
			return -1;
	}
	return 0;
}

static int gather_frame(struct gatherer *g, const struct flush_frame *it,
			struct err *e)
{
	struct batch_view *v = &g->f->view;
	const void *payload = journal_payload(g->f->cursor, &it->header, e);

	if (!payload ||
	    batch_view_open(v, payload, it->header.payload_len, e)) {
		/* It was good a moment ago: the disk, not the frame. */
		if (e && e->code == ERR_INVALID)
			e->code = ERR_IO;
		return -1;
	}
	return it->is_labels ? gather_labels(g, it, e)
			     : gather_events(g, it, e);
}

int flush_outcomes(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e)
{
	struct gatherer g = {
		.f = f,
		.s = s,
		.seq = s->span.frames[first + n - 1].header.seq,
	};
	bool any = false;
	int rc = 0;

	halves_init(&g.predictions);
	halves_init(&g.labels);
	for (size_t i = first; i < first + n && rc == 0; i++) {
		const struct flush_frame *it = &s->span.frames[i];

		if (it->fate != FATE_FOLD || !it->outcome_sample)
			continue;
		any = true;
		rc = gather_frame(&g, it, e);
	}
	if (rc == 0)
		rc = send_predictions(&g, e);
	if (rc == 0)
		rc = send_labels(&g, e);
	if (rc == 0 && any)
		rc = flush_sql_outcome_counts(f, s, &g.counts, e);
	halves_release(&g.labels);
	halves_release(&g.predictions);
	return rc;
}
