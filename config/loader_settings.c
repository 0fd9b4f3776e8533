/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader - the settings of the daemon: server, storage, journal, log. */
#include "config/loader.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/option.h"
#include "config/config.h"
#include "config/settings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* A listening address, taken apart. */
struct endpoint {
	char host[INET6_ADDRSTRLEN];
	bool is_v6;
	bool is_loopback;
	bool is_any;
	int64_t port;
};

static bool classify(struct endpoint *out)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (!out->is_v6 && inet_pton(AF_INET, out->host, &v4) == 1) {
		out->is_loopback = (ntohl(v4.s_addr) >> 24) == 127;
		out->is_any = v4.s_addr == htonl(INADDR_ANY);
		return true;
	}
	if (out->is_v6 && inet_pton(AF_INET6, out->host, &v6) == 1) {
		out->is_loopback =
			IN6_IS_ADDR_LOOPBACK(&v6) ||
			(IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
		out->is_any = IN6_IS_ADDR_UNSPECIFIED(&v6);
		return true;
	}
	return false;
}

/* "1.2.3.4:80", "[::1]:80", "localhost:80", ":80" or "*:80". */
static bool parse_endpoint(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (!colon || !number_parse_int(colon + 1, strlen(colon + 1), 0, 65535,
					&out->port))
		return false;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		out->is_v6 = true;
		host++;
		len -= 2;
	} else if (len == 0 || (len == 1 && *text == '*')) {
		host = "0.0.0.0";
		len = strlen(host);
	} else if (len == 9 && strncmp(text, "localhost", len) == 0) {
		host = "127.0.0.1";
		len = strlen(host);
	}
	if (len >= sizeof(out->host))
		return false;
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	return classify(out);
}

static void replace(char **target, struct buf *text)
{
	free(*target);
	*target = xstrdup(buf_str(text));
	buf_clear(text);
}

/* Check *${address} and write it in its one form. */
static void normalise_endpoint(struct loader *l, const struct node *n,
			       char **address, struct endpoint *out)
{
	struct buf text;

	if (!parse_endpoint(*address, out)) {
		problems_add(&l->problems, n,
			     "\"%s\" must be address:port, such as "
			     "127.0.0.1:8717 or [::1]:8717, not \"%s\"",
			     n->key, *address);
		return;
	}
	buf_init(&text, 256);
	buf_printf(&text, out->is_v6 ? "[%s]:%d" : "%s:%d", out->host,
		   (int)out->port);
	replace(address, &text);
	buf_release(&text);
}

static void default_external_url(struct config_server *s,
				 const struct endpoint *ep)
{
	struct buf text;

	buf_init(&text, 256);
	if (ep->is_any)
		buf_printf(&text, "http://localhost:%d", (int)ep->port);
	else
		buf_printf(&text, "http://%s", s->listen);
	replace(&s->external_url, &text);
	buf_release(&text);
}

static bool is_web_url(const char *url)
{
	const char *host;

	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		return false;
	if (!*host || *host == '/' || *host == '?' || *host == '#')
		return false;
	for (; *host; host++)
		if ((unsigned char)*host <= ' ' || *host == 0x7f)
			return false;
	return true;
}

bool loader_check_url(struct loader *l, const struct node *n, const char *url)
{
	if (is_web_url(url))
		return true;
	problems_add(&l->problems, n,
		     "\"%s\" must be an http:// or https:// address", n->key);
	return false;
}

static void check_external_url(struct loader *l, const struct node *server,
			       const struct endpoint *ep)
{
	struct config_server *s = &l->config->server;
	size_t len;

	if (!s->external_url) {
		default_external_url(s, ep);
		return;
	}
	if (!loader_check_url(l, node_find(server, "external_url"),
			      s->external_url))
		return;
	len = strlen(s->external_url);
	while (s->external_url[len - 1] == '/')
		s->external_url[--len] = '\0';
}

/* The setting to blame when two contradict each other. */
static const struct node *either(const struct node *map, const char *key,
				 const char *other)
{
	const struct node *n = node_find(map, key);

	return n ? n : node_find(map, other);
}

