/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_print and config_model_definition: what is printed loads again and
 * says the same, for configurations made at random (SEED repeats a run).
 */
#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

#include "tests/unit/config/scratch.h"

#include <time.h>

static unsigned seed;

static unsigned random_below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static struct config *load(const char *name, const char *text, size_t len)
{
	struct err e = {0};
	struct config *c = config_load(scratch_bytes(name, text, len), &e);

	if (!c)
		fail_msg("%s\n%s", e.message, text);
	return c;
}

/* A name in double quotes, from pieces that YAML likes to misread. */
static void put_name(struct buf *out, unsigned number)
{
	static const char *const pieces[] = {
		"a", ": ",	" #",	       "\\\"",	  "\\\\",    "$$",
		"'", "\\u2028", "\\U0001F600", "é",	  "日",	     "- ",
		"{", "]",	"*",	       "&",	  "!",	     "%",
		"~", "null",	"$${x}",       "\\ufeff", "\\ufffe", "\\u00a0",
		",", "=",	"<<"};

	buf_add_char(out, '"');
	for (unsigned i = 1 + random_below(5); i > 0; i--)
		buf_add_str(
			out,
			pieces[random_below(sizeof(pieces) / sizeof(*pieces))]);
	buf_printf(out, "%u\"", number);
}

static void put_list(struct buf *out, const char *key, unsigned n,
		     unsigned *number)
{
	buf_printf(out, "%s: [", key);
	for (unsigned i = 0; i < n; i++) {
		put_name(out, ++*number);
		buf_add_str(out, ", ");
	}
	buf_add_str(out, "]");
}

static void put_model(struct buf *out, unsigned *number)
{
	static const char *const windows[] = {"1h", "15m", "1d",  "7d",
					      "1w", "2w",  "1mo", "6mo"};
	static const char *const tasks[] = {"binary", "regression", "none"};

	buf_add_str(out, "  - name: ");
	put_name(out, ++*number);
	buf_add_str(out, "\n    version: ");
	put_name(out, ++*number);
	buf_printf(out, "\n    task: %s\n    window: %s\n",
		   tasks[random_below(3)], windows[random_below(8)]);
	buf_add_str(out, "    features: {");
	put_list(out, "numeric", 1 + random_below(6), number);
	buf_add_str(out, ", ");
	put_list(out, "categorical", random_below(6), number);
	buf_add_str(out, "}\n    ");
	put_list(out, "ignore", random_below(3), number);
	buf_add_str(out, "\n    ");
	put_list(out, "missing", random_below(3), number);
	buf_printf(out, "\n    lateness: %ums\n    alpha: 0.%03u1\n",
		   random_below(100000), random_below(499));
	buf_printf(out, "    thresholds: {psi: 0.%u1, js: {warning: 0.%u}}\n",
		   random_below(9), random_below(2));
	buf_add_str(out, "    prediction: y\n    id: i\n    label: t\n");
	buf_printf(out, "    labels: {sample: 0.%u1}\n", random_below(9));
	buf_printf(out,
		   "    columns: {y: {importance: %u.%u, "
		   "thresholds: {linf: 0.%u1}}}\n",
		   random_below(9), random_below(9), random_below(9));
}

static void put_alerts(struct buf *out, unsigned *number)
{
	buf_add_str(out,
		    "alerts:\n  receivers:\n    - name: r1\n"
		    "      url: \"http://u:p@h:1/x?y=$$\"\n      secret: ");
	put_name(out, ++*number);
	buf_add_str(out, "\n  rules:\n    - name: ");
	put_name(out, ++*number);
	buf_printf(out,
		   "\n      signal: output\n      for: 2 of %u\n"
		   "      share: 0.%u\n      receivers: [r1]\n",
		   2 + random_below(9), random_below(9));
}

static void put_config(struct buf *out)
{
	unsigned number = 0;

	buf_printf(out,
		   "server: {workers: %u, limits: {max_body: %uKiB, "
		   "idle_timeout: %us}}\n",
		   1 + random_below(99), 1024 + random_below(9999),
		   1 + random_below(999));
	buf_add_str(out, "storage:\n  dsn: ");
	put_name(out, 0);
	buf_add_str(out, "\n");
	if (random_below(2))
		put_alerts(out, &number);
	buf_add_str(out, "models:\n");
	for (unsigned n = 1 + random_below(4); n > 0; n--)
		put_model(out, &number);
}

static void check_same_definitions(const struct config *a,
				   const struct config *b)
{
	struct buf left, right;

	buf_init(&left, 1 << 20);
	buf_init(&right, 1 << 20);
	assert_int_equal(a->n_models, b->n_models);
	for (size_t i = 0; i < a->n_models; i++) {
		buf_clear(&left);
		buf_clear(&right);
		config_model_definition(&a->models[i], &left);
		config_model_definition(&b->models[i], &right);
		assert_false(left.failed);
		assert_string_equal(buf_str(&left), buf_str(&right));
		assert_int_equal(a->models[i].model_id, b->models[i].model_id);
	}
	buf_release(&left);
	buf_release(&right);
}

