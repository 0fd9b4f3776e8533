/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * docs/METRICS.md against the registry: a row of the table and an entry for
 * each detector, with its kinds, thresholds and names, and no others.
 */
#include "base/buf.h"
#include "detectors/detector.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE_MAX = 1 << 20 };

static const char path[] = "docs/METRICS.md"; /* tests run in the root */
static char *page;

static int read_page(void **state)
{
	FILE *f = fopen(path, "r");
	size_t n;

	(void)state;
	if (f == NULL) {
		print_error("%s cannot be read\n", path);
		return -1;
	}
	page = calloc(1, PAGE_MAX + 1);
	n = page != NULL ? fread(page, 1, PAGE_MAX, f) : 0;
	(void)fclose(f);
	return n > 0 ? 0 : -1;
}

static int free_page(void **state)
{
	(void)state;
	free(page);
	return 0;
}

static const char *kinds_name(unsigned kinds)
{
	if (kinds == DETECTOR_KINDS_ALL)
		return "both";
	return kinds == DETECTOR_KINDS_NUMERIC ? "numeric" : "categorical";
}

static const char *decides_name(const struct detector *d)
{
	const struct thresholds *t = &d->thresholds;

	if (!d->decides)
		return "no";
	if (isnan(t->warning) && isnan(t->error) && isnan(t->critical))
		return "if set";
	return "yes";
}

static const char *runs_name(const struct detector *d)
{
	if (d->always)
		return "always";
	if (d->by_default)
		return "default";
	return d->offline ? "files" : "named";
}

static void put_level(struct buf *b, double level)
{
	if (isnan(level))
		buf_printf(b, "  |");
	else
		buf_printf(b, " %g |", level);
}

static void expected_row(const struct detector *d, struct buf *b)
{
	buf_printf(b, "\n| `%s` | `%s` | %s | %s | %s |", d->name, d->metric,
		   kinds_name(d->kinds), decides_name(d), runs_name(d));
	put_level(b, d->thresholds.warning);
	put_level(b, d->thresholds.error);
	put_level(b, d->thresholds.critical);
	if (d->pvalue_metric != NULL)
		buf_printf(b, " `%s` |\n", d->pvalue_metric);
	else
		buf_printf(b, "  |\n");
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (text = strstr(text, what); text != NULL;
	     text = strstr(text + 1, what))
		n++;
	return n;
}

static void the_table_is_the_registry(void **state)
{
	const struct detector *const *list;
	struct buf row;
	size_t n, i, n_wrong = 0;

	(void)state;
	list = detector_list(&n);
	for (i = 0; i < n; i++) {
		buf_init(&row, 1024);
		expected_row(list[i], &row);
		if (occurrences(page, buf_str(&row)) != 1) {
			print_error("%s lacks this row:%s", path,
				    buf_str(&row));
			n_wrong++;
		}
		buf_release(&row);
	}
	assert_int_equal(n_wrong, 0);
	assert_int_equal(occurrences(page, "\n| `"), n);
}

/* The entry of a metric, up to the next heading; NUL-terminated, owned. */
static char *entry_of(const char *metric)
{
	struct buf heading;
	const char *at, *end;
	char *out = NULL;

	buf_init(&heading, 256);
	buf_printf(&heading, "\n### `%s`\n", metric);
	at = strstr(page, buf_str(&heading));
	if (at != NULL) {
		at += strlen(buf_str(&heading));
		end = strstr(at, "\n#");
		out = strndup(at,
			      end != NULL ? (size_t)(end - at) : strlen(at));
	}
	buf_release(&heading);
	return out;
}

static void every_metric_has_an_entry(void **state)
{
	static const char *const parts[] = {
		"* **Formula**: ", "* **Source**: ", "* **Range**: ",
		"* **Sees**: ",	   "* **Misses**: ", "* **Cost**: "};
	const struct detector *const *list;
	size_t n, i, j;

	(void)state;
	list = detector_list(&n);
	for (i = 0; i < n; i++) {
		char *entry = entry_of(list[i]->metric);

		if (entry == NULL)
			print_error("%s has no entry of \"%s\"\n", path,
				    list[i]->metric);
		assert_non_null(entry);
		for (j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
			const char *at = strstr(entry, parts[j]);

			if (at == NULL || at[strlen(parts[j])] < ' ')
				fail_msg("\"%s\" has no \"%s\"",
					 list[i]->metric, parts[j]);
		}
		free(entry);
	}
	assert_int_equal(occurrences(page, "\n### `"), n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_the_registry),
		cmocka_unit_test(every_metric_has_an_entry),
	};

	return cmocka_run_group_tests(tests, read_page, free_page);
}
