/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * http_request - one request through its phases: route, authorise, body, run,
 * answer.  The library calls http_handle once for the headers, once for each
 * piece of the body, once at its end, and again after a resume.
 */

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "daemon/http_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HTTP_ANSWER_MAX = 256 * 1024 * 1024, HTTP_ARENA_MAX = 16 * 1024 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int http_decode_percent(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int hi = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int lo = hi >= 0 ? hex_digit(text[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return -1;
			c = (char)(hi * 16 + lo);
			i += 2;
		}
		if (!c || n + 1 >= size)
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return utf8_is_valid(out, n, NULL) ? 0 : -1;
}

/* Match ${url} with a pattern; parameters are decoded into ${r}. */
static bool match(const char *pattern, const char *url, struct http_request *r)
{
	unsigned n = 0;

	while (*pattern) {
		if (pattern[0] == '{') {
			size_t len = strcspn(url, "/");

			if (!len || n == HTTP_PARAMS ||
			    http_decode_percent(url, len, r->params[n],
						HTTP_PARAM_MAX))
				return false;
			n++;
			url += len;
			pattern += 2;
			continue;
		}
		if (*pattern++ != *url++)
			return false;
	}
	return !*url;
}

static bool same_method(const char *route, const char *method)
{
	return !strcmp(route, method) ||
	       (!strcmp(method, "HEAD") && !strcmp(route, "GET"));
}

/* The route of the path, and whether the path exists under another method. */
static const struct http_route *find_route(const struct http_server *s,
					   const char *url, const char *method,
					   struct http_request *r,
					   bool *other_method)
{
	*other_method = false;
	for (size_t i = 0; i < s->o.n_routes; i++) {
		const struct http_route *route = &s->o.routes[i];

		if (!match(route->pattern, url, r))
			continue;
		if (same_method(route->method, method))
			return route;
		*other_method = true;
	}
	return NULL;
}

static enum MHD_Result add_query(void *arg, enum MHD_ValueKind kind,
				 const char *key, const char *value)
{
	struct http_request *r = arg;
	size_t used = 0, n;
	char *out;

	(void)kind;
	if (r->n_query == HTTP_QUERY_MAX)
		return MHD_NO;
	if (!r->priv->arena)
		r->priv->arena = xcalloc(1, HTTP_ARENA_MAX);
	if (r->n_query) {
		const char *last = r->query[r->n_query - 1].value;

		used = (size_t)(last - r->priv->arena) + strlen(last) + 1;
	}
	out = r->priv->arena + used;
	if (http_decode_percent(key, strlen(key), out, HTTP_ARENA_MAX - used))
		return MHD_NO;
	n = strlen(out) + 1;
	r->query[r->n_query].key = out;
	if (http_decode_percent(value ? value : "", value ? strlen(value) : 0,
				out + n, HTTP_ARENA_MAX - used - n))
		return MHD_NO;
	r->query[r->n_query].value = out + n;
	r->n_query++;
	return MHD_YES;
}

struct framing {
	unsigned n_length, n_encoding;
};

static enum MHD_Result count_framing(void *arg, enum MHD_ValueKind kind,
				     const char *key, const char *value)
{
	struct framing *f = arg;

	(void)kind;
	(void)value;
	f->n_length += !strcasecmp(key, "Content-Length");
	f->n_encoding += !strcasecmp(key, "Transfer-Encoding");
	return MHD_YES;
}

/* What the library takes though two readers could disagree on its end. */
static bool is_smuggling(struct MHD_Connection *c)
{
	struct framing f = {0};

	MHD_get_connection_values(c, MHD_HEADER_KIND, count_framing, &f);
	return f.n_length > 1 || f.n_encoding > 1 ||
	       (f.n_length && f.n_encoding);
}

