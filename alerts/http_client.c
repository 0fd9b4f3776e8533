/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The door to libcurl.  One easy handle driven by a multi handle, because
 * only that can be woken from another thread; everything a server may do
 * without end (resolve, connect, headers, body) has a bound.
 */
#include "alerts/http_client.h"

#include "alerts/address.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_MAX = 64 * 1024, CONNECT_TIMEOUT_MS = 5000 };

/* A connection is not used beyond this: its address may have moved on. */
enum { CONNECTION_AGE_S = 300 };

struct http_client {
	CURLM *multi;
	CURL *easy;
	atomic_bool aborted;
	bool guarded, allowed_private; /* what kept connections passed */

	/* of the call under way */
	const struct http_call *call;
	struct http_answer *answer;
	size_t header_bytes;
	bool refused;  /* an address by the guard */
	bool too_long; /* headers, or a body that is not to be cut */
	bool cut;      /* the body, on purpose */
	char error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(void)
{
	struct http_client *h = xcalloc(1, sizeof(*h));

	pthread_once(&curl_once, curl_init);
	h->multi = curl_multi_init();
	h->easy = curl_easy_init();
	if (!h->multi || !h->easy) {
		http_client_free(h);
		return NULL;
	}
	return h;
}

void http_client_free(struct http_client *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	if (h->multi)
		curl_multi_cleanup(h->multi);
	free(h);
}

void http_client_abort(struct http_client *h)
{
	atomic_store(&h->aborted, true);
	curl_multi_wakeup(h->multi);
}

void http_answer_release(struct http_answer *a)
{
	buf_release(&a->body);
}

/* --- what curl calls ---------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_client *h = arg;
	struct buf *body = &h->answer->body;
	size_t len = size * n, room = h->call->max_answer - body->len;

	if (len > room) {
		if (h->call->cut_answer)
			buf_add(body, data, room);
		h->cut = h->call->cut_answer;
		h->too_long = !h->cut;
		return 0; /* ends the transfer */
	}
	buf_add(body, data, len);
	return body->failed ? 0 : len;
}

/* Seconds, or an HTTP date, from now on; -1 for anything else. */
static int64_t parse_retry_after(const char *text)
{
	int64_t seconds;
	time_t date;

	if (number_parse_int(text, strlen(text), 0, INT32_MAX, &seconds))
		return seconds * CLOCK_SECOND_US;
	date = curl_getdate(text, NULL);
	if (date == (time_t)-1)
		return -1;
	seconds = (int64_t)date - clock_wall_us() / CLOCK_SECOND_US;
	return seconds > 0 ? seconds * CLOCK_SECOND_US : 0;
}

static void read_header(struct http_client *h, const char *line, size_t len)
{
	static const char name[] = "retry-after:";
	const size_t name_len = sizeof(name) - 1;
	char value[64];

	/* Each answer (a 100 comes before the real one) starts anew. */
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		h->answer->retry_after_us = -1;
	if (len < name_len || strncasecmp(line, name, name_len) != 0)
		return;
	line += name_len;
	len -= name_len;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (len >= sizeof(value))
		return;
	memcpy(value, line, len);
	value[len] = '\0';
	h->answer->retry_after_us = parse_retry_after(value);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct http_client *h = arg;
	size_t len = size * n;

	h->header_bytes += len;
	if (h->header_bytes > HEADERS_MAX) {
		h->too_long = true;
		return 0;
	}
	read_header(h, data, len);
	return len;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose,
			     struct curl_sockaddr *address)
{
	struct http_client *h = arg;

	if (h->call->guard &&
	    (purpose != CURLSOCKTYPE_IPCXN ||
	     !address_is_allowed(&address->addr, address->addrlen,
				 h->call->allow_private))) {
		h->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
		      address->protocol);
}

/* --- one call ----------------------------------------------------------- */

/* curl passes line breaks in headers on: nothing but printable text. */
static bool is_header_safe(const char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			return false;
	return true;
}

