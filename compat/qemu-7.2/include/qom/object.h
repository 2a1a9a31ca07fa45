/*
 * QEMU's object model
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_OBJECT_H
#define QEMU_OBJECT_H

typedef void (ObjectPropertyAccessor)(Object *obj, Visitor *v,
                                      const char *name, void *opaque,
                                      Error **errp);
typedef void (ObjectPropertyRelease)(Object *obj, const char *name,
                                     void *opaque);

/* The object is finalized when its last reference goes. */
Object *object_ref(void *obj);
void object_unref(void *obj);

#define OBJECT(obj) ((Object *)(obj))

ObjectProperty *object_property_add(Object *obj, const char *name,
                                    const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque);
/* NULL: the object has no such property */
ObjectProperty *object_property_find(Object *obj, const char *name);
bool object_property_set_bool(Object *obj, const char *name, bool value,
                              Error **errp);
void object_property_del(Object *obj, const char *name);
/* 0 where it cannot be read */
uint64_t object_property_get_uint(Object *obj, const char *name,
                                  Error **errp);
Object *object_dynamic_cast(Object *obj, const char *type_name);
const char *object_get_typename(const Object *obj);
ObjectClass *object_get_class(Object *obj);
ObjectClass *object_class_dynamic_cast(ObjectClass *klass,
                                       const char *type_name);
ObjectClass *object_class_by_name(const char *type_name);

#endif /* QEMU_OBJECT_H */
