/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * json - records out of NDJSON, out of objects one after the other, and out
 * of one array of objects, in one pass and without a tree.
 *
 * Outside an array a broken record costs that record only: reading goes on at
 * the line after the one where it began.  Where an object began with "{" alone
 * on its line (as pretty-printers write it) the lines after it are its
 * members, so reading goes on at the next line that begins with "{".  Within
 * an array nothing tells where the next record begins: the body is given up.
 */

#include "base/err.h"
#include "daemon/ingest/carry.h"
#include "daemon/ingest/decoder.h"
#include "daemon/ingest/json_object.h"
#include "daemon/ingest/json_scan.h"
#include "daemon/ingest/record.h"

#include <string.h>

enum json_mode {
	JSON_START,	 /* nothing but space has come */
	JSON_LINES,	 /* records one after the other */
	JSON_ARRAY,	 /* behind "[" */
	JSON_ARRAY_ITEM, /* behind "," */
	JSON_ARRAY_NEXT, /* behind a record */
	JSON_ARRAY_DONE	 /* behind "]" */
};

enum json_skipping {
	JSON_SKIP_NONE,
	JSON_SKIP_LINE,	      /* to the end of this line */
	JSON_SKIP_BLOCK,      /* to a line that begins with "{" */
	JSON_SKIP_BLOCK_START /* the same, at the start of a line */
};

struct json {
	struct record *record;
	struct ingest_report *report;
	size_t max_record;
	enum json_mode mode;
	enum json_skipping skipping;
	uint32_t first; /* slot of the first key of the last record */
	struct carry carry;
	struct json_scan scan;
	struct place place; /* of mark */
	const char *mark;
};

/* What became of looking at one record. */
enum json_step { STEP_ON, STEP_MORE, STEP_FAILED };

static void json_move_mark(struct json *j, const char *to)
{
	place_move(&j->place, j->mark, to);
	j->mark = to;
}

static enum json_step json_give_up(struct json *j, enum err_code code,
				   const char *at, const char *why,
				   struct err *e)
{
	json_move_mark(j, at);
	(void)err_set_at(e, code, j->place.line, j->place.column, "%s", why);
	return STEP_FAILED;
}

/* Reject the record at ${start} for what is at ${at}. */
static void json_reject(struct json *j, const char *start, const char *at,
			const char *why)
{
	struct place place;

	if (record_is_skipped(j->record))
		return;
	if (j->report->n_reasons == INGEST_REASONS) {
		report_reject(j->report, 0, 0, why);
		return;
	}
	json_move_mark(j, start);
	place = j->place;
	place_move(&place, start, at);
	report_reject(j->report, place.line, place.column, why);
}

/* Go on behind the broken record at ${start}, which is wrong at ${at}. */
static void json_resync(struct json *j, const char *start, const char *at)
{
	const char *p = start;

	if (*p == '{')
		p++;
	while (p < at && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	if (p < at && *p == '\n') {
		j->skipping = JSON_SKIP_BLOCK;
		j->scan.p = at;
	} else {
		j->skipping = JSON_SKIP_LINE;
		j->scan.p = start;
	}
}

/* p moves on while skipping; false when the bytes end before that ends. */
static bool json_skip(struct json *j, const char *end)
{
	const char *p = j->scan.p;

	while (p < end && j->skipping != JSON_SKIP_NONE) {
		if (j->skipping == JSON_SKIP_BLOCK_START) {
			j->skipping =
				*p == '{' ? JSON_SKIP_NONE : JSON_SKIP_BLOCK;
			continue;
		}
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL) {
			p = end;
			break;
		}
		p++;
		j->skipping = j->skipping == JSON_SKIP_LINE
				      ? JSON_SKIP_NONE
				      : JSON_SKIP_BLOCK_START;
	}
	j->scan.p = p;
	return p < end && j->skipping == JSON_SKIP_NONE;
}

/*
 * Outside an array the line must go on with nothing or with another record:
 * {"a": 1}, is as broken as {"a": 1 is.
 */
static enum scan json_line_end(struct json_scan *s, const char *limit)
{
	const char *p = s->p;

