/*
 * vfio-migrate why: what was looked at, and what came of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_CHECKS_H
#define VFIO_MIGRATE_CHECKS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

typedef enum CheckResult {
    CHECK_OK,
    CHECK_UNKNOWN,      /* it was not, or could not be, looked at */
    CHECK_WARN,         /* it may stand in the way */
    CHECK_NO,           /* it stands in the way */
} CheckResult;

typedef struct Checks {
    JsonArray *list;    /* objects: subject, check, result, text, hint */
    const char *subject;    /* what the next ones are about */
    unsigned nr_p2p;        /* devices that can stop what they do to others */
    char *lacks_p2p;        /* one that was opened and cannot; or NULL */
} Checks;

/* check_result_word: "ok", "unknown", "warn", "no" */
const char *check_result_word(CheckResult result);

/*
 * checks_add: note what came of looking at @check
 *
 * @hint: what to do about it; may be NULL
 */
void checks_add(Checks *checks, const char *check, CheckResult result,
                const char *hint, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* checks_worst: the worst of all; CHECK_OK where there is none. */
CheckResult checks_worst(const Checks *checks);

/* ---- what is looked at ---- */

/*
 * why_device: the device @name: driver, IOMMU, group, files of VFIO
 *
 * @may_open: it may be opened, which resets it, and be asked how it migrates
 * @vm_knows: a VM has it, and its QEMU has said that it can migrate: then
 * nothing of it is unknown, and it is left alone
 */
void why_device(Checks *checks, const char *name, bool may_open,
                bool vm_knows);

/*
 * why_host: VFIO, memory that may be locked, AppArmor
 *
 * @libvirt: it is libvirt that starts QEMU
 */
void why_host(Checks *checks, bool libvirt);

/*
 * why_several: @n devices of VFIO in one VM, more than one
 *
 * After why_device() of each. @vm_knows: as there
 */
void why_several(Checks *checks, unsigned n, bool vm_knows);

/* why_qemu: does the QEMU at @path (NULL: none was found) migrate them? */
void why_qemu(Checks *checks, const char *path);

#endif /* VFIO_MIGRATE_CHECKS_H */
