/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flush_fold - step 4: the events of the span that were won, counted into a
 * profile per window, packed, and handed to the insert.
 *
 * Reads the span and its context (flush_context.c), nothing else.  Windows
 * are taken in groups whose accumulators fit into `flush.memory`; for each
 * group the payloads of the frames that have events in it are read again.
 */
#include "storage/flush_internal.h"

#include "base/compress.h"
#include "base/log.h"
#include "base/mem.h"
#include "detectors/baseline.h"
#include "detectors/profile.h"
#include "detectors/profile_set.h"
#include "storage/baseline_files.h"
#include "storage/baseline_internal.h"
#include "storage/baseline_store.h"

#include <stdlib.h>
#include <string.h>

/* Guess for a column without a baseline: tails and extra categories. */
enum { COLUMN_BYTES = 4096 };

/* A profile's encoding is smaller than its memory, but that has no bound
 * known here. */
enum { PROFILE_BYTES_MAX = 1 << 29 };

struct order {
	int64_t time_us;
	uint32_t row;
};

/* One group of windows, [first, first + n) of f->windows. */
struct group {
	struct flusher *f;
	struct flush_stream *s;
	size_t first, n;
	struct profile_set *sets; /* owned, one a window */
	struct order *order;	  /* owned; scratch for one frame */
	uint32_t *rows;		  /* owned; likewise */
	size_t cap_rows;
	bool has_warned;
};

static int compare_order(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

/*
 * Rows in order of their times: the parts of the frame are runs of it, as
 * they are in the plan.
 */
static void sort_rows(struct group *g, const struct batch_view *v)
{
	if (g->cap_rows < v->n_rows) {
		g->cap_rows = v->n_rows;
		g->order = xrealloc_array(g->order, g->cap_rows,
					  sizeof(*g->order));
		g->rows =
			xrealloc_array(g->rows, g->cap_rows, sizeof(*g->rows));
	}
	for (uint32_t i = 0; i < v->n_rows; i++)
		g->order[i] = (struct order){v->event_time_us[i], i};
	qsort(g->order, v->n_rows, sizeof(*g->order), compare_order);
	for (uint32_t i = 0; i < v->n_rows; i++)
		g->rows[i] = g->order[i].row;
}

static void add_rows(struct group *g, struct profile_set *set,
		     const struct batch_view *v, const uint32_t *rows, size_t n)
{
	struct err e = {.code = ERR_NONE};

	for (uint32_t i = 0; i < v->n_columns; i++) {
		const struct batch_column *c = &v->columns[i];
		struct profile_entry *entry = profile_set_get(
			set, c->name, c->name_len, c->kind, c->role, &e);

		if (!entry) {
			/* The column changed its kind within the window:
			 * these values are missing in it. */
			if (!g->has_warned)
				log_warn("flush", "model \"%s\": %s",
					 g->s->model ? g->s->model : "?",
					 e.message);
			g->has_warned = true;
			continue;
		}
		if (c->kind == COLUMN_NUMERIC)
			profile_add_numbers(entry->profile, c->numbers, rows,
					    n);
		else
			profile_add_categories(entry->profile, c->codes, rows,
					       n, c->texts, c->n_texts);
	}
}

static void add_part(struct group *g, const struct flush_part *part,
		     const uint32_t *rows)
{
	const struct flush_window *w = flush_window_find(g->f, part->start_us);
	struct profile_set *set;
	size_t i;

	if (!w || part->is_late)
		return;
	i = (size_t)(w - g->f->windows);
	if (i < g->first || i >= g->first + g->n)
		return;
	set = &g->sets[i - g->first];
	if (set->n_events == 0 || part->min_us < set->min_event_time_us)
		set->min_event_time_us = part->min_us;
	if (set->n_events == 0 || part->max_us > set->max_event_time_us)
		set->max_event_time_us = part->max_us;
	set->n_events += part->n_rows;
	add_rows(g, set, &g->f->view, rows, part->n_rows);
}

static bool has_part_in(const struct group *g, const struct flush_frame *it)
{
	int64_t from = g->f->windows[g->first].start_us;
	int64_t to = g->f->windows[g->first + g->n - 1].start_us;

	for (size_t j = 0; j < it->n_parts; j++) {
		const struct flush_part *p =
			&g->s->span.parts[it->first_part + j];

		if (!p->is_late && p->start_us >= from && p->start_us <= to)
			return true;
	}
	return false;
}

static int add_frame(struct group *g, const struct flush_frame *it,
		     struct err *e)
{
	const struct flush_part *parts = &g->s->span.parts[it->first_part];
	struct batch_view *v = &g->f->view;
	const void *payload;
	size_t done = 0;

	payload = journal_payload(g->f->cursor, &it->header, e);
	if (!payload ||
	    batch_view_open(v, payload, it->header.payload_len, e)) {
		/* It was good a moment ago: the disk, not the frame. */
		if (e && e->code == ERR_INVALID)
			e->code = ERR_IO;
		return -1;
	}
	if (it->n_parts == 1) {
		add_part(g, parts, NULL);
		return 0;
	}
	sort_rows(g, v);
	for (size_t j = 0; j < it->n_parts; j++) {
		add_part(g, &parts[j], g->rows + done);
		done += parts[j].n_rows;
	}
	return 0;
}

static void keep_delta(struct flusher *f, const struct flush_window *w,
		       const struct buf *packed)
{
	struct flush_deltas *d = &f->deltas;

	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->items = xrealloc_array(d->items, d->cap, sizeof(*d->items));
	}
	d->items[d->n++] = (struct flush_delta){
		.start_us = w->start_us,
		.n_events = (int64_t)w->n_events,
		.offset = d->bytes.len,
		.len = packed->len,
	};
	buf_add(&d->bytes, packed->data, packed->len);
}

