/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_STORAGE_SCHEMA_H
#define DRIFTD_STORAGE_SCHEMA_H

struct err;
struct pg;

/*
 * schema - numbered migrations (storage/migrations/NNNN_name.sql, compiled
 * in), applied in order, each in a transaction of its own, under one advisory
 * lock, so that two daemons that start at once run each of them once.
 */

enum schema_state {
	SCHEMA_CURRENT,
	SCHEMA_OLDER, /* migrations are to be run */
	SCHEMA_NEWER /* a newer driftd was here: do not flush, do not evaluate */
};

/* The version that this binary knows. */
int schema_version(void);

int schema_check(struct pg *pg, enum schema_state *out, int *version,
		 struct err *e);

/* Bring it to schema_version().  ERR_FENCED when it is newer. */
int schema_migrate(struct pg *pg, struct err *e);

#endif