/* Everything that can be said once the headers are there. */
static void admit(struct http_request *r, const char *url, const char *method,
		  const struct http_listener *l)
{
	struct http_server *s = l->server;
	bool other_method;
	int status;

	if (is_smuggling(r->priv->connection)) {
		http_error(r, 400, "bad_framing",
			   "more than one of content-length and "
			   "transfer-encoding");
		return;
	}
	r->route = find_route(s, url, method, r, &other_method);
	if (!r->route || (l->metrics_only && !r->route->always)) {
		if (!r->route && other_method)
			http_error(r, 405, "method_not_allowed",
				   "this route has no method %.16s", method);
		else
			http_error(r, 404, "not_found", "no such route");
		return;
	}
	if (atomic_load(&s->draining) && !r->route->always) {
		http_error(r, 503, "draining", "the daemon is stopping");
		r->retry_after_s = 5;
		return;
	}
	status = s->o.authorize
			 ? s->o.authorize(r, http_header(r, "Authorization"))
			 : 0;
	if (status) {
		http_error(r, status,
			   status == 401 ? "unauthorized" : "forbidden",
			   status == 401 ? "a valid bearer token is needed"
					 : "the token does not allow this");
		return;
	}
	MHD_get_connection_values(r->priv->connection, MHD_GET_ARGUMENT_KIND,
				  add_query, r);
	if (r->route->begin)
		r->route->begin(r);
}

static struct http_request *request_new(struct http_listener *l,
					struct MHD_Connection *c,
					const char *method)
{
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->priv = xcalloc(1, sizeof(*r->priv));
	r->priv->server = l->server;
	r->priv->connection = c;
	r->app = l->server->o.app;
	r->method = method;
	buf_init(&r->body, HTTP_ANSWER_MAX);
	return r;
}

static void request_free(struct http_request *r)
{
	if (r->route && r->route->release)
		r->route->release(r);
	buf_release(&r->body);
	free(r->priv->arena);
	free(r->priv);
	free(r);
}

static enum MHD_Result give_answer(struct http_request *r)
{
	struct http_server *s = r->priv->server;
	struct MHD_Response *m;
	enum MHD_Result result;
	char number[24];

	if (r->drop || r->body.failed) {
		if (s->o.count)
			s->o.count(s->o.app, r->route, 0);
		return MHD_NO;
	}
	/* the library frees the bytes */
	m = MHD_create_response_from_buffer(r->body.len, r->body.data,
					    MHD_RESPMEM_MUST_FREE);
	if (!m)
		return MHD_NO;
	r->body.data = NULL;
	buf_release(&r->body);
	MHD_add_response_header(m, "Content-Type",
				r->content_type ? r->content_type
						: "application/json");
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(m, "Cache-Control", "no-store");
	if (r->content_type && !strncmp(r->content_type, "text/html", 9)) {
		MHD_add_response_header(
			m, "Content-Security-Policy",
			"default-src 'self'; frame-ancestors 'none'");
		MHD_add_response_header(m, "X-Frame-Options", "DENY");
	}
	if (r->retry_after_s) {
		struct buf b;

		buf_init(&b, sizeof(number));
		buf_printf(&b, "%ld", r->retry_after_s);
		MHD_add_response_header(m, "Retry-After", buf_str(&b));
		buf_release(&b);
	}
	if (r->status == 401)
		MHD_add_response_header(m, "WWW-Authenticate", "Bearer");
	if (r->status == 400 && !r->route)
		MHD_add_response_header(m, "Connection", "close");
	result =
		MHD_queue_response(r->priv->connection, (unsigned)r->status, m);
	MHD_destroy_response(m);
	atomic_store(&r->priv->phase, HTTP_QUEUED);
	http_connection_deadline(r->priv->connection, s->o.request_timeout_us);
	if (s->o.count)
		s->o.count(s->o.app, r->route, r->status);
	return result;
}

/* The body is whole. */
static enum MHD_Result run(struct http_request *r)
{
	struct http_server *s = r->priv->server;

	if (r->status || r->drop)
		return give_answer(r);
	if (r->route->thread != HTTP_INLINE) {
		http_suspend(r);
		if (!http_queue_put(s, r)) {
			http_error(r, 503, "busy", "too many queries wait");
			r->retry_after_s = 1;
			http_resume(r);
		}
		return MHD_YES;
	}
	r->route->run(r);
	/* a suspended request may already be somebody else's: look only at
	 * what its owner cannot free before this function returns */
	if (atomic_load(&r->priv->phase) != HTTP_BODY)
		return MHD_YES;
	return give_answer(r);
}

/* A refused body that is long: the answer goes out before it is read. */
static bool is_long_body(const struct http_request *r)
{
	const char *length = http_header(r, "Content-Length");

	return length && strlen(length) > 6; /* a million bytes or more */
}

static enum MHD_Result take_body(struct http_request *r, const char *data,
				 size_t *size)
{
	size_t n = *size;

	*size = 0;
	if (!r->status && !r->drop && r->route->feed)
		r->route->feed(r, data, n);
	else if ((r->priv->n_dropped += n) > r->priv->server->o.max_body)
		return MHD_NO;
	return MHD_YES;
}

