/* SPDX-License-Identifier: GPL-3.0-or-later */

/* uploads - decoders and frames, taken and given back, last used first. */

#include "daemon/sources/uploads.h"

#include "base/budget.h"
#include "base/mem.h"
#include "config/config.h"
#include "daemon/ingest/ingest.h"

#include <pthread.h>
#include <stdlib.h>

/*
 * What a batch or a frame keeps for the next body, and how many of each are
 * kept: a request holds one or the other, so pools that kept all of both
 * would hold twice what is ever in use.
 */
enum { UPLOADS_KEEP_BYTES = 512 * 1024, UPLOADS_IDLE_MAX = 8 };

struct uploads {
	pthread_mutex_t lock;
	struct budget *budget; /* borrowed */
	struct upload_decoder *decoders;
	struct upload_frame *frames;
	unsigned n_decoders, n_frames, max; /* in use and idle */
	unsigned n_idle_decoders, n_idle_frames;
};

struct uploads *uploads_new(unsigned max, struct budget *budget)
{
	struct uploads *u = xcalloc(1, sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	u->budget = budget;
	u->max = max;
	return u;
}

static void decoder_free(struct upload_decoder *d)
{
	ingest_free(d->ingest);
	batch_release(&d->batch);
	free(d->schema);
	free(d);
}

static void frame_empty(struct uploads *u, struct upload_frame *f)
{
	buf_release(&f->bytes);
	budget_give(u->budget, f->taken);
	f->taken = 0;
}

void uploads_free(struct uploads *u)
{
	if (!u)
		return;
	while (u->decoders) {
		struct upload_decoder *next = u->decoders->next;

		decoder_free(u->decoders);
		u->decoders = next;
	}
	while (u->frames) {
		struct upload_frame *next = u->frames->next;

		frame_empty(u, u->frames);
		free(u->frames);
		u->frames = next;
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* An idle one, or leave to make one (*${make}), or neither. */
static struct upload_decoder *pop_decoder(struct uploads *u, bool *make)
{
	struct upload_decoder *d;

	pthread_mutex_lock(&u->lock);
	d = u->decoders;
	if (d) {
		u->decoders = d->next;
		u->n_idle_decoders--;
	}
	*make = !d && u->n_decoders < u->max;
	u->n_decoders += *make;
	pthread_mutex_unlock(&u->lock);
	return d;
}

static struct upload_frame *pop_frame(struct uploads *u, bool *make)
{
	struct upload_frame *f;

	pthread_mutex_lock(&u->lock);
	f = u->frames;
	if (f) {
		u->frames = f->next;
		u->n_idle_frames--;
	}
	*make = !f && u->n_frames < u->max;
	u->n_frames += *make;
	pthread_mutex_unlock(&u->lock);
	return f;
}

static int reset(struct upload_decoder *d, const struct config_model *m)
{
	if (m->n_columns > d->cap_schema) {
		d->schema = xrealloc_array(d->schema, m->n_columns,
					   sizeof(*d->schema));
		d->cap_schema = m->n_columns;
	}
	for (size_t i = 0; i < m->n_columns; i++)
		d->schema[i] = (struct batch_schema_column){
			.name = m->columns[i].name,
			.kind = m->columns[i].kind,
			.role = m->columns[i].role};
	return batch_reset(&d->batch, d->schema, (uint32_t)m->n_columns,
			   UPLOADS_KEEP_BYTES);
}

struct upload_decoder *uploads_take_decoder(struct uploads *u,
					    const struct config_model *m)
{
	bool make;
	struct upload_decoder *d = pop_decoder(u, &make);

	if (make) {
		d = xcalloc(1, sizeof(*d));
		d->ingest = ingest_new();
		batch_init(&d->batch, u->budget);
	}
	if (d && reset(d, m)) {
		uploads_give_decoder(u, d);
		return NULL;
	}
	return d;
}

void uploads_give_decoder(struct uploads *u, struct upload_decoder *d)
{
	bool keep;

	if (!d)
		return;
	pthread_mutex_lock(&u->lock);
	keep = u->n_idle_decoders < UPLOADS_IDLE_MAX;
	if (keep) {
		d->next = u->decoders;
		u->decoders = d;
		u->n_idle_decoders++;
	} else {
		u->n_decoders--;
	}
	pthread_mutex_unlock(&u->lock);
	if (!keep)
		decoder_free(d);
}

struct upload_frame *uploads_encode(struct uploads *u,
				    const struct upload_decoder *d,
				    const struct batch_meta *meta)
{
	bool make;
	struct upload_frame *f = pop_frame(u, &make);

	if (make) {
		f = xcalloc(1, sizeof(*f));
		buf_init(&f->bytes, UINT32_MAX / 2);
	}
	if (!f)
		return NULL;
	buf_clear(&f->bytes);
	batch_encode(&d->batch, meta, &f->bytes);
	if (f->bytes.cap > f->taken) {
		size_t more = f->bytes.cap - f->taken;

		if (!budget_take(u->budget, more)) {
			buf_release(&f->bytes);
			uploads_give_frame(u, f);
			return NULL;
		}
		f->taken += more;
	}
	if (f->bytes.failed) {
		uploads_give_frame(u, f);
		return NULL;
	}
	return f;
}

void uploads_give_frame(struct uploads *u, struct upload_frame *f)
{
	bool keep;

	if (!f)
		return;
	if (f->bytes.cap > UPLOADS_KEEP_BYTES || f->bytes.cap < f->taken)
		frame_empty(u, f);
	pthread_mutex_lock(&u->lock);
	keep = u->n_idle_frames < UPLOADS_IDLE_MAX;
	if (keep) {
		f->next = u->frames;
		u->frames = f;
		u->n_idle_frames++;
	} else {
		u->n_frames--;
	}
	pthread_mutex_unlock(&u->lock);
	if (!keep) {
		frame_empty(u, f);
		free(f);
	}
}
