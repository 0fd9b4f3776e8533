/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * http_server - listeners, workers and the life of a request.
 *
 * The library's own pool left most keep-alive connections on one worker, so
 * one acceptor deals them in turn.  Its timeout does not stop a slow sender,
 * so a sweeper shuts sockets down past an absolute deadline.
 */

#include "daemon/http_server.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/http_private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HTTP_POOL_BYTES = 32 * 1024,
	HTTP_BACKLOG = 511,
	HTTP_SWEEP_US = 250000
};

ATTR_PRINTF(2, 0)
static void library_log(void *arg, const char *fmt, va_list ap)
{
	struct buf b;

	(void)arg;
	buf_init(&b, 1024);
	buf_vprintf(&b, fmt, ap);
	log_debug("http", "%s", buf_str(&b));
	buf_release(&b);
}

/* Paths and arguments are decoded by us, one segment at a time. */
static size_t keep_escaped(void *arg, struct MHD_Connection *c, char *text)
{
	(void)arg;
	(void)c;
	return strlen(text);
}

void http_connection_deadline(struct MHD_Connection *c, int64_t timeout_us)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *conn =
		info ? (struct http_connection *)info->socket_context : NULL;

	if (conn)
		atomic_store(&conn->deadline_us,
			     timeout_us == INT64_MAX
				     ? INT64_MAX
				     : clock_monotonic_us() + timeout_us);
}

static void connection_started(struct http_server *s, struct MHD_Connection *c,
			       void **context)
{
	struct http_connection *conn = xcalloc(1, sizeof(*conn));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	conn->fd = info ? info->connect_fd : -1;
	atomic_init(&conn->deadline_us,
		    clock_monotonic_us() + s->o.request_timeout_us);
	pthread_mutex_lock(&s->lock);
	conn->next = s->connections;
	if (conn->next)
		conn->next->prev = conn;
	s->connections = conn;
	pthread_mutex_unlock(&s->lock);
	*context = conn;
}

static void connection_closed(struct http_server *s, void **context)
{
	struct http_connection *conn = *context;

	if (!conn)
		return;
	pthread_mutex_lock(&s->lock);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		s->connections = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	pthread_mutex_unlock(&s->lock);
	free(conn);
	*context = NULL;
	atomic_fetch_sub(&s->n_connections, 1);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_listener *l = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_started(l->server, c, context);
	else
		connection_closed(l->server, context);
}

