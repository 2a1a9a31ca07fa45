/*
 * vfio-migrate: will a device of one host migrate to another?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_COMPARE_H
#define VFIO_MIGRATE_COMPARE_H

#include <json-glib/json-glib.h>

/* The effect of a difference on a migration, in ascending severity */
typedef enum CompareEffect {
    COMPARE_HARMLESS,
    COMPARE_MAY_FAIL,
    COMPARE_BLOCKS,
} CompareEffect;

/* The word for @effect: "harmless", "may-fail", "blocks" */
const char *compare_effect_word(CompareEffect effect);

typedef struct Compare {
    JsonObject *here, *there;   /* reports of "vfio-migrate facts" */
    const char *machine;        /* machine type of the VM; NULL: unknown */
    JsonArray *differences;     /* objects: what, effect, here, there, text */
    CompareEffect worst;
} Compare;

/*
 * compare_facts: put all differences that matter into @compare->differences
 *
 * The migration's source is "here". The facts are untrusted input; missing
 * facts count as differences.
 */
void compare_facts(Compare *compare);

/* compare_add: add a difference; @here and @there may be NULL */
void compare_add(Compare *compare, CompareEffect effect, const char *what,
                 const char *here, const char *there, const char *text);

/* compare_pci: the PCI part of compare_facts() (compare-pci.c) */
void compare_pci(Compare *compare);

#endif /* VFIO_MIGRATE_COMPARE_H */
