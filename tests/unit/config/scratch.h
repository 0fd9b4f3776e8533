/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_UNIT_CONFIG_SCRATCH_H
#define DRIFTD_TESTS_UNIT_CONFIG_SCRATCH_H

/* scratch - a directory for the files that a test writes and loads. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_dir[] = "/tmp/driftd-test-config-XXXXXX";

static int scratch_setup(void **state)
{
	(void)state;
	return mkdtemp(scratch_dir) ? 0 : -1;
}

/* Only files that scratch_file made are there. */
static int scratch_teardown(void **state)
{
	char path[256];
	static const char *const names[] = {"a.yaml", "b.yaml", "c.yaml",
					    "model.yaml", "secret"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", scratch_dir,
			       names[i]);
		(void)unlink(path);
	}
	return rmdir(scratch_dir);
}

/* Write ${len} bytes to the file ${name}; its path, until the next call. */
static const char *scratch_bytes(const char *name, const void *data, size_t len)
{
	static char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", scratch_dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return path;
}

static inline const char *scratch_file(const char *name, const char *text)
{
	return scratch_bytes(name, text, strlen(text));
}

#endif
