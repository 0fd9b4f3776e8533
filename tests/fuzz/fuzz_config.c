/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Configuration files: a model file, or (when it names no other file) the
 * whole configuration.  What loads prints as YAML that loads again and prints
 * the same.
 */

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool names_files(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"file", "dir", "\\", "$"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(data, size, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

static struct config *load(const void *data, size_t size, bool is_model)
{
	struct err e = {0};
	struct config *c;
	char path[64];
	int fd = memfd_create("driftd.yaml", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = is_model ? config_load_model(path, &e) : config_load(path, &e);
	(void)close(fd);
	if (c == NULL && (e.code == ERR_NONE || e.message[0] == '\0'))
		abort(); /* a refusal needs a reason */
	return c;
}

static void check_print(struct config *c)
{
	struct config *again;
	struct buf first, second;

	buf_init(&first, 1 << 24);
	buf_init(&second, 1 << 24);
	config_print(c, true, &first);
	again = load(buf_str(&first), first.len, false);
	if (again == NULL) {
		fprintf(stderr, "printed and not loaded:\n%s\n",
			buf_str(&first));
		abort();
	}
	config_print(again, true, &second);
	if (strcmp(buf_str(&first), buf_str(&second)) != 0)
		abort();
	config_unref(again);
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_bounds bounds;
	struct config *c = load(data, size, true);
	struct buf definition;

	if (c != NULL) {
		buf_init(&definition, 1 << 24);
		config_model_definition(&c->models[0], &definition);
		buf_release(&definition);
		config_unref(c);
	}
	if (names_files(data, size))
		return 0;
	c = load(data, size, false);
	if (c == NULL)
		return 0;
	config_bounds(c, &bounds);
	check_print(c);
	config_unref(c);
	return 0;
}
