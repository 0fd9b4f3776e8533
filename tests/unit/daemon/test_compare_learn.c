/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * `driftd compare` and the daemon are of one mind: thresholds that are learned
 * from a reference are those of a baseline of it, and an exported baseline
 * gives the numbers of the reference, within its bounds.
 */

#include "base/json.h"
#include "daemon/commands/command.h"
#include "daemon/ingest/training.h"
#include "detectors/baseline.h"
#include "detectors/detector.h"
#include "detectors/learn.h"
#include "detectors/special.h"
#include "storage/baseline_files.h"
#include "tests/unit/daemon/ingest_fixture.h"

#include <getopt.h>
#include <math.h>
#include <sysexits.h>

enum { ROWS = 12800, CURRENT = 3000 };

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "timestamp: ts\n"
			   "min_rows: 100\n"
			   "features:\n"
			   "  numeric: [x, z]\n"
			   "  categorical: [c]\n";

static char dir[] = "/tmp/driftd-learn-XXXXXX";
static char model[64], reference[64], current[64], output[64], frozen[64];
static uint64_t random_state = 7;

static double uniform(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) +
		       UINT64_C(1442695040888963407);
	return (double)(random_state >> 11) * 0x1p-53;
}

/* Rows in no order of time; x and c wander with it, z does not. */
static void put_rows(const char *path, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	(void)fputs("x,z,c,ts\n", f);
	for (size_t i = 0; i < n; i++) {
		size_t t = i * 7919 % n; /* n has no such factor */
		double wave = sin(40.0 * (double)t / (double)n);
		double x = uniform() + uniform() + uniform() + 0.5 * wave;
		double z = floor(100 * uniform());
		double share = 0.5 + 0.3 * wave;

		(void)fprintf(f, "%.6f,%g,%s,%zu\n", x, z,
			      uniform() < share ? "a" : "b",
			      1600000000 + 60 * t);
	}
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	static const struct {
		char *path;
		const char *name;
	} all[] = {{model, "m.yaml"},
		   {reference, "reference"},
		   {current, "current"},
		   {output, "output"},
		   {frozen, "frozen"}};
	FILE *f;

	(void)state;
	special_init();
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		(void)snprintf(all[i].path, sizeof(model), "%s/%s", dir,
			       all[i].name);
	f = fopen(model, "w");
	(void)fputs(yaml, f);
	(void)fclose(f);
	put_rows(reference, ROWS);
	put_rows(current, CURRENT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(model);
	(void)unlink(reference);
	(void)unlink(current);
	(void)unlink(output);
	(void)unlink(frozen);
	return rmdir(dir);
}

/* Run it; NULL ends the words.  Its output is in ${output}. */
static int run(const char *const *words)
{
	char *argv[16] = {xstrdup("compare")};
	int argc = 1, status;

	for (; *words; words++)
		argv[argc++] = xstrdup(*words);
	optind = 0; /* getopt begins anew */
	status = command_compare.run(argc, argv);
	while (argc > 0)
		free(argv[--argc]);
	return status;
}

#define RUN(...)                                                               \
	run((const char *const[]){"--model", model, "--current", current,      \
				  "-o", output, __VA_ARGS__, NULL})

static const char *read_output(void)
{
	static char text[1 << 20];
	FILE *f = fopen(output, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_true(n < sizeof(text) - 1);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

static struct json_value *compare(const char *option, const char *path)
{
	struct json_value *v;
	const char *text;
	struct err e;

	assert_int_equal(RUN(option, path, "--format", "json"), 0);
	text = read_output();
	v = json_parse(text, strlen(text), &e);
	assert_non_null(v);
	return v;
}

static double number(const struct json_value *row, const char *key)
{
	return json_value_number(json_get(row, key), NAN);
}

static struct baseline *train(void)
{
	struct config *config = fixture_config(yaml);
	struct err e = {0};
	struct baseline *b =
		training_read(reference, &config->models[0], NULL, NULL, 0, &e);

	if (b == NULL)
		fail_msg("%s", e.message);
	config_unref(config);
	return b;
}

/* How many of the thresholds in ${rows} were raised; all are ${l}'s. */
static size_t check_thresholds(const struct json_value *rows,
			       const struct learned *l)
{
	size_t n_raised = 0, n_judged = 0;

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);
		const char *column = json_text(json_get(row, "column"));
		const struct detector *d =
			detector_find(json_text(json_get(row, "metric")));
		double threshold = number(row, "threshold"), factor;

		if (d == NULL || isnan(threshold))
			continue;
		factor = learned_factor(l, column, detector_index(d), CURRENT);
		assert_true(fabs(threshold - factor * d->thresholds.error) <=
			    1e-12);
		n_judged++;
		n_raised += factor > 1.0;
		assert_true(factor == 1.0 || strcmp(column, "z") != 0);
	}
	assert_true(n_judged > n_raised);
	return n_raised;
}

static void thresholds_are_those_of_the_daemon(void **state)
{
	struct baseline *b = train();
	struct learned *l = learned_new(b, UINT64_MAX);
	struct json_value *rows = compare("--reference", reference);
	size_t n;

	(void)state;
	assert_non_null(l);
	n = check_thresholds(rows, l);
	assert_true(n >= 2);
	json_free(rows);
	learned_free(l);
	baseline_free(b);
}

static const struct json_value *same_row(const struct json_value *rows,
					 const struct json_value *like)
{
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		if (!strcmp(json_text(json_get(row, "column")),
			    json_text(json_get(like, "column"))) &&
		    !strcmp(json_text(json_get(row, "metric")),
			    json_text(json_get(like, "metric"))))
			return row;
	}
	return NULL;
}

