/*
 * The interface by which a device names itself in a migration stream
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSTATE_IF_H
#define VMSTATE_IF_H

#include "qom/object.h"

#define TYPE_VMSTATE_IF "vmstate-if"
#define VMSTATE_IF(obj) \
    ((VMStateIf *)object_dynamic_cast(OBJECT(obj), TYPE_VMSTATE_IF))

typedef struct VMStateIfClass {
    uint8_t parent_class[112];
    char *(*get_id)(VMStateIf *obj);
} VMStateIfClass;

QEMU_ABI(sizeof(VMStateIfClass) == 120);

/* The caller frees the string; NULL: the device has no id */
static inline char *vmstate_if_get_id(VMStateIf *vmif)
{
    ObjectClass *klass;

    if (!vmif) {
        return NULL;
    }
    klass = object_class_dynamic_cast(object_get_class(OBJECT(vmif)),
                                      TYPE_VMSTATE_IF);
    return ((VMStateIfClass *)klass)->get_id(vmif);
}

#endif /* VMSTATE_IF_H */
