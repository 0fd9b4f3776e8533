/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_LOG_H
#define DRIFTD_BASE_LOG_H

#include "base/attr.h"

struct err;

/*
 * log - one line per fact on standard error, logfmt:
 *
 *	ts=2026-01-02T03:04:05.678Z level=info component=flush msg="..."
 *
 * Control bytes, quotes and invalid UTF-8 in the message are escaped, so that
 * no input can forge a line; a line is cut at 2 KiB and written by one
 * write(2).  Safe from every thread.  Log once, where the thing is handled.
 */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);

/* "debug", "info", "warn" or "error" -> level; -1 when it is none. */
int log_level_parse(const char *text, enum log_level *out);

/* ${component}: a short constant such as "journal". */
void log_write(enum log_level level, const char *component, const char *fmt,
	       ...) ATTR_PRINTF(3, 4);

#define log_debug(component, ...) log_write(LOG_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...)  log_write(LOG_INFO, component, __VA_ARGS__)
#define log_warn(component, ...)  log_write(LOG_WARN, component, __VA_ARGS__)
#define log_error(component, ...) log_write(LOG_ERROR, component, __VA_ARGS__)

#endif
