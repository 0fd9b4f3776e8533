/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch_code - a batch as bytes, the payload of a journal frame; the format is
 * in batch_format.h.  Arrays are copied as they lie in memory.
 */
#include "storage/batch.h"

#include "storage/batch_format.h"

#include <string.h>

static size_t text_bytes(const struct batch_column *c)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < c->n_texts; i++)
		sum += c->texts[i].len;
	return sum;
}

static void encode_texts(const struct batch_column *c, struct buf *out)
{
	for (uint32_t i = 0; i < c->n_texts; i++) {
		uint32_t flag = c->texts[i].is_number ? BATCH_TEXT_NUMBER : 0;

		buf_add_u32(out, c->texts[i].len | flag);
	}
	buf_pad(out, BATCH_ALIGN);
	for (uint32_t i = 0; i < c->n_texts; i++)
		buf_add(out, c->texts[i].text, c->texts[i].len);
	buf_pad(out, BATCH_ALIGN);
}

static void encode_column(const struct batch_column *c, uint32_t n_rows,
			  struct buf *out)
{
	size_t bytes = text_bytes(c);
	struct batch_column_head head = {
		.name_len = c->name_len,
		.kind = (uint8_t)c->kind,
		.role = (uint8_t)c->role,
		.n_texts = c->n_texts,
		.text_bytes = (uint32_t)bytes,
	};

	if (bytes > UINT32_MAX) {
		out->failed = true;
		return;
	}
	buf_add(out, &head, sizeof(head));
	buf_add(out, c->name, c->name_len);
	buf_add_char(out, '\0');
	buf_pad(out, BATCH_ALIGN);
	if (c->kind == COLUMN_NUMERIC) {
		if (n_rows > 0)
			buf_add(out, c->numbers, n_rows * sizeof(*c->numbers));
		return;
	}
	encode_texts(c, out);
	if (n_rows > 0)
		buf_add(out, c->codes, n_rows * sizeof(*c->codes));
	buf_pad(out, BATCH_ALIGN);
}

/* What it will take at most, so that the memory grows once. */
static size_t encoded_bound(const struct batch *b, const struct batch_meta *m)
{
	size_t sum = sizeof(struct batch_head) +
		     sizeof(struct batch_outcome_head) + strlen(m->model) +
		     strlen(m->version) + m->key_len + b->ids.len + 64;

	sum += b->n_rows * sizeof(*b->event_time_us);
	for (uint32_t i = 0; i < b->n_columns; i++) {
		const struct batch_column *c = &b->columns[i];

		sum += sizeof(struct batch_column_head) + c->name_len + 64 +
		       text_bytes(c) + c->n_texts * sizeof(uint32_t) +
		       b->n_rows * (c->kind == COLUMN_NUMERIC
					    ? sizeof(double)
					    : sizeof(uint32_t));
	}
	return sum;
}

static void add_text(struct buf *out, const char *text, size_t len)
{
	if (len > 0)
		buf_add(out, text, len);
	buf_add_char(out, '\0');
}

void batch_encode(const struct batch *b, const struct batch_meta *meta,
		  struct buf *out)
{
	bool is_plain = meta->kind == BATCH_EVENTS && !meta->outcome_sample;
	struct batch_outcome_head outcomes = {
		.kind = (uint32_t)meta->kind,
		.sample = meta->outcome_sample,
	};
	struct batch_head head = {
		.magic = BATCH_MAGIC,
		.version = is_plain ? BATCH_VERSION_PLAIN : BATCH_VERSION,
		.n_rows = b->n_rows,
		.n_columns = b->n_columns,
		.model_id = meta->model_id,
		.received_at_us = meta->received_at_us,
		.window_n = meta->window.n,
		.revise_horizon_us = meta->revise_horizon_us,
		.window_unit = (uint32_t)meta->window.unit,
		.max_categories = meta->max_categories,
		.n_rejected = meta->n_rejected,
		.flags = meta->key ? BATCH_HAS_KEY : 0,
		.model_len = (uint32_t)strlen(meta->model),
		.version_len = (uint32_t)strlen(meta->version),
		.key_len = meta->key ? meta->key_len : 0,
		.ids_len = (uint32_t)b->ids.len,
	};

	_Static_assert(sizeof(head.body_hash) == HASH128_SIZE, "one hash");
	if (meta->key)
		memcpy(head.body_hash, meta->body_hash, HASH128_SIZE);
	if (buf_reserve(out, encoded_bound(b, meta)) < 0)
		return;
	buf_add(out, &head, sizeof(head));
	if (!is_plain)
		buf_add(out, &outcomes, sizeof(outcomes));
	add_text(out, meta->model, head.model_len);
	add_text(out, meta->version, head.version_len);
	add_text(out, meta->key, head.key_len);
	buf_pad(out, BATCH_ALIGN);
	for (uint32_t i = 0; i < b->n_columns; i++)
		encode_column(&b->columns[i], b->n_rows, out);
	if (b->n_rows > 0)
		buf_add(out, b->event_time_us,
			b->n_rows * sizeof(*b->event_time_us));
	if (b->ids.len > 0)
		buf_add(out, b->ids.data, b->ids.len);
	buf_pad(out, BATCH_ALIGN);
}
