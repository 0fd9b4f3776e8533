/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_SOURCES_UPLOADS_H
#define DRIFTD_DAEMON_SOURCES_UPLOADS_H

#include "base/buf.h"
#include "storage/batch.h"

#include <stddef.h>

struct budget;
struct config_model;
struct err;
struct ingest;

/*
 * uploads - the memory of bodies on their way, from two bounded pools:
 * decoders, held while a body comes in, and frames, held from its end until
 * it is durable.  A request that waits for the disk thus holds only the bytes
 * that go there.  All of it is counted in one budget.  Any thread.
 */

struct upload_decoder {
	struct ingest *ingest; /* owned */
	struct batch batch;
	struct batch_schema_column *schema; /* owned; of the model at hand */
	size_t cap_schema;
	struct upload_decoder *next; /* private */
};

struct upload_frame {
	struct buf bytes;
	size_t taken;		   /* of bytes.cap, from the budget */
	struct upload_frame *next; /* private */
};

struct uploads;

/* At most ${max} of each. */
struct uploads *uploads_new(unsigned max, struct budget *budget);
void uploads_free(struct uploads *u);

/* Reset to the columns of ${m}; NULL when all are in use or memory is out. */
struct upload_decoder *uploads_take_decoder(struct uploads *u,
					    const struct config_model *m);
void uploads_give_decoder(struct uploads *u, struct upload_decoder *d);

/* The batch of ${d}, encoded; NULL as above. */
struct upload_frame *uploads_encode(struct uploads *u,
				    const struct upload_decoder *d,
				    const struct batch_meta *meta);
void uploads_give_frame(struct uploads *u, struct upload_frame *f);

#endif
