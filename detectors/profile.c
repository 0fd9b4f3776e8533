/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile - birth, death and addition of profiles; profile_fold.c counts
 * values, profile_code.c turns profiles into bytes.
 */
#include "detectors/profile.h"

#include "base/err.h"
#include "base/mem.h"
#include "detectors/cells.h"
#include "detectors/profile_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint32_t profile_n_cells(const struct profile *p)
{
	return p->cells != NULL ? p->cells->n_cells : 0;
}

struct profile *profile_new(enum column_kind kind, const struct cells *cells,
			    uint32_t max_categories)
{
	struct profile *p = xcalloc(1, sizeof(*p));
	uint32_t n;

	p->kind = kind;
	p->cells = cells != NULL && cells->kind == kind ? cells : NULL;
	p->max_categories = max_categories;
	p->min = HUGE_VAL;
	p->max = -HUGE_VAL;
	n = profile_n_cells(p);
	if (n == 0)
		return p;
	p->count = xcalloc(n, sizeof(*p->count));
	if (kind == COLUMN_NUMERIC) {
		p->equal = xcalloc(n, sizeof(*p->equal));
		p->sum = xcalloc(n, sizeof(*p->sum));
	}
	return p;
}

void profile_free(struct profile *p)
{
	if (p == NULL)
		return;
	profile_extras_clear(p);
	profile_scratch_free(p->scratch);
	free(p->count);
	free(p->equal);
	free(p->sum);
	free(p->tails);
	free(p->extras);
	free(p);
}

void profile_clear(struct profile *p)
{
	size_t n = profile_n_cells(p);

	p->n_valid = 0;
	p->n_missing = 0;
	p->n_invalid = 0;
	p->n_other = 0;
	p->truncated = false;
	p->min = HUGE_VAL;
	p->max = -HUGE_VAL;
	p->n_tails = 0;
	profile_extras_clear(p);
	if (n == 0)
		return;
	memset(p->count, 0, n * sizeof(*p->count));
	if (p->kind == COLUMN_NUMERIC) {
		memset(p->equal, 0, n * sizeof(*p->equal));
		memset(p->sum, 0, n * sizeof(*p->sum));
	}
}

size_t profile_memory(enum column_kind kind, const struct cells *cells)
{
	size_t n = cells != NULL && cells->kind == kind ? cells->n_cells : 0;

	n *= kind == COLUMN_NUMERIC ? 3 * sizeof(uint64_t) : sizeof(uint64_t);
	return sizeof(struct profile) + n;
}

static int check_merge(const struct profile *to, const struct profile *from,
		       struct err *e)
{
	if (to->kind != from->kind)
		return err_set(e, ERR_CONFLICT,
			       "a %s profile cannot be added to a %s one",
			       column_kind_name(from->kind),
			       column_kind_name(to->kind));
	if ((to->cells == NULL) != (from->cells == NULL) ||
	    (to->cells != NULL && to->cells->hash != from->cells->hash))
		return err_set(e, ERR_CONFLICT,
			       "profiles are over different cells");
	if (profile_total(to) + profile_total(from) > PROFILE_COUNT_MAX)
		return err_set(e, ERR_LIMIT,
			       "a profile would hold more than "
			       "%" PRId64 " values",
			       PROFILE_COUNT_MAX);
	return 0;
}

int profile_merge(struct profile *to, const struct profile *from, struct err *e)
{
	size_t i, n = profile_n_cells(to);

	if (check_merge(to, from, e) != 0)
		return -1;
	to->n_valid += from->n_valid;
	to->n_missing += from->n_missing;
	to->n_invalid += from->n_invalid;
	to->n_other += from->n_other;
	to->truncated = to->truncated || from->truncated;
	for (i = 0; i < n; i++)
		to->count[i] += from->count[i];
	for (i = 0; i < from->n_extras; i++)
		profile_extras_add(to, from->extras[i].text,
				   from->extras[i].len, from->extras[i].hash,
				   from->extras[i].count);
	if (to->kind != COLUMN_NUMERIC)
		return 0;
	for (i = 0; i < n; i++) {
		to->equal[i] += from->equal[i];
		to->sum[i] += from->sum[i];
	}
	to->min = from->min < to->min ? from->min : to->min;
	to->max = from->max > to->max ? from->max : to->max;
	profile_tails_merge(to, from->tails, from->n_tails);
	return 0;
}
