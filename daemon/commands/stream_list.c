/* SPDX-License-Identifier: GPL-3.0-or-later */

/* stream_list - apart from stream.c, since getopt.h has a struct option too. */

#include "daemon/commands/stream_list.h"

#include "base/option.h"
#include "detectors/stream.h"

#include <stdio.h>

enum { STREAM_NAMES_MAX = 32 };

static void print_detector(const struct stream_detector *d)
{
	printf("%s: %s\n", d->name, d->summary);
	for (size_t i = 0; i < d->n_options; i++) {
		const struct option *o = &d->options[i];

		/* Texts are notes that come with a definition. */
		if (o->type != OPTION_STRING)
			printf("  %-14s %-8s  %s\n", o->name,
			       o->fallback ? o->fallback : "(needed)", o->doc);
	}
	printf("  %-14s %-8s  %s\n", "start", "0", "values that are skipped");
}

void stream_list_print(const struct stream_detector *only)
{
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);

	for (size_t i = 0; i < n; i++) {
		if (only && list[i] != only)
			continue;
		if (i && !only)
			putchar('\n');
		print_detector(list[i]);
	}
}

const char *stream_list_suggest(const char *wrong)
{
	const char *names[STREAM_NAMES_MAX];
	size_t n;
	const struct stream_detector *const *list = stream_detector_list(&n);

	if (n > STREAM_NAMES_MAX)
		n = STREAM_NAMES_MAX;
	for (size_t i = 0; i < n; i++)
		names[i] = list[i]->name;
	return option_suggest(names, n, wrong);
}
