/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_context - steps 2 and 3: which frames are new, which events are late,
 * which windows are counted on which baseline.  With the span itself this is
 * all that the fold depends on.
 */
#include "storage/flush_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A frame with a key, ordered by identity, then by place in the span. */
struct claim {
	const uint8_t *key, *body;
	size_t frame;
};

static int compare_identity(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int c = memcmp(x->key, y->key, HASH128_SIZE);

	return c ? c : memcmp(x->body, y->body, HASH128_SIZE);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int c = compare_identity(a, b);

	return c ? c : (x->frame > y->frame) - (x->frame < y->frame);
}

static size_t gather_claims(struct flush_span *span, size_t first, size_t n,
			    struct claim *claims)
{
	size_t count = 0;

	for (size_t i = first; i < first + n; i++) {
		struct flush_frame *it = &span->frames[i];

		it->fate = it->is_bad ? FATE_CORRUPT : FATE_FOLD;
		it->is_conflict = false;
		if (it->is_bad || !it->has_key)
			continue;
		claims[count++] = (struct claim){
			.key = it->key_hash,
			.body = it->body_hash,
			.frame = i,
		};
	}
	if (count > 0)
		qsort(claims, count, sizeof(*claims), compare_claims);
	return count;
}

/*
 * Of one identity the first frame stands for all; of one key with several
 * bodies all but the earliest are conflicts.  The distinct identities move to
 * the front; their number is returned.
 */
static size_t settle_within(struct flush_span *span, struct claim *claims,
			    size_t n)
{
	size_t distinct = 0, i = 0;

	while (i < n) {
		size_t group = distinct, earliest = claims[i].frame;
		const uint8_t *key = claims[i].key;

		for (; i < n && memcmp(claims[i].key, key, HASH128_SIZE) == 0;
		     i++) {
			if (distinct > group &&
			    compare_identity(&claims[distinct - 1],
					     &claims[i]) == 0) {
				span->frames[claims[i].frame].fate =
					FATE_DUPLICATE;
				continue;
			}
			if (claims[i].frame < earliest)
				earliest = claims[i].frame;
			claims[distinct++] = claims[i];
		}
		for (; group < distinct; group++)
			if (claims[group].frame != earliest)
				span->frames[claims[group].frame].is_conflict =
					true;
	}
	return distinct;
}

/* What the database did not take was there: those frames are duplicates. */
static int settle_with_database(struct flush_span *span,
				const struct claim *claims, size_t n,
				const struct pg_result *r, struct err *e)
{
	size_t len;

	for (size_t i = 0; i < n; i++)
		span->frames[claims[i].frame].fate = FATE_DUPLICATE;
	for (size_t row = 0; row < pg_rows(r); row++) {
		struct claim wanted = {.frame = 0}, *found;
		struct flush_frame *frame;

		wanted.key = pg_get_bytea(r, row, 0, &len);
		wanted.body = pg_get_bytea(r, row, 1, &len);
		found = bsearch(&wanted, claims, n, sizeof(*claims),
				compare_identity);
		if (!found)
			return err_set(e, ERR_BUG,
				       "the database returned a foreign key");
		frame = &span->frames[found->frame];
		frame->fate = FATE_FOLD;
		if (pg_get_bool(r, row, 2))
			frame->is_conflict = true;
	}
	return 0;
}

int flush_win_keys(struct flusher *f, struct flush_stream *s, size_t first,
		   size_t n, struct err *e)
{
	struct claim *claims = xrealloc_array(NULL, n, sizeof(*claims));
	const void **keys = NULL, **bodies = NULL;
	size_t count = gather_claims(&s->span, first, n, claims);
	struct pg_result *r;
	int rc = 0;

	if (count == 0)
		goto out;
	count = settle_within(&s->span, claims, count);
	keys = xrealloc_array(NULL, count, sizeof(*keys));
	bodies = xrealloc_array(NULL, count, sizeof(*bodies));
	for (size_t i = 0; i < count; i++) {
		keys[i] = claims[i].key;
		bodies[i] = claims[i].body;
	}
	rc = flush_sql_keys(f, s->model_id, keys, bodies, count, &r, e);
	if (rc)
		goto out;
	rc = settle_with_database(&s->span, claims, count, r, e);
	pg_result_free(r);
out:
	free(bodies);
	free(keys);
	free(claims);
	return rc;
}

