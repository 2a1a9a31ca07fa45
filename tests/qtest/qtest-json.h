/*
 * QMP commands and answers as text
 *
 * Owns: the few functions on JSON that tests use besides QMP. In QEMU's tree
 * another file has their place, over QEMU's own JSON.
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

/* qlist_get_text: the @index-th, which is a string; NULL behind the last. */
const char *qlist_get_text(const QList *list, unsigned index);

/* Of QEMU's qapi/qmp/qjson.h: as qtest_qmp() builds a command. */
QDict *qdict_from_vjsonf_nofail(const char *fmt, va_list ap)
    G_GNUC_PRINTF(1, 0);

/* qtest_vjsonf: the text of it. Caller frees. */
char *qtest_vjsonf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

#endif /* TESTS_QTEST_QTEST_JSON_H */
