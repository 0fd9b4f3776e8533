/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mem: contents, alignment, and the abort where there is no memory. */

#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_contents(void **state)
{
	char *s = xstrdup("text"), *t = xstrndup("text", 2);
	char *u = xstrndup("ab\0cd", 5);
	int *n = xcalloc(3, sizeof(*n));

	(void)state;
	assert_string_equal(s, "text");
	assert_string_equal(t, "te");
	assert_string_equal(u, "ab");
	assert_int_equal(n[0] | n[1] | n[2], 0);
	n[2] = 9;
	n = xrealloc_array(n, 1000, sizeof(*n));
	assert_int_equal(n[2], 9);
	free(s);
	free(t);
	free(u);
	free(n);
}

static void test_nothing_is_not_null(void **state)
{
	void *p[] = {xmalloc(0), xcalloc(0, 8), xcalloc(8, 0),
		     xrealloc_array(NULL, 0, 8), xaligned(0)};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(*p); i++) {
		assert_non_null(p[i]);
		free(p[i]);
	}
}

static void test_alignment(void **state)
{
	(void)state;
	for (size_t size = 1; size < 1000; size += 13) {
		char *p = xaligned(size);

		assert_int_equal((uintptr_t)p % 64, 0);
		memset(p, 1, size);
		free(p);
	}
}

/* Sizes by way of volatile: the compiler must not see them. */
static volatile size_t huge = SIZE_MAX / 2;

static void exhaust(unsigned how)
{
	switch (how) {
	case 0:
		free(xmalloc(huge));
		break;
	case 1:
		free(xcalloc(huge, 4));
		break;
	case 2:
		free(xrealloc_array(NULL, huge, 4));
		break;
	default:
		free(xaligned(huge * 2 + 1));
	}
}

/* The sanitizers end the process themselves unless told otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void test_exhaustion_aborts(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 4; how++) {
		pid_t child = fork();
		int status = 0;

		assert_true(child >= 0);
		if (child == 0) {
			(void)close(STDERR_FILENO);
			(void)signal(SIGABRT, SIG_DFL);
			exhaust(how);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_nothing_is_not_null),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_exhaustion_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
