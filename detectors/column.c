/* SPDX-License-Identifier: GPL-3.0-or-later */
/* column - the names of kinds, roles and signals, in one table each. */
#include "detectors/column.h"

#include "base/attr.h"

#include <stddef.h>

static const char *const kind_names[] = {
	[COLUMN_NUMERIC] = "numeric",
	[COLUMN_CATEGORICAL] = "categorical",
};

static const struct {
	const char *name;
	enum signal signal;
} roles[] = {
	[ROLE_FEATURE] = {"feature", SIGNAL_INPUT},
	[ROLE_PREDICTION] = {"prediction", SIGNAL_OUTPUT},
	[ROLE_SCORE] = {"score", SIGNAL_OUTPUT},
	[ROLE_LABEL] = {"label", SIGNAL_QUALITY},
	[ROLE_LATENCY] = {"latency", SIGNAL_HEALTH},
	[ROLE_STATUS] = {"status", SIGNAL_HEALTH},
};

static const char *const signal_names[N_SIGNALS] = {
	[SIGNAL_INPUT] = "input",     [SIGNAL_OUTPUT] = "output",
	[SIGNAL_QUALITY] = "quality", [SIGNAL_HEALTH] = "health",
	[SIGNAL_DATA] = "data",
};

const char *column_kind_name(enum column_kind kind)
{
	return kind_names[kind];
}

const char *column_role_name(enum column_role role)
{
	return roles[role].name;
}

const char *signal_name(enum signal signal)
{
	return signal_names[signal];
}

int signal_parse(const char *name, enum signal *out)
{
	size_t i;

	for (i = 0; i < N_SIGNALS; i++) {
		if (strcmp(name, signal_names[i]) == 0) {
			*out = (enum signal)i;
			return 0;
		}
	}
	return -1;
}

enum signal column_signal(enum column_role role)
{
	return roles[role].signal;
}
