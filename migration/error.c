/*
 * Error objects of the stand-alone host
 *
 * Owns: struct Error and the functions of qapi/error.h, with the semantics of
 * QEMU 7.2. &error_abort and &error_fatal are not used here. Does not own: how
 * a message reaches the user, see report.c.
 *
 * No lock: an Error belongs to whoever holds the pointer.
 *
 * Source: QEMU 7.2's include/qapi/error.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "migration/standalone.h"

struct Error {
    char *text;
    char *hint;     /* NULL: none */
};

Error *error_fatal;

static void G_GNUC_PRINTF(3, 0)
error_make(Error **errp, int os_error, const char *fmt, va_list ap)
{
    int saved_errno = errno;
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    if (errp) {
        assert(*errp == NULL);
        *errp = g_new0(Error, 1);
        (*errp)->text = os_error
            ? g_strconcat(text, ": ", strerror(os_error), NULL)
            : g_steal_pointer(&text);
    }
    errno = saved_errno;
}

void error_setg_internal(Error **errp, const char *src, int line,
                         const char *func, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_make(errp, 0, fmt, ap);
    va_end(ap);
}

void error_setg_errno_internal(Error **errp, const char *file, int line,
                               const char *func, int os_error,
                               const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_make(errp, os_error, fmt, ap);
    va_end(ap);
}

/* Prepend or append the formatted text to *@to. */
static void G_GNUC_PRINTF(3, 0)
add_text(char **to, bool in_front, const char *fmt, va_list ap)
{
    int saved_errno = errno;
    g_autofree char *more = g_strdup_vprintf(fmt, ap);
    g_autofree char *old = *to;

    *to = in_front ? g_strconcat(more, old, NULL)
                   : g_strconcat(old ?: "", more, NULL);
    errno = saved_errno;
}

void error_prepend(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (errp) {
        add_text(&(*errp)->text, true, fmt, ap);
    }
    va_end(ap);
}

void error_append_hint(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (errp) {
        add_text(&(*errp)->hint, false, fmt, ap);
    }
    va_end(ap);
}

const char *error_get_pretty(const Error *err)
{
    return err->text;
}

const char *vfio_host_error_hint(const Error *err)
{
    return err->hint;
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new(Error, 1);

    *copy = (Error) { g_strdup(err->text), g_strdup(err->hint) };
    return copy;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->hint);
        g_free(err->text);
        g_free(err);
    }
}

void error_propagate(Error **dst_errp, Error *local_err)
{
    if (local_err && dst_errp && !*dst_errp) {
        *dst_errp = local_err;
    } else {
        error_free(local_err);
    }
}

/* The lines of a hint follow the message; the last newline is dropped. */
static char *whole_text(Error *err)
{
    char *text = g_strconcat(err->text, err->hint ? "\n" : "", err->hint,
                             NULL);

    error_free(err);
    return g_strchomp(text);
}

void error_report_err(Error *err)
{
    g_autofree char *text = whole_text(err);

    error_report("%s", text);
}

void warn_report_err(Error *err)
{
    g_autofree char *text = whole_text(err);

    warn_report("%s", text);
}
