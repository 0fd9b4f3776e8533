/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_SOURCES_EVENTS_ANSWER_H
#define DRIFTD_DAEMON_SOURCES_EVENTS_ANSWER_H

#include <stdbool.h>

struct http_request;
struct ingest_report;

/* events_answer - what a sender of events or labels is told. */

/* 200: what was taken, and the first reasons for what was not. */
void events_answer(struct http_request *r, const struct ingest_report *rep,
		   bool duplicate, const char *durability);

/* 400: no record of the body could be read. */
void events_answer_nothing(struct http_request *r,
			   const struct ingest_report *rep);

#endif
