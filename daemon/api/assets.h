/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_API_ASSETS_H
#define DRIFTD_DAEMON_API_ASSETS_H

#include <stddef.h>

/* assets - the files of dashboards/web, compiled in. */

struct asset {
	const char *path; /* of the URL */
	const char *content_type;
	const char *data;
	const char *end;
};

/* NULL when there is none. */
const struct asset *asset_find(const char *path);

#endif
