/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * ingest - the state of a body: decompression, size, hash, and which decoder
 * reads it.
 */

#include "daemon/ingest/ingest.h"

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "daemon/ingest/decoder.h"
#include "daemon/ingest/record.h"

#include <stdlib.h>
#include <string.h>

/* Bytes looked at before the decoder is chosen: a byte order mark needs 4;
 * spaces may stand before the byte that tells the format. */
enum { HEAD_MIN = 4, HEAD_MAX = 256 };

/* A record's limit, whatever the configuration says. */
#define RECORD_BYTES_MAX (SIZE_MAX / 8)

struct ingest {
	struct ingest_limits limits;
	struct record record;
	struct ingest_report report;
	struct inflater *inflater; /* owned; NULL: the body is plain */
	struct hash128 *hash;	   /* owned */
	bool want_hash;
	uint64_t n_decoded;
	bool is_format_known;
	enum ingest_format format;
	const struct ingest_decoder *decoder; /* NULL: not chosen yet */
	void *states[INGEST_FORMATS];	      /* owned; NULL: never used */
	char head[HEAD_MAX];
	size_t n_head;
	struct err err; /* why the body cannot be read on; ERR_NONE: it can */
};

struct ingest *ingest_new(void)
{
	struct ingest *in = xcalloc(1, sizeof(*in));

	record_init(&in->record);
	in->hash = hash128_new();
	return in;
}

void ingest_free(struct ingest *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < INGEST_FORMATS; i++) {
		if (in->states[i] == NULL)
			continue;
		ingest_decoder_of((enum ingest_format)i)
			->release(in->states[i]);
		free(in->states[i]);
	}
	record_release(&in->record);
	inflater_free(in->inflater);
	hash128_free(in->hash);
	free(in);
}

struct record *ingest_record(struct ingest *in)
{
	return &in->record;
}

const struct ingest_limits *ingest_limits_of(const struct ingest *in)
{
	return &in->limits;
}

struct ingest_report *ingest_report_of(struct ingest *in)
{
	return &in->report;
}

int ingest_begin(struct ingest *in, const struct config_model *model,
		 struct batch *batch, const struct ingest_limits *limits,
		 const char *content_type, enum encoding encoding,
		 bool want_hash, int64_t now_us, struct err *e)
{
	enum ingest_format format = INGEST_JSON;
	bool known;

	if (ingest_format_parse(content_type, &format, &known, e) < 0)
		return -1;
	in->limits = *limits;
	/* Pointers are advanced by it. */
	if (in->limits.max_record > RECORD_BYTES_MAX)
		in->limits.max_record = RECORD_BYTES_MAX;
	in->format = format;
	in->is_format_known = known;
	in->decoder = NULL;
	in->n_head = 0;
	in->n_decoded = 0;
	in->err.code = ERR_NONE;
	in->report.n_accepted = 0;
	in->report.n_rejected = 0;
	in->report.n_reasons = 0;
	in->report.n_invalid = 0;
	in->report.n_unknown = 0;
	in->report.n_unknown_names = 0;
	in->want_hash = want_hash;
	if (want_hash)
		hash128_reset(in->hash);
	inflater_free(in->inflater);
	in->inflater = encoding == ENCODING_IDENTITY
			       ? NULL
			       : inflater_new(encoding, limits->max_body);
	record_begin_body(&in->record, model, batch, &in->report, now_us);
	return 0;
}

void ingest_set_versions(struct ingest *in, const struct ingest_versions *v)
{
	in->record.versions = v;
}

void ingest_expect_labels(struct ingest *in, bool strict)
{
	record_expect_labels(&in->record, strict);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A body in another encoding than UTF-8, by its first bytes. */
static bool is_utf16(const char *data, size_t len)
{
	return len >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 ||
			    memcmp(data, "\xfe\xff", 2) == 0 ||
			    data[0] == '\0' || data[1] == '\0');
}

/*
 * Choose the decoder by the first bytes, ${*skip} of which are a byte order
 * mark.  More may come unless ${final}; then it may stay unchosen for now.
 */
