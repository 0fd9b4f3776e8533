/* SPDX-License-Identifier: GPL-3.0-or-later */
/* settings - the option tables. */
#include "config/settings.h"

#include "base/attr.h"
#include "base/option.h"
#include "config/config.h"

#include <stddef.h>

#define SECOND 1e6
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (366 * DAY)

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static const char *const sync_names[] = {"always", "interval", NULL};
static const char *const log_level_names[] = {"debug", "info", "warn", "error",
					      NULL};
const char *const config_receiver_types[] = {"webhook", NULL};
const char *const config_action_names[] = {"notify", "retrain", NULL};
const char *const config_task_names[] = {"binary", "multiclass", "regression",
					 "none", NULL};
const char *const config_dedupe_names[] = {"batch", "id", "none", NULL};

#define AT(member) offsetof(struct config, member)

const struct option settings_daemon[] = {
	{"log.level", OPTION_ENUM, AT(log_level), "info", 0, 0, log_level_names,
	 false, "least level that is logged"},
	{"server.listen", OPTION_STRING, AT(server.listen), "127.0.0.1:8717", 0,
	 0, NULL, true, "address:port of the API"},
	{"server.metrics_listen", OPTION_STRING, AT(server.metrics_listen),
	 NULL, 0, 0, NULL, true,
	 "address:port of a listener with health and /metrics only"},
	{"server.external_url", OPTION_STRING, AT(server.external_url), NULL, 0,
	 0, NULL, false, "base of links in notifications"},
	{"server.tokens_file", OPTION_STRING, AT(server.tokens_file), NULL, 0,
	 0, NULL, false, "who may do what; none: every route is open"},
	{"server.allow_unauthenticated", OPTION_BOOL,
	 AT(server.allow_unauthenticated), "false", 0, 0, NULL, false,
	 "listen beyond loopback without tokens_file"},
	{"server.workers", OPTION_INT, AT(server.workers), "2", 1, 256, NULL,
	 true, "HTTP threads"},
	{"server.limits.max_body", OPTION_SIZE, AT(server.max_body), "32MiB",
	 KIB, 4 * GIB, NULL, false, "of a request, decoded"},
	{"server.limits.max_record", OPTION_SIZE, AT(server.max_record), "1MiB",
	 256, 64 * MIB, NULL, false, "of one event"},
	{"server.limits.max_columns", OPTION_INT, AT(server.max_columns),
	 "4096", 1, 65536, NULL, true, "columns of a model"},
	{"server.limits.max_connections", OPTION_INT,
	 AT(server.max_connections), "1024", 1, 65536, NULL, true,
	 "open at once"},
	{"server.limits.ingest_memory", OPTION_SIZE, AT(server.ingest_memory),
	 "256MiB", MIB, 1024 * GIB, NULL, true,
	 "of all requests being decoded"},
	{"server.limits.request_timeout", OPTION_DURATION,
	 AT(server.request_timeout_us), "30s", SECOND, HOUR, NULL, false,
	 "from the first byte of a request to its last"},
	{"server.limits.idle_timeout", OPTION_DURATION,
	 AT(server.idle_timeout_us), "60s", SECOND, HOUR, NULL, false,
	 "between the requests of a connection"},
	{"server.limits.idempotency_ttl", OPTION_DURATION,
	 AT(server.idempotency_ttl_us), "24h", MINUTE, YEAR, NULL, true,
	 "how long a retried batch is known"},
	{"storage.dsn", OPTION_STRING, AT(storage.dsn), "", 0, 0, NULL, true,
	 "libpq connection string; empty: its environment"},
	{"storage.migrate", OPTION_BOOL, AT(storage.migrate), "true", 0, 0,
	 NULL, true, "bring the schema to this version at start"},
	{"storage.connect_timeout", OPTION_DURATION,
	 AT(storage.connect_timeout_us), "5s", SECOND / 10, 10 * MINUTE, NULL,
	 true, "for a connection to PostgreSQL"},
	{"storage.statement_timeout", OPTION_DURATION,
	 AT(storage.statement_timeout_us), "30s", SECOND / 10, HOUR, NULL, true,
	 "for one statement"},
	{"storage.retention.results", OPTION_DURATION,
	 AT(storage.retention_results_us), "400d", HOUR, 100 * YEAR, NULL,
	 false, "of verdicts"},
	{"storage.retention.profiles", OPTION_DURATION,
	 AT(storage.retention_profiles_us), "90d", HOUR, 100 * YEAR, NULL,
	 false, "of window profiles"},
	{"storage.retention.predictions", OPTION_DURATION,
	 AT(storage.retention_predictions_us), "120d", HOUR, 100 * YEAR, NULL,
	 false, "of predictions kept for late labels"},
	{"journal.dir", OPTION_STRING, AT(journal.dir), "/var/lib/driftd", 0, 0,
	 NULL, true, "where acknowledged events are kept until applied"},
	{"journal.sync", OPTION_ENUM, AT(journal.sync), "always", 0, 0,
	 sync_names, true, "fdatasync before each answer, or now and then"},
	{"journal.sync_interval", OPTION_DURATION, AT(journal.sync_interval_us),
	 "1s", SECOND / 100, 10 * MINUTE, NULL, true,
	 "between two with sync: interval"},
	{"journal.max_bytes", OPTION_SIZE, AT(journal.max_bytes), "8GiB", MIB,
	 1024 * TIB, NULL, true, "of all segments; beyond it 503"},
	{"journal.segment_bytes", OPTION_SIZE, AT(journal.segment_bytes),
	 "64MiB", 64 * KIB, 4 * GIB, NULL, true, "size of one file"},
	{"journal.retain", OPTION_DURATION, AT(journal.retain_us), "1h", 0,
	 YEAR, NULL, true, "applied segments are kept this long"},
	{"journal.flush_interval", OPTION_DURATION,
	 AT(journal.flush_interval_us), "5s", SECOND / 100, HOUR, NULL, false,
	 "between two transfers to PostgreSQL"},
	{"journal.flush_memory", OPTION_SIZE, AT(journal.flush_memory), "16MiB",
	 MIB, 64 * GIB, NULL, true, "for counting during a transfer"},
};
const size_t settings_n_daemon = ARRAY_LEN(settings_daemon);

