/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * load - posts events made in advance, over keep-alive connections, one
 * request at a time on each, from one thread, and prints what it saw as JSON.
 *
 *	load post -p PORT [-e EVENTS] [-c CONNECTIONS] [-n BODIES | -s SECONDS]
 *	          [-r BODIES_PER_SECOND] [-m MODELS]
 *	load print -e EVENTS           the events, to standard output
 *	load copy -e EVENTS            nanoseconds an event of memcpy, median of 5
 *
 * Common: -d short|long (digits of floats), -S SEED, -t TIME (of the newest
 * event, in microseconds; default now).  Bodies go to the models bench_0,
 * bench_1 and so on in turn.  A latency is from the first byte sent to the
 * last byte of the answer.
 */

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/body.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 1024,
	BODIES_MAX = 1024,	 /* different ones */
	BODIES_BYTES = 16 << 20, /* of them, about */
	ANSWER_MAX = 8192,
	PASSES = 5
};

struct options {
	long port, events, connections, bodies, seconds, rate, models;
	struct body_source source;
};

struct connection {
	int fd;
	bool busy, wants_out;
	struct buf head;
	const struct buf *body;
	size_t sent;
	int64_t start_us;
	char answer[ANSWER_MAX + 1];
	size_t n_answer;
};

struct load {
	struct options o;
	struct buf *bodies;
	size_t n_bodies;
	struct connection *connections;
	int epoll;
	int64_t begin_us, end_us;
	uint64_t n_started, n_done, n_refused, n_bytes;
	uint32_t *latencies; /* us */
	size_t cap_latencies;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_bodies(struct load *l)
{
	size_t bytes = 0;

	l->bodies = xcalloc(BODIES_MAX, sizeof(*l->bodies));
	while (l->n_bodies < BODIES_MAX &&
	       (l->n_bodies < 8 || bytes < BODIES_BYTES)) {
		struct buf *b = &l->bodies[l->n_bodies++];

		buf_init(b, 1 << 30);
		for (long i = 0; i < l->o.events; i++)
			body_add_event(b, &l->o.source);
		bytes += b->len;
		if (l->o.bodies && l->n_bodies >= (size_t)l->o.bodies)
			break;
	}
}

static void connect_one(struct load *l, struct connection *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)l->o.port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	buf_init(&c->head, 1024);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev))
		die("epoll_ctl");
}

static void want_out(struct load *l, struct connection *c, bool wants)
{
	struct epoll_event ev = {.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN,
				 .data.ptr = c};

	if (c->wants_out == wants)
		return;
	c->wants_out = wants;
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev))
		die("epoll_ctl");
}

static void send_more(struct load *l, struct connection *c)
{
	size_t total = c->head.len + c->body->len;

	while (c->sent < total) {
		struct iovec v[2] = {{c->head.data, c->head.len},
				     {c->body->data, c->body->len}};
		struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
		size_t in_body =
			c->sent > c->head.len ? c->sent - c->head.len : 0;
		size_t in_head = c->sent - in_body;
		ssize_t n;

		v[0].iov_base = c->head.data + in_head;
		v[0].iov_len -= in_head;
		v[1].iov_base = c->body->data + in_body;
		v[1].iov_len -= in_body;
		n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			die("send");
		c->sent += (size_t)n;
	}
	want_out(l, c, c->sent < total);
}

static bool is_over(const struct load *l, int64_t now)
{
	if (l->o.bodies)
		return l->n_started >= (uint64_t)l->o.bodies;
	return now - l->begin_us >= l->o.seconds * 1000000;
}

/* When the next body may go: at once, unless there is a rate. */
static int64_t next_due_us(const struct load *l)
{
	if (!l->o.rate)
		return 0;
	return l->begin_us +
	       (int64_t)(l->n_started * 1000000 / (uint64_t)l->o.rate);
}

static void start(struct load *l, struct connection *c, int64_t now)
{
	c->body = &l->bodies[l->n_started % l->n_bodies];
	buf_clear(&c->head);
	buf_printf(&c->head,
		   "POST /v1/models/bench_%d/events HTTP/1.1\r\n"
		   "Host: 127.0.0.1\r\n"
		   "Content-Type: application/x-ndjson\r\n"
		   "Content-Length: %zu\r\n\r\n",
		   (int)(l->n_started % (uint64_t)l->o.models), c->body->len);
	c->sent = c->n_answer = 0;
	c->start_us = now;
	c->busy = true;
	l->n_started++;
	l->n_bytes += c->body->len;
	send_more(l, c);
}

/* In turn: none may idle until the server closes it. */
static void start_idle(struct load *l)
{
	size_t n = (size_t)l->o.connections, first = l->n_started % n;

	for (size_t i = 0; i < n; i++) {
		struct connection *c = &l->connections[(first + i) % n];
		int64_t now = clock_monotonic_us();

		if (is_over(l, now) || next_due_us(l) > now)
			return;
		if (!c->busy)
			start(l, c, now);
	}
}

