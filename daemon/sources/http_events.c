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
#include "daemon/ingest/label_model.h"
#include "daemon/key_memory.h"
#include "daemon/metrics.h"
#include "daemon/sources/events_answer.h"
#include "daemon/sources/uploads.h"
#include "storage/batch.h"
#include "storage/journal.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_KEY_MAX = 255, EVENTS_JSON_DEPTH = 64, EVENTS_VERSIONS = 8 };

/*
 * Keys of labels are a space of their own: one run may send a file of events
 * and a file of labels.  No header holds such a byte.
 */
#define LABELS_KEY_PREFIX "labels\x01"
enum { LABELS_KEY_PREFIX_LEN = sizeof(LABELS_KEY_PREFIX) - 1 };

/* The events, or labels, of one version of the model in the body. */
struct events_part {
	const struct config_model *model;
	const struct config_model *decoded; /* what the decoder reads: model,
					       or labels.model */
	struct label_model labels;
	struct upload_decoder *decoder; /* while the body comes in */
	struct upload_frame *frame;	/* then, until it is durable */
	struct ingest_versions versions;
	const char *others[EVENTS_VERSIONS];
	struct journal_entry entry;
};

/* What a request holds. */
struct events_state {
	struct config *config; /* a reference */
	struct events_part parts[EVENTS_VERSIONS];
	unsigned n_parts;
	bool has_begun;
	bool is_labels;
	enum encoding encoding;
	char key[LABELS_KEY_PREFIX_LEN + EVENTS_KEY_MAX + 1];
	size_t key_len;
	uint8_t body_hash[HASH128_SIZE];
	struct ingest_report report; /* of all parts */
	atomic_uint n_pending;	     /* frames that are not durable yet */
	atomic_bool failed;	     /* one of them will not be */
};

/* Who takes what: every part knows the others' versions. */
static void set_versions(struct events_state *s,
			 const struct config_model *rest)
{
	bool is_there = false;

	/* The default entry may be one without labels. */
	for (unsigned i = 0; i < s->n_parts; i++)
		is_there |= s->parts[i].model == rest;
	if (!is_there)
		rest = NULL;
	for (unsigned i = 0; i < s->n_parts; i++) {
		struct events_part *p = &s->parts[i];

		for (unsigned k = 0; k < s->n_parts; k++)
			if (k != i)
				p->others[p->versions.n_others++] =
					s->parts[k].model->version;
		p->versions.others = p->others;
		p->versions.takes_rest = rest ? p->model == rest : i == 0;
		p->versions.needs_version = !rest && i == 0;
	}
}

/* ?version= names one entry of the model; else the body may be for all. */
static int add_part(struct http_request *r, struct events_state *s,
		    const struct config_model *m)
{
	struct events_part *p;
	struct err e = {0};

	if (s->n_parts == EVENTS_VERSIONS) {
		http_error(r, 400, "version_needed",
			   "model \"%s\" has more than %d versions: "
			   "say ?version=",
			   m->name, EVENTS_VERSIONS);
		return -1;
	}
	p = &s->parts[s->n_parts];
	p->model = m;
	p->decoded = m;
	if (s->is_labels) {
		if (label_model_init(&p->labels, m, &e)) {
			http_error(r, 400, "no_labels", "%s", e.message);
			return -1;
		}
		p->decoded = &p->labels.model;
	}
	s->n_parts++;
	return 0;
}

static void find_models(struct http_request *r, struct events_state *s)
{
	const char *name = r->params[0], *version = http_query(r, "version");
	const struct config *c = s->config;
	bool is_known = false;

	for (size_t i = 0; i < c->n_models; i++) {
		if (strcmp(c->models[i].name, name) != 0 ||
		    (version && strcmp(c->models[i].version, version) != 0))
			continue;
		is_known = true;
		if (s->is_labels && !c->models[i].labels)
			continue;
		if (add_part(r, s, &c->models[i]))
			return;
	}
	if (!s->n_parts && is_known)
		http_error(r, 400, "no_labels",
			   "model \"%s\" takes no labels: its definition "
			   "does not say `labels: true`",
			   name);
	else if (!s->n_parts)
		http_error(r, 404, "unknown_model",
			   "model \"%s\"%s%s is not configured", name,
			   version ? " version " : "", version ? version : "");
	else if (s->n_parts > 1)
		set_versions(s, config_find_model(c, name, NULL));
}

static void read_headers(struct http_request *r, struct events_state *s)
{
	const char *encoding = http_header(r, "Content-Encoding");
	const char *key = http_header(r, "Idempotency-Key");
	const char *length = http_header(r, "Content-Length");
	size_t prefix = 0;
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
		if (s->is_labels) {
			memcpy(s->key, LABELS_KEY_PREFIX,
			       LABELS_KEY_PREFIX_LEN);
			prefix = LABELS_KEY_PREFIX_LEN;
		}
		memcpy(s->key + prefix, key, s->key_len + 1);
		s->key_len += prefix;
	}
}