#undef AT
#define AT(member) offsetof(struct config_receiver, member)

const struct option settings_receiver[] = {
	{"name", OPTION_STRING, AT(name), NULL, 0, 0, NULL, false,
	 "what rules call it"},
	{"type", OPTION_ENUM, AT(type), "webhook", 0, 0, config_receiver_types,
	 false, "how it is reached"},
	{"url", OPTION_STRING, AT(url), NULL, 0, 0, NULL, false,
	 "http or https"},
	{"secret", OPTION_STRING, AT(secret), NULL, 0, 0, NULL, false,
	 "signs the messages"},
	{"allow_private", OPTION_BOOL, AT(allow_private), "false", 0, 0, NULL,
	 false, "loopback and private addresses are fine"},
	{"timeout", OPTION_DURATION, AT(timeout_us), "10s", SECOND / 10,
	 5 * MINUTE, NULL, false, "of one attempt"},
	{"max_attempts", OPTION_INT, AT(max_attempts), "20", 1, 1000, NULL,
	 false, "before a message is a dead letter"},
};
const size_t settings_n_receiver = ARRAY_LEN(settings_receiver);

#undef AT
#define AT(member) offsetof(struct config_rule, member)

const struct option settings_rule[] = {
	{"name", OPTION_STRING, AT(name), NULL, 0, 0, NULL, false,
	 "what alerts call it"},
	{"share", OPTION_DOUBLE, AT(share), "0", 0, 1, NULL, false,
	 "fire when this weighted share of the columns drifts; 0: any"},
	{"send_resolved", OPTION_BOOL, AT(send_resolved), "true", 0, 0, NULL,
	 false, "tell the receivers when it is over"},
	{"repeat_interval", OPTION_DURATION, AT(repeat_interval_us), "24h",
	 MINUTE, YEAR, NULL, false, "between reminders of a firing alert"},
	{"action", OPTION_ENUM, AT(action), "notify", 0, 0, config_action_names,
	 false, "or ask for retraining"},
};
const size_t settings_n_rule = ARRAY_LEN(settings_rule);

