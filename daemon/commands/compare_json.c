/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * compare_json - an array of results, with the members that the daemon's
 * results have, the rows they are about, and what moved.
 */

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"
#include "daemon/commands/compare_parts.h"

static void put_top(struct json_out *out, const struct compare_top *top)
{
	json_key(out, "contributions");
	json_array_begin(out);
	for (size_t i = 0; top != NULL && i < top->n; i++) {
		const struct top_bin *b = &top->bins[i];

		json_object_begin(out);
		json_put_string(out, "cell", b->label);
		json_put_number(out, "contribution", b->contribution);
		json_put_number(out, "share_reference", b->share_ref);
		json_put_number(out, "share_current", b->share_cur);
		json_object_end(out);
	}
	json_array_end(out);
}

static void put_null(struct json_out *out, const char *key)
{
	json_key(out, key);
	json_null(out);
}

static void put_numbers(struct json_out *out, const struct verdict *v)
{
	json_put_number(out, "value", v->value);
	json_put_number(out, "lower", v->lower);
	json_put_number(out, "upper", v->upper);
	json_put_number(out, "p_value", v->p_value);
	json_put_number(out, "p_adjusted", v->p_adjusted);
	json_put_number(out, "threshold", v->threshold);
	json_put_number(out, "bound", v->bound);
}

static void put_row(struct json_out *out, const struct compare *c, size_t i,
		    const struct verdict *v)
{
	const struct compare_chunk *chunk = &c->chunks[i];

	json_object_begin(out);
	json_put_int(out, "chunk_start", (int64_t)chunk->start);
	json_put_int(out, "chunk_end", (int64_t)chunk->end);
	json_put_time(out, "window_start", chunk->start_us);
	json_put_time(out, "window_end", chunk->end_us);
	json_put_string(out, "column", v->column);
	json_put_string(out, "metric", v->metric);
	put_numbers(out, v);
	json_put_string(out, "status", verdict_status_name(v->status));
	json_put_bool(out, "drifted", v->drifted);
	json_put_string(out, "severity",
			v->severity != SEVERITY_NONE
				? severity_name(v->severity)
				: NULL);
	json_put_string(out, "signal", signal_name(v->signal));
	json_put_int(out, "n_reference", (int64_t)v->n_reference);
	json_put_int(out, "n_current", (int64_t)v->n_current);
	put_null(out, "baseline");
	put_null(out, "revision");
	json_put_bool(out, "final", true);
	json_put_string(out, "model_version", c->model->version);
	put_null(out, "slice");
	put_null(out, "label_coverage");
	put_top(out, compare_top_find(c, i, v));
	json_object_end(out);
}

static int json_end(struct compare *c, struct err *e)
{
	struct json_out out;

	json_out_init(&out, &c->text);
	json_array_begin(&out);
	for (size_t i = 0; i < c->n_chunks; i++) {
		for (size_t k = 0; k < c->verdicts[i].n; k++) {
			put_row(&out, c, i, &c->verdicts[i].items[k]);
			if (compare_write(c, false, e) < 0)
				return -1;
		}
	}
	json_array_end(&out);
	buf_add_char(&c->text, '\n');
	return 0;
}

const struct compare_format compare_json = {
	.name = "json",
	.wants_verdicts = true,
	.end = json_end,
};
