/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_CONFIG_SETTINGS_H
#define DRIFTD_CONFIG_SETTINGS_H

#include "base/option.h"

#include <stddef.h>

/*
 * settings - the option tables: what can be set, within which range, with
 * which default, and whether a reload can change it.  One row is all there is
 * to a setting.
 */

/* Of the daemon; dotted names, sorted by section; target struct config. */
extern const struct option settings_daemon[];
extern const size_t settings_n_daemon;

/* Of an entry of alerts.receivers; target struct config_receiver. */
extern const struct option settings_receiver[];
extern const size_t settings_n_receiver;

/* Of an entry of alerts.rules; target struct config_rule. */
extern const struct option settings_rule[];
extern const size_t settings_n_rule;

/* Of a model; target struct config_model. */
extern const struct option settings_model[];
extern const size_t settings_n_model;

#endif