static void begin(struct http_request *r, bool is_labels)
{
	struct app *a = r->app;
	struct events_state *s = xcalloc(1, sizeof(*s));

	r->state = s;
	s->config = app_config(a);
	s->is_labels = is_labels;
	find_models(r, s);
	if (!r->status)
		read_headers(r, s);
	if (!r->status && journal_is_broken(a->journal)) {
		http_error(r, 503, "journal_broken",
			   "the journal cannot be written");
		r->retry_after_s = 10;
	}
}

void http_events_begin(struct http_request *r)
{
	begin(r, false);
}

void http_labels_begin(struct http_request *r)
{
	begin(r, true);
}

static void refuse_memory(struct http_request *r)
{
	http_error(r, 503, "busy",
		   "too many bodies at once (server.limits.ingest_memory)");
	r->retry_after_s = 1;
}

static void drop_decoders(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;

	for (unsigned i = 0; i < s->n_parts; i++) {
		uploads_give_decoder(a->uploads, s->parts[i].decoder);
		s->parts[i].decoder = NULL;
	}
}

static void refuse_body(struct http_request *r, const struct err *e)
{
	if (e->code == ERR_TEMP)
		refuse_memory(r);
	else
		http_error_from(r, e);
	drop_decoders(r);
}

static int begin_part(struct http_request *r, struct events_part *p)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	struct ingest_limits limits = {.max_body = s->config->server.max_body,
				       .max_record =
					       s->config->server.max_record,
				       .max_depth = EVENTS_JSON_DEPTH};
	struct err e = {0};

	p->decoder = uploads_take_decoder(a->uploads, p->decoded);
	if (!p->decoder) {
		refuse_memory(r);
		return -1;
	}
	if (ingest_begin(p->decoder->ingest, p->decoded, &p->decoder->batch,
			 &limits, http_header(r, "Content-Type"), s->encoding,
			 s->key_len > 0, clock_wall_us(), &e)) {
		refuse_body(r, &e);
		return -1;
	}
	if (s->is_labels)
		ingest_expect_labels(p->decoder->ingest, true);
	if (s->n_parts > 1)
		ingest_set_versions(p->decoder->ingest, &p->versions);
	return 0;
}

void http_events_feed(struct http_request *r, const char *data, size_t len)
{
	struct events_state *s = r->state;
	struct err e = {0};

	for (unsigned i = 0; i < s->n_parts && !r->status; i++) {
		struct events_part *p = &s->parts[i];

		if (!s->has_begun && begin_part(r, p))
			break;
		if (ingest_feed(p->decoder->ingest, data, len, &e))
			refuse_body(r, &e);
	}
	s->has_begun = true;
	if (r->status)
		drop_decoders(r);
}

static void count_part(struct app *a, const struct events_part *p,
		       const struct ingest_report *rep)
{
	metrics_add_events(a->metrics, p->model->name, EVENT_REJECTED,
			   rep->n_rejected);
	for (uint32_t i = 0; i < rep->n_unknown_names; i++)
		metrics_add_unknown(a->metrics, p->model->name,
				    rep->unknown[i].name,
				    rep->unknown[i].count);
}

/* The sum of two reports; reasons and names are those of the first parts. */
static void add_report(struct ingest_report *to,
		       const struct ingest_report *from)
{
	to->n_accepted += from->n_accepted;
	to->n_rejected += from->n_rejected;
	to->n_invalid += from->n_invalid;
	to->n_unknown += from->n_unknown;
	for (uint32_t i = 0;
	     i < from->n_reasons && to->n_reasons < INGEST_REASONS; i++)
		to->reasons[to->n_reasons++] = from->reasons[i];
	for (uint32_t i = 0; i < from->n_unknown_names &&
			     to->n_unknown_names < INGEST_UNKNOWN_NAMES;
	     i++)
		to->unknown[to->n_unknown_names++] = from->unknown[i];
}

static void add_key(struct app *a, const struct events_state *s)
{
	if (s->key_len)
		key_memory_add(a->keys, s->parts[0].model->model_id, s->key,
			       s->key_len, s->body_hash);
}

/* On the committer's thread: must not block. */
static void frame_done(struct journal_entry *entry,
		       enum journal_outcome outcome)
{
	struct http_request *r = entry->arg;
	struct events_state *s = r->state;
	struct app *a = r->app;

	if (outcome == JOURNAL_FAILED)
		atomic_store(&s->failed, true);
	if (atomic_fetch_sub(&s->n_pending, 1) > 1)
		return; /* the last one answers */
	if (atomic_load(&s->failed)) {
		/* the frame may or may not be on disk: saying nothing is the
		 * only true answer, unless nothing was written */
		r->drop = journal_is_broken(a->journal);
		http_error(r, 503, "journal_full",
			   "the journal could not be written");
		r->retry_after_s = 5;
	} else {
		add_key(a, s);
	}
	http_resume(r);
}

/* As a bound of the id's hash. */
static uint32_t outcome_sample(const struct config_model *m)
{
	if (!m->labels)
		return 0;
	if (m->label_sample >= 1)
		return BATCH_SAMPLE_ALL;
	return (uint32_t)(m->label_sample * (double)BATCH_SAMPLE_ALL);
}

