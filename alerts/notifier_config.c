/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the configuration to the notifier's lines, one a receiver. */
#include "alerts/notifier_private.h"

#include "alerts/notifier_line.h"
#include "alerts/notifier_sender.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"

#include <string.h>

const struct config_receiver *notifier_find_receiver(const struct config *c,
						     const char *name)
{
	for (size_t i = 0; i < c->n_receivers; i++)
		if (strcmp(c->receivers[i].name, name) == 0)
			return &c->receivers[i];
	return NULL;
}

struct line *notifier_find_line(const struct notifier *n, const char *name)
{
	for (size_t i = 0; i < n->n_lines; i++)
		if (strcmp(n->lines[i]->name, name) == 0)
			return n->lines[i];
	return NULL;
}

static void add_line(struct notifier *n, const char *name)
{
	struct line *l = line_new(name, notifier_on_answer, n);

	if (!l) {
		log_error("alerts", "no thread for receiver \"%s\"", name);
		return;
	}
	pthread_mutex_lock(&n->lock);
	n->lines =
		xrealloc_array(n->lines, n->n_lines + 1, sizeof(struct line *));
	n->lines[n->n_lines++] = l;
	pthread_mutex_unlock(&n->lock);
}

static void drop_lines(struct notifier *n)
{
	for (size_t i = 0; i < n->n_lines;) {
		struct line *l = n->lines[i];

		if (notifier_find_receiver(n->active, l->name) ||
		    l->has_result || !sender_is_idle(l->sender)) {
			i++;
			continue;
		}
		pthread_mutex_lock(&n->lock);
		n->lines[i] = n->lines[--n->n_lines];
		pthread_mutex_unlock(&n->lock);
		line_free(l);
	}
}

void notifier_apply_config(struct notifier *n)
{
	struct config *before = n->active;

	pthread_mutex_lock(&n->lock);
	if (!n->reconfigured) {
		pthread_mutex_unlock(&n->lock);
		return;
	}
	n->reconfigured = false;
	n->active = config_ref(n->config);
	pthread_mutex_unlock(&n->lock);
	if (before)
		config_unref(before);
	n->n_models = n->active->n_models;
	n->model_ids = xrealloc_array(n->model_ids, n->n_models + 1,
				      sizeof(*n->model_ids));
	for (size_t i = 0; i < n->n_models; i++)
		n->model_ids[i] = n->active->models[i].model_id;
	for (size_t i = 0; i < n->n_lines; i++)
		n->lines[i]->gone = false;
	n->next_look_us = 0;
}

void notifier_make_lines(struct notifier *n)
{
	for (size_t i = 0; i < n->active->n_receivers; i++)
		if (!notifier_find_line(n, n->active->receivers[i].name))
			add_line(n, n->active->receivers[i].name);
	drop_lines(n);
}
