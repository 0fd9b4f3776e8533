/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_TESTS_PG_PROXY_H
#define DRIFTD_TESTS_PG_PROXY_H

/*
 * pg_proxy - a proxy between the code under test and PostgreSQL's socket,
 * which cuts the connection at the worst moment: around COMMIT, or after so
 * many bytes.
 */

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "storage/pg.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum proxy_cut {
	CUT_NEVER,
	CUT_BEFORE_COMMIT, /* the server never sees it */
	CUT_AFTER_COMMIT,  /* the server has done it, the answer is lost */
	CUT_AFTER_BYTES,   /* of what the client sends */
	STALL		   /* accepted, and nothing more */
};

struct pg_proxy {
	char dir[64], dsn[512];
	struct sockaddr_un own, server;
	int listener;
	pthread_t thread;
	atomic_int cut; /* enum proxy_cut; taken once, then CUT_NEVER */
	atomic_long bytes;
	atomic_int n_cuts;
	atomic_bool stop;
};

ATTR_UNUSED static const char *test_dsn(void)
{
	const char *dsn = getenv("DRIFTD_TEST_DSN");

	if (!dsn) {
		print_message("skipped: DRIFTD_TEST_DSN is not set\n");
		skip();
	}
	return dsn;
}

ATTR_UNUSED static struct pg *test_pg(const char *dsn)
{
	const struct pg_options o = {
		.dsn = dsn,
		.application = "test",
		.connect_timeout_us = 5 * CLOCK_SECOND_US,
		.statement_timeout_us = 20 * CLOCK_SECOND_US,
	};

	return pg_new(&o);
}

static bool proxy_has_commit(const char *data, size_t len)
{
	return memmem(data, len, "COMMIT", 6) != NULL;
}

/* One direction; false when the connection is to end. */
static bool proxy_move(struct pg_proxy *p, int from, int to, bool is_client)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data)), done = 0;
	int cut = atomic_load(&p->cut);
	bool end = false;

	if (n <= 0)
		return false;
	if (is_client && cut == CUT_BEFORE_COMMIT &&
	    proxy_has_commit(data, (size_t)n)) {
		atomic_store(&p->cut, CUT_NEVER);
		atomic_fetch_add(&p->n_cuts, 1);
		return false;
	}
	if (is_client && cut == CUT_AFTER_BYTES &&
	    atomic_fetch_sub(&p->bytes, n) <= n) {
		atomic_store(&p->cut, CUT_NEVER);
		atomic_fetch_add(&p->n_cuts, 1);
		end = true;
	}
	while (done < n) {
		ssize_t w = write(to, data + done, (size_t)(n - done));

		if (w <= 0)
			return false;
		done += w;
	}
	if (is_client && cut == CUT_AFTER_COMMIT &&
	    proxy_has_commit(data, (size_t)n)) {
		/* The server's answer shows that it is done. */
		atomic_store(&p->cut, CUT_NEVER);
		atomic_fetch_add(&p->n_cuts, 1);
		n = read(to, data, sizeof(data));
		(void)n;
		end = true;
	}
	return !end;
}

static void proxy_serve(struct pg_proxy *p, int client)
{
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[2];

	while (atomic_load(&p->cut) == STALL && !atomic_load(&p->stop))
		usleep(1000);
	if (connect(server, (const struct sockaddr *)&p->server,
		    sizeof(p->server)))
		goto out;
	for (;;) {
		fds[0] = (struct pollfd){.fd = client, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = server, .events = POLLIN};
		if (poll(fds, 2, 20) < 0 || atomic_load(&p->stop))
			break;
		if (fds[0].revents && !proxy_move(p, client, server, true))
			break;
		if (fds[1].revents && !proxy_move(p, server, client, false))
			break;
	}
out:
	close(server);
	close(client);
}

/* One connection after the other: the code under test has one. */
static void *proxy_run(void *arg)
{
	struct pg_proxy *p = arg;

	while (!atomic_load(&p->stop)) {
		struct pollfd fd = {.fd = p->listener, .events = POLLIN};
		int client;

		if (poll(&fd, 1, 20) <= 0)
			continue;
		client = accept(p->listener, NULL, NULL);
		if (client >= 0)
			proxy_serve(p, client);
	}
	return NULL;
}

ATTR_UNUSED static void proxy_start(struct pg_proxy *p)
{
	const char *dsn = test_dsn();
	struct pg *pg = test_pg(dsn);
	struct pg_result *r;
	struct err e;

	memset(p, 0, sizeof(*p));
	assert_int_equal(
		pg_exec(pg,
			"SELECT current_setting('unix_socket_directories'), "
			"current_setting('port')",
			NULL, &r, &e),
		0);
	p->own.sun_family = p->server.sun_family = AF_UNIX;
	snprintf(p->dir, sizeof(p->dir), "/tmp/driftd-proxy-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_true(snprintf(p->server.sun_path, sizeof(p->server.sun_path),
			     "%s/.s.PGSQL.%s", pg_get_text(r, 0, 0),
			     pg_get_text(r, 0, 1)) <
		    (int)sizeof(p->server.sun_path));
	assert_true(snprintf(p->own.sun_path, sizeof(p->own.sun_path),
			     "%s/.s.PGSQL.%s", p->dir, pg_get_text(r, 0, 1)) <
		    (int)sizeof(p->own.sun_path));
	assert_true(snprintf(p->dsn, sizeof(p->dsn), "%s host=%s", dsn,
			     p->dir) < (int)sizeof(p->dsn));
	pg_result_free(r);
	pg_free(pg);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (const struct sockaddr *)&p->own,
			      sizeof(p->own)),
			 0);
	assert_int_equal(listen(p->listener, 16), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

ATTR_UNUSED static void proxy_stop(struct pg_proxy *p)
{
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	close(p->listener);
	unlink(p->own.sun_path);
	rmdir(p->dir);
}

#endif
