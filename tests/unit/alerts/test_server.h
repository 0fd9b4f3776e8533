/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_ALERTS_TEST_SERVER_H
#define DRIFTD_TESTS_ALERTS_TEST_SERVER_H

/*
 * A receiver for tests: HTTP on a port of the loopback, a thread a connection,
 * that keeps what it was sent and behaves as badly as it is told to.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum test_mode {
	MODE_ANSWER, /* with the status that is next */
	MODE_SILENT, /* never answers */
	MODE_DRIP,   /* a byte each 50 ms, without end */
	MODE_ENDLESS_BODY,
	MODE_ENDLESS_HEADERS,
	MODE_CUT,    /* the request is read, the connection closed */
	MODE_PARTIAL /* half of the body that was announced */
};

enum { TEST_CONNECTIONS = 512, TEST_REQUESTS = 4096 };

struct test_request {
	char *head;    /* owned */
	char *body;    /* owned */
	int64_t at_us; /* monotonic */
	int status;    /* that it was answered with; 0: badly */
};

struct test_server {
	int fd;
	int port;
	pthread_t thread;
	atomic_bool stopping;
	atomic_int mode;
	atomic_int n_connections;
	atomic_int delay_ms; /* before an answer */
	pthread_mutex_t lock;
	int statuses[16]; /* of the next requests; the last one stays */
	int n_statuses;
	char extra[256]; /* header lines of every answer */
	struct test_request requests[TEST_REQUESTS];
	size_t n_requests;
	pthread_t threads[TEST_CONNECTIONS];
	int fds[TEST_CONNECTIONS];
	size_t n_threads;
};

struct test_connection {
	struct test_server *server;
	int fd;
};

/* The value of a header, in malloced memory; NULL when it is not there. */
ATTR_UNUSED static char *test_header(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strchr(head, '\n'); line;
	     line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			return xstrndup(line, strcspn(line, "\r\n"));
		}
	}
	return NULL;
}

static bool test_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* One request from ${fd}; what came beyond it stays in ${in}. */
static bool test_read(int fd, struct buf *in, char **head, char **body)
{
	char chunk[4096];
	const char *end;
	char *length;
	size_t head_len, body_len;

	while (!(end = in->len ? strstr(in->data, "\r\n\r\n") : NULL)) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n <= 0)
			return false;
		buf_add(in, chunk, (size_t)n);
	}
	head_len = (size_t)(end - in->data) + 4;
	*head = xstrndup(in->data, head_len);
	length = test_header(*head, "Content-Length");
	body_len = length ? strtoul(length, NULL, 10) : 0;
	free(length);
	while (in->len < head_len + body_len) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n <= 0) {
			free(*head);
			return false;
		}
		buf_add(in, chunk, (size_t)n);
	}
	*body = xstrndup(in->data + head_len, body_len);
	memmove(in->data, in->data + head_len + body_len,
		in->len - head_len - body_len);
	in->len -= head_len + body_len;
	in->data[in->len] = '\0';
	return true;
}

static int test_keep(struct test_server *s, char *head, char *body, bool good,
		     struct buf *extra)
{
	int status = 0;

