/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_DECODER_H
#define DRIFTD_DAEMON_INGEST_DECODER_H

#include "daemon/ingest/ingest.h"

/*
 * decoder - between ingest.c and the formats: what a format may ask of the
 * body, and the list of formats.
 */

struct record;

struct record *ingest_record(struct ingest *in);
const struct ingest_limits *ingest_limits_of(const struct ingest *in);
struct ingest_report *ingest_report_of(struct ingest *in);

extern const struct ingest_decoder ingest_json;
extern const struct ingest_decoder ingest_csv;

enum { INGEST_FORMATS = INGEST_CSV + 1 };

const struct ingest_decoder *ingest_decoder_of(enum ingest_format format);

/* By the first byte that is no space. */
enum ingest_format ingest_format_sniff(char first);

#endif
