/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_batch - any bytes as the payload of a frame, and a good batch changed as
 * the input says: opening refuses it or a fold may use all that it finds.
 */
#include "storage/batch.h"

#include "base/err.h"
#include "base/hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t use_column(const struct batch_column *c, uint32_t n_rows)
{
	uint64_t sum = hash64(c->name, c->name_len);

	if (c->kind == COLUMN_NUMERIC)
		return sum ^ hash64(c->numbers, n_rows * sizeof(*c->numbers));
	for (uint32_t i = 0; i < n_rows; i++) {
		const struct category_text *t;

		if (c->codes[i] >= CODE_INVALID)
			continue;
		t = &c->texts[c->codes[i]];
		sum ^= hash64(t->text, t->len);
	}
	return sum;
}

static uint64_t use_view(const struct batch_view *v)
{
	struct reader ids;
	uint64_t sum = 0;
	size_t len;

	reader_init(&ids, v->ids, v->ids_len);
	for (uint32_t i = 0; i < v->n_columns; i++)
		sum ^= use_column(&v->columns[i], v->n_rows);
	for (uint32_t i = 0; i < v->n_rows; i++) {
		const char *id = reader_string(&ids, &len);
		int64_t start =
			window_start(v->meta.window, v->event_time_us[i]);

		if (!id || start > v->event_time_us[i] ||
		    window_end(v->meta.window, start) <= v->event_time_us[i])
			abort();
		sum ^= hash64(id, len);
	}
	if (v->meta.key)
		sum ^= hash64(v->meta.key, v->meta.key_len);
	return sum ^ strlen(v->meta.model) ^ strlen(v->meta.version);
}

static void open_bytes(const void *data, size_t size)
{
	static struct batch_view view;
	static volatile uint64_t sink;
	/* Memory of exactly this size: a byte too far is seen. */
	void *payload = malloc(size ? size : 1);
	struct err e;

	if (!payload)
		return;
	memcpy(payload, data, size);
	if (batch_view_open(&view, payload, size, &e) == 0)
		sink = sink ^ use_view(&view);
	free(payload);
}

static void make_good(struct buf *out)
{
	static const struct batch_schema_column columns[] = {
		{"amount", COLUMN_NUMERIC, ROLE_FEATURE},
		{"country", COLUMN_CATEGORICAL, ROLE_FEATURE},
		{"score", COLUMN_NUMERIC, ROLE_SCORE},
	};
	const struct batch_meta meta = {
		.model_id = 1,
		.model = "churn",
		.version = "v1",
		.key = "key",
		.key_len = 3,
		.window = {WINDOW_FIXED, 3600000000},
	};
	static const char *const texts[] = {"de", "fr", "", "1"};
	struct batch b;

	batch_init(&b, NULL);
	if (batch_reset(&b, columns, 3, 0) < 0)
		abort();
	for (uint32_t i = 0; i < 6; i++) {
		const char *text = texts[i % 4];

		if (batch_row_begin(&b) < 0)
			abort();
		batch_set_number(&b, 0, i * 0.5);
		if (batch_set_text(&b, 1, text, strlen(text), i % 4 == 3) < 0 ||
		    batch_row_commit(&b, i, "id", i % 3) < 0)
			abort();
	}
	buf_init(out, 1 << 16);
	batch_encode(&b, &meta, out);
	batch_release(&b);
	if (out->failed)
		abort();
}

/* A good batch in which each 6 bytes of the input change up to 4. */
static void open_changed(const struct buf *good, const uint8_t *data,
			 size_t size)
{
	char bytes[4096];
	size_t len = good->len;

	if (len > sizeof(bytes))
		abort();
	memcpy(bytes, good->data, len);
	for (; size >= 6; data += 6, size -= 6) {
		size_t at =
			((size_t)data[0] | (size_t)data[1] << 8) % good->len;
		size_t n = good->len - at < 4 ? good->len - at : 4;

		if (data[1] & 0x80)
			n = 1;
		if (data[1] & 0x40)
			len = at;
		memcpy(bytes + at, data + 2, n);
	}
	open_bytes(bytes, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf good;

	if (!good.data)
		make_good(&good);
	open_bytes(data, size);
	open_changed(&good, data, size);
	return 0;
}
