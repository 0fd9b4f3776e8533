/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch - the builder: rows in, columns out.
 *
 * Every array has room for cap_rows rows and doubles; the budget is asked
 * before each growth.  Rows are set to missing ahead, a run of rows at a time
 * and column by column, so that beginning a row writes nothing; only a row
 * that was abandoned is set back by itself.
 */
#include "storage/batch.h"

#include "base/budget.h"
#include "base/dict.h"
#include "base/timestamp.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROWS = 16,
	FILL_ROWS = 64,
	FIRST_TEXTS = 8,
	MEMO_CODES = 256, /* a power of two */
	MAX_ROWS = 1 << 28,
	MAX_TEXTS = 1 << 28
};

/* Length prefixes of ids are varints of at most this many bytes. */
enum { ID_PREFIX_MAX = 10, IDS_FIRST = 1024 };
#define IDS_MAX ((size_t)1 << 31)

void batch_init(struct batch *b, struct budget *budget)
{
	memset(b, 0, sizeof(*b));
	b->budget = budget;
	buf_init(&b->ids, IDS_MAX);
	buf_init(&b->key, IDS_MAX);
}

static int refuse(struct batch *b)
{
	b->out_of_memory = true;
	return -1;
}

static int take(struct batch *b, size_t n)
{
	if (b->budget && !budget_take(b->budget, n))
		return refuse(b);
	b->taken += n;
	return 0;
}

static void give(struct batch *b, size_t n)
{
	if (b->budget)
		budget_give(b->budget, n);
	b->taken -= n;
}

static void free_all(struct batch *b)
{
	for (uint32_t i = 0; i < b->n_columns; i++) {
		struct batch_column *c = &b->columns[i];

		free(c->numbers);
		free(c->codes);
		free(c->texts);
		free(c->memo);
		dict_free(c->dict);
	}
	free(b->columns);
	free(b->event_time_us);
	b->columns = NULL;
	b->event_time_us = NULL;
	b->n_columns = b->n_rows = b->cap_rows = b->filled_rows = 0;
	buf_release(&b->ids);
	buf_release(&b->key);
	buf_init(&b->ids, IDS_MAX);
	buf_init(&b->key, IDS_MAX);
	give(b, b->taken);
}

void batch_release(struct batch *b)
{
	free_all(b);
}

static bool has_kinds(const struct batch *b,
		      const struct batch_schema_column *columns, uint32_t n)
{
	if (b->n_columns != n || (n > 0 && !b->columns))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (b->columns[i].kind != columns[i].kind)
			return false;
	}
	return true;
}

int batch_reset(struct batch *b, const struct batch_schema_column *columns,
		uint32_t n_columns, size_t keep)
{
	if (b->out_of_memory || b->taken > keep ||
	    !has_kinds(b, columns, n_columns))
		free_all(b);
	b->out_of_memory = false;
	b->row_open = false;
	b->n_rows = 0;
	b->filled_rows = 0;
	buf_clear(&b->ids);
	if (!b->columns && n_columns > 0) {
		if (take(b, n_columns * sizeof(*b->columns)) < 0)
			return -1;
		b->columns = calloc(n_columns, sizeof(*b->columns));
		if (!b->columns)
			return refuse(b);
	}
	b->n_columns = n_columns;
	for (uint32_t i = 0; i < n_columns; i++) {
		struct batch_column *c = &b->columns[i];

		c->name = columns[i].name;
		c->name_len = (uint32_t)strlen(columns[i].name);
		c->kind = columns[i].kind;
		c->role = columns[i].role;
		c->n_texts = 0;
		if (c->memo)
			memset(c->memo, 0xFF, MEMO_CODES * sizeof(*c->memo));
		if (c->dict)
			dict_clear(c->dict);
	}
	return 0;
}

/* Grow an array that the budget has already been asked for. */
static int grow(struct batch *b, void **array, size_t n, size_t size)
{
	void *p = realloc(*array, n * size);

	if (!p)
		return refuse(b);
	*array = p;
	return 0;
}

static size_t row_bytes(const struct batch *b)
{
	size_t sum = sizeof(*b->event_time_us);

	for (uint32_t i = 0; i < b->n_columns; i++) {
		sum += b->columns[i].kind == COLUMN_NUMERIC ? sizeof(double)
							    : sizeof(uint32_t);
	}
	return sum;
}

