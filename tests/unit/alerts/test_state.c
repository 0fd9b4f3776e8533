/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state: the table, walked pair by pair, and the diagram it draws. */

#include "alerts/state.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { REFUSED = -1 };

/* What each pair leads to, written out apart from the table. */
static const int expected[N_ALERT_STATES][N_ALERT_EVENTS] = {
	[ALERT_INACTIVE] = {ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING,
			    REFUSED, REFUSED},
	[ALERT_PENDING] = {ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING, REFUSED,
			   ALERT_INACTIVE},
	[ALERT_FIRING] = {ALERT_RESOLVED, ALERT_FIRING, ALERT_FIRING,
			  ALERT_ACKNOWLEDGED, ALERT_RESOLVED},
	[ALERT_ACKNOWLEDGED] = {ALERT_RESOLVED, ALERT_ACKNOWLEDGED,
				ALERT_ACKNOWLEDGED, ALERT_ACKNOWLEDGED,
				ALERT_RESOLVED},
	[ALERT_RESOLVED] = {ALERT_RESOLVED, ALERT_PENDING, ALERT_FIRING,
			    REFUSED, ALERT_RESOLVED},
};

static void test_all_pairs(void **state)
{
	(void)state;
	for (unsigned s = 0; s < N_ALERT_STATES; s++) {
		for (unsigned v = 0; v < N_ALERT_EVENTS; v++) {
			enum alert_state to = ALERT_INACTIVE;
			bool found;

			found = alert_state_next((enum alert_state)s,
						 (enum alert_event)v, &to);
			assert_int_equal(found, expected[s][v] != REFUSED);
			if (found)
				assert_int_equal(to, expected[s][v]);
		}
	}
}

/* The evaluator asks without looking at the answer: windows always lead on. */
static void test_windows_are_never_refused(void **state)
{
	(void)state;
	for (unsigned s = 0; s < N_ALERT_STATES; s++)
		for (unsigned v = ALERT_CLEAR; v <= ALERT_HELD; v++) {
			enum alert_state to;

			assert_true(alert_state_next((enum alert_state)s,
						     (enum alert_event)v, &to));
		}
}

static void test_table_is_a_function(void **state)
{
	const struct alert_transition *t;
	size_t n;

	(void)state;
	t = alert_state_table(&n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			assert_false(t[i].from == t[j].from &&
				     t[i].event == t[j].event);
}

/* Every state can be come to, and left. */
static void test_reachable_and_no_trap(void **state)
{
	bool entered[N_ALERT_STATES] = {[ALERT_INACTIVE] = true};
	bool left[N_ALERT_STATES] = {false};
	const struct alert_transition *t;
	size_t n;

	(void)state;
	t = alert_state_table(&n);
	for (size_t round = 0; round < N_ALERT_STATES; round++)
		for (size_t i = 0; i < n; i++)
			if (entered[t[i].from])
				entered[t[i].to] = true;
	for (size_t i = 0; i < n; i++)
		if (t[i].from != t[i].to)
			left[t[i].from] = true;
	for (unsigned s = 0; s < N_ALERT_STATES; s++) {
		assert_true(entered[s]);
		assert_true(left[s]);
	}
}

static void test_names(void **state)
{
	enum alert_state s;

	(void)state;
	for (unsigned i = 0; i < N_ALERT_STATES; i++) {
		assert_int_equal(
			alert_state_parse(alert_state_name((enum alert_state)i),
					  &s),
			0);
		assert_int_equal(s, i);
	}
	assert_int_equal(alert_state_parse("Firing", &s), -1);
	assert_int_equal(alert_state_parse("", &s), -1);
}

static void test_diagram(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	alert_state_diagram(&b);
	assert_string_equal(buf_str(&b),
			    "stateDiagram-v2\n"
			    "    [*] --> inactive\n"
			    "    inactive --> pending: breach\n"
			    "    inactive --> firing: held\n"
			    "    pending --> inactive: clear\n"
			    "    pending --> firing: held\n"
			    "    pending --> inactive: resolve\n"
			    "    firing --> resolved: clear\n"
			    "    firing --> acknowledged: ack\n"
			    "    firing --> resolved: resolve\n"
			    "    acknowledged --> resolved: clear\n"
			    "    acknowledged --> resolved: resolve\n"
			    "    resolved --> pending: breach\n"
			    "    resolved --> firing: held\n");
	buf_release(&b);
}

/* The diagram in DESIGN.md is this one. */
static void test_diagram_in_design(void **state)
{
	FILE *f = fopen("DESIGN.md", "rb");
	struct buf want, text;
	char chunk[4096];
	size_t n;

	(void)state;
	buf_init(&want, 1 << 16);
	buf_init(&text, 1 << 22);
	while (f && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&text, chunk, n);
	if (f)
		fclose(f);
	if (!strstr(buf_str(&text), "stateDiagram-v2")) {
		print_message("SKIPPED: DESIGN.md has no diagram\n");
		buf_release(&text);
		skip();
	}
	alert_state_diagram(&want);
	assert_non_null(strstr(buf_str(&text), buf_str(&want)));
	buf_release(&want);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pairs),
		cmocka_unit_test(test_windows_are_never_refused),
		cmocka_unit_test(test_table_is_a_function),
		cmocka_unit_test(test_reachable_and_no_trap),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_diagram),
		cmocka_unit_test(test_diagram_in_design),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
