/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * http_events - from a body to a durable frame.
 *
 * The answer is written before the frame is handed to the journal; the
 * committer only wakes the connection, or replaces the answer when the frame
 * did not become durable.
 */

#include "daemon/sources/http_events.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/config.h"
#include "daemon/app.h"
#include "daemon/http_server.h"
#include "daemon/ingest/ingest.h"
#include "daemon/key_memory.h"
#include "daemon/metrics.h"
#include "daemon/sources/uploads.h"
#include "storage/batch.h"
#include "storage/journal.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_KEY_MAX = 255, EVENTS_JSON_DEPTH = 64 };

/* What a request holds. */
struct events_state {
	struct config *config; /* a reference */
	const struct config_model *model;
	struct decoder *decoder; /* while the body comes in */
	struct frame *frame;     /* then, until it is durable */
	enum encoding encoding;
	char key[EVENTS_KEY_MAX + 1];
	size_t key_len;
	uint8_t body_hash[HASH128_SIZE];
	struct journal_entry entry;
};

static void find_model(struct http_request *r, struct events_state *s)
{
	const char *version = http_query(r, "version");

	s->model = config_find_model(s->config, r->params[0], version);
	if (!s->model)
		http_error(r, 404, "unknown_model",
			   "model \"%s\"%s%s is not configured", r->params[0],
			   version ? " version " : "", version ? version : "");
}

static void read_headers(struct http_request *r, struct events_state *s)
{
	const char *encoding = http_header(r, "Content-Encoding");
	const char *key = http_header(r, "Idempotency-Key");
	const char *length = http_header(r, "Content-Length");
	int64_t n;

	if (encoding_parse(encoding ? encoding : "", &s->encoding)) {
		http_error(r, 415, "unsupported_encoding",
			   "content-encoding \"%.64s\" is not read; gzip and "
			   "zstd are",
			   encoding);
		return;
	}
	if (length &&
	    number_parse_int(length, strlen(length), 0, INT64_MAX, &n) &&
	    (uint64_t)n > s->config->server.max_body) {
		http_error(r, 413, "too_large",
			   "the body has %s bytes, server.limits.max_body "
			   "allows %llu",
			   length,
			   (unsigned long long)s->config->server.max_body);
		return;
	}
	if (key) {
		s->key_len = strlen(key);
		if (!s->key_len || s->key_len > EVENTS_KEY_MAX) {
			http_error(r, 400, "bad_key",
				   "idempotency-key must have 1 to %d bytes",
				   EVENTS_KEY_MAX);
			return;
		}
		memcpy(s->key, key, s->key_len + 1);
	}
}

void http_events_begin(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = xcalloc(1, sizeof(*s));

	r->state = s;
	s->config = app_config(a);
	find_model(r, s);
	if (!r->status)
		read_headers(r, s);
	if (!r->status && journal_is_broken(a->journal)) {
		http_error(r, 503, "journal_broken",
			   "the journal cannot be written");
		r->retry_after_s = 10;
	}
}

static void refuse_memory(struct http_request *r)
{
	http_error(r, 503, "busy",
		   "too many bodies at once (server.limits.ingest_memory)");
	r->retry_after_s = 1;
}

static void drop_decoder(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;

	uploads_give_decoder(a->uploads, s->decoder);
	s->decoder = NULL;
}

static void refuse_body(struct http_request *r, const struct err *e)
{
	if (e->code == ERR_TEMP)
		refuse_memory(r);
	else
		http_error_from(r, e);
	drop_decoder(r);
}

/* The first bytes are there: take a decoder and begin it. */
static void start_body(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	struct ingest_limits limits = {
		.max_body = s->config->server.max_body,
		.max_record = s->config->server.max_record,
		.max_depth = EVENTS_JSON_DEPTH};
	struct err e = {0};

	s->decoder = uploads_take_decoder(a->uploads, s->model);
	if (!s->decoder) {
		refuse_memory(r);
		return;
	}
	if (ingest_begin(s->decoder->ingest, s->model, &s->decoder->batch,
			 &limits, http_header(r, "Content-Type"), s->encoding,
			 s->key_len > 0, clock_wall_us(), &e))
		refuse_body(r, &e);
}

void http_events_feed(struct http_request *r, const char *data, size_t len)
{
	struct events_state *s = r->state;
	struct err e = {0};

	if (!s->decoder)
		start_body(r);
	if (!r->status && ingest_feed(s->decoder->ingest, data, len, &e))
		refuse_body(r, &e);
}

