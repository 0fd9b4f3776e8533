/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_SOURCES_HTTP_EVENTS_H
#define DRIFTD_DAEMON_SOURCES_HTTP_EVENTS_H

#include <stddef.h>

struct http_request;

/*
 * http_events - POST …/events and …/labels: the body is decoded while it comes in, the
 * batch is appended to the journal, the connection sleeps until its group is
 * durable.  Memory comes from a bounded pool (uploads.h); without it the
 * answer is 503.
 */

void http_events_begin(struct http_request *r);
void http_labels_begin(struct http_request *r); /* the rest is the same */
void http_events_feed(struct http_request *r, const char *data, size_t len);
void http_events_run(struct http_request *r);
void http_events_release(struct http_request *r);

#endif
