/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_metrics - which numbers --metrics asks for, and who computes them.
 *
 * Which numbers there are is not written down here: two small pairs are shown
 * to every detector and described, small models are measured, and what comes
 * out is the list.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/option.h"
#include "daemon/commands/compare_parts.h"
#include "daemon/commands/compare_quality.h"
#include "detectors/describe.h"
#include "detectors/detector.h"
#include "detectors/exact.h"
#include "detectors/pair.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MAX = 1024 };

/* Whose number it is. */
enum source {
	SOURCE_DETECTOR,
	SOURCE_CURRENT,
	SOURCE_REFERENCE,
	SOURCE_QUALITY
};

struct number {
	const char *metric;
	enum source source;
	size_t detector;
};

struct numbers {
	struct number items[NUMBERS_MAX];
	size_t n;
	struct quality_rows quality; /* owned */
};

static void add(struct numbers *all, const char *metric, enum source source,
		size_t detector)
{
	if (metric == NULL || all->n == NUMBERS_MAX)
		return;
	all->items[all->n++] = (struct number){metric, source, detector};
}

static void add_of_pair(struct numbers *all, const struct pair *p)
{
	struct description rows[DESCRIBE_MAX];
	const struct detector *const *list;
	struct finding f;
	size_t n;

	n = describe_reference(p, rows);
	for (size_t i = 0; i < n; i++)
		add(all, rows[i].metric, SOURCE_REFERENCE, 0);
	n = describe_current(p, rows);
	for (size_t i = 0; i < n; i++)
		add(all, rows[i].metric, SOURCE_CURRENT, 0);
	list = detector_list(&n);
	for (size_t i = 0; i < n; i++) {
		if ((list[i]->kinds & 1U << p->kind) == 0)
			continue;
		list[i]->run(p, &f);
		if (f.status == FINDING_NOT_APPLICABLE)
			continue;
		add(all, list[i]->metric, SOURCE_DETECTOR, i);
		add(all, list[i]->pvalue_metric, SOURCE_DETECTOR, i);
		for (uint32_t k = 0; k < f.n_extras; k++)
			add(all, f.extras[k].metric, SOURCE_DETECTOR, i);
	}
}

/* Two sides with ten bins, two categories and a missing value. */
static void numbers_list(struct numbers *all)
{
	static const struct category_text texts[] = {{"a", 1, false},
						     {"b", 1, false}};
	const uint32_t codes[] = {0, 0, 1, 0, 1, CODE_MISSING};
	struct exact_space space = {0};
	struct exact_column ref = {0}, cur = {0};
	struct exact_bins bins;
	double values[41];
	struct pair p;

	for (size_t i = 0; i < 40; i++)
		values[i] = (double)(i * i % 41);
	values[40] = value_missing();
	exact_column_numbers(&ref, values, 41, &space);
	exact_column_numbers(&cur, values, 30, &space);
	exact_bins_init(&bins, &ref);
	exact_pair_init(&p, &ref, &cur, &bins, &space);
	p.missing_elsewhere = true;
	add_of_pair(all, &p);
	exact_column_codes(&ref, codes, 6, texts, 2, &space);
	exact_column_codes(&cur, codes + 1, 4, texts, 2, &space);
	exact_bins_init(&bins, &ref);
	exact_pair_init(&p, &ref, &cur, &bins, &space);
	p.missing_elsewhere = true;
	add_of_pair(all, &p);
	compare_quality_names(&all->quality);
	for (size_t i = 0; i < all->quality.n; i++)
		add(all, all->quality.items[i].metric, SOURCE_QUALITY, 0);
	exact_column_release(&ref);
	exact_column_release(&cur);
	exact_space_release(&space);
}

static int unknown(const struct numbers *all, const char *name, struct err *e)
{
	const char **names = xcalloc(all->n + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < all->n; i++)
		names[i] = all->items[i].metric;
	near = option_suggest(names, all->n, name);
	free(names);
	if (near != NULL)
		return err_set(e, ERR_INVALID,
			       "there is no metric \"%s\"; did you mean "
			       "\"%s\"?",
			       name, near);
	return err_set(e, ERR_INVALID, "there is no metric \"%s\"", name);
}

/* Of a class, or the standard error of a number. */
static bool is_of_quality(const struct numbers *all, const char *name)
{
	static const char suffix[] = COMPARE_QUALITY_ERROR;
	size_t len = strlen(name), tail = sizeof(suffix) - 1;

	if (compare_quality_is_of_class(name))
		return true;
	if (len <= tail || strcmp(name + len - tail, suffix) != 0)
		return false;
	for (size_t i = 0; i < all->quality.n; i++) {
		const char *metric = all->quality.items[i].metric;

		if (strlen(metric) == len - tail &&
		    memcmp(metric, name, len - tail) == 0)
			return true;
	}
	return false;
}

/* A metric, or a detector by its name, which stands for its metric. */
static int metrics_add(struct compare_metrics *m, const struct numbers *all,
		       const char *name, struct err *e)
{
	const struct detector *d = detector_find(name);
	bool found = false;

	if (d != NULL)
		name = d->metric;
	for (size_t i = 0; i < all->n; i++) {
		const struct number *x = &all->items[i];

		if (strcmp(x->metric, name) != 0)
			continue;
		found = true;
		if (x->source == SOURCE_DETECTOR)
			m->detectors |= UINT64_C(1) << x->detector;
		else if (x->source == SOURCE_QUALITY)
			m->quality = true;
		else
			m->describe = true;
		m->reference = m->reference || x->source == SOURCE_REFERENCE;
	}
	if (!found && !is_of_quality(all, name))
		return unknown(all, name, e);
	m->quality = m->quality || !found;
	m->names = xrealloc_array(m->names, m->n + 1, sizeof(*m->names));
	m->names[m->n++] = xstrdup(name);
	return 0;
}

int compare_metrics_init(struct compare_metrics *m, const char *list,
			 struct err *e)
{
	struct numbers *all;
	char *copy, *rest, *name;
	int result = 0;

	*m = (struct compare_metrics){.detectors = UINT64_MAX,
				      .describe = true,
				      .reference = true,
				      .quality = true};
	if (list == NULL)
		return 0;
	*m = (struct compare_metrics){.n = 0};
	all = xcalloc(1, sizeof(*all));
	numbers_list(all);
	copy = xstrdup(list);
	rest = copy;
	while (result == 0 && (name = strsep(&rest, ",")) != NULL) {
		name += strspn(name, " ");
		name[strcspn(name, " ")] = '\0';
		if (name[0] != '\0')
			result = metrics_add(m, all, name, e);
	}
	if (result == 0 && m->n == 0)
		result = err_set(e, ERR_INVALID, "no metric is named");
	free(copy);
	quality_rows_release(&all->quality);
	free(all);
	return result;
}

void compare_metrics_release(struct compare_metrics *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->names[i]);
	free(m->names);
	*m = (struct compare_metrics){.n = 0};
}

bool compare_metrics_has(const struct compare_metrics *m, const char *metric)
{
	if (m->names == NULL)
		return true;
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->names[i], metric) == 0)
			return true;
	return false;
}
