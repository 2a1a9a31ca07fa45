/*
 * QMP commands and answers as text
 *
 * Owns: the few JSON functions that tests use besides QMP. In QEMU's tree
 * another file implements them with QEMU's own JSON.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QTEST_JSON_H
#define TESTS_QTEST_QTEST_JSON_H

#include <stdarg.h>

#include "qdict-compat.h"

/* qdict_to_text: an answer as JSON text, "(none)" for NULL. Caller frees. */
char *qdict_to_text(const QDict *d);

/* qdict_from_text: the reverse; NULL if @text is not a JSON object. */
QDict *qdict_from_text(const char *text);

/* qlist_get_text: the string at @index; NULL past the end. */
const char *qlist_get_text(const QList *list, unsigned index);

/* As in QEMU's qapi/qmp/qjson.h, with the formats of qtest_qmp(). */
QDict *qdict_from_vjsonf_nofail(const char *fmt, va_list ap)
    G_GNUC_PRINTF(1, 0);

/* qtest_vjsonf: the same as text. Caller frees. */
char *qtest_vjsonf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

#endif /* TESTS_QTEST_QTEST_JSON_H */
