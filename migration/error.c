/*
 * Error objects of the stand-alone host
 *
 * Owns: struct Error and the functions of qapi/error.h, with the meaning
 * that QEMU 7.2 gives them. Does not own: how a message reaches the user,
 * see report.c.
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
    GString *hint;      /* NULL: none */
    const char *src;    /* where it was made, for &error_abort */
    const char *func;
    int line;
};

Error *error_abort;
Error *error_fatal;

/* &error_abort and &error_fatal end the process instead of being set. */
static void error_end_process(Error **errp, Error *err)
{
    if (errp == &error_abort) {
        fprintf(stderr, "Unexpected error in %s() at %s:%d:\n", err->func,
                err->src, err->line);
        error_report_err(err);
        abort();
    }
    if (errp == &error_fatal) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
}

static void G_GNUC_PRINTF(6, 0)
error_make(Error **errp, const char *src, int line, const char *func,
           int os_error, const char *fmt, va_list ap)
{
    int saved_errno = errno;
    Error *err;

    if (!errp) {
        return;
    }
    assert(*errp == NULL);

    err = g_new0(Error, 1);
    err->text = g_strdup_vprintf(fmt, ap);
    if (os_error) {
        char *text = err->text;

        err->text = g_strdup_printf("%s: %s", text, strerror(os_error));
        g_free(text);
    }
    err->src = src;
    err->line = line;
    err->func = func;

    error_end_process(errp, err);
    *errp = err;
    errno = saved_errno;
}

void error_setg_internal(Error **errp, const char *src, int line,
                         const char *func, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_make(errp, src, line, func, 0, fmt, ap);
    va_end(ap);
}

void error_setg_errno_internal(Error **errp, const char *file, int line,
                               const char *func, int os_error,
                               const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_make(errp, file, line, func, os_error, fmt, ap);
    va_end(ap);
}

void error_prepend(Error *const *errp, const char *fmt, ...)
{
    g_autofree char *prefix = NULL;
    g_autofree char *rest = NULL;
    va_list ap;

    if (!errp) {
        return;
    }
    va_start(ap, fmt);
    prefix = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    rest = (*errp)->text;
    (*errp)->text = g_strconcat(prefix, rest, NULL);
}

void error_append_hint(Error *const *errp, const char *fmt, ...)
{
    int saved_errno = errno;
    va_list ap;

    if (!errp) {
        return;
    }
    assert(*errp && errp != &error_abort && errp != &error_fatal);
    if (!(*errp)->hint) {
        (*errp)->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf((*errp)->hint, fmt, ap);
    va_end(ap);
    errno = saved_errno;
}

const char *error_get_pretty(const Error *err)
{
    return err->text;
}

const char *vfio_host_error_hint(const Error *err)
{
    return err->hint ? err->hint->str : NULL;
}

Error *error_copy(const Error *err)
{
    Error *copy = g_memdup2(err, sizeof(*err));

    copy->text = g_strdup(err->text);
    copy->hint = err->hint ? g_string_new(err->hint->str) : NULL;
    return copy;
}

void error_free(Error *err)
{
    if (!err) {
        return;
    }
    if (err->hint) {
        g_string_free(err->hint, TRUE);
    }
    g_free(err->text);
    g_free(err);
}

void error_propagate(Error **dst_errp, Error *local_err)
{
    if (!local_err) {
        return;
    }
    error_end_process(dst_errp, local_err);
    if (dst_errp && !*dst_errp) {
        *dst_errp = local_err;
    } else {
        error_free(local_err);
    }
}

void error_report_err(Error *err)
{
    if (err->hint) {
        error_report("%s\n%s", err->text, g_strchomp(err->hint->str));
    } else {
        error_report("%s", err->text);
    }
    error_free(err);
}

void warn_report_err(Error *err)
{
    if (err->hint) {
        warn_report("%s\n%s", err->text, g_strchomp(err->hint->str));
    } else {
        warn_report("%s", err->text);
    }
    error_free(err);
}