static void put_frozen(const struct baseline *b)
{
	FILE *f = fopen(frozen, "w");
	struct err e;
	struct buf packed;

	buf_init(&packed, 1 << 26);
	assert_int_equal(baseline_files_pack(b, &packed, &e), 0);
	assert_non_null(f);
	assert_int_equal(fwrite(packed.data, 1, packed.len, f), packed.len);
	assert_int_equal(fclose(f), 0);
	buf_release(&packed);
}

/* Every exact value is within the bounds that the cells give. */
static void an_exported_baseline_gives_the_reference(void **state)
{
	static const char equal[] = " psi js chi2_statistic missing_share "
				    "invalid_share ";
	struct baseline *b = train();
	struct learned *l = learned_new(b, UINT64_MAX);
	struct json_value *exact, *bounded;
	size_t n_equal = 0, n_within = 0;

	(void)state;
	put_frozen(b);
	exact = compare("--reference", reference);
	bounded = compare("--baseline", frozen);
	for (size_t i = 0; i < json_count(exact); i++) {
		const struct json_value *want = json_at(exact, i);
		const struct json_value *got = same_row(bounded, want);
		double v = number(want, "value"), slack = 1e-12 * fabs(v);
		char key[64];

		assert_non_null(got);
		if (isnan(v) || isnan(number(got, "lower")))
			continue;
		assert_true(number(got, "lower") <= v + slack);
		assert_true(number(got, "upper") >= v - slack);
		n_within++;
		(void)snprintf(key, sizeof(key), " %s ",
			       json_text(json_get(want, "metric")));
		if (!strstr(equal, key))
			continue;
		assert_true(fabs(number(got, "value") - v) <= slack);
		n_equal++;
	}
	assert_true(n_equal >= 6);
	assert_true(n_within > n_equal);
	assert_true(check_thresholds(bounded, l) >= 2);
	json_free(exact);
	json_free(bounded);
	learned_free(l);
	baseline_free(b);
}

static void a_baseline_has_no_values_to_describe(void **state)
{
	struct baseline *b = train();
	const char *text;

	(void)state;
	put_frozen(b);
	baseline_free(b);
	assert_int_equal(RUN("--baseline", frozen, "--format", "long",
			     "--chunk", "rows:2000"),
			 0);
	text = read_output();
	assert_non_null(strstr(text, "\n0,2000,x,psi,"));
	assert_non_null(strstr(text, "\n2000,3000,c,js,"));
	assert_null(strstr(text, "\n-1,-1,"));
	assert_null(strstr(text, ",mean,"));
	assert_int_equal(RUN("--baseline", frozen), 0);
	for (text = read_output(); *text; text += strcspn(text, "\n") + 1)
		assert_true(strcspn(text, "\n") <= 100);
	assert_int_equal(RUN("--baseline", frozen, "--reference", reference),
			 EX_USAGE);
	assert_int_equal(RUN("--baseline", frozen, "--metrics", "roc_auc"),
			 EX_USAGE);
	assert_int_equal(RUN("--baseline", "/nowhere"), EX_IOERR);
	assert_int_equal(RUN("--baseline", model), EX_DATAERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds_are_those_of_the_daemon),
		cmocka_unit_test(an_exported_baseline_gives_the_reference),
		cmocka_unit_test(a_baseline_has_no_values_to_describe),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