static void check_server(struct loader *l, const struct node *server)
{
	struct config_server *s = &l->config->server;
	const struct node *listen = node_find(server, "listen");
	const struct node *metrics = node_find(server, "metrics_listen");
	struct endpoint ep, other;

	if (!listen)
		parse_endpoint(s->listen, &ep);
	else
		normalise_endpoint(l, listen, &s->listen, &ep);
	if (s->metrics_listen)
		normalise_endpoint(l, metrics, &s->metrics_listen, &other);
	if (s->metrics_listen && ep.port &&
	    strcmp(s->metrics_listen, s->listen) == 0)
		problems_add(&l->problems, metrics,
			     "\"metrics_listen\" must differ from \"listen\"");
	check_external_url(l, server, &ep);
	if (listen && *ep.host && !ep.is_loopback && !s->tokens_file &&
	    !s->allow_unauthenticated)
		problems_add(&l->problems, listen,
			     "listening on \"%s\" beyond loopback needs "
			     "\"tokens_file\" or \"allow_unauthenticated: "
			     "true\"",
			     s->listen);
	if (s->max_record > s->max_body)
		problems_add(&l->problems,
			     either(node_find(server, "limits"), "max_record",
				    "max_body"),
			     "\"max_record\" must not be larger than "
			     "\"max_body\"");
}

static void check_tls(struct loader *l, const struct node *tls)
{
	static const char *const keys[] = {"cert_file", "key_file"};

	unsigned n = l->problems.n;

	if (!loader_is(l, tls, NODE_MAPPING))
		return;
	loader_check_keys(l, tls, keys, ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		loader_is(l, node_find(tls, keys[i]), NODE_SCALAR);
	if (n == l->problems.n)
		problems_add_key(
			&l->problems, tls,
			"\"tls\" is not supported yet: put a proxy in front");
}

/* Paths are relative to the file that says them. */
static void resolve(const struct node *n, char **path)
{
	char *absolute;

	if (!n || !*path)
		return;
	absolute = loader_path(n, *path);
	free(*path);
	*path = absolute;
}

static void check_path(struct loader *l, const struct node *n, char **path)
{
	if (n && *path && !**path)
		problems_add(&l->problems, n, "\"%s\" is empty", n->key);
	resolve(n, path);
}

/* One section of the table: "server." and its keys. */
static void read_section(struct loader *l, const struct node *map,
			 const char *prefix, const char *const *others,
			 size_t n_others)
{
	const struct loader_table t = {
		.options = settings_daemon,
		.n_options = settings_n_daemon,
		.prefix = prefix,
		.others = others,
		.n_others = n_others,
	};

	loader_read_table(l, map, &t, l->config);
}

void loader_read_settings(struct loader *l, const struct node *root)
{
	static const char *const server_keys[] = {"tls", "limits"};
	static const char *const storage_keys[] = {"dsn_file", "retention"};
	const struct node *server = node_find(root, "server");
	const struct node *storage = node_find(root, "storage");
	const struct node *journal = node_find(root, "journal");
	struct config *c = l->config;

	read_section(l, node_find(root, "log"), "log.", NULL, 0);
	read_section(l, server, "server.", server_keys, ARRAY_LEN(server_keys));
	read_section(l, node_find(server, "limits"), "server.limits.", NULL, 0);
	check_path(l, node_find(server, "tokens_file"), &c->server.tokens_file);
	check_server(l, server);
	check_tls(l, node_find(server, "tls"));

	read_section(l, storage, "storage.", storage_keys,
		     ARRAY_LEN(storage_keys));
	read_section(l, node_find(storage, "retention"), "storage.retention.",
		     NULL, 0);
	loader_read_twin(l, storage, "dsn", &c->storage.dsn);

	read_section(l, journal, "journal.", NULL, 0);
	check_path(l, node_find(journal, "dir"), &c->journal.dir);
	if (c->journal.segment_bytes > c->journal.max_bytes / 2)
		problems_add(&l->problems,
			     either(journal, "segment_bytes", "max_bytes"),
			     "\"segment_bytes\" must be at most half of "
			     "\"max_bytes\"");
}
