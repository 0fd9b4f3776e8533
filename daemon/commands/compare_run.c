/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_run - columns in threads.  A column is a task: its reference is
 * sorted once, each chunk is paired with it.  Nothing is shared but the data,
 * which nobody changes, and the number of the next column; results are told
 * in order of columns, so that the output does not depend on who was first.
 */

#include "base/attr.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/ingest/dataset.h"
#include "detectors/detector.h"
#include "detectors/exact.h"
#include "detectors/pair.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 8 };

struct pool {
	struct compare *compare;
	pthread_mutex_t lock;
	size_t next; /* column to take */
	size_t told; /* columns that the format has seen */
	bool has_failed;
	struct err err;
};

/* One thread's memory. */
struct worker {
	struct pool *pool;
	struct exact_space space;
	struct exact_column ref, cur;
	void *values; /* owned: a column as it was read */
	size_t size;
};

static void *values_room(struct worker *w, size_t size)
{
	if (size > w->size) {
		free(w->values);
		w->values = xrealloc_array(NULL, size, 1);
		w->size = size;
	}
	return w->values;
}

/*
 * Texts of the current file by which its categories meet the reference's: a
 * JSON number that does not stand in the reference as it is goes by its value.
 */
static struct category_text *current_texts(const struct category_text *ref,
					   size_t n_ref,
					   const struct category_text *cur,
					   size_t n_cur)
{
	struct category_text *out = xcalloc(n_cur + 1, sizeof(*out));
	struct dict *exact = dict_new(0, 0), *numbers = dict_new(0, 0);
	uint32_t *text_of = xcalloc(n_ref + 1, sizeof(*text_of));
	double v;

	for (size_t i = 0; i < n_ref; i++) {
		uint32_t k;

		(void)dict_add(exact, ref[i].text, ref[i].len);
		if (!number_parse(ref[i].text, ref[i].len, &v))
			continue;
		v += 0.0; /* -0.0 is 0 */
		k = dict_add(numbers, (const char *)&v, sizeof(v));
		if (k + 1 == dict_count(numbers) && text_of[k] == 0)
			text_of[k] = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < n_cur; i++) {
		uint32_t k = DICT_NONE;

		out[i] = cur[i];
		if (!cur[i].is_number ||
		    dict_find(exact, cur[i].text, cur[i].len) != DICT_NONE ||
		    !number_parse(cur[i].text, cur[i].len, &v))
			continue;
		v += 0.0;
		k = dict_find(numbers, (const char *)&v, sizeof(v));
		if (k != DICT_NONE)
			out[i] = ref[text_of[k] - 1];
	}
	free(text_of);
	dict_free(exact);
	dict_free(numbers);
	return out;
}

static bool has_numbers(const struct category_text *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (texts[i].is_number)
			return true;
	return false;
}

static void keep_tops(const struct compare *c, struct compare_column *column,
		      size_t chunk, const struct pair *p)
{
	const struct detector *const *list;
	size_t n;

	list = detector_list(&n);
	for (size_t i = 0; i < n; i++) {
		struct compare_top top = {.chunk = chunk,
					  .metric = list[i]->metric};

		if (list[i]->contribution == NULL ||
		    (list[i]->kinds & 1U << p->kind) == 0 ||
		    (c->spec.detectors >> i & 1) == 0)
			continue;
		top.n = judge_top_of_pair(p, list[i], top.bins, COMPARE_TOP);
		if (top.n == 0)
			continue;
		if (column->n_tops == column->cap_tops) {
			column->cap_tops =
				column->cap_tops > 0 ? 2 * column->cap_tops : 4;
			column->tops =
				xrealloc_array(column->tops, column->cap_tops,
					       sizeof(*column->tops));
		}
		column->tops[column->n_tops++] = top;
	}
}

void compare_look_at(const struct compare *c, struct compare_column *column,
		     size_t chunk, const struct pair *p)
{
	size_t i = (size_t)(column - c->columns);
	struct judge_spec spec = c->spec;

	if (c->format->wants_rows)
		compare_long_rows(c, column, &c->chunks[chunk], p);
	if (!c->judges)
		return;
	if (column->learned != NULL)
		spec.learned = column->learned;
	judge_column(&spec, i, c->alpha, p, &column->verdicts[chunk]);
	if (c->format->wants_verdicts)
		keep_tops(c, column, chunk, p);
}

