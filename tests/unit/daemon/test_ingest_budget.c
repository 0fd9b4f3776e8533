/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A budget that is used up at any point of a body: refused, and no byte is
 * written where there is no room. */

#include "base/budget.h"
#include "tests/unit/daemon/ingest_fixture.h"

static const char yaml[] = "name: m\n"
			   "task: none\n"
			   "features: {numeric: [x, z], categorical: [c]}\n";

enum { ROWS = 300, STEP = 40 };

static void assert_bounded(const char *type, const struct buf *body)
{
	unsigned n_refused = 0;
	size_t max = 0;

	for (bool whole = false; !whole; max += STEP) {
		struct budget budget;
		struct fixture f;

		fixture_init(&f, yaml);
		batch_release(&f.batch);
		budget_init(&budget, max);
		batch_init(&f.batch, &budget);
		f.type = type;
		if (batch_reset(&f.batch, f.schema, 3, SIZE_MAX) < 0) {
			n_refused++;
		} else if (fixture_decode(&f, body->data, body->len, 0) < 0) {
			assert_int_equal(f.err.code, ERR_TEMP);
			n_refused++;
		} else {
			assert_int_equal(f.batch.n_rows, ROWS);
			whole = true;
		}
		fixture_release(&f);
		assert_int_equal(budget.used, 0);
	}
	assert_true(n_refused > 100);
}

static void a_used_up_budget_refuses_the_body(void **state)
{
	struct buf csv, json;

	(void)state;
	buf_init(&csv, 1 << 20);
	buf_init(&json, 1 << 20);
	buf_add_str(&csv, "x,c,z\n");
	for (int i = 0; i < ROWS; i++) {
		buf_printf(&csv, "%d,k%d,%s\n", i, i, i % 3 ? "2" : "oops");
		buf_printf(&json, "{\"x\": %d, \"c\": \"k%d\", \"z\": %s}\n", i,
			   i, i % 3 ? "2" : "\"oops\"");
	}
	assert_bounded("text/csv", &csv);
	assert_bounded("application/json", &json);
	buf_release(&csv);
	buf_release(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_used_up_budget_refuses_the_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