enum MHD_Result http_handle(void *arg, struct MHD_Connection *c,
			    const char *url, const char *method,
			    const char *version, const char *upload_data,
			    size_t *upload_data_size, void **state)
{
	struct http_listener *l = arg;
	struct http_request *r = *state;

	(void)version;
	if (!r) {
		r = request_new(l, c, method);
		*state = r;
		http_connection_deadline(c, l->server->o.request_timeout_us);
		admit(r, url, method, l);
		if (r->status && is_long_body(r))
			return give_answer(r);
		return MHD_YES;
	}
	switch (atomic_load(&r->priv->phase)) {
	case HTTP_BODY:
		if (*upload_data_size)
			return take_body(r, upload_data, upload_data_size);
		return run(r);
	case HTTP_READY:
		return give_answer(r);
	case HTTP_WAITING:
	case HTTP_QUEUED:
		break;
	}
	return MHD_YES;
}

void http_completed(void *arg, struct MHD_Connection *c, void **state,
		    enum MHD_RequestTerminationCode code)
{
	struct http_listener *l = arg;
	struct http_request *r = *state;

	(void)code;
	if (r)
		request_free(r);
	*state = NULL;
	http_connection_deadline(c, l->server->o.idle_timeout_us);
}

const char *http_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->priv->connection, MHD_HEADER_KIND,
					   name);
}

const char *http_query(const struct http_request *r, const char *key)
{
	for (unsigned i = 0; i < r->n_query; i++)
		if (!strcmp(r->query[i].key, key))
			return r->query[i].value;
	return NULL;
}

void http_answer(struct http_request *r, int status, const char *content_type)
{
	r->status = status;
	r->content_type = content_type;
}

static void write_error(struct http_request *r, int status, const char *code,
			const char *message, unsigned line, unsigned column)
{
	struct json_out w;

	buf_clear(&r->body);
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_key(&w, "error");
	json_object_begin(&w);
	json_put_string(&w, "code", code);
	json_put_string(&w, "message", message);
	if (line) {
		json_put_int(&w, "line", line);
		json_put_int(&w, "column", column);
	}
	json_object_end(&w);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, status, "application/json");
}

void http_error(struct http_request *r, int status, const char *code,
		const char *fmt, ...)
{
	struct buf message;
	va_list ap;

	buf_init(&message, 1024);
	va_start(ap, fmt);
	buf_vprintf(&message, fmt, ap);
	va_end(ap);
	write_error(r, status, code, buf_str(&message), 0, 0);
	buf_release(&message);
}

void http_error_from(struct http_request *r, const struct err *e)
{
	static const struct {
		int status;
		const char *code;
	} by_code[] = {
		[ERR_NONE] = {500, "internal"},
		[ERR_INVALID] = {400, "invalid"},
		[ERR_LIMIT] = {413, "too_large"},
		[ERR_NOT_FOUND] = {404, "not_found"},
		[ERR_CONFLICT] = {409, "conflict"},
		[ERR_UNSUPPORTED] = {415, "unsupported"},
		[ERR_TEMP] = {503, "try_again"},
		[ERR_UNAVAILABLE] = {503, "unavailable"},
		[ERR_IO] = {500, "io"},
		[ERR_FENCED] = {503, "fenced"},
		[ERR_BUG] = {500, "internal"},
	};

	/* what the database refuses is never the client's fault: the schema
	 * may still be on its way */
	enum err_code code = e->sqlstate[0] ? ERR_UNAVAILABLE : e->code;

	write_error(r, by_code[code].status, by_code[code].code, e->message,
		    e->line, e->column);
	if (by_code[code].status == 503)
		r->retry_after_s = 2;
}

void http_suspend(struct http_request *r)
{
	atomic_fetch_add(&r->priv->server->n_waiting, 1);
	http_connection_deadline(r->priv->connection, INT64_MAX);
	atomic_store(&r->priv->phase, HTTP_WAITING);
	MHD_suspend_connection(r->priv->connection);
}

void http_resume(struct http_request *r)
{
	struct http_server *s = r->priv->server;
	struct MHD_Connection *c = r->priv->connection;

	http_connection_deadline(c, s->o.request_timeout_us);
	atomic_store(&r->priv->phase, HTTP_READY);
	MHD_resume_connection(c);
	atomic_fetch_sub(&s->n_waiting, 1);
}
