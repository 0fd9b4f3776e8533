/* SPDX-License-Identifier: GPL-3.0-or-later */

/* label_model - a model made of another's id and label. */

#include "daemon/ingest/label_model.h"

#include "base/dict.h"
#include "base/err.h"

#include <string.h>

int label_model_init(struct label_model *l, const struct config_model *m,
		     struct err *e)
{
	uint32_t i = DICT_NONE;

	*l = (struct label_model){.label = "label", .time = "label_time"};
	if (m->id == NULL)
		return err_set(e, ERR_INVALID,
			       "model \"%s\" has no `id` to join labels on",
			       m->name);
	if (m->label != NULL)
		i = dict_find(m->names, m->label, strlen(m->label));
	if (i == DICT_NONE)
		return err_set(e, ERR_INVALID, "model \"%s\" has no `label`",
			       m->name);
	l->columns[0] = m->columns[i];
	l->columns[1] = m->columns[i];
	l->columns[1].name = l->label;
	l->model = (struct config_model){
		.name = m->name,
		.version = m->version,
		.model_id = m->model_id,
		.id = m->id,
		.timestamp = m->label_time != NULL ? m->label_time : l->time,
		.missing = m->missing,
		.n_missing = m->n_missing,
		.columns = l->columns,
		.n_columns = strcmp(m->label, l->label) != 0 ? 2 : 1,
		.names = dict_new(0, 0),
		.max_future_us = m->max_future_us,
	};
	for (size_t k = 0; k < l->model.n_columns; k++) {
		const struct config_column *c = &l->columns[k];

		(void)dict_add(l->model.names, c->name, strlen(c->name));
		l->schema[k] = (struct batch_schema_column){
			.name = c->name, .kind = c->kind, .role = c->role};
	}
	return 0;
}

void label_model_release(struct label_model *l)
{
	dict_free(l->model.names);
	l->model.names = NULL;
}
