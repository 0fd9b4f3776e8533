/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_state - what is known of each model after its last frame.  The
 * number of models is bounded by the configuration.
 */
#include "storage/journal_private.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/mem.h"

#include <stdlib.h>

struct journal_states {
	pthread_mutex_t mutex;
	struct dict *ids;	      /* owned: model ids as 8 bytes */
	struct state_record *records; /* owned, by index of ids */
	uint32_t cap;
};

struct journal_states *states_new(void)
{
	struct journal_states *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->mutex, NULL);
	s->ids = dict_new(0, 0);
	return s;
}

void states_free(struct journal_states *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->mutex);
	dict_free(s->ids);
	free(s->records);
	free(s);
}

void states_clear(struct journal_states *s)
{
	pthread_mutex_lock(&s->mutex);
	dict_clear(s->ids);
	pthread_mutex_unlock(&s->mutex);
}

uint32_t states_count(struct journal_states *s)
{
	uint32_t n;

	pthread_mutex_lock(&s->mutex);
	n = dict_count(s->ids);
	pthread_mutex_unlock(&s->mutex);
	return n;
}

void states_get(struct journal_states *s, int64_t model_id,
		struct state_record *out)
{
	uint32_t i;

	*out = (struct state_record){.model_id = model_id};
	pthread_mutex_lock(&s->mutex);
	i = dict_find(s->ids, (const char *)&model_id, sizeof(model_id));
	if (i != DICT_NONE)
		*out = s->records[i];
	pthread_mutex_unlock(&s->mutex);
}

void states_set(struct journal_states *s, const struct state_record *record)
{
	uint32_t i;

	pthread_mutex_lock(&s->mutex);
	i = dict_add(s->ids, (const char *)&record->model_id,
		     sizeof(record->model_id));
	if (i >= s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->records =
			xrealloc_array(s->records, s->cap, sizeof(*s->records));
	}
	s->records[i] = *record;
	pthread_mutex_unlock(&s->mutex);
}

void states_copy(struct journal_states *s, struct buf *out)
{
	uint32_t n;

	pthread_mutex_lock(&s->mutex);
	n = dict_count(s->ids);
	if (n > 0)
		buf_add(out, s->records, n * sizeof(*s->records));
	pthread_mutex_unlock(&s->mutex);
}

void states_apply(struct journal_states *s, const struct frame_header *h)
{
	const struct state_record after = {
		.model_id = h->model_id,
		.seq = h->seq,
		.chain = frame_chain(h->chain_before, h->payload_crc, h->seq,
				     h->n_events),
		.n_events = h->n_events_before + h->n_events,
	};

	states_set(s, &after);
}

void states_undo(struct journal_states *s, const struct frame_header *h)
{
	const struct state_record before = {
		.model_id = h->model_id,
		.seq = h->seq - 1,
		.chain = h->chain_before,
		.n_events = h->n_events_before,
	};

	states_set(s, &before);
}