static bool any_missing_number(const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value_is_missing(v[i]))
			return true;
	return false;
}

static bool any_missing_code(const uint32_t *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (codes[i] == CODE_MISSING)
			return true;
	return false;
}

static void describe_own(struct worker *w, struct compare_column *column,
			 const struct exact_bins *bins)
{
	const struct compare *c = w->pool->compare;
	struct pair p;

	if (!c->format->wants_rows || !c->metrics.reference ||
	    !column->in_reference)
		return;
	exact_pair_init(&p, &w->ref, NULL, bins, &w->space);
	compare_long_rows(c, column, NULL, &p);
}

static int run_numbers(struct worker *w, struct compare_column *column,
		       struct err *e)
{
	const struct compare *c = w->pool->compare;
	size_t n_ref = column->in_reference ? c->n_reference : 0;
	size_t n_cur = dataset_n_rows(c->current);
	double *v =
		values_room(w, (n_ref > n_cur ? n_ref : n_cur) * sizeof(*v));
	struct exact_bins bins;
	bool missing;

	if (n_ref > 0 &&
	    (dataset_numbers(c->reference, column->index, v, e) < 0 ||
	     compare_learn(c, column, v, e) < 0))
		return -1;
	exact_column_numbers(&w->ref, v, n_ref, &w->space);
	exact_bins_init(&bins, &w->ref);
	describe_own(w, column, &bins);
	if (dataset_numbers(c->current, column->index, v, e) < 0)
		return -1;
	/* of one chunk there is no elsewhere */
	missing = c->n_chunks > 1 && any_missing_number(v, n_cur);
	for (size_t i = 0; i < c->n_chunks; i++) {
		const struct compare_chunk *chunk = &c->chunks[i];
		struct pair p;

		exact_column_numbers(&w->cur, v + chunk->start,
				     chunk->end - chunk->start, &w->space);
		exact_pair_init(&p, &w->ref, &w->cur, &bins, &w->space);
		p.missing_elsewhere = missing;
		compare_look_at(c, column, i, &p);
	}
	return 0;
}

static int run_chunks_of_codes(struct worker *w, struct compare_column *column,
			       const struct category_text *texts,
			       size_t n_texts, struct err *e)
{
	const struct compare *c = w->pool->compare;
	size_t n = dataset_n_rows(c->current);
	uint32_t *codes = w->values;
	struct exact_bins bins;
	bool missing;

	exact_bins_init(&bins, &w->ref);
	if (dataset_codes(c->current, column->index, codes, e) < 0)
		return -1;
	missing = c->n_chunks > 1 && any_missing_code(codes, n);
	for (size_t i = 0; i < c->n_chunks; i++) {
		const struct compare_chunk *chunk = &c->chunks[i];
		struct pair p;

		exact_column_codes(&w->cur, codes + chunk->start,
				   chunk->end - chunk->start, texts, n_texts,
				   &w->space);
		exact_pair_init(&p, &w->ref, &w->cur, &bins, &w->space);
		p.missing_elsewhere = missing;
		compare_look_at(c, column, i, &p);
	}
	return 0;
}

static int run_codes(struct worker *w, struct compare_column *column,
		     struct err *e)
{
	const struct compare *c = w->pool->compare;
	size_t n_ref = column->in_reference ? c->n_reference : 0;
	size_t n_cur = dataset_n_rows(c->current), n_ref_texts = 0, n_texts;
	const struct category_text *ref_texts = NULL;
	const struct category_text *texts =
		dataset_texts(c->current, column->index, &n_texts);
	struct category_text *resolved = NULL;
	uint32_t *codes = values_room(w, (n_ref > n_cur ? n_ref : n_cur) *
						 sizeof(*codes));
	struct exact_bins bins;
	int result;

	if (n_ref > 0) {
		ref_texts = dataset_texts(c->reference, column->index,
					  &n_ref_texts);
		if (dataset_codes(c->reference, column->index, codes, e) < 0 ||
		    compare_learn(c, column, codes, e) < 0)
			return -1;
	}
	exact_column_codes(&w->ref, codes, n_ref, ref_texts, n_ref_texts,
			   &w->space);
	exact_bins_init(&bins, &w->ref);
	describe_own(w, column, &bins);
	if (has_numbers(texts, n_texts))
		resolved =
			current_texts(ref_texts, n_ref_texts, texts, n_texts);
	result = run_chunks_of_codes(
		w, column, resolved != NULL ? resolved : texts, n_texts, e);
	free(resolved);
	return result;
}

