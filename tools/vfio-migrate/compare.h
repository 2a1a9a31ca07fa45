/*
 * vfio-migrate: will a device that is here go over there?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_COMPARE_H
#define VFIO_MIGRATE_COMPARE_H

#include <json-glib/json-glib.h>

/* What a difference does to a migration; worse ones come later. */
typedef enum CompareEffect {
    COMPARE_HARMLESS,
    COMPARE_MAY_FAIL,
    COMPARE_BLOCKS,
} CompareEffect;

/* The word for it: "harmless", "may-fail", "blocks" */
const char *compare_effect_word(CompareEffect effect);

typedef struct Compare {
    JsonObject *here, *there;   /* reports of "vfio-migrate facts" */
    const char *machine;        /* machine type of the VM, NULL: unknown */
    JsonArray *differences;     /* objects: what, effect, here, there, text */
    CompareEffect worst;
} Compare;

/*
 * compare_facts: find all differences that matter, @compare->differences
 *
 * The source of the migration is here. Facts may come from anybody; what is
 * missing in them is a difference, too.
 */
void compare_facts(Compare *compare);

/* compare_add: one more difference; @here and @there may be NULL. */
void compare_add(Compare *compare, CompareEffect effect, const char *what,
                 const char *here, const char *there, const char *text);

/* compare_pci: the part of it that is PCI (compare-pci.c) */
void compare_pci(Compare *compare);

#endif /* VFIO_MIGRATE_COMPARE_H */
