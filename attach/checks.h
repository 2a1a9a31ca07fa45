/*
 * Checks that this is the QEMU that the subsystem was built for
 *
 * Owns: the checks, which are independent of each other, and their order.
 * None of them changes anything in QEMU.
 * Locks: none; used while the process starts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_CHECKS_H
#define ATTACH_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "image.h"
#include "redirect.h"
#include "refusal.h"

/* What is known about this process; filled in by the checks as they pass */
typedef struct Attach {
    Image image;
    const char *library;        /* path of this library */
    char version[128];          /* QEMU's version, for people */
    bool newer;                 /* than all versions verified in abi.h */
    void *handle;               /* of the subsystem */
    const AttachTable *table;   /* in the subsystem */
    Redirect redirects[ATTACH_ENTRY_COUNT];
    unsigned facts;             /* number of facts found as expected */
} Attach;

typedef struct AttachCheck {
    const char *name;
    bool (*run)(Attach *attach, Refusal *why);
} AttachCheck;

/* For use before main(), without QEMU's objects. Ends with a NULL name. */
extern const AttachCheck attach_checks_early[];
/* For use when QEMU's classes exist. Ends with a NULL name. */
extern const AttachCheck attach_checks_late[];

/**
 * attach_is_qemu: Is the main executable a QEMU system emulator?
 * @attach: its image is filled in
 */
bool attach_is_qemu(Attach *attach);

/**
 * attach_run_checks: Run @checks up to the first one that fails
 * @name: set to the name of the last check that was run
 *
 * Returns: true if all passed
 */
bool attach_run_checks(Attach *attach, const AttachCheck *checks,
                       const char **name, Refusal *why);

#endif /* ATTACH_CHECKS_H */
