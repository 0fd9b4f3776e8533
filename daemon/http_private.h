/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_HTTP_PRIVATE_H
#define DRIFTD_DAEMON_HTTP_PRIVATE_H

/* http_private - what http_server.c, http_request.c and http_queue.c share. */

#include "daemon/http_server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum { HTTP_WORKERS_MAX = 16, HTTP_QUEUE_MAX = 128 };

/* One socket, for the sweeper. */
struct http_connection {
	int fd;
	_Atomic int64_t deadline_us;	     /* monotonic; INT64_MAX: none */
	struct http_connection *next, *prev; /* under server->lock */
};

struct http_listener {
	struct http_server *server; /* borrowed */
	int fd;
	bool metrics_only;
	struct MHD_Daemon *workers[HTTP_WORKERS_MAX];
	unsigned n_workers;
	unsigned turn; /* of the acceptor */
};

/* Requests for one of the two threads that may wait for PostgreSQL. */
struct http_queue {
	struct http_server *server; /* borrowed */
	enum http_thread kind;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct http_request *items[HTTP_QUEUE_MAX]; /* a ring */
	unsigned first, n;
	bool stopping;
};

struct http_server {
	struct http_options o;
	struct http_listener listeners[2];
	unsigned n_listeners;
	int wake_fd;
	pthread_t acceptor, sweeper;
	bool has_threads;
	atomic_bool stopping, draining;
	atomic_uint n_connections, n_waiting;
	pthread_mutex_t lock;		     /* connections */
	struct http_connection *connections; /* under lock */
	struct http_queue queues[2];	     /* query, admin */
};

enum http_phase {
	HTTP_BODY,    /* the body is coming in */
	HTTP_WAITING, /* suspended */
	HTTP_READY,   /* resumed: the answer is there */
	HTTP_QUEUED   /* the answer was given to the library */
};

struct http_private {
	struct http_server *server;
	struct MHD_Connection *connection;
	_Atomic enum http_phase phase;
	uint64_t
		n_dropped; /* bytes of the body read after the answer was set */
	char *arena;	   /* owned: decoded query */
};

/* The library's callbacks; ${arg} is the listener. */
enum MHD_Result http_handle(void *arg, struct MHD_Connection *c,
			    const char *url, const char *method,
			    const char *version, const char *upload_data,
			    size_t *upload_data_size, void **state);
void http_completed(void *arg, struct MHD_Connection *c, void **state,
		    enum MHD_RequestTerminationCode code);

/* Move the deadline of a connection to ${timeout_us} from now. */
void http_connection_deadline(struct MHD_Connection *c, int64_t timeout_us);

void http_queues_start(struct http_server *s);
void http_queues_stop(struct http_server *s);

/* False when the queue is full. */
bool http_queue_put(struct http_server *s, struct http_request *r);

#endif
