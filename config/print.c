/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config - the configuration as YAML that loads again unchanged: every value
 * explicit, every model inline, every text in double quotes.
 */
#include "config/config.h"

#include "base/buf.h"
#include "base/number.h"
#include "base/option.h"
#include "config/node.h"
#include "config/settings.h"
#include "config/yaml_out.h"

#include <math.h>
#include <string.h>

#define SECRET "<secret>"

static void put_option(struct yaml_out *y, const struct option *o,
		       const char *key, const void *target)
{
	struct buf text;

	buf_init(&text, NODE_FILE_MAX);
	if (option_print(o, target, &text)) {
		yaml_key(y, key);
		if (o->type == OPTION_STRING)
			yaml_text(y, buf_str(&text));
		else
			yaml_plain(y, buf_str(&text));
	}
	buf_release(&text);
}

static void put_options(struct yaml_out *y, const struct option *table,
			size_t n, const void *target)
{
	for (size_t i = 0; i < n; i++)
		put_option(y, &table[i], table[i].name, target);
}

/* A password may stand in either form of a connection string. */
static bool holds_password(const char *dsn)
{
	const char *authority = strstr(dsn, "://");
	const char *at;

	if (strcasestr(dsn, "password"))
		return true;
	if (!authority)
		return false;
	at = strchr(authority + 3, '@');
	return at && memchr(authority + 3, ':', (size_t)(at - authority - 3));
}

/* Sections are nested as deep as names have dots; rows of one section stand
 * together in the table. */
static void put_daemon(struct yaml_out *y, const struct config *c,
		       bool with_secrets)
{
	const struct option *o;
	const char *before = "", *key;
	size_t same, depth = 0;

	for (size_t i = 0; i < settings_n_daemon; i++) {
		o = &settings_daemon[i];
		key = o->name;
		same = 0;
		for (const char *dot; (dot = strchr(key, '.')); key = dot + 1) {
			size_t end = (size_t)(dot - o->name) + 1;

			if (strncmp(before, o->name, end) == 0) {
				same++;
				continue;
			}
			for (; depth > same; depth--)
				yaml_end(y);
			yaml_key_n(y, key, (size_t)(dot - key));
			yaml_begin(y);
			depth++;
			same++;
		}
		for (; depth > same; depth--)
			yaml_end(y);
		if (strcmp(o->name, "storage.dsn") == 0 && !with_secrets &&
		    holds_password(c->storage.dsn)) {
			yaml_key(y, key);
			yaml_text(y, SECRET);
		} else {
			put_option(y, o, key, c);
		}
		before = o->name;
	}
	for (; depth > 0; depth--)
		yaml_end(y);
}

/* A URL from a file, or with a password: only its host is shown. */
static void put_url(struct yaml_out *y, const struct config_receiver *r,
		    bool with_secrets)
{
	const char *host = strstr(r->url, "://") + 3;
	size_t len = strcspn(host, "/?#");
	const char *at = memchr(host, '@', len);
	struct buf text;

	yaml_key(y, "url");
	if (with_secrets || (!at && !r->url_is_secret)) {
		yaml_text(y, r->url);
		return;
	}
	buf_init(&text, NODE_FILE_MAX);
	buf_add(&text, r->url, (size_t)(host - r->url));
	if (at) {
		buf_add_str(&text, SECRET);
		len -= (size_t)(at - host);
		host = at;
	}
	buf_add(&text, host, len);
	buf_add_str(&text, r->url_is_secret ? "/" SECRET : host + len);
	yaml_text(y, buf_str(&text));
	buf_release(&text);
}

static void put_receiver(struct yaml_out *y, const struct config_receiver *r,
			 bool with_secrets)
{
	const struct option *o;

	yaml_item(y);
	for (size_t i = 0; i < settings_n_receiver; i++) {
		o = &settings_receiver[i];
		if (strcmp(o->name, "url") == 0) {
			put_url(y, r, with_secrets);
		} else if (strcmp(o->name, "secret") == 0 && r->secret &&
			   !with_secrets) {
			yaml_key(y, o->name);
			yaml_text(y, SECRET);
		} else {
			put_option(y, o, o->name, r);
		}
	}
	yaml_end(y);
}

static void put_texts(struct yaml_out *y, const char *key, char *const *texts,
		      size_t n)
{
	yaml_key(y, key);
	yaml_flow_begin(y);
	for (size_t i = 0; i < n; i++)
		yaml_flow_text(y, texts[i]);
	yaml_flow_end(y);
}

static void put_rule(struct yaml_out *y, const struct config_rule *r)
{
	struct buf text;

	yaml_item(y);
	put_options(y, settings_rule, settings_n_rule, r);
	yaml_key(y, "signal");
	yaml_plain(y, signal_name(r->signal));
	if (r->metric) {
		yaml_key(y, "metric");
		yaml_plain(y, r->metric);
	}
	if (r->columns)
		put_texts(y, "columns", r->columns, r->n_columns);
	if (r->models)
		put_texts(y, "models", r->models, r->n_models);
	buf_init(&text, 64);
	buf_printf(&text, "%d of %d", (int)r->k, (int)r->m);
	yaml_key(y, "for");
	yaml_plain(y, buf_str(&text));
	buf_release(&text);
	yaml_key(y, "severity");
	yaml_plain(y, severity_name(r->severity));
	put_texts(y, "receivers", r->receivers, r->n_receivers);
	yaml_end(y);
}

static void put_number(struct yaml_out *y, const char *key, double v)
{
	char text[NUMBER_TEXT_MAX];

	yaml_key(y, key);
	if (isnan(v)) {
		yaml_plain(y, "null");
	} else {
		number_format(v, text);
		yaml_plain(y, text);
	}
}

