/*
 * Is this the QEMU that the subsystem was built for?
 *
 * Owns: the checks, each one independent of the others, and their order.
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

/* What is known of this process; filled by the checks as they pass */
typedef struct Attach {
    Image image;
    const char *library;        /* path of this library */
    char version[128];          /* of QEMU, for people */
    bool newer;                 /* than each that was held against abi.h */
    void *handle;               /* of the subsystem */
    const AttachTable *table;   /* in the subsystem */
    Redirect redirects[ATTACH_ENTRY_COUNT];
    unsigned facts;             /* how many things were found as expected */
} Attach;

typedef struct AttachCheck {
    const char *name;
    bool (*run)(Attach *attach, Refusal *why);
} AttachCheck;

/* Before main(): what needs no object of QEMU. Ends with a NULL name. */
extern const AttachCheck attach_checks_early[];
/* When QEMU's classes exist. Ends with a NULL name. */
extern const AttachCheck attach_checks_late[];

/**
 * attach_is_qemu: Is the main executable a system emulator of QEMU?
 * @attach: its image is filled
 */
bool attach_is_qemu(Attach *attach);

/**
 * attach_run_checks: Run @checks up to the first that fails
 * @name: the name of that one
 *
 * Returns: true where all passed
 */
bool attach_run_checks(Attach *attach, const AttachCheck *checks,
                       const char **name, Refusal *why);

#endif /* ATTACH_CHECKS_H */