static int grow_rows(struct batch *b)
{
	uint32_t cap = b->cap_rows ? b->cap_rows * 2 : FIRST_ROWS;
	void *p;

	if (b->cap_rows >= MAX_ROWS)
		return refuse(b);
	if (take(b, (cap - b->cap_rows) * row_bytes(b)) < 0)
		return -1;
	p = b->event_time_us;
	if (grow(b, &p, cap, sizeof(*b->event_time_us)) < 0)
		return -1;
	b->event_time_us = p;
	for (uint32_t i = 0; i < b->n_columns; i++) {
		struct batch_column *c = &b->columns[i];

		if (c->kind == COLUMN_NUMERIC) {
			p = c->numbers;
			if (grow(b, &p, cap, sizeof(*c->numbers)) < 0)
				return -1;
			c->numbers = p;
		} else {
			p = c->codes;
			if (grow(b, &p, cap, sizeof(*c->codes)) < 0)
				return -1;
			c->codes = p;
		}
	}
	b->cap_rows = cap;
	return 0;
}

static void fill_missing(struct batch *b, uint32_t from, uint32_t to)
{
	const double missing = value_missing();

	for (uint32_t i = 0; i < b->n_columns; i++) {
		struct batch_column *c = &b->columns[i];

		if (c->kind == COLUMN_NUMERIC) {
			for (uint32_t row = from; row < to; row++)
				c->numbers[row] = missing;
		} else {
			for (uint32_t row = from; row < to; row++)
				c->codes[row] = CODE_MISSING;
		}
	}
}

int batch_row_begin(struct batch *b)
{
	if (b->out_of_memory)
		return -1;
	if (b->n_rows == b->cap_rows && grow_rows(b) < 0)
		return -1;
	if (b->n_rows == b->filled_rows) {
		uint32_t to = b->filled_rows + FILL_ROWS;

		if (to > b->cap_rows)
			to = b->cap_rows;
		fill_missing(b, b->filled_rows, to);
		b->filled_rows = to;
	} else if (b->row_open) {
		fill_missing(b, b->n_rows, b->n_rows + 1);
	}
	b->row_open = true;
	return 0;
}

void batch_set_invalid(struct batch *b, uint32_t column)
{
	struct batch_column *c = &b->columns[column];

	if (b->n_rows >= b->cap_rows)
		return;
	if (c->kind == COLUMN_NUMERIC)
		c->numbers[b->n_rows] = value_invalid();
	else
		c->codes[b->n_rows] = CODE_INVALID;
}

bool batch_clear(struct batch *b, uint32_t column)
{
	struct batch_column *c = &b->columns[column];
	bool was_invalid;

	if (b->n_rows >= b->cap_rows)
		return false;
	if (c->kind == COLUMN_NUMERIC) {
		was_invalid = isnan(c->numbers[b->n_rows]) &&
			      !value_is_missing(c->numbers[b->n_rows]);
		c->numbers[b->n_rows] = value_missing();
	} else {
		was_invalid = c->codes[b->n_rows] == CODE_INVALID;
		c->codes[b->n_rows] = CODE_MISSING;
	}
	return was_invalid;
}

/*
 * The dictionary doubles by itself, so its growth is counted right after it
 * happened: the budget is exceeded by one doubling at most, and the batch is
 * then of no use until it is reset, which frees it.
 */
static int count_dict(struct batch *b, struct batch_column *c)
{
	size_t bytes = dict_memory(c->dict);

	if (bytes <= c->dict_bytes)
		return 0;
	if (take(b, bytes - c->dict_bytes) < 0)
		return -1;
	c->dict_bytes = bytes;
	return 0;
}

static int grow_texts(struct batch *b, struct batch_column *c)
{
	uint32_t cap = c->cap_texts ? c->cap_texts * 2 : FIRST_TEXTS;
	void *p = c->texts;

	if (c->cap_texts >= MAX_TEXTS)
		return refuse(b);
	if (take(b, (cap - c->cap_texts) * sizeof(*c->texts)) < 0 ||
	    grow(b, &p, cap, sizeof(*c->texts)) < 0)
		return -1;
	c->texts = p;
	c->cap_texts = cap;
	return 0;
}