/* Split "host:port" or "[v6]:port"; an empty host is every address. */
static int split_address(const char *text, char *host, size_t size,
			 const char **port, struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *start = text;
	size_t len;

	if (!colon || !colon[1])
		return err_set(e, ERR_INVALID, "address \"%s\" has no port",
			       text);
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		start++;
		len -= 2;
	}
	if (len >= size)
		return err_set(e, ERR_INVALID, "address \"%s\" is too long",
			       text);
	memcpy(host, start, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

static int bind_socket(const char *address, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL;
	char host[256] = "";
	const char *port = NULL;
	int fd = -1, one = 1, status;

	if (split_address(address, host, sizeof(host), &port, e))
		return -1;
	status = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
	if (status)
		return err_set(e, ERR_UNAVAILABLE,
			       "address \"%s\" is unknown: %s", address,
			       gai_strerror(status));
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		fd = socket(a->ai_family,
			    a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (!bind(fd, a->ai_addr, a->ai_addrlen) &&
		    !listen(fd, HTTP_BACKLOG))
			break;
		status = errno;
		close(fd);
		fd = -1;
		errno = status;
	}
	freeaddrinfo(list);
	if (fd < 0) {
		err_errno(e, "could not listen on \"%s\"", address);
		if (e)
			e->code = ERR_UNAVAILABLE;
		return -1;
	}
	return fd;
}

static unsigned socket_port(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	in_port_t port = 0;

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return 0;
	if (a.ss_family == AF_INET)
		port = ((struct sockaddr_in *)&a)->sin_port;
	else if (a.ss_family == AF_INET6)
		port = ((struct sockaddr_in6 *)&a)->sin6_port;
	return ntohs(port);
}

static struct MHD_Daemon *start_worker(struct http_server *s,
				       struct http_listener *l)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			MHD_USE_ERROR_LOG,
		0, NULL, NULL, http_handle, l, MHD_OPTION_EXTERNAL_LOGGER,
		library_log, NULL, MHD_OPTION_CONNECTION_LIMIT,
		s->o.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_POOL_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
		(size_t)4096, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
		MHD_OPTION_NOTIFY_COMPLETED, http_completed, l,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

/* One accepted socket to the next worker in turn. */
static void deal(struct http_server *s, struct http_listener *l, int fd,
		 const struct sockaddr *a, socklen_t len)
{
	int one = 1;
	unsigned turn = l->turn++ % l->n_workers;

	if (atomic_load(&s->n_connections) >= s->o.max_connections) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	atomic_fetch_add(&s->n_connections, 1);
	/* on failure the library closes the socket */
	if (MHD_add_connection(l->workers[turn], fd, a, len) != MHD_YES)
		atomic_fetch_sub(&s->n_connections, 1);
}

static void accept_ready(struct http_server *s, struct http_listener *l)
{
	for (unsigned i = 0; i < 64; i++) {
		struct sockaddr_storage a;
		socklen_t len = sizeof(a);
		int fd = accept4(l->fd, (struct sockaddr *)&a, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			deal(s, l, fd, (struct sockaddr *)&a, len);
			continue;
		}
		/* out of descriptors: wait, or this would spin */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			clock_sleep_us(50000);
		return;
	}
}

static void *acceptor(void *arg)
{
	struct http_server *s = arg;

	while (!atomic_load(&s->stopping)) {
		struct pollfd fds[3] = {{.fd = s->wake_fd, .events = POLLIN}};
		nfds_t n = 1;

		for (unsigned i = 0; i < s->n_listeners; i++) {
			/* health stays reachable while draining */
			if (atomic_load(&s->draining) &&
			    !s->listeners[i].metrics_only)
				continue;
			fds[n++] = (struct pollfd){.fd = s->listeners[i].fd,
						   .events = POLLIN};
		}
		if (poll(fds, n, 1000) <= 0)
			continue;
		for (unsigned i = 0; i < s->n_listeners; i++)
			for (nfds_t k = 1; k < n; k++)
				if (fds[k].fd == s->listeners[i].fd &&
				    fds[k].revents)
					accept_ready(s, &s->listeners[i]);
	}
	return NULL;
}

static void *sweeper(void *arg)
{
	struct http_server *s = arg;

	while (!atomic_load(&s->stopping)) {
		int64_t now = clock_monotonic_us();

		pthread_mutex_lock(&s->lock);
		for (struct http_connection *c = s->connections; c;
		     c = c->next) {
			if (c->fd >= 0 && atomic_load(&c->deadline_us) < now) {
				shutdown(c->fd, SHUT_RDWR);
				atomic_store(&c->deadline_us, INT64_MAX);
			}
		}
		pthread_mutex_unlock(&s->lock);
		clock_sleep_us(HTTP_SWEEP_US);
	}
	return NULL;
}

static int listener_start(struct http_server *s, const char *address,
			  bool metrics_only, unsigned n_workers, struct err *e)
{
	struct http_listener *l = &s->listeners[s->n_listeners];

	l->server = s;
	l->metrics_only = metrics_only;
	l->fd = bind_socket(address, e);
	if (l->fd < 0)
		return -1;
	s->n_listeners++;
	for (unsigned i = 0; i < n_workers; i++) {
		l->workers[i] = start_worker(s, l);
		if (!l->workers[i])
			return err_set(e, ERR_BUG,
				       "could not start an http worker");
		l->n_workers++;
	}
	return 0;
}

struct http_server *http_server_start(const struct http_options *o,
				      struct err *e)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	unsigned workers = o->workers;

	s->o = *o;
	if (workers < 1)
		workers = 1;
	if (workers > HTTP_WORKERS_MAX)
		workers = HTTP_WORKERS_MAX;
	pthread_mutex_init(&s->lock, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	http_queues_start(s);
	if (listener_start(s, o->listen, false, workers, e) ||
	    (o->metrics_listen &&
	     listener_start(s, o->metrics_listen, true, 1, e))) {
		http_server_stop(s);
		return NULL;
	}
	s->has_threads = true;
	pthread_create(&s->acceptor, NULL, acceptor, s);
	pthread_create(&s->sweeper, NULL, sweeper, s);
	return s;
}

void http_server_drain(struct http_server *s)
{
	uint64_t one = 1;

	atomic_store(&s->draining, true);
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		log_debug("http", "acceptor was not woken");
}

unsigned http_server_waiting(const struct http_server *s)
{
	return atomic_load(&s->n_waiting);
}

unsigned http_server_connections(const struct http_server *s)
{
	return atomic_load(&s->n_connections);
}

unsigned http_server_port(const struct http_server *s)
{
	return socket_port(s->listeners[0].fd);
}

void http_server_stop(struct http_server *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	http_server_drain(s);
	if (s->has_threads) {
		pthread_join(s->acceptor, NULL);
		pthread_join(s->sweeper, NULL);
	}
	http_queues_stop(s);
	for (unsigned i = 0; i < s->n_listeners; i++) {
		struct http_listener *l = &s->listeners[i];

		for (unsigned w = 0; w < l->n_workers; w++)
			MHD_stop_daemon(l->workers[w]);
		close(l->fd);
	}
	close(s->wake_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
