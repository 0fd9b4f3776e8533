/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_LABEL_MODEL_H
#define DRIFTD_DAEMON_INGEST_LABEL_MODEL_H

#include "config/config.h"
#include "storage/batch.h"

#include <stdbool.h>

struct err;

/*
 * label_model - the model that labels are decoded for: it has an id, a time
 * and the label for its only column, twice: under its name and as `label`
 * (once where that is its name).  The first of them that has a value counts.
 */
struct label_model {
	struct config_model model;
	struct config_column columns[2];
	struct batch_schema_column schema[2];
	char label[8], time[16];
};

/*
 * Points into itself and into ${m}: neither moves while it is used.
 * ERR_INVALID: ${m} has no id or no label.
 */
int label_model_init(struct label_model *l, const struct config_model *m,
		     struct err *e);
void label_model_release(struct label_model *l);

#endif