static int make_headers(const struct http_call *call, struct curl_slist **out,
			struct err *e)
{
	/* No "Expect: 100-continue": it costs a second at servers without. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; call->headers && call->headers[i]; i++) {
		struct curl_slist *next;

		if (!is_header_safe(call->headers[i])) {
			curl_slist_free_all(list);
			return err_set(e, ERR_INVALID,
				       "header %zu holds control characters",
				       i + 1);
		}
		next = curl_slist_append(list, call->headers[i]);
		if (!next)
			break;
		list = next;
	}
	*out = list;
	return 0;
}

/* The one parser of URLs is curl's own, so that both mean the same host. */
static int make_url(const char *text, CURLU **out, struct err *e)
{
	CURLU *url = curl_url();
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
	char *scheme = NULL;

	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	if (code != CURLUE_OK) {
		curl_url_cleanup(url);
		return err_set(e, ERR_INVALID, "bad url: %s",
			       curl_url_strerror(code));
	}
	if (strcasecmp(scheme, "http") != 0 &&
	    strcasecmp(scheme, "https") != 0) {
		err_set(e, ERR_INVALID,
			"bad url: the scheme is \"%.16s\", not http or https",
			scheme);
		curl_free(scheme);
		curl_url_cleanup(url);
		return -1;
	}
	curl_free(scheme);
	*out = url;
	return 0;
}

static void set_request(struct http_client *h, CURLU *url,
			struct curl_slist *headers)
{
	const struct http_call *call = h->call;
	CURL *c = h->easy;

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_CURLU, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	if (call->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)call->body_len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body);
	}
	if (strcmp(call->method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "driftd/" DRIFTD_VERSION);
}

static void set_bounds(struct http_client *h)
{
	CURL *c = h->easy;
	int64_t ms = h->call->timeout_us / 1000;
	bool fresh =
		h->call->guard &&
		(!h->guarded || h->allowed_private != h->call->allow_private);

	if (ms < 1)
		ms = 1;
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ms);
	curl_easy_setopt(
		c, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(ms < CONNECT_TIMEOUT_MS ? ms : CONNECT_TIMEOUT_MS));
	curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_AGE_S);
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h);
	h->guarded = h->call->guard;
	h->allowed_private = h->call->allow_private;
}

/* Drive the transfer to its end; false when it was aborted. */
static bool drive(struct http_client *h, CURLcode *result)
{
	enum { POLL_MS = 1000 }; /* curl wakes earlier for its own timers */

	for (;;) {
		int running = 0, left;
		CURLMsg *msg;

		if (atomic_load(&h->aborted))
			return false;
		if (curl_multi_perform(h->multi, &running) != CURLM_OK) {
			*result = CURLE_FAILED_INIT;
			return true;
		}
		while ((msg = curl_multi_info_read(h->multi, &left))) {
			if (msg->msg == CURLMSG_DONE) {
				*result = msg->data.result;
				return true;
			}
		}
		if (curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL) !=
		    CURLM_OK) {
			*result = CURLE_FAILED_INIT;
			return true;
		}
	}
}

static int explain(struct http_client *h, CURLcode code, struct err *e)
{
	const char *why = *h->error ? h->error : curl_easy_strerror(code);

	if (h->refused)
		return err_set(e, ERR_CONFLICT,
			       "the address of the host is not allowed");
	if (h->too_long || h->answer->body.failed)
		return err_set(e, ERR_LIMIT, "the answer is too long");
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(e, ERR_TEMP, "timed out: %s", why);
	return err_set(e, ERR_UNAVAILABLE, "%s", why);
}

static int perform(struct http_client *h, struct err *e)
{
	CURLcode code = CURLE_FAILED_INIT;
	bool ended = false;

	if (curl_multi_add_handle(h->multi, h->easy) == CURLM_OK) {
		ended = drive(h, &code);
		curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE,
				  &h->answer->status);
		curl_multi_remove_handle(h->multi, h->easy);
	}
	if (!ended && atomic_load(&h->aborted))
		return err_set(e, ERR_UNAVAILABLE, "aborted");
	if (code == CURLE_OK || (h->cut && !h->too_long))
		return 0;
	return explain(h, code, e);
}

int http_client_call(struct http_client *h, const struct http_call *call,
		     struct http_answer *out, struct err *e)
{
	struct http_answer answer = {.retry_after_us = -1};
	struct curl_slist *headers = NULL;
	CURLU *url = NULL;
	int rc = -1;

	buf_init(&answer.body, call->max_answer);
	h->call = call;
	h->answer = &answer;
	h->header_bytes = 0;
	h->refused = h->too_long = h->cut = false;
	h->error[0] = '\0';
	if (make_headers(call, &headers, e) < 0 ||
	    make_url(call->url, &url, e) < 0)
		goto out;
	set_request(h, url, headers);
	set_bounds(h);
	rc = perform(h, e);
	/* Nothing of the call's memory stays in the handle. */
	curl_easy_reset(h->easy);
out:
	curl_slist_free_all(headers);
	curl_url_cleanup(url);
	h->call = NULL;
	h->answer = NULL;
	if (rc == 0)
		*out = answer;
	else
		http_answer_release(&answer);
	return rc;
}