static int ingest_choose(struct ingest *in, const char *data, size_t len,
			 bool final, size_t *skip, struct err *e)
{
	size_t i = 0;

	*skip = 0;
	if (len < HEAD_MIN && !final)
		return 0;
	if (is_utf16(data, len))
		return err_set_at(e, ERR_INVALID, 1, 1,
				  "the body is not UTF-8 (it looks like "
				  "UTF-16)");
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	*skip = i;
	if (!in->is_format_known) {
		while (i < len && is_space(data[i]))
			i++;
		if (i == len && !final && len < HEAD_MAX)
			return 0;
		if (i < len)
			in->format = ingest_format_sniff(data[i]);
	}
	in->decoder = ingest_decoder_of(in->format);
	if (in->states[in->format] == NULL)
		in->states[in->format] = xcalloc(1, in->decoder->state_size);
	in->decoder->begin(in->states[in->format], in);
	return 0;
}

static int ingest_pass(struct ingest *in, const char *data, size_t len,
		       struct err *e)
{
	if (len == 0)
		return 0;
	return in->decoder->feed(in->states[in->format], in, data, len, e);
}

/* While no decoder is chosen. */
static int ingest_start(struct ingest *in, const char *data, size_t len,
			struct err *e)
{
	size_t skip;
	size_t n;

	if (in->n_head == 0) {
		if (ingest_choose(in, data, len, false, &skip, e) < 0)
			return -1;
		if (in->decoder != NULL)
			return ingest_pass(in, data + skip, len - skip, e);
	}
	n = HEAD_MAX - in->n_head;
	if (n > len)
		n = len;
	memcpy(in->head + in->n_head, data, n);
	in->n_head += n;
	if (ingest_choose(in, in->head, in->n_head, false, &skip, e) < 0)
		return -1;
	if (in->decoder == NULL)
		return 0;
	if (ingest_pass(in, in->head + skip, in->n_head - skip, e) < 0)
		return -1;
	return ingest_pass(in, data + n, len - n, e);
}

static int ingest_decoded(void *arg, const char *data, size_t len,
			  struct err *e)
{
	struct ingest *in = arg;

	if (len > in->limits.max_body - in->n_decoded)
		return err_set(e, ERR_LIMIT,
			       "the body has more than %llu bytes",
			       (unsigned long long)in->limits.max_body);
	in->n_decoded += len;
	if (in->want_hash)
		hash128_add(in->hash, data, len);
	if (LIKELY(in->decoder != NULL))
		return ingest_pass(in, data, len, e);
	return ingest_start(in, data, len, e);
}

/* Say again why the body was given up. */
static int ingest_failed(const struct ingest *in, struct err *e)
{
	if (e != NULL)
		*e = in->err;
	return -1;
}

int ingest_feed(struct ingest *in, const char *data, size_t len, struct err *e)
{
	int result;

	if (in->err.code != ERR_NONE)
		return ingest_failed(in, e);
	if (len == 0)
		return 0;
	if (in->inflater != NULL)
		result = inflater_feed(in->inflater, data, len, ingest_decoded,
				       in, &in->err);
	else
		result = ingest_decoded(in, data, len, &in->err);
	return result < 0 ? ingest_failed(in, e) : 0;
}

static int ingest_finish(struct ingest *in, struct err *e)
{
	size_t skip;

	if (in->inflater != NULL && inflater_end(in->inflater, e) < 0)
		return -1;
	if (in->decoder == NULL) {
		if (ingest_choose(in, in->head, in->n_head, true, &skip, e) < 0)
			return -1;
		if (in->decoder == NULL)
			return err_set(e, ERR_BUG, "no format was chosen");
		if (ingest_pass(in, in->head + skip, in->n_head - skip, e) < 0)
			return -1;
	}
	return in->decoder->end(in->states[in->format], in, e);
}

int ingest_end(struct ingest *in, struct err *e)
{
	if (in->err.code != ERR_NONE)
		return ingest_failed(in, e);
	return ingest_finish(in, &in->err) < 0 ? ingest_failed(in, e) : 0;
}

bool ingest_has_seen(const struct ingest *in, uint32_t column)
{
	return record_has_seen(&in->record, column);
}

const struct ingest_report *ingest_get_report(const struct ingest *in)
{
	return &in->report;
}

void ingest_get_hash(const struct ingest *in, uint8_t out[HASH128_SIZE])
{
	hash128_get(in->hash, out);
}

size_t ingest_memory(const struct ingest *in)
{
	size_t sum = sizeof(*in) + record_memory(&in->record);

	for (size_t i = 0; i < INGEST_FORMATS; i++)
		if (in->states[i] != NULL)
			sum += ingest_decoder_of((enum ingest_format)i)
				       ->memory(in->states[i]);
	return sum;
}
