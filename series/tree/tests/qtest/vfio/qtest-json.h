/*
 * JSON as text, for tests of VFIO migration
 *
 * The tests are written for a harness on another JSON library, too: what they
 * use besides libqtest and QDict is here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VFIO_QTEST_JSON_H
#define TESTS_QTEST_VFIO_QTEST_JSON_H

#include "qapi/qmp/qjson.h"
#include "qapi/qmp/qlist.h"
#include "qapi/qmp/qstring.h"

/* An answer as JSON text, "(none)" for NULL. Caller frees. */
static inline char *qdict_to_text(const QDict *d)
{
    return g_string_free(d ? qobject_to_json(QOBJECT(d))
                           : g_string_new("(none)"), false);
}

/* The reverse; NULL if @text is not a JSON object. */
static inline QDict *qdict_from_text(const char *text)
{
    return qobject_to(QDict, qobject_from_json(text, NULL));
}

/* The @index-th of @list, which is a string; NULL behind the last. */
static inline const char *qlist_get_text(const QList *list, unsigned index)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        if (!index--) {
            return qstring_get_str(qobject_to(QString, qlist_entry_obj(entry)));
        }
    }
    return NULL;
}

#endif /* TESTS_QTEST_VFIO_QTEST_JSON_H */
