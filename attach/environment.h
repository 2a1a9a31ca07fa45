/*
 * Settings of attach in the environment
 *
 * Owns: VFIO_MIGRATION_ATTACH, the line of the settings that forbids
 * attaching, and our own entry in LD_PRELOAD.
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
    bool off;           /* "off": do nothing at all */
    bool require;       /* "require": without attaching the VM must not start */
    bool verbose;       /* "verbose": report success */
    bool check;         /* "check": report success, end before the VM starts */
} AttachMode;

/**
 * environment_mode: Read VFIO_MIGRATION_ATTACH; unset is "auto"
 *
 * Returns: false for an unknown word, with @why set
 */
bool environment_mode(AttachMode *mode, Refusal *why);

/**
 * environment_allowed: Does no settings file forbid attaching on this host?
 * @settings: the host's file; that in VFIO_MIGRATION_CONF is read as well
 *
 * The wrapper reads the other settings, which the environment overrides. This
 * one is for the administrator: it works without the wrapper, and nothing in
 * the environment overrides it. A missing file forbids nothing, nor does one
 * that this process may not open, for example because of a confined VM's
 * profile. A file that cannot be read for another reason might forbid it.
 *
 * Returns: false if a file forbids it, with @why set
 */
bool environment_allowed(const char *settings, Refusal *why);

/**
 * environment_wrapped_program: The program that the wrapper has executed
 *
 * Returns: its path, if this process is that program; NULL if it is another
 * one, or the interpreter of a script
 */
const char *environment_wrapped_program(void);

/**
 * environment_clean: Remove us from the environment of child processes
 * @self: the path of this library, from the dynamic linker
 *
 * Other entries in LD_PRELOAD and LD_LIBRARY_PATH are kept.
 */
void environment_clean(const char *self);

#endif /* ATTACH_ENVIRONMENT_H */
