/* SPDX-License-Identifier: GPL-3.0-or-later */

/* stream - the list of sequential detectors, their settings and storage. */

#include "detectors/stream.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "detectors/stream_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct stream_detector *const detectors[] = {
	&stream_adwin,	       &stream_page_hinkley, &stream_cusum,
	&stream_cusum_running, &stream_ddm,	     &stream_eddm,
	&stream_hddm_a,	       &stream_hddm_w,	     &stream_sr_edetector,
};

enum {
	STREAM_FORMAT = 1, /* of the envelope around a state */
	STREAM_OPTIONS_TEXT_MAX = 4096,
	STREAM_KEYS_MAX = 16
};

struct stream {
	const struct stream_detector *detector;
	void *options;
	void *state;
	uint64_t n_seen;
	bool reset_due; /* the last step was a drift */
};

const struct stream_detector *const *stream_detector_list(size_t *n)
{
	*n = ARRAY_LEN(detectors);
	return detectors;
}

const struct stream_detector *stream_detector_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(detectors); i++)
		if (strcmp(detectors[i]->name, name) == 0)
			return detectors[i];
	return NULL;
}

static int unknown_key(const struct stream_detector *d, const char *key,
		       struct err *e)
{
	const char *names[STREAM_KEYS_MAX];
	const char *near;
	size_t n = 0;

	while (n < d->n_options && n < STREAM_KEYS_MAX) {
		names[n] = d->options[n].name;
		n++;
	}
	near = option_suggest(names, n, key);
	if (near)
		return err_set(e, ERR_INVALID,
			       "detector \"%s\" has no option \"%.64s\", did "
			       "you mean \"%s\"?",
			       d->name, key, near);
	return err_set(e, ERR_INVALID,
		       "detector \"%s\" has no option \"%.64s\"", d->name, key);
}

/* Every setting into the options; what is needed must have been given. */
static int set_options(struct stream *s, const struct stream_setting *settings,
		       size_t n, struct err *e)
{
	const struct stream_detector *d = s->detector;
	bool given[STREAM_KEYS_MAX] = {false};

	option_set_defaults(d->options, d->n_options, s->options);
	for (size_t i = 0; i < n; i++) {
		const struct option *o =
			option_find(d->options, d->n_options, settings[i].key);

		if (!o)
			return unknown_key(d, settings[i].key, e);
		if (option_set(o, s->options, settings[i].value, e))
			return err_wrap(e, "detector \"%s\"", d->name);
		given[o - d->options] = true;
	}
	for (size_t i = 0; i < d->n_options; i++)
		if (!d->options[i].fallback && !given[i] &&
		    d->options[i].type != OPTION_STRING)
			return err_set(e, ERR_INVALID,
				       "detector \"%s\": option \"%s\" is "
				       "needed",
				       d->name, d->options[i].name);
	return 0;
}

static void reset(struct stream *s)
{
	memset(s->state, 0, s->detector->state_size);
	if (s->detector->init)
		s->detector->init(s->state, s->options);
	s->reset_due = false;
}

struct stream *stream_new(const struct stream_detector *d,
			  const struct stream_setting *settings, size_t n,
			  struct err *e)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	s->detector = d;
	s->options = xcalloc(1, d->options_size);
	s->state = xcalloc(1, d->state_size);
	if (set_options(s, settings, n, e)) {
		stream_free(s);
		return NULL;
	}
	reset(s);
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	option_release(s->detector->options, s->detector->n_options,
		       s->options);
	free(s->options);
	free(s->state);
	free(s);
}

int stream_step(struct stream *s, double x, enum stream_signal *out,
		struct err *e)
{
	const struct stream_detector *d = s->detector;

	if (!isfinite(x))
		return err_set(e, ERR_INVALID, "the value is not finite");
	if (x < d->min || x > d->max)
		return err_set(e, ERR_INVALID,
			       "%.17g is not between %g and %g, as detector "
			       "\"%s\" needs it",
			       x, d->min, d->max, d->name);
	if (s->reset_due)
		reset(s);
	s->n_seen++;
	*out = d->step(s->state, s->options, x);
	s->reset_due = *out == STREAM_DRIFT && !d->keeps_state;
	return 0;
}

uint64_t stream_n_seen(const struct stream *s)
{
	return s->n_seen;
}

static const uint64_t *counts_at(const struct stream_field *f,
				 const void *state)
{
	return (const void *)((const char *)state + f->offset);
}

static const double *numbers_at(const struct stream_field *f, const void *state)
{
	return (const void *)((const char *)state + f->offset);
}

static size_t field_length(const struct stream_field *f)
{
	return f->n ? f->n : 1;
}

static void show_field(const struct stream_field *f, const void *state,
		       size_t i, struct json_out *w)
{
	if (f->type == STREAM_COUNT)
		json_int(w, (int64_t)counts_at(f, state)[i]);
	else
		json_number(w, numbers_at(f, state)[i]);
}