static bool is_answer_whole(const struct connection *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n");
	const char *length = strcasestr(c->answer, "\r\nContent-Length:");

	if (!end)
		return false;
	if (!length || length > end) {
		fprintf(stderr, "load: an answer without length\n");
		exit(1);
	}
	return c->n_answer >=
	       (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void finish(struct load *l, struct connection *c)
{
	int64_t now = clock_monotonic_us();

	if (l->n_done == l->cap_latencies) {
		l->cap_latencies =
			l->cap_latencies ? l->cap_latencies * 2 : 65536;
		l->latencies = xrealloc_array(l->latencies, l->cap_latencies,
					      sizeof(*l->latencies));
	}
	l->latencies[l->n_done++] = (uint32_t)(now - c->start_us);
	if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0) {
		if (!l->n_refused++)
			fprintf(stderr, "load: refused: %s\n", c->answer);
	}
	c->busy = false;
	l->end_us = now;
	if (!is_over(l, now) && next_due_us(l) <= now)
		start(l, c, now);
}

static void receive(struct load *l, struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->n_answer,
			 ANSWER_MAX - c->n_answer, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die(n ? "receive" : "closed by the server");
	c->n_answer += (size_t)n;
	c->answer[c->n_answer] = '\0';
	if (is_answer_whole(c))
		finish(l, c);
}

static int wait_ms(const struct load *l, int64_t now)
{
	int64_t due = next_due_us(l);

	return l->o.rate && due > now ? (int)((due - now) / 1000 + 1) : 1000;
}

static void post(struct load *l)
{
	struct epoll_event events[64];

	l->connections =
		xcalloc((size_t)l->o.connections, sizeof(*l->connections));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		die("epoll");
	for (long i = 0; i < l->o.connections; i++)
		connect_one(l, &l->connections[i]);
	l->begin_us = clock_monotonic_us();
	start_idle(l);
	while (l->n_done < l->n_started || !is_over(l, clock_monotonic_us())) {
		int n = epoll_wait(l->epoll, events, 64,
				   wait_ms(l, clock_monotonic_us()));

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				send_more(l, c);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				receive(l, c);
		}
		if (l->o.rate)
			start_idle(l);
	}
}

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void report(struct load *l, const struct rusage *before)
{
	struct rusage u;
	uint64_t n = l->n_done;

	getrusage(RUSAGE_SELF, &u);
	qsort(l->latencies, n, sizeof(*l->latencies), by_value);
	printf("{\"bodies\":%" PRIu64 ",\"events\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"seconds\":%.6f,\"p50_us\":%u,\"p99_us\":%u,\"cpu\":%.6f}\n",
	       n, n * (uint64_t)l->o.events, l->n_refused, l->n_bytes,
	       (double)(l->end_us - l->begin_us) * 1e-6,
	       n ? l->latencies[n / 2] : 0,
	       n ? l->latencies[(n - 1) * 99 / 100] : 0,
	       seconds_of(u.ru_utime) + seconds_of(u.ru_stime) -
		       seconds_of(before->ru_utime) -
		       seconds_of(before->ru_stime));
}

static int compare_times(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void copy(struct load *l)
{
	double ns[PASSES];
	size_t largest = 0;
	char *to;

	for (size_t i = 0; i < l->n_bodies; i++)
		if (l->bodies[i].len > largest)
			largest = l->bodies[i].len;
	to = xmalloc(largest);
	for (int pass = -1; pass < PASSES; pass++) { /* the first warms up */
		int64_t start = clock_monotonic_us();

		for (size_t i = 0; i < l->n_bodies; i++) {
			memcpy(to, l->bodies[i].data, l->bodies[i].len);
			__asm__ volatile("" : : "r"(to) : "memory");
		}
		if (pass >= 0)
			ns[pass] = (double)(clock_monotonic_us() - start) *
				   1000.0 /
				   (double)(l->n_bodies * (size_t)l->o.events);
	}
	free(to);
	qsort(ns, PASSES, sizeof(*ns), compare_times);
	printf("{\"ns\":%.3f}\n", ns[PASSES / 2]);
}

static int usage(void)
{
	fprintf(stderr, "usage: load post|print|copy [-p PORT] [-e EVENTS] "
			"[-c CONNECTIONS] [-n BODIES] [-s SECONDS] [-r RATE] "
			"[-m MODELS] [-d short|long] [-S SEED] [-t TIME]\n");
	return 64;
}

static long *number_option(struct options *o, int option)
{
	switch (option) {
	case 'p':
		return &o->port;
	case 'e':
		return &o->events;
	case 'c':
		return &o->connections;
	case 'n':
		return &o->bodies;
	case 's':
		return &o->seconds;
	case 'r':
		return &o->rate;
	case 'm':
		return &o->models;
	default:
		return NULL;
	}
}

static bool read_options(struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:e:c:n:s:r:m:d:S:t:")) != -1) {
		long *number = number_option(o, option);

		if (number)
			*number = strtol(optarg, NULL, 10);
		else if (option == 'd')
			o->source.is_long = strcmp(optarg, "long") == 0;
		else if (option == 'S')
			o->source.state = strtoull(optarg, NULL, 10);
		else if (option == 't')
			o->source.time_us = strtoll(optarg, NULL, 10);
		else
			return false;
	}
	return o->events > 0 && o->events <= 1000000 && o->connections > 0 &&
	       o->connections <= CONNECTIONS_MAX && o->models > 0;
}

int main(int argc, char **argv)
{
	static struct load l = {.o = {.events = 1000,
				      .connections = 1,
				      .seconds = 1,
				      .models = 1,
				      .source = {.state = 2385}}};
	struct rusage before;
	const char *command = argc > 1 ? argv[1] : "";

	l.o.source.time_us = clock_wall_us();
	if (argc < 2 || !read_options(&l.o, argc - 1, argv + 1))
		return usage();
	if (strcmp(command, "print") == 0)
		l.o.bodies = 1;
	make_bodies(&l);
	getrusage(RUSAGE_SELF, &before);
	if (strcmp(command, "print") == 0)
		fwrite(l.bodies[0].data, 1, l.bodies[0].len, stdout);
	else if (strcmp(command, "copy") == 0)
		copy(&l);
	else if (strcmp(command, "post") == 0 && l.o.port) {
		post(&l);
		report(&l, &before);
	} else
		return usage();
	return 0;
}