static void write_reasons(struct json_out *w, const struct ingest_report *rep)
{
	json_key(w, "errors");
	json_array_begin(w);
	for (uint32_t i = 0; i < rep->n_reasons; i++) {
		json_object_begin(w);
		json_put_int(w, "line", rep->reasons[i].line);
		json_put_int(w, "column", rep->reasons[i].column);
		json_put_string(w, "message", rep->reasons[i].message);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_answer(struct http_request *r,
			 const struct ingest_report *rep, bool duplicate,
			 const char *durability)
{
	struct json_out w;

	buf_clear(&r->body);
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_put_int(&w, "accepted", (int64_t)rep->n_accepted);
	json_put_int(&w, "rejected", (int64_t)rep->n_rejected);
	json_put_bool(&w, "duplicate", duplicate);
	json_put_string(&w, "durability", durability);
	if (rep->n_invalid)
		json_put_int(&w, "invalid_values", (int64_t)rep->n_invalid);
	if (rep->n_unknown_names) {
		json_key(&w, "unknown_columns");
		json_object_begin(&w);
		for (uint32_t i = 0; i < rep->n_unknown_names; i++)
			json_put_int(&w, rep->unknown[i].name,
				     (int64_t)rep->unknown[i].count);
		json_object_end(&w);
	}
	if (rep->n_reasons)
		write_reasons(&w, rep);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 200, "application/json");
}

/* No record could be read: 400 with the reasons. */
static void answer_nothing(struct http_request *r,
			   const struct ingest_report *rep)
{
	struct json_out w;

	buf_clear(&r->body);
	json_out_init(&w, &r->body);
	json_object_begin(&w);
	json_key(&w, "error");
	json_object_begin(&w);
	json_put_string(&w, "code", "no_record");
	json_put_string(&w, "message",
			rep->n_reasons ? rep->reasons[0].message
				       : "the body has no record");
	if (rep->n_reasons) {
		json_put_int(&w, "line", rep->reasons[0].line);
		json_put_int(&w, "column", rep->reasons[0].column);
	}
	json_object_end(&w);
	json_put_int(&w, "accepted", 0);
	json_put_int(&w, "rejected", (int64_t)rep->n_rejected);
	if (rep->n_reasons)
		write_reasons(&w, rep);
	json_object_end(&w);
	buf_add_char(&r->body, '\n');
	http_answer(r, 400, "application/json");
}

static void count_report(struct app *a, const struct config_model *m,
			 const struct ingest_report *rep)
{
	metrics_add_events(a->metrics, m->name, EVENT_REJECTED,
			   rep->n_rejected);
	for (uint32_t i = 0; i < rep->n_unknown_names; i++)
		metrics_add_unknown(a->metrics, m->name, rep->unknown[i].name,
				    rep->unknown[i].count);
}

/* On the committer's thread: must not block. */
static void frame_done(struct journal_entry *entry,
		       enum journal_outcome outcome)
{
	struct http_request *r = entry->arg;
	struct events_state *s = r->state;
	struct app *a = r->app;

	if (outcome == JOURNAL_FAILED) {
		/* the frame may or may not be on disk: saying nothing is the
		 * only true answer, unless nothing was written */
		r->drop = journal_is_broken(a->journal);
		http_error(r, 503, "journal_full",
			   "the journal could not be written");
		r->retry_after_s = 5;
	} else if (s->key_len) {
		key_memory_add(a->keys, s->model->model_id, s->key, s->key_len,
			       s->body_hash);
	}
	http_resume(r);
}

/* From the decoder to a frame; the decoder is free for the next body. */
static int encode_frame(struct http_request *r, const struct ingest_report *rep)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	struct batch_meta meta = {
		.model_id = s->model->model_id,
		.model = s->model->name,
		.version = s->model->version,
		.key = s->key_len ? s->key : NULL,
		.key_len = (uint32_t)s->key_len,
		.received_at_us = clock_wall_us(),
		.window = s->model->window,
		.revise_horizon_us = s->model->revise_horizon_us,
		.max_categories = (uint32_t)s->model->max_categories,
		.n_rejected = (uint32_t)rep->n_rejected};

	memcpy(meta.body_hash, s->body_hash, HASH128_SIZE);
	s->frame = uploads_encode(a->uploads, s->decoder, &meta);
	if (!s->frame)
		return -1;
	s->entry = (struct journal_entry){
		.model_id = s->model->model_id,
		.payload = s->frame->bytes.data,
		.len = s->frame->bytes.len,
		.n_events = s->decoder->batch.n_rows,
		.n_rejected = (uint32_t)rep->n_rejected,
		.done = frame_done,
		.arg = r};
	return 0;
}

static void append_frame(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	struct err e = {0};

	/* the committer may answer before journal_append returns */
	http_suspend(r);
	if (journal_append(a->journal, &s->entry, &e)) {
		http_error(r, 503,
			   e.code == ERR_LIMIT ? "journal_full" : "unavailable",
			   "%s", e.message);
		r->retry_after_s = 5;
		http_resume(r);
	}
}

void http_events_run(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	const struct ingest_report *rep;
	struct err e = {0};

	if (!s->decoder) {
		http_error(r, 400, "no_record", "the body is empty");
		return;
	}
	if (ingest_end(s->decoder->ingest, &e)) {
		refuse_body(r, &e);
		return;
	}
	rep = ingest_get_report(s->decoder->ingest);
	count_report(a, s->model, rep);
	if (!rep->n_accepted) {
		answer_nothing(r, rep);
		return;
	}
	if (s->key_len) {
		ingest_get_hash(s->decoder->ingest, s->body_hash);
		switch (key_memory_find(a->keys, s->model->model_id, s->key,
					s->key_len, s->body_hash)) {
		case KEY_SAME_BODY:
			metrics_add_events(a->metrics, s->model->name,
					   EVENT_DUPLICATE, rep->n_accepted);
			write_answer(r, rep, true, "fsync");
			return;
		case KEY_OTHER_BODY:
			http_error(r, 409, "key_reused",
				   "idempotency-key \"%s\" was used with "
				   "another body",
				   s->key);
			return;
		case KEY_NEW:
			break;
		}
	}
	if (atomic_load(&a->draining)) {
		http_error(r, 503, "draining", "the daemon is stopping");
		r->retry_after_s = 5;
		return;
	}
	if (encode_frame(r, rep)) {
		refuse_memory(r);
		return;
	}
	write_answer(r, rep, false,
		     s->config->journal.sync == JOURNAL_SYNC_ALWAYS
			     ? "fsync"
			     : "interval");
	drop_decoder(r);
	append_frame(r);
}

void http_events_release(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;

	if (!s)
		return;
	drop_decoder(r);
	uploads_give_frame(a->uploads, s->frame);
	config_unref(s->config);
	free(s);
	r->state = NULL;
}
