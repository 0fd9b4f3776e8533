/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quality - rows, and what follows from a table of two by two. */
#include "detectors/quality.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void quality_rows_release(struct quality_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->items[i].metric);
	free(r->items);
	*r = (struct quality_rows){.n = 0};
}

void quality_rows_add(struct quality_rows *r, const char *metric,
		      struct interval value, double standard_error)
{
	if (r->n == r->cap) {
		r->cap = r->cap > 0 ? 2 * r->cap : 64;
		r->items = xrealloc_array(r->items, r->cap, sizeof(*r->items));
	}
	r->items[r->n++] =
		(struct quality_row){xstrdup(metric), value, standard_error};
}

void quality_rows_number(struct quality_rows *r, const char *metric,
			 double value, double standard_error)
{
	quality_rows_add(r, metric, (struct interval){value, value},
			 standard_error);
}

const struct quality_row *quality_rows_find(const struct quality_rows *r,
					    const char *metric)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->items[i].metric, metric) == 0)
			return &r->items[i];
	return NULL;
}

/* NaN for a zero denominator, without the exception. */
static double ratio(double a, double b)
{
	return b != 0.0 ? a / b : (double)NAN;
}

void quality_confusion_rates(const struct quality_confusion *c,
			     struct quality_rates *out)
{
	double positive = c->tp + c->fn, negative = c->tn + c->fp;
	double called = c->tp + c->fp, passed = c->tn + c->fn;

	*out = (struct quality_rates){
		.accuracy = ratio(c->tp + c->tn, positive + negative),
		.precision = ratio(c->tp, called),
		.recall = ratio(c->tp, positive),
		.specificity = ratio(c->tn, negative),
		.f1 = ratio(c->tp, c->tp + (c->fp + c->fn) / 2.0),
		/* roots first: the product may be beyond a double */
		.mcc = ratio(c->tp * c->tn - c->fp * c->fn,
			     sqrt(called * positive) * sqrt(negative * passed)),
	};
	out->balanced_accuracy = (out->recall + out->specificity) / 2.0;
}

void quality_confusion_value(const struct quality_confusion *c,
			     const struct quality_worth *worth,
			     struct quality_value *out)
{
	const double n[] = {c->tp, c->fp, c->fn, c->tn};
	const double w[] = {worth->tp, worth->fp, worth->fn, worth->tn};
	double total = 0.0, count = 0.0, squares = 0.0;

	for (size_t i = 0; i < 4; i++) {
		count += n[i];
		total += n[i] > 0.0 ? n[i] * w[i] : 0.0;
	}
	*out = (struct quality_value){(double)NAN, (double)NAN, (double)NAN};
	if (count == 0.0)
		return;
	out->total = total;
	out->mean = total / count;
	for (size_t i = 0; i < 4; i++) {
		double d = w[i] - out->mean;

		squares += n[i] > 0.0 ? n[i] * d * d : 0.0;
	}
	out->mean_error = sqrt(squares / count / count);
}