static void check_fixed_point(const struct config *c, bool with_secrets)
{
	struct buf first, second;
	struct config *again;

	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	config_print(c, with_secrets, &first);
	again = load("b.yaml", first.data, first.len);
	config_print(again, with_secrets, &second);
	assert_false(first.failed);
	assert_string_equal(buf_str(&first), buf_str(&second));
	check_same_definitions(c, again);
	if (with_secrets && c->n_receivers) {
		assert_string_equal(c->receivers[0].secret,
				    again->receivers[0].secret);
		assert_string_equal(c->receivers[0].url,
				    again->receivers[0].url);
	}
	assert_true(!with_secrets ||
		    strcmp(c->storage.dsn, again->storage.dsn) == 0);
	config_unref(again);
	buf_release(&first);
	buf_release(&second);
}

static void test_fixed_point(void **state)
{
	const char *given = getenv("SEED");
	struct config *c;
	struct buf text;

	(void)state;
	seed = given ? (unsigned)strtoul(given, NULL, 10)
		     : (unsigned)time(NULL);
	print_message("SEED=%u\n", seed);
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 200; i++) {
		buf_clear(&text);
		put_config(&text);
		c = load("a.yaml", text.data, text.len);
		check_fixed_point(c, true);
		check_fixed_point(c, false);
		config_unref(c);
	}
	buf_release(&text);
}

static void test_secrets_hidden(void **state)
{
	static const char text[] =
		"storage: {dsn: \"host=h password=hush\"}\n"
		"alerts:\n"
		"  receivers:\n"
		"    - {name: a, url: \"https://u:hush@h/\", secret: hush}\n"
		"    - {name: b, url_file: secret}\n";
	struct config *c;
	struct buf out;

	(void)state;
	scratch_file("secret", "https://h.example/hush\n");
	c = load("a.yaml", text, sizeof(text) - 1);
	buf_init(&out, 1 << 20);
	config_print(c, false, &out);
	assert_null(strstr(buf_str(&out), "hush"));
	assert_non_null(strstr(buf_str(&out), "https://h.example/<secret>"));
	buf_clear(&out);
	config_print(c, true, &out);
	assert_non_null(strstr(buf_str(&out), "password=hush"));
	assert_non_null(strstr(buf_str(&out), "https://h.example/hush"));
	buf_release(&out);
	config_unref(c);
}

/* The definition of the model in ${text}. */
static void define(const char *text, struct buf *out)
{
	struct config *c = load("a.yaml", text, strlen(text));

	buf_init(out, 1 << 20);
	config_model_definition(&c->models[0], out);
	config_unref(c);
}

static void check_definition(const char *changed, bool is_same)
{
	static const char usual[] =
		"models: [{name: m, features: {numeric: [a, b], "
		"categorical: [c]}}]\n";
	struct buf before, after;

	define(usual, &before);
	define(changed, &after);
	if ((strcmp(buf_str(&before), buf_str(&after)) == 0) != is_same)
		fail_msg("%s\n%s", buf_str(&before), buf_str(&after));
	buf_release(&before);
	buf_release(&after);
}

static void test_definition(void **state)
{
	(void)state;
	check_definition("models: [{features: {categorical: [c], "
			 "numeric: [b, a]}, name: m}]\n",
			 true);
	check_definition("server: {workers: 7}\n"
			 "models: [{name: m, default: true, missing: [x], "
			 "features: {numeric: [a, b], categorical: [c]}, "
			 "window: 24h, ignore: [z]}]\n",
			 true);
	check_definition("models: [{name: m, min_rows: 499, features: "
			 "{numeric: [a, b], categorical: [c]}}]\n",
			 false);
	check_definition("models: [{name: m, thresholds: {psi: 0.19}, "
			 "features: {numeric: [a, b], categorical: [c]}}]\n",
			 false);
	check_definition("models: [{name: m, columns: {a: {importance: 2}}, "
			 "features: {numeric: [a, b], categorical: [c]}}]\n",
			 false);
	check_definition("models: [{name: m, detectors: [psi], features: "
			 "{numeric: [a, b], categorical: [c]}}]\n",
			 false);
	check_definition("models: [{name: m, features: {numeric: [a, b, c]}}]"
			 "\n",
			 false);
	check_definition("models: [{name: m, window: 1w, features: "
			 "{numeric: [a, b], categorical: [c]}}]\n",
			 false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_point),
		cmocka_unit_test(test_secrets_hidden),
		cmocka_unit_test(test_definition),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