	pthread_mutex_lock(&s->lock);
	if (good) {
		status = s->statuses[0];
		if (s->n_statuses > 1)
			memmove(s->statuses, s->statuses + 1,
				(size_t)--s->n_statuses * sizeof(int));
	}
	if (s->n_requests < TEST_REQUESTS)
		s->requests[s->n_requests++] = (struct test_request){
			head, body, clock_monotonic_us(), status};
	buf_add_str(extra, s->extra);
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* Until the other side has enough, or the test. */
static void test_repeat(struct test_server *s, int fd, const char *text,
			size_t len, int64_t pause_us)
{
	while (!atomic_load(&s->stopping) && test_send(fd, text, len))
		if (pause_us > 0)
			clock_sleep_us(pause_us);
}

static void test_misbehave(struct test_server *s, int fd, int mode)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n";
	static const char plain[] = "HTTP/1.1 200 OK\r\n\r\n";
	static const char partial[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it";
	static const char line[] = "X-Much: 0123456789012345678901234567\r\n";

	switch (mode) {
	case MODE_SILENT:
		while (!atomic_load(&s->stopping))
			clock_sleep_us(5000);
		break;
	case MODE_DRIP:
		test_send(fd, plain, sizeof(plain) - 1);
		test_repeat(s, fd, "x", 1, 50000);
		break;
	case MODE_ENDLESS_BODY:
		test_send(fd, plain, sizeof(plain) - 1);
		test_repeat(s, fd, line, sizeof(line) - 1, 0);
		break;
	case MODE_ENDLESS_HEADERS:
		test_send(fd, head, sizeof(head) - 1);
		test_repeat(s, fd, line, sizeof(line) - 1, 0);
		break;
	case MODE_PARTIAL:
		test_send(fd, partial, sizeof(partial) - 1);
		break;
	default: /* MODE_CUT */
		break;
	}
}

static void *test_connection_main(void *arg)
{
	struct test_connection *c = arg;
	struct test_server *s = c->server;
	char *head, *body;
	struct buf in;

	buf_init(&in, 1 << 20);
	while (test_read(c->fd, &in, &head, &body)) {
		int mode = atomic_load(&s->mode);
		struct buf out, extra;
		int status;

		buf_init(&out, 4096);
		buf_init(&extra, 4096);
		status = test_keep(s, head, body, mode == MODE_ANSWER, &extra);
		if (mode != MODE_ANSWER) {
			test_misbehave(s, c->fd, mode);
			buf_release(&extra);
			break;
		}
		clock_sleep_us((int64_t)atomic_load(&s->delay_ms) * 1000);
		buf_printf(&out,
			   "HTTP/1.1 %d Status\r\n%sContent-Length: %d\r\n\r\n",
			   status, buf_str(&extra), status == 204 ? 0 : 2);
		if (status != 204)
			buf_add_str(&out, "ok");
		test_send(c->fd, out.data, out.len);
		buf_release(&out);
		buf_release(&extra);
	}
	shutdown(c->fd, SHUT_RDWR);
	buf_release(&in);
	free(c);
	return NULL;
}

static void *test_server_main(void *arg)
{
	struct test_server *s = arg;

	for (;;) {
		int fd = accept(s->fd, NULL, NULL);
		struct test_connection *c;

		if (fd < 0)
			break;
		atomic_fetch_add(&s->n_connections, 1);
		if (s->n_threads == TEST_CONNECTIONS) {
			close(fd);
			continue;
		}
		c = xcalloc(1, sizeof(*c));
		c->server = s;
		c->fd = fd;
		s->fds[s->n_threads] = fd;
		if (pthread_create(&s->threads[s->n_threads], NULL,
				   test_connection_main, c) == 0)
			s->n_threads++;
	}
	return NULL;
}

ATTR_UNUSED static struct test_server *test_server_new(void)
{
	struct test_server *s = xcalloc(1, sizeof(*s));
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->statuses[0] = 200;
	s->n_statuses = 1;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s->fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(s->fd, 64) != 0 ||
	    getsockname(s->fd, (struct sockaddr *)&in, &len) != 0)
		abort();
	s->port = ntohs(in.sin_port);
	if (pthread_create(&s->thread, NULL, test_server_main, s) != 0)
		abort();
	return s;
}

ATTR_UNUSED static void test_server_free(struct test_server *s)
{
	atomic_store(&s->stopping, true);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < s->n_threads; i++) {
		shutdown(s->fds[i], SHUT_RDWR);
		pthread_join(s->threads[i], NULL);
		close(s->fds[i]);
	}
	close(s->fd);
	for (size_t i = 0; i < s->n_requests; i++) {
		free(s->requests[i].head);
		free(s->requests[i].body);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The statuses of the next requests; the last one stays. */
ATTR_UNUSED static void test_server_say(struct test_server *s,
					const int *statuses, int n)
{
	pthread_mutex_lock(&s->lock);
	memcpy(s->statuses, statuses, (size_t)n * sizeof(int));
	s->n_statuses = n;
	pthread_mutex_unlock(&s->lock);
}

ATTR_UNUSED static size_t test_server_count(struct test_server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->n_requests;
	pthread_mutex_unlock(&s->lock);
	return n;
}

#endif
