/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DETECTORS_STREAM_PARTS_H
#define DRIFTD_DETECTORS_STREAM_PARTS_H

#include "base/attr.h"
#include "base/option.h"
#include "detectors/stream.h"

#include <stddef.h>

/*
 * stream_parts - what the files stream_NAME.c share.
 *
 * Their detections equal those of the reference implementations to the
 * sample, so sums are taken in the reference's order and no multiplication
 * may be fused with an addition (gcc does not in ISO mode).
 */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

extern const struct stream_detector stream_adwin;
extern const struct stream_detector stream_page_hinkley;
extern const struct stream_detector stream_cusum;
extern const struct stream_detector stream_cusum_running;
extern const struct stream_detector stream_ddm;
extern const struct stream_detector stream_eddm;
extern const struct stream_detector stream_hddm_a;
extern const struct stream_detector stream_hddm_w;
extern const struct stream_detector stream_sr_edetector;

#define STREAM_OPTION(kind, target, member, standard, low, high, text)         \
	{                                                                      \
		.name = #member, .type = (kind),                               \
		.offset = offsetof(struct target, member),                     \
		.fallback = (standard), .min = (low), .max = (high),           \
		.doc = (text)                                                  \
	}

#define STREAM_FIELD(kind, target, member)                                     \
	{                                                                      \
		.name = #member, .type = (kind),                               \
		.offset = offsetof(struct target, member),                     \
	}

#define STREAM_TABLES(options_of, fields_of)                                   \
	.options = (options_of), .n_options = ARRAY_LEN(options_of),           \
	.fields = (fields_of), .n_fields = ARRAY_LEN(fields_of)

#endif
