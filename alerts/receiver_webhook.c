/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The signed webhook of Standard Webhooks: POST of the body with the headers
 *
 *	webhook-id: msg_…            the same over all attempts
 *	webhook-timestamp: seconds   of this attempt
 *	webhook-signature: v1,base64(HMAC-SHA256(secret, "id.timestamp.body"))
 *
 * with one signature per secret, so that secrets can be rotated.
 */
#include "alerts/receiver.h"

#include "alerts/http_client.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "config/config.h"

#include <inttypes.h>
#include <string.h>

/* The status is all that is read of an answer; this much of it is taken. */
enum { ANSWER_MAX = 64 * 1024, SIGNED_MAX = 128 * 1024, SECRET_MAX = 1024 };

enum receiver_outcome webhook_outcome(long status)
{
	if (status >= 200 && status < 300)
		return RECEIVER_DELIVERED;
	if (status == 410)
		return RECEIVER_GONE;
	/* A redirect is not followed; the receiver may be mended. */
	if (status == 408 || status == 425 || status == 429 || status >= 500 ||
	    status < 400)
		return RECEIVER_RETRY;
	return RECEIVER_DEAD;
}

static int sign_one(const char *secret, size_t len, const struct buf *content,
		    struct buf *out, struct err *e)
{
	static const char prefix[] = "whsec_";
	const size_t prefix_len = sizeof(prefix) - 1;
	uint8_t mac[SHA256_SIZE];
	struct buf key;
	int rc = -1;

	buf_init(&key, SECRET_MAX);
	if (len >= prefix_len && memcmp(secret, prefix, prefix_len) == 0) {
		secret += prefix_len;
		len -= prefix_len;
	}
	if (base64_decode(secret, len, &key, e) < 0) {
		err_set(e, ERR_INVALID, "the secret is not base64");
		goto out;
	}
	hmac_sha256(key.data, key.len, content->data, content->len, mac);
	if (out->len > 0)
		buf_add_char(out, ' ');
	buf_add_str(out, "v1,");
	base64_encode(mac, sizeof(mac), out);
	rc = 0;
out:
	if (key.data)
		explicit_bzero(key.data, key.cap);
	buf_release(&key);
	return rc;
}

int webhook_sign(const char *secrets, const char *id, int64_t timestamp_s,
		 const char *body, size_t body_len, struct buf *out,
		 struct err *e)
{
	struct buf content;
	int rc = -1;

	buf_init(&content, SIGNED_MAX);
	buf_printf(&content, "%s.%" PRId64 ".", id, timestamp_s);
	buf_add(&content, body, body_len);
	if (content.failed) {
		err_set(e, ERR_LIMIT, "the body is too long to be signed");
		goto out;
	}
	for (const char *s = secrets; *s != '\0';) {
		size_t len = strcspn(s, " ");

		if (len > 0 && sign_one(s, len, &content, out, e) < 0)
			goto out;
		s += len;
		s += strspn(s, " ");
	}
	rc = 0;
out:
	buf_release(&content);
	return rc;
}

static void set_reason(struct receiver_answer *a, const char *text)
{
	size_t len = strnlen(text, RECEIVER_REASON_MAX - 1);

	memcpy(a->reason, text, len);
	a->reason[len] = '\0';
}

/* Never fails: a header that cannot be made is the answer. */
static void post(const struct config_receiver *r, struct http_client *http,
		 const struct receiver_message *m, const char *const *headers,
		 struct receiver_answer *out)
{
	struct http_call call = {
		.method = "POST",
		.url = r->url,
		.headers = headers,
		.body = m->body,
		.body_len = m->body_len,
		.timeout_us = r->timeout_us,
		.max_answer = ANSWER_MAX,
		.cut_answer = true,
		.guard = true,
		.allow_private = r->allow_private,
	};
	struct http_answer answer;
	struct err e = {0};
	struct buf reason;

	if (http_client_call(http, &call, &answer, &e) < 0) {
		set_reason(out, e.message);
		return;
	}
	out->outcome = webhook_outcome(answer.status);
	out->retry_after_us = answer.retry_after_us;
	if (out->outcome != RECEIVER_DELIVERED) {
		buf_init(&reason, RECEIVER_REASON_MAX);
		buf_printf(&reason, "the receiver answered %ld", answer.status);
		set_reason(out, buf_str(&reason));
		buf_release(&reason);
	}
	http_answer_release(&answer);
}

static void webhook_send(const struct config_receiver *r,
			 struct http_client *http,
			 const struct receiver_message *m,
			 struct receiver_answer *out)
{
	const int64_t timestamp_s = m->timestamp_us / CLOCK_SECOND_US;
	const char *headers[6] = {0};
	struct buf id, timestamp, signature;
	struct err e = {0};
	size_t n = 0;

	*out = (struct receiver_answer){.outcome = RECEIVER_RETRY,
					.retry_after_us = -1};
	buf_init(&id, 256);
	buf_init(&timestamp, 64);
	buf_init(&signature, 4096);
	buf_printf(&id, "webhook-id: %s", m->id);
	buf_printf(&timestamp, "webhook-timestamp: %" PRId64, timestamp_s);
	headers[n++] = "Content-Type: application/json";
	headers[n++] = buf_str(&id);
	headers[n++] = buf_str(&timestamp);
	if (r->secret && *r->secret) {
		struct buf value;

		buf_init(&value, 3072);
		if (webhook_sign(r->secret, m->id, timestamp_s, m->body,
				 m->body_len, &value, &e) < 0) {
			set_reason(out, e.message);
			buf_release(&value);
			goto out;
		}
		buf_printf(&signature, "webhook-signature: %s",
			   buf_str(&value));
		buf_release(&value);
		headers[n++] = buf_str(&signature);
	}
	if (!r->url) {
		set_reason(out, "the receiver has no url");
		goto out;
	}
	post(r, http, m, headers, out);
out:
	buf_release(&signature);
	buf_release(&timestamp);
	buf_release(&id);
}

const struct receiver_type receiver_webhook = {
	.name = "webhook",
	.send = webhook_send,
};
