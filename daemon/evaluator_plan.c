/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evaluator_plan - a configuration turned into what judging needs, once.
 */
#include "daemon/evaluator_private.h"

#include "base/mem.h"
#include "config/config.h"
#include "detectors/baseline.h"
#include "detectors/learn.h"

#include <stdlib.h>
#include <string.h>

static void model_init(struct evaluator_model *out,
		       const struct config_model *m)
{
	out->config = m;
	out->resume_us = INT64_MIN;
	out->columns = xcalloc(m->n_columns + 1, sizeof(*out->columns));
	for (size_t i = 0; i < m->n_columns; i++) {
		const struct config_column *c = &m->columns[i];

		out->columns[i] = (struct judge_column){
			.name = c->name,
			.kind = c->kind,
			.role = c->role,
			.importance = c->importance,
			.thresholds = c->thresholds,
		};
	}
	out->spec = (struct judge_spec){
		.columns = out->columns,
		.n_columns = m->n_columns,
		.detectors = m->detectors,
		.alpha = m->alpha,
		.min_rows = m->min_rows > 0 ? (uint64_t)m->min_rows : 0,
	};
}

struct evaluator_plan *evaluator_plan_new(struct config *c)
{
	struct evaluator_plan *p = xcalloc(1, sizeof(*p));

	p->config = config_ref(c);
	p->n = c->n_models;
	p->models = xcalloc(p->n + 1, sizeof(*p->models));
	p->ids = xcalloc(p->n + 1, sizeof(*p->ids));
	p->due = xcalloc(p->n + 1, sizeof(*p->due));
	for (size_t i = 0; i < p->n; i++) {
		model_init(&p->models[i], &c->models[i]);
		p->ids[i] = c->models[i].model_id;
	}
	return p;
}

void evaluator_plan_free(struct evaluator_plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->models[i].columns);
		learned_free(p->models[i].learned);
	}
	free(p->models);
	free(p->ids);
	free(p->due);
	config_unref(p->config);
	free(p);
}

void evaluator_model_learn(struct evaluator_model *m, const struct baseline *b)
{
	m->spec.learned = NULL;
	if (!b)
		return;
	if (memcmp(m->learned_of, b->hash, SHA256_SIZE) != 0) {
		learned_free(m->learned);
		m->learned = learned_new(b, m->spec.detectors);
		memcpy(m->learned_of, b->hash, SHA256_SIZE);
	}
	m->spec.learned = m->learned;
}
