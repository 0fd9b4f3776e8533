/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_COMMANDS_STREAM_LIST_H
#define DRIFTD_DAEMON_COMMANDS_STREAM_LIST_H

struct stream_detector;

/*
 * stream_list - what `driftd stream` knows: the detectors with their options
 * and defaults on standard output.
 */

/* One of them, or all when ${only} is NULL. */
void stream_list_print(const struct stream_detector *only);

/* The detector's name that ${wrong} may stand for, or NULL. */
const char *stream_list_suggest(const char *wrong);

#endif
