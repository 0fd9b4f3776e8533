/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_HTTP_SERVER_H
#define DRIFTD_DAEMON_HTTP_SERVER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct config;

/*
 * http_server - the door to libmicrohttpd: own listening sockets, an acceptor
 * that deals connections to epoll workers in turn, a table of routes, and a
 * sweeper that shuts down connections past their absolute deadline.
 *
 * A request goes begin (headers are there) -> feed (pieces of the body) -> run
 * (the body is whole).  Each of them may answer by http_answer or http_error;
 * what remains of the body is then read and dropped.  run is called on the
 * connection's worker thread, or, for HTTP_QUERY and HTTP_ADMIN routes, on the
 * thread of that name while the connection is suspended.
 */

enum http_scope { SCOPE_NONE, SCOPE_INGEST, SCOPE_READ, SCOPE_ADMIN };

enum http_thread {
	HTTP_INLINE, /* must not block */
	HTTP_QUERY,  /* short statements on PostgreSQL */
	HTTP_ADMIN   /* may wait for long */
};

enum {
	HTTP_PARAMS = 3,
	HTTP_PARAM_MAX = 512,
	HTTP_QUERY_MAX = 16,
	HTTP_NAME_MAX = 64
};

struct http_request; /* below */

struct http_route {
	const char *method;
	const char *pattern; /* "/v1/models/{}/events": {} is one segment */
	enum http_scope scope;
	enum http_thread thread;
	bool always; /* also on the metrics listener, and while draining */
	void (*begin)(struct http_request *r); /* may be NULL */
	void (*feed)(struct http_request *r, const char *data, size_t len);
	void (*run)(struct http_request *r);
	void (*release)(struct http_request *r); /* frees state; may be NULL */
};

struct http_query_item {
	const char *key;   /* in the request's memory, decoded */
	const char *value; /* "" when there is none */
};

struct http_request {
	const struct http_route *route;
	void *app;   /* http_options.app */
	void *state; /* the handler's */
	const char *method;
	char params[HTTP_PARAMS][HTTP_PARAM_MAX]; /* decoded, NUL-terminated */
	struct http_query_item query[HTTP_QUERY_MAX];
	unsigned n_query;
	char token_name[HTTP_NAME_MAX]; /* who it is; "" without tokens */

	/* the answer */
	int status; /* 0: none yet */
	const char *content_type;
	struct buf body;
	long retry_after_s; /* 0: no header */
	bool drop;	    /* close without an answer */

	struct http_private *priv;
};

struct http_options {
	const char *listen;
	const char *metrics_listen; /* NULL: none */
	unsigned workers;
	unsigned max_connections;
	uint64_t max_body;
	int64_t request_timeout_us;
	int64_t idle_timeout_us;
	const struct http_route *routes;
	size_t n_routes;
	void *app;

	/*
	 * 0 and r->token_name, or an HTTP status: 401, 403.
	 * ${authorization} may be NULL.
	 */
	int (*authorize)(struct http_request *r, const char *authorization);

	/* After each answer; code 0 when it was closed without one. */
	void (*count)(void *app, const struct http_route *route, int code);

	/* On each of the two threads, after every request and every second
	 * without one. */
	void (*tick)(void *app, enum http_thread thread);
};

struct http_server;

/* Bind and start.  ERR_UNAVAILABLE when the address cannot be had. */
struct http_server *http_server_start(const struct http_options *o,
				      struct err *e);

/* Stop accepting; answer 503 to everything but `always` routes. */
void http_server_drain(struct http_server *s);

/* Requests that wait (suspended or on a thread) right now. */
unsigned http_server_waiting(const struct http_server *s);
unsigned http_server_connections(const struct http_server *s);

/* The port of the first listener (for ":0"). */
unsigned http_server_port(const struct http_server *s);

/* Everything must have been resumed: see http_server_waiting. */
void http_server_stop(struct http_server *s);

/* --- for handlers --- */

/* NULL when the header or query parameter is not there. */
const char *http_header(const struct http_request *r, const char *name);
const char *http_query(const struct http_request *r, const char *key);

/* Answer with what was written to r->body. */
void http_answer(struct http_request *r, int status, const char *content_type);

/* {"error": {"code", "message", "line", "column"}}; replaces the body. */
void http_error(struct http_request *r, int status, const char *code,
		const char *fmt, ...) ATTR_PRINTF(4, 5);

/* The status that fits e->code, with its message and place. */
void http_error_from(struct http_request *r, const struct err *e);

/*
 * Only in run() of an HTTP_INLINE route, as its last step but one: the
 * connection sleeps until http_resume.  Whoever calls http_resume (any
 * thread, once, after the answer was set) must not touch ${r} after it.
 */
void http_suspend(struct http_request *r);
void http_resume(struct http_request *r);

/* Decode %XX of ${text} into ${out}; -1 when too long or not UTF-8 or NUL. */
int http_decode_percent(const char *text, size_t len, char *out, size_t size);

#endif
