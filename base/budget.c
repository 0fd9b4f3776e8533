/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget - a shared ceiling, by compare and swap.  The count orders nothing
 * else: relaxed is enough.
 */

#include "base/budget.h"

void budget_init(struct budget *b, size_t max)
{
	atomic_init(&b->used, 0);
	b->max = max;
}

bool budget_take(struct budget *b, size_t n)
{
	size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);

	do {
		if (n > b->max || used > b->max - n)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->used, &used, used + n, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

void budget_give(struct budget *b, size_t n)
{
	atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
}