/* From the decoder to a frame. */
static int encode_part(struct http_request *r, struct events_part *p)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	const struct config_model *m = p->model;
	const struct ingest_report *rep = ingest_get_report(p->decoder->ingest);
	struct batch_meta meta = {.model_id = m->model_id,
				  .model = m->name,
				  .version = m->version,
				  .key = s->key_len ? s->key : NULL,
				  .key_len = (uint32_t)s->key_len,
				  .received_at_us = clock_wall_us(),
				  .window = m->window,
				  .revise_horizon_us = m->revise_horizon_us,
				  .max_categories = (uint32_t)m->max_categories,
				  .n_rejected = (uint32_t)rep->n_rejected,
				  .kind = s->is_labels ? BATCH_LABELS
						       : BATCH_EVENTS,
				  .outcome_sample = outcome_sample(m)};

	memcpy(meta.body_hash, s->body_hash, HASH128_SIZE);
	p->frame = uploads_encode(a->uploads, p->decoder, &meta);
	if (!p->frame)
		return -1;
	p->entry =
		(struct journal_entry){.model_id = m->model_id,
				       .payload = p->frame->bytes.data,
				       .len = p->frame->bytes.len,
				       .n_events = p->decoder->batch.n_rows,
				       .n_rejected = (uint32_t)rep->n_rejected,
				       .done = frame_done,
				       .arg = r};
	return 0;
}

/* Frames of the parts that have events; their number, 0 without memory. */
static unsigned encode(struct http_request *r)
{
	struct events_state *s = r->state;
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_parts; i++) {
		struct events_part *p = &s->parts[i];

		if (!ingest_get_report(p->decoder->ingest)->n_accepted)
			continue;
		if (encode_part(r, p))
			return 0;
		n++;
	}
	return n;
}

static void append(struct http_request *r, unsigned n_frames)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	struct err e = {0};

	/* the committer may answer before journal_append returns: the last
	 * frame to be appended may be the end of r */
	atomic_store(&s->n_pending, n_frames);
	http_suspend(r);
	for (unsigned i = 0, left = n_frames; left; i++) {
		struct journal_entry *entry = &s->parts[i].entry;

		if (!s->parts[i].frame)
			continue;
		left--;
		if (!journal_append(a->journal, entry, &e))
			continue;
		log_debug("ingest", "%s", e.message);
		frame_done(entry, JOURNAL_FAILED);
	}
}

/* What is known of the key: true when that answers the request. */
static bool answer_known_key(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;

	if (!s->key_len)
		return false;
	ingest_get_hash(s->parts[0].decoder->ingest, s->body_hash);
	switch (key_memory_find(a->keys, s->parts[0].model->model_id, s->key,
				s->key_len, s->body_hash)) {
	case KEY_SAME_BODY:
		metrics_add_events(a->metrics, s->parts[0].model->name,
				   EVENT_DUPLICATE, s->report.n_accepted);
		events_answer(r, &s->report, true, "fsync");
		return true;
	case KEY_OTHER_BODY:
		http_error(r, 409, "key_reused",
			   "idempotency-key \"%s\" was used with another body",
			   s->is_labels ? s->key + LABELS_KEY_PREFIX_LEN
					: s->key);
		return true;
	case KEY_NEW:
		break;
	}
	return false;
}

/* Every decoder to its end, and their reports into one. */
static int end_body(struct http_request *r)
{
	struct events_state *s = r->state;
	struct err e = {0};

	for (unsigned i = 0; i < s->n_parts; i++) {
		const struct ingest_report *rep;

		if (ingest_end(s->parts[i].decoder->ingest, &e)) {
			refuse_body(r, &e);
			return -1;
		}
		rep = ingest_get_report(s->parts[i].decoder->ingest);
		count_part(r->app, &s->parts[i], rep);
		add_report(&s->report, rep);
	}
	return 0;
}

void http_events_run(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;
	unsigned n_frames;

	if (!s->has_begun) {
		http_error(r, 400, "no_record", "the body is empty");
		return;
	}
	if (end_body(r))
		return;
	if (!s->report.n_accepted) {
		events_answer_nothing(r, &s->report);
		return;
	}
	if (answer_known_key(r))
		return;
	if (atomic_load(&a->draining)) {
		http_error(r, 503, "draining", "the daemon is stopping");
		r->retry_after_s = 5;
		return;
	}
	n_frames = encode(r);
	if (!n_frames) {
		refuse_memory(r);
		return;
	}
	events_answer(r, &s->report, false,
		      s->config->journal.sync == JOURNAL_SYNC_ALWAYS
			      ? "fsync"
			      : "interval");
	drop_decoders(r);
	append(r, n_frames);
}

void http_events_release(struct http_request *r)
{
	struct app *a = r->app;
	struct events_state *s = r->state;

	if (!s)
		return;
	drop_decoders(r);
	for (unsigned i = 0; i < s->n_parts; i++)
		uploads_give_frame(a->uploads, s->parts[i].frame);
	for (unsigned i = 0; i < s->n_parts; i++)
		label_model_release(&s->parts[i].labels);
	config_unref(s->config);
	free(s);
	r->state = NULL;
}