static int compare_windows(const void *a, const void *b)
{
	const struct flush_window *x = a, *y = b;

	return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

struct flush_window *flush_window_find(struct flusher *f, int64_t start_us)
{
	struct flush_window wanted = {.start_us = start_us};

	if (f->n_windows == 0)
		return NULL;
	return bsearch(&wanted, f->windows, f->n_windows, sizeof(wanted),
		       compare_windows);
}

static void add_window(struct flusher *f, const struct flush_part *part)
{
	if (f->n_windows == f->cap_windows) {
		f->cap_windows = f->cap_windows ? 2 * f->cap_windows : 64;
		f->windows = xrealloc_array(f->windows, f->cap_windows,
					    sizeof(*f->windows));
	}
	f->windows[f->n_windows++] = (struct flush_window){
		.start_us = part->start_us,
		.end_us = part->end_us,
	};
}

/* Late: behind the newest event known before this span by more than the
 * horizon; its window may be gone. */
static bool is_late(const struct flush_part *part, int64_t horizon_us,
		    int64_t newest_us)
{
	int64_t until;

	if (newest_us == INT64_MIN)
		return false;
	if (__builtin_add_overflow(part->end_us, horizon_us, &until))
		return false;
	return until < newest_us;
}

/* The distinct windows of what will be folded, ascending. */
static void list_windows(struct flusher *f, struct flush_span *span,
			 size_t first, size_t n, int64_t newest_us)
{
	size_t distinct = 0;

	f->n_windows = 0;
	for (size_t i = first; i < first + n; i++) {
		const struct flush_frame *it = &span->frames[i];

		if (it->fate != FATE_FOLD)
			continue;
		for (size_t j = 0; j < it->n_parts; j++) {
			struct flush_part *part =
				&span->parts[it->first_part + j];

			part->is_late =
				is_late(part, it->revise_horizon_us, newest_us);
			if (!part->is_late)
				add_window(f, part);
		}
	}
	if (f->n_windows == 0)
		return;
	qsort(f->windows, f->n_windows, sizeof(*f->windows), compare_windows);
	for (size_t i = 0; i < f->n_windows; i++)
		if (distinct == 0 ||
		    f->windows[distinct - 1].start_us != f->windows[i].start_us)
			f->windows[distinct++] = f->windows[i];
	f->n_windows = distinct;
}

static int read_pins(struct flusher *f, const struct pg_result *r,
		     struct err *e)
{
	for (size_t i = 0; i < pg_rows(r); i++) {
		struct flush_window *w =
			flush_window_find(f, pg_get_time(r, i, 0));
		const void *hash;
		size_t len;

		if (!w)
			continue;
		hash = pg_get_bytea(r, i, 1, &len);
		if (hash && len != SHA256_SIZE)
			return err_set(e, ERR_TEMP,
				       "a window's baseline is no hash");
		if (hash)
			memcpy(w->hash, hash, SHA256_SIZE);
		w->has_baseline = hash != NULL;
		w->is_pruned = pg_get_bool(r, i, 2);
		w->is_found = true;
	}
	for (size_t i = 0; i < f->n_windows; i++)
		if (!f->windows[i].is_found)
			return err_set(e, ERR_TEMP,
				       "a window's pin cannot be seen");
	return 0;
}

/* Sums per window of what will be folded; a pruned window takes nothing. */
static void count_windows(struct flusher *f, struct flush_span *span,
			  size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		const struct flush_frame *it = &span->frames[i];

		if (it->fate != FATE_FOLD)
			continue;
		for (size_t j = 0; j < it->n_parts; j++) {
			struct flush_part *part =
				&span->parts[it->first_part + j];
			struct flush_window *w;

			if (part->is_late)
				continue;
			w = flush_window_find(f, part->start_us);
			if (!w || w->is_pruned) {
				part->is_late = true;
				continue;
			}
			w->n_events += part->n_rows;
			if (w->max_categories < it->max_categories)
				w->max_categories = it->max_categories;
			if (w->n_columns < it->n_columns)
				w->n_columns = it->n_columns;
		}
	}
}

int flush_pin_windows(struct flusher *f, struct flush_stream *s, size_t first,
		      size_t n, struct err *e)
{
	int64_t newest, *starts = NULL, *ends = NULL;
	struct pg_result *r;
	int rc = -1;

	if (flush_sql_newest(f, s->model_id, &newest, e))
		return -1;
	list_windows(f, &s->span, first, n, newest);
	if (f->n_windows == 0)
		return 0;
	starts = xrealloc_array(NULL, f->n_windows, sizeof(*starts));
	ends = xrealloc_array(NULL, f->n_windows, sizeof(*ends));
	for (size_t i = 0; i < f->n_windows; i++) {
		starts[i] = f->windows[i].start_us;
		ends[i] = f->windows[i].end_us;
	}
	if (flush_sql_pin(f, s->model_id, starts, ends, f->n_windows, e) ||
	    flush_sql_pins(f, s->model_id, starts, f->n_windows, &r, e))
		goto out;
	rc = read_pins(f, r, e);
	pg_result_free(r);
	if (rc == 0)
		count_windows(f, &s->span, first, n);
out:
	free(ends);
	free(starts);
	return rc;
}
