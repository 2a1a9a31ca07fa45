/*
 * QEMU's names for QMP answers, over json-glib
 *
 * Owns: the few QDict names of QEMU that the tests use, so that a test builds
 * unchanged here and in QEMU's tree, where they come from qapi/qmp/qdict.h.
 * Does not own: QMP itself (libqtest.c).
 * Locks: none; tests have one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QDICT_COMPAT_H
#define TESTS_QTEST_QDICT_COMPAT_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>
#include <json-glib/json-glib.h>

typedef JsonObject QDict;
typedef JsonArray QList;

/* Both accept NULL. Whoever got the answer owns its reference. */
static inline void qobject_unref(QDict *d)
{
    if (d) {
        json_object_unref(d);
    }
}

static inline QDict *qobject_ref(QDict *d)
{
    return d ? json_object_ref(d) : NULL;
}

/* Does @d have the member @key? */
static inline bool qdict_haskey(const QDict *d, const char *key)
{
    return json_object_has_member((QDict *)d, key);
}

/* Set a string member. */
static inline void qdict_put_str(QDict *d, const char *key, const char *value)
{
    json_object_set_string_member(d, key, value);
}

/* These members must exist; otherwise the test fails. */
static inline const char *qdict_get_str(const QDict *d, const char *key)
{
    g_assert_true(qdict_haskey(d, key));
    return json_object_get_string_member((QDict *)d, key);
}

static inline int64_t qdict_get_int(const QDict *d, const char *key)
{
    g_assert_true(qdict_haskey(d, key));
    return json_object_get_int_member((QDict *)d, key);
}

static inline bool qdict_get_bool(const QDict *d, const char *key)
{
    g_assert_true(qdict_haskey(d, key));
    return json_object_get_boolean_member((QDict *)d, key);
}

/* Returns a borrowed reference, as in QEMU. */
static inline QDict *qdict_get_qdict(const QDict *d, const char *key)
{
    JsonNode *node = json_object_get_member((QDict *)d, key);

    return node && JSON_NODE_HOLDS_OBJECT(node)
        ? json_node_get_object(node) : NULL;
}

static inline QList *qdict_get_qlist(const QDict *d, const char *key)
{
    JsonNode *node = json_object_get_member((QDict *)d, key);

    return node && JSON_NODE_HOLDS_ARRAY(node)
        ? json_node_get_array(node) : NULL;
}

/* These members may be missing. */
static inline const char *qdict_get_try_str(const QDict *d, const char *key)
{
    return qdict_haskey(d, key)
        ? json_object_get_string_member((QDict *)d, key) : NULL;
}

static inline int64_t qdict_get_try_int(const QDict *d, const char *key,
                                        int64_t def_value)
{
    return qdict_haskey(d, key)
        ? json_object_get_int_member((QDict *)d, key) : def_value;
}

#endif /* TESTS_QTEST_QDICT_COMPAT_H */