/* A text that the dictionary has just got. */
static void note_text(struct batch_column *c, uint32_t code, bool is_number)
{
	size_t len;

	c->texts[code].text = dict_text(c->dict, code, &len);
	c->texts[code].len = (uint32_t)(len - 1);
	c->texts[code].is_number = is_number;
	c->n_texts = code + 1;
	/* The dictionary moved its texts: follow. */
	if (c->texts[0].text == dict_text(c->dict, 0, &len))
		return;
	for (uint32_t i = 0; i < c->n_texts; i++)
		c->texts[i].text = dict_text(c->dict, i, &len);
}

/* Keys of the dictionary end with the mark of number or text. */
static int find_code(struct batch *b, struct batch_column *c, const char *text,
		     size_t len, bool is_number, uint32_t *code)
{
	buf_clear(&b->key);
	buf_add(&b->key, text, len);
	buf_add_char(&b->key, is_number ? 'n' : 't');
	if (b->key.failed)
		return refuse(b);
	if (!c->dict)
		c->dict = dict_new(MAX_TEXTS, IDS_MAX);
	if (c->n_texts == c->cap_texts && grow_texts(b, c) < 0)
		return -1;
	*code = dict_add(c->dict, b->key.data, b->key.len);
	if (*code == DICT_NONE)
		return refuse(b);
	if (*code < c->n_texts)
		return 0;
	note_text(c, *code, is_number);
	return count_dict(b, c);
}

/* Where the code of a text is kept: categories differ at their ends. */
static uint32_t memo_slot(const char *text, size_t len)
{
	uint32_t h = (uint32_t)len;

	if (len > 0)
		h += (uint8_t)text[len - 1] * 5U + (uint8_t)text[0] * 3U;
	if (len > 1)
		h += (uint8_t)text[len - 2] * 13U;
	return h % MEMO_CODES;
}

static int make_memo(struct batch *b, struct batch_column *c)
{
	const size_t bytes = MEMO_CODES * sizeof(*c->memo);

	if (take(b, bytes) < 0)
		return -1;
	c->memo = malloc(bytes);
	if (!c->memo)
		return refuse(b);
	memset(c->memo, 0xFF, bytes); /* CODE_MISSING: no guess */
	return 0;
}

int batch_set_text(struct batch *b, uint32_t column, const char *text,
		   size_t len, bool is_number)
{
	struct batch_column *c = &b->columns[column];
	uint32_t slot = memo_slot(text, len), code;

	if (b->n_rows >= b->cap_rows)
		return -1;
	if (!c->memo && make_memo(b, c) < 0)
		return -1;
	code = c->memo[slot];
	if (code >= c->n_texts || c->texts[code].len != len ||
	    c->texts[code].is_number != is_number ||
	    memcmp(c->texts[code].text, text, len) != 0) {
		if (b->out_of_memory ||
		    find_code(b, c, text, len, is_number, &code) < 0)
			return -1;
		c->memo[slot] = code;
	}
	c->codes[b->n_rows] = code;
	return 0;
}

/* Room for ${need} more bytes of ids: ask first, settle by what it became. */
static int grow_ids(struct batch *b, size_t need)
{
	size_t before = b->ids.cap;
	size_t want = before > IDS_FIRST ? before : IDS_FIRST;
	size_t grown;

	if (b->ids.len + need < before)
		return 0;
	if (want < need)
		want = need;
	if (take(b, want) < 0)
		return -1;
	if (buf_reserve(&b->ids, want) < 0) {
		give(b, want);
		return refuse(b);
	}
	grown = b->ids.cap - before;
	if (grown < want)
		give(b, want - grown);
	else if (grown > want)
		return take(b, grown - want);
	return 0;
}

int batch_row_commit(struct batch *b, int64_t event_time_us, const char *id,
		     size_t id_len)
{
	assert(b->row_open);
	if (b->out_of_memory || event_time_us < TIMESTAMP_MIN ||
	    event_time_us > TIMESTAMP_MAX)
		return -1;
	if (grow_ids(b, id_len + ID_PREFIX_MAX) < 0)
		return -1;
	buf_add_string(&b->ids, id, id_len);
	if (b->ids.failed)
		return refuse(b);
	b->event_time_us[b->n_rows++] = event_time_us;
	b->row_open = false;
	return 0;
}