	while (p < s->end && p <= limit &&
	       (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	if (p > limit)
		return SCAN_OK; /* spaces without end */
	if (p == s->end)
		return s->final ? SCAN_OK : SCAN_MORE;
	if (*p != '\n' && *p != '{')
		return json_scan_bad(s, p, "text behind the record");
	return SCAN_OK;
}

/*
 * The value at p, within the bytes that a record may have, and one more that
 * tells that it has ended.  SCAN_BAD without a reason: it is too large.
 */
static enum scan json_record(struct json *j, const char *end, bool final)
{
	struct json_scan *s = &j->scan;
	const char *start = s->p;
	const char *limit = start + j->max_record;
	bool is_cut = (size_t)(end - start) > j->max_record;
	enum scan status;

	s->end = is_cut ? limit + 1 : end;
	s->final = final && !is_cut;
	s->text_at = NULL;
	record_begin(j->record);
	if (*start == '{') {
		status = json_object(s, j->record, &j->first);
	} else {
		status = json_scan_skip(s, 0);
		record_reject(j->record, start, "the record is no object");
	}
	s->end = end;
	s->final = final;
	if ((status == SCAN_MORE && is_cut) ||
	    (status == SCAN_OK && s->p > limit))
		return json_scan_bad(s, limit, NULL);
	if (status == SCAN_OK && j->mode == JSON_LINES)
		status = json_line_end(s, limit);
	if (status == SCAN_OK && s->text_at != NULL)
		record_reject(j->record, s->text_at, "%s", s->text_why);
	if (status == SCAN_MORE && final)
		return json_scan_bad(s, end, "the body ends within a record");
	return status;
}

/* The record at p. */
static enum json_step json_take(struct json *j, const char *end, bool final,
				struct err *e)
{
	struct json_scan *s = &j->scan;
	struct record *r = j->record;
	const char *start = s->p;
	enum scan status = json_record(j, end, final);

	if (status == SCAN_MORE) {
		s->p = start;
		return STEP_MORE;
	}
	if (status == SCAN_OK) {
		record_settle(r, start);
		if (r->is_rejected)
			json_reject(j, start, r->rejected_at, r->reason);
		if (record_end(r, e) < 0)
			return STEP_FAILED;
		if (j->mode != JSON_LINES)
			j->mode = JSON_ARRAY_NEXT;
		return STEP_ON;
	}
	if (j->mode != JSON_LINES && s->why == NULL)
		return json_give_up(j, ERR_LIMIT, start,
				    "the record is too large", e);
	if (j->mode != JSON_LINES)
		return json_give_up(j, ERR_INVALID, s->at, s->why, e);
	if (s->why == NULL)
		json_reject(j, start, start, "the record is too large");
	else
		json_reject(j, start, s->at, s->why);
	json_resync(j, start, s->at);
	return STEP_ON;
}

/* A byte that is no space, between records. */
static enum json_step json_between(struct json *j, const char *end, bool final,
				   struct err *e)
{
	struct json_scan *s = &j->scan;
	char c = *s->p;

	switch (j->mode) {
	case JSON_START:
		j->mode = c == '[' ? JSON_ARRAY : JSON_LINES;
		if (c == '[')
			s->p++;
		return STEP_ON;
	case JSON_LINES:
		return json_take(j, end, final, e);
	case JSON_ARRAY:
	case JSON_ARRAY_ITEM:
		if (j->mode == JSON_ARRAY_ITEM || c != ']')
			return json_take(j, end, final, e);
		break;
	case JSON_ARRAY_NEXT:
		if (c == ',') {
			j->mode = JSON_ARRAY_ITEM;
			s->p++;
			return STEP_ON;
		}
		if (c != ']')
			return json_give_up(j, ERR_INVALID, s->p,
					    "\",\" or \"]\" was expected", e);
		break;
	case JSON_ARRAY_DONE:
		return json_give_up(j, ERR_INVALID, s->p,
				    "text behind the array", e);
	}
	j->mode = JSON_ARRAY_DONE;
	s->p++;
	return STEP_ON;
}

static int json_consume(void *arg, const char *data, size_t len, bool final,
			size_t *used, struct err *e)
{
	struct json *j = arg;
	struct json_scan *s = &j->scan;
	const char *end = data + len;
	enum json_step step = STEP_ON;

	j->mark = data;
	s->p = data;
	while (step == STEP_ON) {
		if (j->skipping != JSON_SKIP_NONE && !json_skip(j, end))
			break;
		s->end = end;
		json_scan_space(s);
		if (s->p == end)
			break;
		step = json_between(j, end, final, e);
	}
	if (step == STEP_FAILED)
		return -1;
	json_move_mark(j, s->p);
	*used = (size_t)(s->p - data);
	return 0;
}

static void json_begin(void *state, struct ingest *in)
{
	struct json *j = state;
	const struct ingest_limits *limits = ingest_limits_of(in);

	if (j->record == NULL) {
		json_scan_init(&j->scan);
		carry_init(&j->carry);
	}
	j->record = ingest_record(in);
	j->report = ingest_report_of(in);
	j->max_record = limits->max_record;
	j->mode = JSON_START;
	j->skipping = JSON_SKIP_NONE;
	j->first = 0;
	j->place = (struct place){1, 1};
	j->scan.max_depth = limits->max_depth;
	carry_begin(&j->carry, limits->max_record);
}

static int json_feed(void *state, struct ingest *in, const char *data,
		     size_t len, struct err *e)
{
	struct json *j = state;

	(void)in;
	return carry_feed(&j->carry, data, len, json_consume, j, e);
}

static int json_end(void *state, struct ingest *in, struct err *e)
{
	struct json *j = state;

	(void)in;
	if (carry_end(&j->carry, json_consume, j, e) < 0)
		return -1;
	if (j->mode == JSON_START || j->mode == JSON_LINES ||
	    j->mode == JSON_ARRAY_DONE)
		return 0;
	return err_set_at(e, ERR_INVALID, j->place.line, j->place.column,
			  "the body ends within the array");
}

static void json_release(void *state)
{
	struct json *j = state;

	if (j->record == NULL)
		return;
	json_scan_release(&j->scan);
	carry_release(&j->carry);
}

static size_t json_memory(const void *state)
{
	const struct json *j = state;

	return sizeof(*j) + carry_memory(&j->carry) + j->scan.decoded.cap;
}

const struct ingest_decoder ingest_json = {
	.name = "json",
	.state_size = sizeof(struct json),
	.begin = json_begin,
	.feed = json_feed,
	.end = json_end,
	.release = json_release,
	.memory = json_memory,
};
