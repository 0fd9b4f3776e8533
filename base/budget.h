/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_BUDGET_H
#define DRIFTD_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * budget - a ceiling on memory that several threads share.  What is taken is
 * given back by whoever took it.  Lock-free.
 */
struct budget {
	atomic_size_t used; /* shared, bytes */
	size_t max;
};

void budget_init(struct budget *b, size_t max);

/* Take ${n} bytes; false, and nothing taken, when they are not there. */
bool budget_take(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);

#endif
