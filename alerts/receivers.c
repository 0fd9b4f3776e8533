/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The types of receivers, in the order of their index in the configuration. */
#include "alerts/receiver.h"

#include "base/attr.h"

static const struct receiver_type *const types[] = {
	&receiver_webhook,
};

const struct receiver_type *receiver_type_at(int type)
{
	if (type < 0 || (size_t)type >= ARRAY_LEN(types))
		return NULL;
	return types[type];
}
