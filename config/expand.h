/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_EXPAND_H
#define DRIFTD_CONFIG_EXPAND_H

struct buf;
struct err;

/*
 * expand - ${NAME} and ${NAME:-default} (for unset or empty) from the
 * environment; $$ is a dollar.  Any other dollar stands for itself.  The
 * default runs to the next brace and is not expanded.  What a variable holds
 * is text of a value: it cannot add keys or structure.
 */
int expand_environment(const char *text, struct buf *out, struct err *e);

#endif
