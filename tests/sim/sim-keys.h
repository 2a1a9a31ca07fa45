/*
 * Simulated VFIO devices: reading the keys of one configuration group
 *
 * Owns: the reader that sim-config.c and sim-fault.c share. The first error
 * is kept and returned by sim_keys_close(), which also rejects every key
 * that was never read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_KEYS_H
#define TESTS_SIM_SIM_KEYS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SimKeys {
    GKeyFile *file;
    const char *group;
    GHashTable *known;
    GError *err;
    GError **out;
} SimKeys;

void sim_keys_open(SimKeys *k, GKeyFile *file, const char *group,
                   GError **err);
bool sim_keys_close(SimKeys *k);
void sim_keys_fail(SimKeys *k, const char *key, const char *why);

/* sim_keys_text: a key's value; NULL if it is absent */
char *sim_keys_text(SimKeys *k, const char *key);

#endif /* TESTS_SIM_SIM_KEYS_H */
