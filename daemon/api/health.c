/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * health - liveness and readiness.  Neither depends on PostgreSQL: events can
 * be acknowledged without it, and a sidecar that is not ready takes its
 * inference server out of service.
 */

#include "daemon/api/api.h"
#include "daemon/app.h"
#include "storage/journal.h"

void api_live(struct http_request *r)
{
	buf_add_str(&r->body, "{\"status\":\"ok\"}\n");
	http_answer(r, 200, "application/json");
}

void api_ready(struct http_request *r)
{
	struct app *a = r->app;

	if (atomic_load(&a->draining))
		http_error(r, 503, "draining", "the daemon is stopping");
	else if (journal_is_broken(a->journal))
		http_error(r, 503, "journal_broken",
			   "the journal cannot be written");
	else
		api_live(r);
}
