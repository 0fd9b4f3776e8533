/* SPDX-License-Identifier: GPL-3.0-or-later */

/* JSON bodies: the first byte is the size of the pieces. */

#include "tests/fuzz/ingest_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;

	if (f.in == NULL)
		fuzz_init(&f, "application/json");
	fuzz_body(&f, data, size);
	return 0;
}