static void put_features(struct yaml_out *y, const struct config_model *m,
			 enum column_kind kind)
{
	yaml_key(y, column_kind_name(kind));
	yaml_flow_begin(y);
	for (size_t i = 0; i < m->n_columns; i++)
		if (m->columns[i].role == ROLE_FEATURE &&
		    m->columns[i].kind == kind)
			yaml_flow_text(y, m->columns[i].name);
	yaml_flow_end(y);
}

static void put_score(struct yaml_out *y, const struct config_model *m)
{
	bool begun = false;

	if (m->score) {
		yaml_key(y, "score");
		yaml_text(y, m->score);
		return;
	}
	for (size_t i = 0; i < m->n_columns; i++) {
		if (m->columns[i].role != ROLE_SCORE)
			continue;
		if (!begun) {
			yaml_key(y, "score");
			yaml_begin(y);
			begun = true;
		}
		yaml_quoted_key(y, m->columns[i].class_name);
		yaml_text(y, m->columns[i].name);
	}
	if (begun)
		yaml_end(y);
}

static bool same_level(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool same_levels(const struct thresholds *a, const struct thresholds *b)
{
	return same_level(a->warning, b->warning) &&
	       same_level(a->error, b->error) &&
	       same_level(a->critical, b->critical);
}

/* Those of ${all} that differ from ${usual}; NULL: from the detectors'. */
static bool put_thresholds(struct yaml_out *y, const struct thresholds *all,
			   const struct thresholds *usual, bool dry)
{
	const struct detector *const *list;
	const struct thresholds *t;
	bool begun = false;
	size_t n;

	list = detector_list(&n);
	for (size_t i = 0; i < n; i++) {
		t = usual ? &usual[i] : &list[i]->thresholds;
		if (same_levels(t, &all[i]))
			continue;
		if (dry)
			return true;
		if (!begun) {
			yaml_key(y, "thresholds");
			yaml_begin(y);
			begun = true;
		}
		yaml_key(y, list[i]->metric);
		yaml_begin(y);
		put_number(y, "warning", all[i].warning);
		put_number(y, "error", all[i].error);
		put_number(y, "critical", all[i].critical);
		yaml_end(y);
	}
	if (begun)
		yaml_end(y);
	return begun;
}

static void put_columns(struct yaml_out *y, const struct config_model *m)
{
	const struct config_column *c;
	bool begun = false;

	for (size_t i = 0; i < m->n_columns; i++) {
		c = &m->columns[i];
		if (isnan(c->importance) &&
		    !put_thresholds(y, c->thresholds, m->thresholds, true))
			continue;
		if (!begun) {
			yaml_key(y, "columns");
			yaml_begin(y);
			begun = true;
		}
		yaml_quoted_key(y, c->name);
		yaml_begin(y);
		if (!isnan(c->importance))
			put_number(y, "importance", c->importance);
		put_thresholds(y, c->thresholds, m->thresholds, false);
		yaml_end(y);
	}
	if (begun)
		yaml_end(y);
}

static void put_detectors(struct yaml_out *y, const struct config_model *m)
{
	const struct detector *const *list;
	size_t n;

	list = detector_list(&n);
	yaml_key(y, "detectors");
	yaml_flow_begin(y);
	for (size_t i = 0; i < n; i++)
		if ((m->detectors >> i & 1) && !list[i]->always)
			yaml_flow_plain(y, list[i]->name);
	yaml_flow_end(y);
}

static void put_labels(struct yaml_out *y, const struct config_model *m)
{
	yaml_key(y, "labels");
	if (m->labels && m->label_sample < 1) {
		yaml_begin(y);
		put_number(y, "sample", m->label_sample);
		yaml_end(y);
	} else {
		yaml_plain(y, m->labels ? "true" : "false");
	}
}

static void put_model(struct yaml_out *y, const struct config_model *m)
{
	yaml_item(y);
	put_options(y, settings_model, settings_n_model, m);
	put_score(y, m);
	put_texts(y, "missing", m->missing, m->n_missing);
	yaml_key(y, "features");
	yaml_begin(y);
	put_features(y, m, COLUMN_NUMERIC);
	put_features(y, m, COLUMN_CATEGORICAL);
	yaml_end(y);
	put_texts(y, "ignore", m->ignore, m->n_ignore);
	put_labels(y, m);
	put_detectors(y, m);
	put_thresholds(y, m->thresholds, NULL, false);
	put_columns(y, m);
	yaml_end(y);
}

void config_print(const struct config *c, bool with_secrets, struct buf *out)
{
	struct yaml_out y;

	yaml_out_init(&y, out);
	put_daemon(&y, c, with_secrets);
	if (c->n_receivers || c->n_rules) {
		yaml_key(&y, "alerts");
		yaml_begin(&y);
		if (c->n_receivers)
			yaml_key(&y, "receivers");
		yaml_begin(&y);
		for (size_t i = 0; i < c->n_receivers; i++)
			put_receiver(&y, &c->receivers[i], with_secrets);
		yaml_end(&y);
		if (c->n_rules)
			yaml_key(&y, "rules");
		yaml_begin(&y);
		for (size_t i = 0; i < c->n_rules; i++)
			put_rule(&y, &c->rules[i]);
		yaml_end(&y);
		yaml_end(&y);
	}
	if (c->n_models)
		yaml_key(&y, "models");
	yaml_begin(&y);
	for (size_t i = 0; i < c->n_models; i++)
		put_model(&y, &c->models[i]);
	yaml_end(&y);
	yaml_finish(&y);
}
