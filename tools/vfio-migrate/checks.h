/*
 * vfio-migrate why: its checks and their results
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_CHECKS_H
#define VFIO_MIGRATE_CHECKS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

typedef enum CheckResult {
    CHECK_OK,
    CHECK_UNKNOWN,      /* it was not, or could not be, checked */
    CHECK_WARN,         /* it may prevent a migration */
    CHECK_NO,           /* it prevents a migration */
} CheckResult;

typedef struct Checks {
    JsonArray *list;    /* objects: subject, check, result, text, hint */
    const char *subject;    /* of the next results */
    unsigned nr_p2p;        /* devices that can stop only peer-to-peer DMA */
    char *lacks_p2p;        /* an opened device that cannot, or NULL */
} Checks;

/* check_result_word: "ok", "unknown", "warn", "no" */
const char *check_result_word(CheckResult result);

/*
 * checks_add: add the result of @check to the list
 *
 * @hint: what to do about it; may be NULL
 */
void checks_add(Checks *checks, const char *check, CheckResult result,
                const char *hint, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* checks_worst: the worst result; CHECK_OK if there are none */
CheckResult checks_worst(const Checks *checks);

/* ---- the checks ---- */

/*
 * why_device: check the device @name: driver, IOMMU, group, files of VFIO
 *
 * @may_open: it may be opened, which resets it, to find out how it migrates
 * @vm_knows: its VM's QEMU has said that the device can migrate: nothing is
 * unknown then, and it is not touched
 */
void why_device(Checks *checks, const char *name, bool may_open,
                bool vm_knows);

/*
 * why_host: check VFIO, the limit on locked memory, and AppArmor
 *
 * @libvirt: libvirt starts QEMU
 */
void why_host(Checks *checks, bool libvirt);

/*
 * why_several: check @n VFIO devices, more than one, of the same VM
 *
 * Call it after why_device() for each, with the same @vm_knows.
 */
void why_several(Checks *checks, unsigned n, bool vm_knows);

/* why_qemu: can the QEMU at @path (NULL: none was found) migrate them? */
void why_qemu(Checks *checks, const char *path);

#endif /* VFIO_MIGRATE_CHECKS_H */
