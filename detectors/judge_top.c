/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge_top - the bins that make up most of a column's measure. */
#include "detectors/judge.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "detectors/baseline.h"
#include "detectors/pair.h"
#include "detectors/profile_set.h"
#include "detectors/registry.h"

#include <stdlib.h>
#include <string.h>

struct ranked {
	uint32_t bin;
	double contribution;
};

static int by_contribution(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->contribution != y->contribution)
		return x->contribution > y->contribution ? -1 : 1;
	return (x->bin > y->bin) - (x->bin < y->bin);
}

/* As much of ${text} as fits, cut between characters. */
static void put_label(struct top_bin *out, const char *text)
{
	size_t len = strnlen(text, sizeof(out->label));

	if (len == sizeof(out->label)) {
		len--;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out->label, text, len);
	out->label[len] = '\0';
}

/* "(a, b]" of decile bin ${bin}. */
static void number_label(const struct pair *p, uint32_t bin,
			 struct top_bin *out)
{
	char lower[NUMBER_TEXT_MAX] = "-inf", upper[NUMBER_TEXT_MAX] = "inf";
	struct buf text;

	if (bin > 0)
		number_format(p->bin_edges[bin - 1], lower);
	if (bin + 1 < p->n_bins)
		number_format(p->bin_edges[bin], upper);
	buf_init(&text, sizeof(out->label));
	buf_printf(&text, "(%s, %s%c", lower, upper,
		   bin + 1 == p->n_bins ? ')' : ']');
	put_label(out, buf_str(&text));
	buf_release(&text);
}

size_t judge_top_of_pair(const struct pair *p, const struct detector *d,
			 struct top_bin *out, size_t max)
{
	struct ranked *ranked;
	size_t i, n = 0;
	uint32_t b;

	if (d->contribution == NULL || p->ref.n == 0 || p->cur.n == 0)
		return 0;
	ranked = xcalloc(p->n_bins > 0 ? p->n_bins : 1, sizeof(*ranked));

	for (b = 0; b < p->n_bins; b++) {
		ranked[b].bin = b;
		ranked[b].contribution = d->contribution(p, b);
	}
	qsort(ranked, p->n_bins, sizeof(*ranked), by_contribution);
	for (i = 0; i < p->n_bins && n < max; i++) {
		b = ranked[i].bin;
		if (!(ranked[i].contribution > 0.0))
			break;
		if (p->kind == COLUMN_NUMERIC)
			number_label(p, b, &out[n]);
		else
			put_label(&out[n], p->names[b]);
		out[n].contribution = ranked[i].contribution;
		out[n].share_ref = (double)p->ref.bin[b] / (double)p->ref.n;
		out[n].share_cur = (double)p->cur.bin[b] / (double)p->cur.n;
		n++;
	}
	free(ranked);
	return n;
}

size_t judge_top_bins(const struct baseline *baseline,
		      const struct profile_set *window, const char *column,
		      struct top_bin *out, size_t max)
{
	const struct baseline_column *reference = NULL;
	const struct profile_entry *entry = profile_set_find(window, column);
	struct pair p;
	size_t n;

	if (baseline != NULL)
		reference = baseline_find(baseline, column, strlen(column));
	if (reference == NULL || entry == NULL)
		return 0;
	pair_init(&p, reference, entry->profile);
	n = judge_top_of_pair(&p, &detector_psi, out, max);
	pair_release(&p);
	return n;
}
