/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_JSON_OBJECT_H
#define DRIFTD_DAEMON_INGEST_JSON_OBJECT_H

#include "daemon/ingest/json_scan.h"

#include <stdint.h>

struct record;

/*
 * The object at s->p, a "{", into the record that was begun.  ${*first} is the
 * slot of the first key of the last object, and becomes this one's.  SCAN_OK
 * also for a record that was rejected on the way: its end is known.
 */
enum scan json_object(struct json_scan *s, struct record *r, uint32_t *first);

#endif