static int emit(struct group *g, size_t i, uint64_t seq, struct err *e)
{
	struct flush_deltas *d = &g->f->deltas;
	struct buf raw, packed;
	int rc = 0;

	buf_init(&raw, PROFILE_BYTES_MAX);
	buf_init(&packed, PROFILE_BYTES_MAX);
	profile_set_encode(&g->sets[i], &raw);
	zstd_pack(buf_str(&raw), raw.len, &packed);
	if (raw.failed || packed.failed)
		rc = err_set(e, ERR_LIMIT, "a delta is too large");
	else
		keep_delta(g->f, &g->f->windows[g->first + i], &packed);
	buf_release(&packed);
	buf_release(&raw);
	if (rc == 0 && d->bytes.failed)
		rc = err_set(e, ERR_LIMIT, "a delta is too large");
	if (rc || d->bytes.len < FLUSH_DELTA_BYTES)
		return rc;
	/* Too much to hold back: then this fold cannot be used again. */
	rc = flush_sql_deltas(g->f, g->s, seq, d, e);
	d->n = 0;
	buf_clear(&d->bytes);
	d->is_whole = false;
	return rc;
}

/* From the copies beside the journal, when the database does not have it. */
static const struct baseline *from_file(struct flusher *f,
					const struct flush_stream *s,
					const struct flush_window *w,
					struct err *e)
{
	const char *dir = f->options.baseline_dir;
	struct err why;
	struct baseline *b =
		dir ? baseline_files_load(dir, w->hash, &why) : NULL;

	if (b)
		return baseline_cache_put(f->baselines, s->model_id, b, true);
	if (e->code == ERR_NOT_FOUND || e->code == ERR_INVALID)
		e->code = ERR_TEMP;
	return NULL;
}

static void keep_copy(const struct flusher *f, const struct baseline *b)
{
	struct err e;

	if (f->options.baseline_dir &&
	    baseline_files_save(f->options.baseline_dir, b, &e))
		log_warn("flush", "no copy of a baseline: %s", e.message);
}

/* Its baseline, also where only the cache or a file has it: then it is put
 * back. */
static const struct baseline *baseline_of(struct flusher *f,
					  struct flush_stream *s,
					  const struct flush_window *w,
					  struct err *e)
{
	const struct baseline *b;
	bool is_there;

	b = baseline_cache_get(f->baselines, f->pg, s->model_id, w->hash, true,
			       e);
	if (!b && e->code == ERR_NOT_FOUND)
		b = from_file(f, s, w, e);
	if (!b) {
		if (e->code == ERR_INVALID)
			e->code = ERR_TEMP;
		return NULL;
	}
	if (memcmp(s->checked, w->hash, SHA256_SIZE) == 0)
		return b;
	if (flush_sql_has_baseline(f, s->model_id, w->hash, &is_there, e))
		return NULL;
	if (!is_there) {
		log_warn("flush",
			 "model \"%s\": the database lost a baseline that "
			 "windows are counted on: put back",
			 s->model);
		if (baseline_store_restore(f->pg, s->model_id, b, e))
			return NULL;
		return b; /* checked when that is committed */
	}
	keep_copy(f, b);
	memcpy(s->checked, w->hash, SHA256_SIZE);
	return b;
}

