/*
 * Objects, properties and visitors of the stand-alone host
 *
 * Owns: the part of QEMU's object model that the subsystem uses: one class for
 * all devices; read-only properties; a visitor that writes JSON.
 *
 * Lock: the BQL.
 *
 * Source: QEMU 7.2's include/qom/object.h and include/qapi/visitor.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <json-glib/json-glib.h>
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/main-loop.h"
#include "hw/vmstate-if.h"
#include "migration/host-device.h"
#include "migration/standalone.h"

struct ObjectClass {
    VMStateIfClass vmstate_if;  /* result of a cast to the interface */
};

struct ObjectProperty {
    ObjectPropertyAccessor *get;
    ObjectPropertyRelease *release;
    void *opaque;
};

struct Visitor {
    JsonBuilder *builder;
    unsigned depth;             /* of nested structs */
};

static char *device_id(VMStateIf *obj)
{
    return g_strdup(((DeviceState *)obj)->id);
}

static ObjectClass device_class = {
    .vmstate_if.get_id = device_id,
};

static bool is_type(const char *type_name)
{
    return !strcmp(type_name, TYPE_PCI_DEVICE) ||
           !strcmp(type_name, TYPE_VMSTATE_IF) ||
           !strcmp(type_name, "device") || !strcmp(type_name, "object");
}

void host_object_init(Object *obj, void (*finalize)(Object *obj))
{
    obj->type = "vfio-pci";
    obj->klass = &device_class;
    obj->refs = 1;
    obj->finalize = finalize;
    obj->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            g_free);
}

void host_object_destroy(Object *obj)
{
    /* Finalize must have removed every property that was added. */
    assert(g_hash_table_size(obj->properties) == 0);
    g_hash_table_destroy(obj->properties);
}

Object *object_ref(void *objptr)
{
    Object *obj = objptr;

    assert(qemu_mutex_iothread_locked() && obj->refs);
    obj->refs++;
    return obj;
}

void object_unref(void *objptr)
{
    Object *obj = objptr;

    assert(qemu_mutex_iothread_locked() && obj->refs);
    if (--obj->refs == 0) {
        obj->finalize(obj);
    }
}

Object *object_dynamic_cast(Object *obj, const char *type_name)
{
    return obj && is_type(type_name) ? obj : NULL;
}

const char *object_get_typename(const Object *obj)
{
    return obj->type;
}

ObjectClass *object_get_class(Object *obj)
{
    return obj->klass;
}

ObjectClass *object_class_dynamic_cast(ObjectClass *klass,
                                       const char *type_name)
{
    return klass && is_type(type_name) ? klass : NULL;
}

ObjectClass *object_class_by_name(const char *type_name)
{
    return is_type(type_name) ? &device_class : NULL;
}

/* ---- properties ---- */

ObjectProperty *object_property_add(Object *obj, const char *name,
                                    const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque)
{
    ObjectProperty *prop = g_new0(ObjectProperty, 1);

    assert(!object_property_find(obj, name));
    prop->get = get;
    prop->release = release;
    prop->opaque = opaque;
    g_hash_table_insert(obj->properties, g_strdup(name), prop);
    return prop;
}

ObjectProperty *object_property_find(Object *obj, const char *name)
{
    return g_hash_table_lookup(obj->properties, name);
}

void object_property_del(Object *obj, const char *name)
{
    ObjectProperty *prop = object_property_find(obj, name);

    assert(prop);
    if (prop->release) {
        prop->release(obj, name, prop->opaque);
    }
    g_hash_table_remove(obj->properties, name);
}

char *vfio_host_property_get(VFIODevice *vbasedev, const char *name,
                             Error **errp)
{
    Object *obj = OBJECT(vbasedev->dev);
    ObjectProperty *prop = object_property_find(obj, name);
    Visitor visitor = { .builder = NULL };
    Error *local_err = NULL;
    char *text = NULL;

    if (!prop) {
        error_setg(errp, "%s: no property '%s'", vbasedev->name, name);
        return NULL;
    }
    visitor.builder = json_builder_new();
    prop->get(obj, &visitor, name, prop->opaque, &local_err);
    if (!local_err) {
        JsonNode *root = json_builder_get_root(visitor.builder);

        assert(root && !visitor.depth);
        text = json_to_string(root, FALSE);
        json_node_unref(root);
    }
    g_object_unref(visitor.builder);
    error_propagate(errp, local_err);
    return text;
}

/* ---- visitors ---- */

/* The outermost value has the property's name, which JSON does not contain. */
static void visit_name(Visitor *v, const char *name)
{
    if (v->depth) {
        json_builder_set_member_name(v->builder, name);
    }
}

bool visit_start_struct(Visitor *v, const char *name, void **obj,
                        size_t size, Error **errp)
{
    visit_name(v, name);
    json_builder_begin_object(v->builder);
    v->depth++;
    return true;
}

bool visit_check_struct(Visitor *v, Error **errp)
{
    return true;
}

void visit_end_struct(Visitor *v, void **obj)
{
    json_builder_end_object(v->builder);
    v->depth--;
}

bool visit_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                       Error **errp)
{
    visit_name(v, name);
    if (*obj > INT64_MAX) {
        /* json-glib's integers are signed: better inexact than negative */
        json_builder_add_double_value(v->builder, *obj);
    } else {
        json_builder_add_int_value(v->builder, *obj);
    }
    return true;
}

bool visit_type_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    visit_name(v, name);
    json_builder_add_boolean_value(v->builder, *obj);
    return true;
}

bool visit_type_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    visit_name(v, name);
    json_builder_add_string_value(v->builder, *obj ? *obj : "");
    return true;
}
