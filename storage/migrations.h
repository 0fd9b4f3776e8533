/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_MIGRATIONS_H
#define DRIFTD_STORAGE_MIGRATIONS_H

#include <stddef.h>

/* migrations - the files of storage/migrations/, compiled in. */
struct migration {
	int version;	   /* 1, 2, 3, … without a gap */
	const char *name;  /* of the file, without its number and suffix */
	const char *begin; /* SQL, NUL-terminated */
	const char *end;   /* of the SQL, where the NUL is */
};

extern const struct migration migrations[];
extern const size_t n_migrations;

#endif