static size_t window_memory(const struct baseline *b,
			    const struct flush_window *w)
{
	size_t bytes = sizeof(struct profile_set);

	if (!b)
		return bytes + w->n_columns * (size_t)COLUMN_BYTES;
	for (uint32_t i = 0; i < b->n_columns; i++)
		bytes +=
			profile_memory(b->columns[i].kind, b->columns[i].cells);
	return bytes;
}

static int fold_group(struct group *g, size_t first, size_t n, uint64_t seq,
		      struct err *e)
{
	for (size_t i = first; i < first + n; i++) {
		const struct flush_frame *it = &g->s->span.frames[i];

		if (it->fate == FATE_FOLD && has_part_in(g, it) &&
		    add_frame(g, it, e))
			return -1;
	}
	for (size_t i = 0; i < g->n; i++)
		if (g->f->windows[g->first + i].n_events > 0 &&
		    emit(g, i, seq, e))
			return -1;
	return 0;
}

/* As many windows as fit, at least one; their sets are made. */
static int open_group(struct group *g, struct err *e)
{
	struct flusher *f = g->f;
	size_t left = f->n_windows - g->first, used = 0;

	g->n = 0;
	while (g->n < left) {
		const struct flush_window *w = &f->windows[g->first + g->n];
		const struct baseline *b = NULL;

		if (w->has_baseline && !w->is_pruned) {
			b = baseline_of(f, g->s, w, e);
			if (!b)
				return -1;
		}
		used += window_memory(b, w);
		if (g->n > 0 && used > f->options.memory)
			return 0;
		g->sets = xrealloc_array(g->sets, g->n + 1, sizeof(*g->sets));
		profile_set_init(&g->sets[g->n], b, w->max_categories);
		g->n++;
	}
	return 0;
}

static void close_group(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		profile_set_release(&g->sets[i]);
	g->n = 0;
}

static void put(struct hash128 *h, const void *data, size_t len)
{
	hash128_add(h, data, len);
}

/* Everything that the fold reads beside the payloads. */
static void digest(struct flusher *f, const struct flush_stream *s,
		   size_t first, size_t n, uint8_t out[HASH128_SIZE])
{
	hash128_reset(f->hash);
	put(f->hash, &s->model_id, sizeof(s->model_id));
	put(f->hash, &s->source_id, sizeof(s->source_id));
	for (size_t i = first; i < first + n; i++) {
		const struct flush_frame *it = &s->span.frames[i];
		int32_t fate = (int32_t)it->fate;

		put(f->hash, &it->header.seq, sizeof(it->header.seq));
		put(f->hash, &it->header.chain_after,
		    sizeof(it->header.chain_after));
		put(f->hash, &fate, sizeof(fate));
		for (size_t j = 0; j < it->n_parts; j++) {
			const struct flush_part *p =
				&s->span.parts[it->first_part + j];

			put(f->hash, p->is_late ? "l" : "f", 1);
		}
	}
	for (size_t i = 0; i < f->n_windows; i++) {
		const struct flush_window *w = &f->windows[i];

		put(f->hash, &w->start_us, sizeof(w->start_us));
		put(f->hash, w->has_baseline ? "b" : "n", 1);
		put(f->hash, w->hash, sizeof(w->hash));
	}
	hash128_get(f->hash, out);
}

static int fold(struct flusher *f, struct flush_stream *s, size_t first,
		size_t n, struct err *e)
{
	uint64_t seq = s->span.frames[first + n - 1].header.seq;
	struct group g = {.f = f, .s = s};
	int rc = 0;

	f->deltas.n = 0;
	f->deltas.is_whole = true;
	buf_clear(&f->deltas.bytes);
	while (rc == 0 && g.first < f->n_windows) {
		size_t next;

		rc = open_group(&g, e);
		next = g.first + g.n;
		if (rc == 0)
			rc = fold_group(&g, first, n, seq, e);
		close_group(&g);
		baseline_cache_unpin(f->baselines);
		g.first = next;
	}
	free(g.sets);
	free(g.order);
	free(g.rows);
	return rc;
}

int flush_fold(struct flusher *f, struct flush_stream *s, size_t first,
	       size_t n, struct err *e)
{
	uint64_t seq = s->span.frames[first + n - 1].header.seq;
	uint8_t context[HASH128_SIZE];

	digest(f, s, first, n, context);
	if (!f->deltas.is_whole ||
	    memcmp(context, f->deltas.context, sizeof(context)) != 0) {
		f->deltas.is_whole = false;
		if (fold(f, s, first, n, e)) {
			f->deltas.is_whole = false;
			return -1;
		}
		memcpy(f->deltas.context, context, sizeof(context));
	}
	if (f->deltas.n == 0)
		return 0;
	return flush_sql_deltas(f, s, seq, &f->deltas, e);
}