void stream_show(const struct stream *s, struct json_out *w)
{
	const struct stream_detector *d = s->detector;

	json_object_begin(w);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct stream_field *f = &d->fields[i];

		json_key(w, f->name);
		if (!f->n) {
			show_field(f, s->state, 0, w);
			continue;
		}
		json_array_begin(w);
		for (size_t j = 0; j < f->n; j++)
			show_field(f, s->state, j, w);
		json_array_end(w);
	}
	if (d->show)
		d->show(s->state, w);
	json_object_end(w);
}

/* What the options make of the detector, as a number: a state is of no use
 * under others.  Texts are notes that change nothing. */
static uint64_t options_print(const struct stream *s)
{
	const struct stream_detector *d = s->detector;
	struct buf text;
	uint64_t hash;

	buf_init(&text, STREAM_OPTIONS_TEXT_MAX);
	for (size_t i = 0; i < d->n_options; i++) {
		if (d->options[i].type == OPTION_STRING)
			continue;
		buf_printf(&text, "%s=", d->options[i].name);
		(void)option_print(&d->options[i], s->options, &text);
		buf_add_char(&text, '\n');
	}
	hash = hash64(text.data, text.len);
	buf_release(&text);
	return hash;
}

void stream_encode(const struct stream *s, struct buf *out)
{
	const struct stream_detector *d = s->detector;

	buf_add_u8(out, STREAM_FORMAT);
	buf_add_string(out, d->name, strlen(d->name));
	buf_add_varint(out, d->state_version);
	buf_add_u64(out, options_print(s));
	buf_add_varint(out, s->n_seen);
	buf_add_u8(out, s->reset_due);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct stream_field *f = &d->fields[i];

		for (size_t j = 0; j < field_length(f); j++) {
			if (f->type == STREAM_COUNT)
				buf_add_varint(out, counts_at(f, s->state)[j]);
			else
				buf_add_f64(out, numbers_at(f, s->state)[j]);
		}
	}
	if (d->encode)
		d->encode(s->state, out);
}

static bool decode_field(const struct stream_field *f, void *state,
			 struct reader *r)
{
	size_t n = field_length(f);
	char *p = (char *)state + f->offset;

	if (f->type == STREAM_COUNT) {
		uint64_t *counts = (void *)p;

		for (size_t i = 0; i < n; i++) {
			counts[i] = reader_varint(r);
			if (counts[i] > STREAM_COUNT_MAX)
				return false;
		}
	} else {
		double *numbers = (void *)p;

		for (size_t i = 0; i < n; i++) {
			numbers[i] = reader_f64(r);
			if (!isfinite(numbers[i]))
				return false;
		}
	}
	return true;
}

/* Whose state it is. */
static int decode_head(const struct stream *s, struct reader *r, struct err *e)
{
	const struct stream_detector *d = s->detector;
	uint8_t format = reader_u8(r);
	size_t len = 0;
	const char *name;
	uint64_t version, print;

	if (r->failed)
		return err_set(e, ERR_INVALID, "the state is empty");
	if (format != STREAM_FORMAT)
		return err_set(e, ERR_CONFLICT,
			       "a state of format %u cannot be read here",
			       (unsigned)format);
	name = reader_string(r, &len);
	version = reader_varint(r);
	print = reader_u64(r);
	if (r->failed)
		return err_set(e, ERR_INVALID, "the state is cut off");
	if (len != strlen(d->name) || memcmp(name, d->name, len) != 0)
		return err_set(e, ERR_CONFLICT,
			       "the state is not one of detector \"%s\"",
			       d->name);
	if (version != d->state_version)
		return err_set(e, ERR_CONFLICT,
			       "the state of detector \"%s\" is of version "
			       "%llu, not %u",
			       d->name, (unsigned long long)version,
			       d->state_version);
	if (print != options_print(s))
		return err_set(e, ERR_CONFLICT,
			       "the state of detector \"%s\" was made with "
			       "other options",
			       d->name);
	return 0;
}

int stream_decode(struct stream *s, const void *data, size_t len, struct err *e)
{
	const struct stream_detector *d = s->detector;
	struct reader r;
	uint64_t n_seen;
	uint8_t reset_due;
	void *state;
	bool good;

	reader_init(&r, data, len);
	if (decode_head(s, &r, e))
		return -1;
	state = xcalloc(1, d->state_size);
	n_seen = reader_varint(&r);
	reset_due = reader_u8(&r);
	good = n_seen <= STREAM_COUNT_MAX &&
	       reset_due <= (d->keeps_state ? 0 : 1);
	for (size_t i = 0; good && i < d->n_fields; i++)
		good = decode_field(&d->fields[i], state, &r);
	if (good && d->decode)
		good = d->decode(state, &r);
	good = good && reader_is_done(&r) &&
	       (!d->is_valid || d->is_valid(state, s->options));
	if (!good) {
		free(state);
		return err_set(e, ERR_INVALID,
			       "the state of detector \"%s\" is damaged",
			       d->name);
	}
	free(s->state);
	s->state = state;
	s->n_seen = n_seen;
	s->reset_due = reset_due;
	return 0;
}