#undef AT
#define AT(member) offsetof(struct config_model, member)

const struct option settings_model[] = {
	{"name", OPTION_STRING, AT(name), NULL, 0, 0, NULL, false,
	 "{model} in routes"},
	{"version", OPTION_STRING, AT(version), "1", 0, 0, NULL, false,
	 "model_version of its events"},
	{"default", OPTION_BOOL, AT(is_default), "false", 0, 0, NULL, false,
	 "events without a version go here"},
	{"task", OPTION_ENUM, AT(task), "none", 0, 0, config_task_names, false,
	 "what the model does"},
	{"id", OPTION_STRING, AT(id), NULL, 0, 0, NULL, false,
	 "column with the event's id"},
	{"timestamp", OPTION_STRING, AT(timestamp), NULL, 0, 0, NULL, false,
	 "column with the event's time; none: time of receipt"},
	{"prediction", OPTION_STRING, AT(prediction), NULL, 0, 0, NULL, false,
	 "column with the predicted class or value"},
	{"label", OPTION_STRING, AT(label), NULL, 0, 0, NULL, false,
	 "column with the truth"},
	{"label_time", OPTION_STRING, AT(label_time), NULL, 0, 0, NULL, false,
	 "column of label files with the label's arrival"},
	{"positive", OPTION_STRING, AT(positive), NULL, 0, 0, NULL, false,
	 "the positive class"},
	{"latency", OPTION_STRING, AT(latency), NULL, 0, 0, NULL, false,
	 "column that ends in _ms, _us or _s"},
	{"status", OPTION_STRING, AT(status), NULL, 0, 0, NULL, false,
	 "column with the HTTP status, or ok, error, timeout"},
	{"window", OPTION_WINDOW, AT(window), "1d", 0, 0, NULL, false,
	 "a divisor or multiple of a day, 1w or 1mo"},
	{"lateness", OPTION_DURATION, AT(lateness_us), "10m", 0, YEAR, NULL,
	 false, "a window is final when the watermark is this far past it"},
	{"idle_timeout", OPTION_DURATION, AT(idle_timeout_us), "15m", SECOND,
	 YEAR, NULL, false, "silence after which the clock moves windows on"},
	{"source_timeout", OPTION_DURATION, AT(source_timeout_us), "1h", SECOND,
	 YEAR, NULL, false, "an unheard source no longer holds windows up"},
	{"max_future", OPTION_DURATION, AT(max_future_us), "5m", 0, YEAR, NULL,
	 false, "events further ahead of the clock are rejected"},
	{"revise_horizon", OPTION_DURATION, AT(revise_horizon_us), "90d", 0,
	 100 * YEAR, NULL, false, "later events are counted and not folded"},
	{"min_rows", OPTION_INT, AT(min_rows), "500", 1, 1e12, NULL, false,
	 "fewer events in a window are too few to judge"},
	{"alpha", OPTION_DOUBLE, AT(alpha), "0.01", 1e-9, 0.5, NULL, false,
	 "error probability of a window's verdicts"},
	{"resolution", OPTION_INT, AT(resolution), "256", 16, 4096, NULL, false,
	 "cells of a numeric column"},
	{"max_categories", OPTION_INT, AT(max_categories), "1000", 1, 100000,
	 NULL, false, "categories of a column with a count of their own"},
	{"dedupe", OPTION_ENUM, AT(dedupe), "batch", 0, 0, config_dedupe_names,
	 false, "what makes a retry known"},
	{"baseline", OPTION_STRING, AT(baseline), NULL, 0, 0, NULL, false,
	 "version that is pinned; none: the one activated last"},
};
const size_t settings_n_model = ARRAY_LEN(settings_model);
