/* SPDX-License-Identifier: GPL-3.0-or-later */

/* events_answer - the report of a body as JSON. */

#include "daemon/sources/events_answer.h"

#include "base/json.h"
#include "daemon/http_server.h"
#include "daemon/ingest/ingest.h"

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

void events_answer(struct http_request *r, const struct ingest_report *rep,
		   bool duplicate, const char *durability)
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
void events_answer_nothing(struct http_request *r,
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