static int run_column(struct worker *w, struct compare_column *column,
		      struct err *e)
{
	const struct compare *c = w->pool->compare;

	if (c->judges)
		column->verdicts =
			xcalloc(c->n_chunks, sizeof(*column->verdicts));
	if (c->baseline != NULL && column->in_reference)
		return compare_frozen_column(
			c, column,
			values_room(w, dataset_n_rows(c->current) *
					       sizeof(double)),
			e);
	if (c->model->columns[column->index].kind == COLUMN_NUMERIC)
		return run_numbers(w, column, e);
	return run_codes(w, column, e);
}

/* Tell the columns that are done and whose turn it is.  Locked. */
static int tell(struct pool *pool, struct err *e)
{
	struct compare *c = pool->compare;

	while (pool->told < c->n_columns && c->columns[pool->told].is_done) {
		struct compare_column *column = &c->columns[pool->told++];

		if (c->format->column != NULL &&
		    c->format->column(c, column, e) < 0)
			return -1;
		buf_release(&column->rows);
	}
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker w = {.pool = arg};
	struct pool *pool = arg;
	struct compare *c = pool->compare;
	struct err e = {0};

	pthread_mutex_lock(&pool->lock);
	while (!pool->has_failed && pool->next < c->n_columns) {
		struct compare_column *column = &c->columns[pool->next++];
		int result;

		pthread_mutex_unlock(&pool->lock);
		result = run_column(&w, column, &e);
		pthread_mutex_lock(&pool->lock);
		column->is_done = result == 0;
		if (result == 0)
			result = tell(pool, &e);
		if (result < 0 && !pool->has_failed) {
			pool->has_failed = true;
			pool->err = e;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	exact_column_release(&w.ref);
	exact_column_release(&w.cur);
	exact_space_release(&w.space);
	free(w.values);
	return NULL;
}

static size_t threads_for(const struct compare *c)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (size_t)n;

	return wanted < c->n_columns ? wanted : c->n_columns;
}

/* The verdicts of all columns of a chunk, in order, and the model's rows. */
static void judge_chunks(struct compare *c)
{
	c->verdicts = xcalloc(c->n_chunks, sizeof(*c->verdicts));
	for (size_t i = 0; i < c->n_chunks; i++) {
		struct verdicts *all = &c->verdicts[i];

		for (size_t k = 0; k < c->n_columns; k++) {
			struct verdicts *own = &c->columns[k].verdicts[i];

			judge_append(all, own);
			verdicts_release(own);
		}
		judge_finish(c->n_reference,
			     c->chunks[i].end - c->chunks[i].start, all);
		for (size_t k = 0; k < all->n; k++)
			c->has_drifted =
				c->has_drifted || all->items[k].drifted;
	}
}

int compare_run(struct compare *c, struct err *e)
{
	struct pool pool = {.compare = c, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[THREADS_MAX];
	size_t n = threads_for(c), n_started = 0;

	/* this thread is one of them */
	while (n_started + 1 < n && pthread_create(&threads[n_started], NULL,
						   worker_main, &pool) == 0)
		n_started++;
	(void)worker_main(&pool);
	for (size_t i = 0; i < n_started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&pool.lock);
	if (pool.has_failed) {
		*e = pool.err;
		return -1;
	}
	if (c->judges)
		judge_chunks(c);
	return 0;
}

const struct compare_top *
compare_top_find(const struct compare *c, size_t chunk, const struct verdict *v)
{
	for (size_t k = 0; k < c->n_columns; k++) {
		const struct compare_column *column = &c->columns[k];
		size_t low = 0, high = column->n_tops;

		/* the name is one pointer: both are the spec's */
		if (c->judge_columns[k].name != v->column)
			continue;
		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (column->tops[mid].chunk < chunk)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < column->n_tops; low++) {
			if (column->tops[low].chunk != chunk)
				break;
			if (strcmp(column->tops[low].metric, v->metric) == 0)
				return &column->tops[low];
		}
	}
	return NULL;
}
