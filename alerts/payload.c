/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The body of a message. */
#include "alerts/payload.h"

#include "alerts/rule.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "config/config.h"
#include "detectors/judge.h"

#include <string.h>

enum { TOP_BINS = 3, COLUMN_MAX = 8192 };

/* Bins are known of the window just judged, not of an older one. */
static void write_top(struct json_out *w, const struct alert_store_detail *d,
		      const struct payload_source *source)
{
	struct top_bin top[TOP_BINS];
	size_t n = 0;

	if (source->baseline && source->profiles &&
	    source->window_start_us == d->window_start_us)
		n = judge_top_bins(source->baseline, source->profiles,
				   d->column, top, TOP_BINS);
	json_key(w, "top");
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(w);
		json_put_string(w, "cell", top[i].label);
		json_put_number(w, "contribution", top[i].contribution);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_column(struct json_out *w, const struct alert_store_detail *d,
			 const struct payload_source *source)
{
	json_object_begin(w);
	json_put_string(w, "column", d->column);
	json_put_string(w, "metric", d->metric);
	json_put_string(w, "severity", d->severity);
	json_put_number(w, "value", d->value);
	json_put_number(w, "bound", d->bound);
	json_put_number(w, "threshold", d->threshold);
	json_put_int(w, "n_reference", d->n_reference);
	json_put_int(w, "n_current", d->n_current);
	json_put_time(w, "window_start", d->window_start_us);
	write_top(w, d, source);
	json_object_end(w);
}

int payload_columns(const struct alert_store_details *details,
		    const struct rule_outcome *outcome,
		    const struct payload_source *source, struct buf *out)
{
	const size_t start = out->len;
	bool full = false;
	int total = 0;
	struct buf one;

	buf_init(&one, COLUMN_MAX);
	buf_add_char(out, '[');
	for (size_t i = 0; i < details->n; i++) {
		const struct alert_store_detail *d = &details->items[i];
		struct json_out w;

		if (!rule_outcome_has(outcome, d->column))
			continue;
		total++;
		if (full)
			continue;
		buf_clear(&one);
		json_out_init(&w, &one);
		write_column(&w, d, source);
		/* Worst first: the first that does not fit ends the list. */
		if (one.failed ||
		    out->len - start + one.len + 2 > PAYLOAD_COLUMNS_MAX) {
			full = true;
			continue;
		}
		if (total > 1)
			buf_add_char(out, ',');
		buf_add(out, one.data, one.len);
	}
	buf_add_char(out, ']');
	buf_release(&one);
	return total;
}

static void add_escaped(struct buf *out, const char *text)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++) {
		if (strchr(safe, *text))
			buf_add_char(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void payload_url(const struct config_server *server,
		 const struct config_model *model, struct buf *out)
{
	const char *base = server->external_url;
	size_t len = base ? strlen(base) : 0;

	while (len > 0 && base[len - 1] == '/')
		len--;
	if (len > 0)
		buf_add(out, base, len);
	else
		buf_printf(out, "http://%s",
			   server->listen ? server->listen : "localhost");
	buf_add_str(out, "/models/");
	add_escaped(out, model->name);
	buf_add_str(out, "?version=");
	add_escaped(out, model->version);
}

static void write_data(struct json_out *w, const struct payload *p,
		       const char *url)
{
	static const char *const actions[] = {"notify", "retrain"};
	const struct alert_row *a = p->alert;

	json_object_begin(w);
	json_put_string(w, "alert_id", a->alert_id);
	json_put_string(w, "rule", a->rule);
	json_put_string(w, "status", p->resolved ? "resolved" : "firing");
	json_put_string(w, "severity", a->severity);
	json_put_string(w, "model", p->model->name);
	json_put_string(w, "version", p->model->version);
	json_put_string(w, "signal", a->signal);
	json_put_time(w, "window_start", a->window_start_us);
	json_put_time(w, "window_end", a->window_end_us);
	json_put_time(w, "starts_at", a->starts_at_us);
	json_put_time(w, "ends_at", p->resolved ? a->ends_at_us : INT64_MIN);
	json_put_string(w, "url", url);
	json_put_string(w, "action", actions[p->rule->action == 1]);
	json_put_int(w, "columns_total", a->columns_total);
	json_key(w, "columns");
	json_raw(w, a->columns, strlen(a->columns));
	json_object_end(w);
}

void payload_body(const struct payload *p, struct buf *out)
{
	struct json_out w;
	struct buf url;

	buf_init(&url, PAYLOAD_MAX);
	payload_url(p->server, p->model, &url);
	json_out_init(&w, out);
	json_object_begin(&w);
	json_put_string(&w, "type",
			p->resolved ? "driftd.alert.resolved"
				    : "driftd.alert.firing");
	json_put_time(&w, "timestamp", p->now_us);
	json_key(&w, "data");
	write_data(&w, p, buf_str(&url));
	json_object_end(&w);
	buf_release(&url);
}

void payload_message_id(const struct alert_row *a, int64_t window_start_us,
			int revision, const char *transition,
			char out[OUTBOX_ID_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	struct buf key, id;
	char hex[SHA256_HEX];

	buf_init(&key, 4096);
	buf_add_string(&key, a->rule, strlen(a->rule));
	buf_add_u64(&key, (uint64_t)a->model_id);
	buf_add_string(&key, "", 0); /* group: the whole model */
	buf_add_u64(&key, (uint64_t)a->starts_at_us);
	buf_add_u64(&key, (uint64_t)window_start_us);
	buf_add_u32(&key, (uint32_t)revision);
	buf_add_string(&key, transition, strlen(transition));
	sha256(key.data, key.len, digest);
	hex_encode(digest, sizeof(digest), hex);
	buf_init(&id, OUTBOX_ID_SIZE - 1);
	buf_printf(&id, "msg_%.32s", hex);
	memcpy(out, buf_str(&id), id.len + 1);
	buf_release(&id);
	buf_release(&key);
}
