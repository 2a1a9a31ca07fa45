/*
 * Checks that this is the QEMU that the subsystem was built for: its classes
 *
 * Owns: the checks that need QEMU's object model. They change nothing: the
 * early creation of the class vfio-pci is what `-device help` does as well.
 * Not here: the early checks (checks.c). Locks: BQL, held by qemu_init().
 * Source: abi.h. Only distances between members are compared: the offset of
 * the VFIODevice in VFIOPCIDevice changed within 7.2.x.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "checks.h"

#include <stdio.h>
#include <string.h>

/* A property of vfio-pci and the member of VFIODevice that it sets */
typedef struct ClassProperty {
    const char *name;
    ptrdiff_t offset_bytes;
} ClassProperty;

static const ClassProperty class_properties[] = {
    { "sysfsdev", ABI_DEVICE_SYSFSDEV },        /* base of the other offsets */
    { "x-no-mmap", ABI_DEVICE_NO_MMAP },
    { "x-balloon-allowed", ABI_DEVICE_RAM_BLOCK_DISCARD },
    { "x-enable-migration", ABI_DEVICE_ENABLE_MIGRATION },
    { "x-pre-copy-dirty-page-tracking", ABI_DEVICE_PRE_COPY_DIRTY },
};

static void *class_by_name(const Attach *attach, const char *name)
{
    void *(*by_name)(const char *type_name);
    ImageSymbol symbol;

    if (!image_symbol(&attach->image, "object_class_by_name", &symbol)) {
        return NULL;
    }
    memcpy(&by_name, &symbol.address, sizeof(by_name));
    return by_name(name);
}

/* The Property declared for the property @name, or NULL */
static const uint8_t *class_property(const Attach *attach, void *klass,
                                     const char *name)
{
    uint8_t *(*find)(void *klass, const char *name);
    const uint8_t *property;
    const void *declared;
    ImageSymbol symbol;

    if (!image_symbol(&attach->image, "object_class_property_find", &symbol)) {
        return NULL;
    }
    memcpy(&find, &symbol.address, sizeof(find));
    property = find(klass, name);
    if (!property) {
        return NULL;
    }
    memcpy(&declared, property + ABI_OBJECT_PROPERTY_OPAQUE, sizeof(declared));
    if (!image_has(&attach->image, declared, ABI_PROPERTY_OFFSET + 8) ||
        strcmp(image_text(&attach->image,
                          image_pointer(&attach->image, declared,
                                        ABI_PROPERTY_NAME)), name)) {
        return NULL;
    }
    return declared;
}

static bool check_properties(Attach *attach, Refusal *why)
{
    void *klass = class_by_name(attach, "vfio-pci");
    ptrdiff_t base = 0, offset;

    if (!klass) {
        return refuse(why, "this QEMU has no device vfio-pci");
    }
    for (size_t i = 0;
         i < sizeof(class_properties) / sizeof(class_properties[0]); i++) {
        const ClassProperty *expected = &class_properties[i];
        const uint8_t *found = class_property(attach, klass, expected->name);

        if (!found) {
            return refuse(why, "vfio-pci has no property %s of the expected "
                          "shape", expected->name);
        }
        memcpy(&offset, found + ABI_PROPERTY_OFFSET, sizeof(offset));
        if (i == 0) {
            base = offset - expected->offset_bytes;
        } else if (offset - base != expected->offset_bytes) {
            return refuse(why, "property %s of vfio-pci is %td bytes behind "
                          "the start of VFIODevice, %td were expected",
                          expected->name, offset - base,
                          expected->offset_bytes);
        }
        attach->facts++;
    }
    return true;
}

/* The function that returns a device's name in the migration stream */
static bool check_device_id(Attach *attach, Refusal *why)
{
    void *klass = class_by_name(attach, "vfio-pci");
    uint8_t *(*cast)(void *klass, const char *type_name);
    const void *get_id;
    const uint8_t *interface;
    ImageSymbol symbol;

    if (!klass || !image_symbol(&attach->image, "object_class_dynamic_cast",
                                &symbol)) {
        return refuse(why, "this QEMU has no device vfio-pci");
    }
    memcpy(&cast, &symbol.address, sizeof(cast));
    interface = cast(klass, "vmstate-if");
    if (!interface) {
        return refuse(why, "vfio-pci has no interface vmstate-if");
    }
    memcpy(&get_id, interface + ABI_VMSTATE_IF_GET_ID, sizeof(get_id));
    if (!image_has_code(&attach->image, get_id, 1)) {
        return refuse(why, "VMStateIfClass.get_id of vfio-pci is not a "
                      "function of QEMU");
    }
    attach->facts++;
    return true;
}

const AttachCheck attach_checks_late[] = {
    { "properties", check_properties },
    { "device-id", check_device_id },
    { NULL, NULL },
};
