/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * migrations - the .sql files as bytes of this binary: one MIGRATION line and
 * one row of the table each.  The assembler finds them by their path relative
 * to the repository's root, where the build runs.
 */
#include "storage/migrations.h"

/* clang-format off */
#define MIGRATION(number, file)                                               \
	extern const char migration_##number##_begin[];                       \
	extern const char migration_##number##_end[];                         \
	__asm__(".pushsection .rodata, \"a\", %progbits\n"                    \
		".global migration_" #number "_begin\n"                       \
		".global migration_" #number "_end\n"                         \
		"migration_" #number "_begin:\n"                              \
		".incbin \"storage/migrations/" file "\"\n"                   \
		"migration_" #number "_end:\n"                                \
		".byte 0\n"                                                   \
		".popsection\n")

MIGRATION(0001, "0001_core.sql");
MIGRATION(0002, "0002_alerts.sql");
MIGRATION(0003, "0003_outcomes.sql");

#define ROW(v, number, title)                                                 \
	{                                                                     \
		.version = (v), .name = (title),                              \
		.begin = migration_##number##_begin,                          \
		.end = migration_##number##_end,                              \
	}
/* clang-format on */

const struct migration migrations[] = {
	ROW(1, 0001, "core"),
	ROW(2, 0002, "alerts"),
	ROW(3, 0003, "outcomes"),
};

const size_t n_migrations = sizeof(migrations) / sizeof(migrations[0]);
