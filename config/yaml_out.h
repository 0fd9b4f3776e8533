/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_YAML_OUT_H
#define DRIFTD_CONFIG_YAML_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * yaml_out - writing YAML, a line a key, into a buf.  Texts are written in
 * double quotes so that they read back byte for byte, dollars doubled.
 */
struct yaml_out {
	struct buf *buf; /* borrowed */
	unsigned depth;
	bool dash;	/* the next key is the first of a list's entry */
	bool open;	/* a key waits for its value */
	bool flow_more; /* the flow list has an entry */
};

void yaml_out_init(struct yaml_out *y, struct buf *buf);

void yaml_key(struct yaml_out *y, const char *key); /* a plain word */
void yaml_key_n(struct yaml_out *y, const char *key, size_t len);
void yaml_quoted_key(struct yaml_out *y, const char *key); /* any text */

/* The value of the key before. */
void yaml_plain(struct yaml_out *y, const char *text);
void yaml_text(struct yaml_out *y, const char *text);

/* A mapping or a list as that value, to yaml_end. */
void yaml_begin(struct yaml_out *y);
void yaml_end(struct yaml_out *y);

/* A mapping as the next entry of a list, to yaml_end. */
void yaml_item(struct yaml_out *y);

/* ["a", "b"] */
void yaml_flow_begin(struct yaml_out *y);
void yaml_flow_text(struct yaml_out *y, const char *text);
void yaml_flow_plain(struct yaml_out *y, const char *text);
void yaml_flow_end(struct yaml_out *y);

/* The last line's end. */
void yaml_finish(struct yaml_out *y);

#endif
