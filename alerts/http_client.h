/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_ALERTS_HTTP_CLIENT_H
#define DRIFTD_ALERTS_HTTP_CLIENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * http_client - the door to libcurl: one request at a time on a kept
 * connection.  http and https only, no redirects, no proxy, certificate and
 * host verified, answers of at most `max_answer` bytes (ERR_LIMIT beyond).
 */

struct http_call {
	const char *method;
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated */
	const void *body;
	size_t body_len;
	int64_t timeout_us; /* of all of it */
	size_t max_answer;
	bool cut_answer; /* a longer one is cut there: no error */
	/*
	 * Receivers: refuse link-local and metadata addresses always, and
	 * loopback and private ones unless `allow_private`; checked on the
	 * address that is connected to, after name resolution.
	 */
	bool guard;
	bool allow_private;
};

struct http_answer {
	long status;
	int64_t retry_after_us; /* -1: none given */
	struct buf body;	/* released by http_answer_release */
};

struct http_client;
struct http_client *http_client_new(void);
void http_client_free(struct http_client *h);

/* From any thread: end the call under way and refuse every later one, with
 * ERR_UNAVAILABLE. */
void http_client_abort(struct http_client *h);

/* 0 for any answer at all; ERR_UNAVAILABLE, ERR_TEMP (timeout), ERR_INVALID
 * (bad URL), ERR_LIMIT, ERR_CONFLICT (address refused). */
int http_client_call(struct http_client *h, const struct http_call *call,
		     struct http_answer *out, struct err *e);
void http_answer_release(struct http_answer *a);

#endif
