/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge_names - statuses and severities as text, in one table each. */
#include "detectors/judge.h"

#include "base/attr.h"

#include <string.h>

static const char *const statuses[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_INSUFFICIENT_DATA] = "insufficient_data",
	[VERDICT_NO_BASELINE] = "no_baseline",
	[VERDICT_EMPTY] = "empty",
	[VERDICT_CONSTANT_REFERENCE] = "constant_reference",
	[VERDICT_TYPE_CHANGED] = "type_changed",
	[VERDICT_NOT_APPLICABLE] = "not_applicable",
};

static const char *const severities[] = {
	[SEVERITY_NONE] = "",
	[SEVERITY_INFO] = "info",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_ERROR] = "error",
	[SEVERITY_CRITICAL] = "critical",
};

const char *verdict_status_name(enum verdict_status status)
{
	return statuses[status];
}

int verdict_status_parse(const char *name, enum verdict_status *out)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(statuses); i++) {
		if (strcmp(name, statuses[i]) == 0) {
			*out = (enum verdict_status)i;
			return 0;
		}
	}
	return -1;
}

const char *severity_name(enum severity severity)
{
	return severities[severity];
}

int severity_parse(const char *name, enum severity *out)
{
	size_t i;

	if (strcmp(name, "page") == 0) {
		*out = SEVERITY_CRITICAL;
		return 0;
	}
	for (i = 0; i < ARRAY_LEN(severities); i++) {
		if (strcmp(name, severities[i]) == 0) {
			*out = (enum severity)i;
			return 0;
		}
	}
	return -1;
}
