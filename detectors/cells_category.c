/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cells_category - which categories get a cell, and how a text finds it.
 *
 * Beyond the bound those with the smallest hash stay: a rule that needs no
 * counts, so that the same data in any order give the same cells.
 */
#include "detectors/cells_category.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/number.h"
#include "detectors/cells.h"
#include "detectors/cells_search.h"

#include <stdlib.h>
#include <string.h>

struct candidate {
	const char *text;
	uint32_t len;
	uint64_t hash;
};

int cells_category_compare(const char *a, size_t a_len, const char *b,
			   size_t b_len)
{
	size_t n = a_len < b_len ? a_len : b_len;
	int order = n > 0 ? memcmp(a, b, n) : 0;

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_text(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return cells_category_compare(x->text, x->len, y->text, y->len);
}

static int by_hash(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return by_text(a, b);
}

void cells_category_choose(struct cells *c, const struct category_text *texts,
			   size_t n, uint32_t max)
{
	struct candidate *all = xcalloc(n > 0 ? n : 1, sizeof(*all));
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		all[i].text = texts[i].text;
		all[i].len = texts[i].len;
		all[i].hash = hash64(texts[i].text, texts[i].len);
	}
	qsort(all, n, sizeof(*all), by_hash);
	for (i = 0; i < n; i++) {
		if (k == 0 || by_text(&all[k - 1], &all[i]) != 0)
			all[k++] = all[i];
	}
	c->truncated = k > max;
	if (c->truncated)
		k = max;
	qsort(all, k, sizeof(*all), by_text);
	c->categories = dict_new(0, 0);
	for (i = 0; i < k; i++)
		dict_add(c->categories, all[i].text, all[i].len);
	c->n_categories = (uint32_t)k;
	free(all);
}

static uint64_t number_bits(double v)
{
	uint64_t bits;

	v += 0.0; /* -0.0 is "0" */
	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* The slot that holds ${bits}, or the free one where it belongs. */
static uint32_t slot_of(const struct cells_search *s, uint64_t bits)
{
	uint64_t h = bits * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t i = (uint32_t)(h >> s->slot_shift);

	while (s->slot_cell[i] != DICT_NONE && s->slot_bits[i] != bits)
		i = (i + 1) & (s->n_slots - 1);
	return i;
}

void cells_category_index(struct cells *c)
{
	struct cells_search *s = c->search;
	uint32_t i, slot, bits = 2;
	double v;
	size_t len;

	if (c->kind != COLUMN_CATEGORICAL)
		return;
	while ((UINT64_C(1) << bits) < (uint64_t)c->n_categories * 2)
		bits++;
	s->n_slots = (uint32_t)1 << bits;
	s->slot_shift = 64 - bits;
	s->slot_bits = xcalloc(s->n_slots, sizeof(*s->slot_bits));
	s->slot_cell = xcalloc(s->n_slots, sizeof(*s->slot_cell));
	for (i = 0; i < s->n_slots; i++)
		s->slot_cell[i] = DICT_NONE;
	for (i = 0; i < c->n_categories; i++) {
		const char *text = dict_text(c->categories, i, &len);

		if (!number_parse(text, len, &v))
			continue;
		slot = slot_of(s, number_bits(v));
		if (s->slot_cell[slot] != DICT_NONE)
			continue; /* "1" and "1.0": the first by bytes */
		s->slot_bits[slot] = number_bits(v);
		s->slot_cell[slot] = i;
	}
}

uint32_t cells_find_category(const struct cells *c, const char *text,
			     size_t len, bool is_number)
{
	uint32_t cell = dict_find(c->categories, text, len);
	double v;

	if (cell != DICT_NONE || !is_number || !number_parse(text, len, &v))
		return cell;
	return c->search->slot_cell[slot_of(c->search, number_bits(v))];
}

int cells_category_decode(struct cells *c, struct reader *in, struct err *e)
{
	uint8_t truncated = reader_u8(in);
	uint64_t n = reader_varint(in), i;
	const char *text, *previous = NULL;
	size_t len, previous_len = 0;

	/* each text takes a byte or more */
	if (in->failed || truncated > 1 || n > in->len - in->pos ||
	    n > UINT32_MAX / 4)
		return err_set(e, ERR_INVALID,
			       "cells have too many categories");
	c->truncated = truncated;
	c->categories = dict_new(0, 0);
	for (i = 0; i < n; i++) {
		text = reader_string(in, &len);
		if (text == NULL || len > UINT32_MAX ||
		    (i > 0 && cells_category_compare(previous, previous_len,
						     text, len) >= 0))
			return err_set(e, ERR_INVALID,
				       "categories of cells are not ascending");
		dict_add(c->categories, text, len);
		previous = text;
		previous_len = len;
	}
	c->n_categories = (uint32_t)n;
	c->n_cells = c->n_categories + 1;
	return 0;
}
