/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * simulate - false alarms and missed drift over a month of a wide model, then
 * which metric finds the shapes that means miss.  Status 1 when an alarm was
 * false or a shift was missed where none may be (n = 10,000).
 *
 *	simulate [SEED]
 */
#include "tests/simulation/month.h"

#include <stdio.h>
#include <time.h>

static const unsigned sizes[] = {200, 1000, 10000};
enum { N_SIZES = 3, REPEATS = 20, SHAPE_WINDOWS = 24 };

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool wide_model(uint64_t seed, unsigned n)
{
	struct month m = {
		.seed = seed,
		.n_columns = 300,
		.n_shape = {[SHAPE_STILL] = 175,
			    [SHAPE_OFFSET] = 60,
			    [SHAPE_CYCLE] = 60,
			    [SHAPE_SHIFT] = 5},
		.n_windows = 720,
		.onset = 480,
		.n_baseline = 100000,
		.n = n,
		.n_threads = 2,
	};
	struct month_figures f;
	struct month_run r;
	double start = seconds();
	bool ok;

	month_run(&r, &m);
	month_judge(&r, &f);
	month_release(&r);
	printf("%6u  %13u  %12u  %5u/%u  %16u  %8.2f  %7.1f\n", n,
	       f.n_false_windows, f.n_false_alerts, f.n_found, f.n_real,
	       f.slowest, f.factor, seconds() - start);
	(void)fflush(stdout);
	ok = !f.failed && f.n_false_alerts == 0 && f.n_found == f.n_real;
	return ok || n < 10000;
}

static int by_number(const void *a, const void *b)
{
	const unsigned *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Share of the repeats' windows, by metric, in one line. */
static void print_metrics(const struct month_run *r)
{
	const struct month_column *first = &r->results[0];
	size_t i, c;

	for (i = 0; i < first->n_metrics; i++) {
		unsigned drifted = 0, seen = 0, all;

		for (c = 0; c < REPEATS; c++) {
			drifted += r->results[c].metrics[i].n_drifted;
			seen += r->results[c].metrics[i].n_seen;
		}
		all = REPEATS * SHAPE_WINDOWS;
		if (seen > 0)
			printf("  %s %u%%/%u%%", first->metrics[i].name,
			       100 * drifted / all, 100 * seen / all);
	}
}

static void one_shape(uint64_t seed, enum shape shape, unsigned n)
{
	struct month m = {
		.seed = seed,
		.n_columns = REPEATS,
		.n_judged = 300,
		.n_windows = SHAPE_WINDOWS,
		.n_baseline = 100000,
		.n = n,
		.n_threads = 2,
		.all_detectors = true,
	};
	unsigned fired[REPEATS], i, k = 0;
	struct month_run r;

	m.n_shape[shape] = REPEATS;
	month_run(&r, &m);
	for (i = 0; i < REPEATS; i++) {
		fired[i] = month_fires(&r, i, 0, SHAPE_WINDOWS) + 1;
		k += fired[i] <= SHAPE_WINDOWS;
	}
	qsort(fired, REPEATS, sizeof(fired[0]), by_number);
	printf("%-20s %6u  %5u/%d  ", shape_names[shape], n, k, REPEATS);
	if (fired[REPEATS / 2] <= SHAPE_WINDOWS)
		printf("%6u", fired[REPEATS / 2]);
	else
		printf("%6s", "-");
	print_metrics(&r);
	printf("\n");
	(void)fflush(stdout);
	month_release(&r);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	bool ok = true;
	size_t i;
	int shape;

	special_init();
	printf("300 columns x 720 hourly windows, baseline of 100000 rows, "
	       "default thresholds, for: 2 of 3\n"
	       "60 columns + 0.03 sigma, 60 with a daily cycle of 0.06 sigma, "
	       "5 + 0.3 sigma in the last 10 days; seed %llu\n\n",
	       (unsigned long long)seed);
	printf("%6s  %13s  %12s  %7s  %16s  %8s  %7s\n", "n", "false windows",
	       "false alerts", "found", "slowest, windows", "learned",
	       "seconds");
	for (i = 0; i < N_SIZES; i++)
		ok = wide_model(seed, sizes[i]) && ok;
	printf("\nshapes that means miss, %d columns each, %d windows after "
	       "the onset; by metric the share of windows above the threshold "
	       "/ above chance\n\n",
	       REPEATS, SHAPE_WINDOWS);
	printf("%-20s %6s  %8s  %6s\n", "shape", "n", "fired", "median");
	for (shape = SHAPE_SHIFT; shape < N_SHAPES; shape++) {
		for (i = 0; i < N_SIZES; i++)
			one_shape(seed, (enum shape)shape, sizes[i]);
	}
	return ok ? 0 : 1;
}
