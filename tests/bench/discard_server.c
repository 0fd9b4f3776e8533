/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * discard_server - the yardstick of ingest: libmicrohttpd as the daemon runs
 * it (an acceptor deals connections in turn to epoll workers), which throws
 * bodies away and answers 200.  What is left between this and the daemon is
 * the daemon's own work.
 *
 *	discard_server WORKERS
 *
 * Prints its port on a line, and ends with its standard input.
 */

#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, POOL_BYTES = 32 * 1024 };

static enum MHD_Result handle(void *arg, struct MHD_Connection *c,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *size, void **state)
{
	static char answer[] = "{\"accepted\":1000,\"rejected\":0}\n";
	static int seen;
	struct MHD_Response *r;
	enum MHD_Result result;

	(void)arg;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	r = MHD_create_response_from_buffer(sizeof(answer) - 1, answer,
					    MHD_RESPMEM_PERSISTENT);
	if (!r)
		return MHD_NO;
	result = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return result;
}

static int listen_somewhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(fd, 511) || getsockname(fd, (struct sockaddr *)&a, &len)) {
		perror("discard_server");
		exit(1);
	}
	printf("%u\n", (unsigned)ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void deal(struct MHD_Daemon *worker, int listener)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int one = 1;
	int fd = accept4(listener, (struct sockaddr *)&a, &len,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	MHD_add_connection(worker, fd, (struct sockaddr *)&a, len);
}

int main(int argc, char **argv)
{
	struct MHD_Daemon *workers[WORKERS_MAX];
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 2;
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.events = POLLIN}};
	unsigned turn = 0;

	if (n < 1 || n > WORKERS_MAX)
		return 64;
	for (long i = 0; i < n; i++) {
		workers[i] = MHD_start_daemon(
			MHD_USE_EPOLL_INTERNAL_THREAD |
				MHD_USE_NO_LISTEN_SOCKET |
				MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC,
			0, NULL, NULL, handle, NULL,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
			MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)4096,
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
		if (!workers[i])
			return 1;
	}
	fds[1].fd = listen_somewhere();
	while (poll(fds, 2, -1) > 0 && !fds[0].revents)
		if (fds[1].revents)
			deal(workers[turn++ % (unsigned)n], fds[1].fd);
	for (long i = 0; i < n; i++)
		MHD_stop_daemon(workers[i]);
	return 0;
}
