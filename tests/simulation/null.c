/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * null - how often PSI and JS exceed what they are allowed to by chance, on
 * samples of one law: the share of windows above the bound, over alpha.  1 is
 * what was promised, less is cautious, more is false alarms.
 *
 *	null [SCALE]    SCALE times as many windows (default 1)
 */
#include "detectors/judge_null.h"
#include "detectors/pair.h"
#include "detectors/registry.h"
#include "detectors/special.h"
#include "tests/unit/detectors/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINS_MAX = 1024, N_ALPHAS = 3, REFERENCES = 40, WINDOWS = 100 };

static const double alphas[N_ALPHAS] = {1e-2, 1e-3, 1e-4};

struct law {
	const char *name;
	size_t n_bins;
	double exponent; /* share of bin i falls as (i + 1)^-exponent */
};

static const struct law laws[] = {
	{"10 equal", 10, 0.0},	   {"100 equal", 100, 0.0},
	{"1000 equal", 1000, 0.0}, {"30 Zipf", 30, 1.0},
	{"1000 Zipf", 1000, 1.2},  {"8 steep", 8, 5.0},
};

static const struct {
	uint64_t n_ref, n_cur;
} sizes[] = {
	{100000, 200},
	{100000, 1000},
	{2000, 500},
	{500, 500},
};

/* Walker's alias table: a draw is one random number. */
struct alias {
	size_t n;
	double keep[BINS_MAX];
	uint32_t other[BINS_MAX];
};

static void alias_init(struct alias *a, const struct law *law)
{
	double weight[BINS_MAX], sum = 0.0;
	uint32_t small[BINS_MAX], large[BINS_MAX];
	size_t i, n_small = 0, n_large = 0;

	a->n = law->n_bins;
	for (i = 0; i < a->n; i++) {
		weight[i] = pow((double)i + 1.0, -law->exponent);
		sum += weight[i];
	}
	for (i = 0; i < a->n; i++) {
		weight[i] *= (double)a->n / sum;
		a->keep[i] = 1.0;
		a->other[i] = (uint32_t)i;
		if (weight[i] < 1.0)
			small[n_small++] = (uint32_t)i;
		else
			large[n_large++] = (uint32_t)i;
	}
	while (n_small > 0 && n_large > 0) {
		uint32_t s = small[--n_small], b = large[n_large - 1];

		a->keep[s] = weight[s];
		a->other[s] = b;
		weight[b] -= 1.0 - weight[s];
		if (weight[b] < 1.0) {
			n_large--;
			small[n_small++] = b;
		}
	}
}

static void draw(const struct alias *a, struct rng *r, uint64_t n,
		 uint64_t *count)
{
	memset(count, 0, a->n * sizeof(*count));
	while (n-- > 0) {
		double u = rng_unit(r) * (double)a->n;
		size_t i = (size_t)u;

		count[u - (double)i < a->keep[i] ? i : a->other[i]]++;
	}
}

struct tally {
	uint64_t n_psi[N_ALPHAS], n_js[N_ALPHAS], n_plain[N_ALPHAS];
	uint64_t n_windows;
};

/* What is used where every bin is well filled. */
static double plain_quantile(const struct pair *p, double alpha)
{
	uint32_t i, n_used = 0;

	for (i = 0; i < p->n_bins; i++)
		n_used += p->ref.bin[i] + p->cur.bin[i] > 0;
	return special_chisq_q_inv(alpha, n_used - 1) *
	       (1.0 / (double)p->ref.n + 1.0 / (double)p->cur.n);
}

static void judge(const struct pair *p, struct tally *t)
{
	struct finding psi, js;
	size_t a;

	detector_psi.run(p, &psi);
	detector_js.run(p, &js);
	for (a = 0; a < N_ALPHAS; a++) {
		t->n_psi[a] += detector_psi.bound(p, &psi, alphas[a]) > 0.0;
		t->n_js[a] += detector_js.bound(p, &js, alphas[a]) > 0.0;
		t->n_plain[a] += psi.value > plain_quantile(p, alphas[a]);
	}
	t->n_windows++;
}

static void simulate(const struct law *law, uint64_t n_ref, uint64_t n_cur,
		     int scale, struct tally *t)
{
	static struct alias alias;
	uint64_t ref[BINS_MAX], cur[BINS_MAX];
	struct rng rng = {n_ref * 31 + n_cur * 7 + law->n_bins};
	struct pair p = {.kind = COLUMN_CATEGORICAL, .is_exact = true};
	int i, j;

	alias_init(&alias, law);
	p.n_cells = p.n_bins = (uint32_t)law->n_bins;
	p.ref.n = n_ref;
	p.cur.n = n_cur;
	p.ref.count = p.ref.bin = ref;
	p.cur.count = p.cur.bin = cur;
	for (i = 0; i < REFERENCES; i++) {
		draw(&alias, &rng, n_ref, ref);
		for (j = 0; j < WINDOWS * scale; j++) {
			draw(&alias, &rng, n_cur, cur);
			judge(&p, t);
		}
	}
}

/* The three figures of one bound, by alpha. */
static void print_figures(const uint64_t *n, uint64_t n_windows)
{
	size_t a;

	printf(" ");
	for (a = 0; a < N_ALPHAS; a++)
		printf(" %7.2f", (double)n[a] / (double)n_windows / alphas[a]);
}

int main(int argc, char **argv)
{
	int scale = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
	size_t l, s;

	special_init();
	printf("share of windows above the bound, over alpha, for alpha = "
	       "1e-2, 1e-3, 1e-4 (%d windows each)\n\n",
	       REFERENCES * WINDOWS * (scale > 0 ? scale : 1));
	printf("%-11s %7s %5s  %-24s  %-24s  %-24s\n", "bins", "n", "m",
	       "    psi, chi-square", "    psi", "    js");
	for (l = 0; l < sizeof(laws) / sizeof(laws[0]); l++) {
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct tally t = {.n_windows = 0};

			simulate(&laws[l], sizes[s].n_ref, sizes[s].n_cur,
				 scale > 0 ? scale : 1, &t);
			printf("%-11s %7llu %5llu", laws[l].name,
			       (unsigned long long)sizes[s].n_ref,
			       (unsigned long long)sizes[s].n_cur);
			print_figures(t.n_plain, t.n_windows);
			print_figures(t.n_psi, t.n_windows);
			print_figures(t.n_js, t.n_windows);
			printf("\n");
		}
	}
	return 0;
}
