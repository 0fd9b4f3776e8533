/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_fold - what counting one value costs, beside copying its bytes.
 *
 * Each figure is the median of 5 passes over a batch that does not fit in the
 * second-level cache; the memcpy of the same bytes in the same process is
 * the yardstick, so that ratios can be compared between machines.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "detectors/cells.h"
#include "detectors/profile.h"
#include "detectors/sort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1 << 20, PASSES = 5, RESOLUTION = 256, N_TEXTS = 4096 };

static uint64_t state = 2385;

static double unit(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double gauss(void)
{
	return sqrt(-2.0 * log(1.0 - unit())) * cos(2.0 * M_PI * unit());
}

static double uniform(void)
{
	return 2.385 + 17.0 * unit();
}

static double lognormal(void)
{
	return exp(gauss());
}

static double integers(void)
{
	return floor(120.0 * unit() * unit());
}

static double few(void)
{
	return floor(5.0 * unit());
}

/* Both signs over many magnitudes: no table is fine enough. */
static double straddling(void)
{
	return (unit() < 0.5 ? -1.0 : 1.0) * exp(6.0 * gauss());
}

static double shifted(void)
{
	return 3.0 + gauss();
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v)
{
	qsort(v, PASSES, sizeof(*v), compare);
	return v[PASSES / 2];
}

static double since(int64_t start)
{
	return (double)(clock_monotonic_us() - start) * 1000.0 / N;
}

static double time_copy(void *to, const void *from, size_t size)
{
	double ns[PASSES];
	int i;

	for (i = 0; i < PASSES; i++) {
		int64_t start = clock_monotonic_us();

		memcpy(to, from, size);
		ns[i] = since(start);
	}
	return median(ns);
}

static void print_row(const char *name, double fold, double copy)
{
	(void)printf("%-34s %8.2f %8.2f %8.1f\n", name, fold, copy,
		     fold / copy);
}

static void bench_numbers(const char *name, double (*trained)(void),
			  double (*seen)(void))
{
	double *values = xcalloc(2 * (size_t)N, sizeof(*values));
	double *spare = values + N, ns[PASSES];
	struct cells *cells;
	struct profile *p;
	int i;

	for (i = 0; i < N; i++)
		values[i] = trained() + 0.0;
	sort_numbers(values, spare, N);
	cells = cells_new_numeric(values, N, RESOLUTION);
	for (i = 0; i < N; i++)
		values[i] = seen();
	p = profile_new(COLUMN_NUMERIC, cells, 1000);
	for (i = 0; i < PASSES; i++) {
		int64_t start = clock_monotonic_us();

		profile_add_numbers(p, values, NULL, N);
		ns[i] = since(start);
	}
	print_row(name, median(ns),
		  time_copy(spare, values, N * sizeof(*values)));
	profile_free(p);
	cells_free(cells);
	free(values);
}

/* No baseline: every value goes to the tail cells. */
static void bench_tails(void)
{
	double *values = xcalloc(2 * (size_t)N, sizeof(*values)), ns[PASSES];
	struct profile *p = profile_new(COLUMN_NUMERIC, NULL, 1000);
	int i;

	for (i = 0; i < N; i++)
		values[i] = gauss();
	for (i = 0; i < PASSES; i++) {
		int64_t start = clock_monotonic_us();

		profile_add_numbers(p, values, NULL, N);
		ns[i] = since(start);
	}
	print_row("gaussian, no baseline", median(ns),
		  time_copy(values + N, values, N * sizeof(*values)));
	profile_free(p);
	free(values);
}

static void bench_categories(const char *name, uint32_t n_texts)
{
	uint32_t *codes = xcalloc(2 * (size_t)N, sizeof(*codes));
	struct category_text *texts = xcalloc(n_texts, sizeof(*texts));
	char(*names)[16] = xcalloc(n_texts, sizeof(*names));
	double ns[PASSES];
	struct cells *cells;
	struct profile *p;
	uint32_t i;

	for (i = 0; i < n_texts; i++) {
		texts[i].text = names[i];
		texts[i].len = (uint32_t)snprintf(names[i], sizeof(*names),
						  "category %u", i);
	}
	for (i = 0; i < N; i++)
		codes[i] = (uint32_t)(unit() * n_texts);
	cells = cells_new_categorical(texts, n_texts, n_texts);
	p = profile_new(COLUMN_CATEGORICAL, cells, 1000);
	for (i = 0; i < PASSES; i++) {
		int64_t start = clock_monotonic_us();

		profile_add_categories(p, codes, NULL, N, texts, n_texts);
		ns[i] = since(start);
	}
	print_row(name, median(ns),
		  time_copy(codes + N, codes, N * sizeof(*codes)));
	profile_free(p);
	cells_free(cells);
	free(names);
	free(texts);
	free(codes);
}

int main(void)
{
	(void)printf("%-34s %8s %8s %8s\n", "fold (ns per value)", "fold",
		     "memcpy", "ratio");
	bench_numbers("uniform", uniform, uniform);
	bench_numbers("gaussian", gauss, gauss);
	bench_numbers("lognormal", lognormal, lognormal);
	bench_numbers("integers below 120", integers, integers);
	bench_numbers("integers below 5", few, few);
	bench_numbers("straddling zero", straddling, straddling);
	bench_numbers("gaussian, shifted by 3 sigma", gauss, shifted);
	bench_tails();
	bench_categories("5 categories", 5);
	bench_categories("4,096 categories", N_TEXTS);
	return 0;
}
