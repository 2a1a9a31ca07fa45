/*
 * What the environment asks of attach
 *
 * Owns: VFIO_MIGRATION_ATTACH, the line of the settings that forbids it, and
 * our own entry in LD_PRELOAD.
 * Locks: none; used while the process starts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_ENVIRONMENT_H
#define ATTACH_ENVIRONMENT_H

#include <stdbool.h>

#include "refusal.h"

/* Words of VFIO_MIGRATION_ATTACH, separated by commas */
typedef struct AttachMode {
    bool off;           /* "off": as if we were not there */
    bool require;       /* "require": not attached means no VM */
    bool verbose;       /* "verbose": say so, when attached */
    bool check;         /* "check": say so, then end before the VM starts */
} AttachMode;

/**
 * environment_mode: Read VFIO_MIGRATION_ATTACH; unset is "auto"
 *
 * Returns: false for an unknown word, with @why
 */
bool environment_mode(AttachMode *mode, Refusal *why);

/**
 * environment_allowed: Does no file of settings forbid it on this host?
 * @settings: path of the host's file; that of VFIO_MIGRATION_CONF is read, too
 *
 * The wrapper reads the other settings, and there the environment wins. This
 * one is the administrator's: it holds without the wrapper, too, and nothing
 * in the environment undoes it. A file that is not there forbids nothing, nor
 * does one that this process may not open, as the profile of a confined VM may
 * have it; one that cannot be read for another reason might.
 *
 * Returns: false where one forbids it, with @why
 */
bool environment_allowed(const char *settings, Refusal *why);

/**
 * environment_wrapped_program: What the wrapper said that it becomes
 *
 * Returns: its path, if this process is that program; NULL if it is another
 * one, or a script, whose interpreter this process is
 */
const char *environment_wrapped_program(void);

/**
 * environment_clean: Take us out of what child processes inherit
 * @self: the path of this library, as the dynamic linker has it
 *
 * Entries of others in LD_PRELOAD and LD_LIBRARY_PATH stay as they are.
 */
void environment_clean(const char *self);

#endif /* ATTACH_ENVIRONMENT_H */
