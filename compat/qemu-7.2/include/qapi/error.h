/*
 * Error objects: the caller's text, passed up until somebody reports it
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_ERROR_H
#define QAPI_ERROR_H

#define error_setg(errp, fmt, ...) \
    error_setg_internal((errp), __FILE__, __LINE__, __func__, (fmt), \
                        ## __VA_ARGS__)
#define error_setg_errno(errp, os_error, fmt, ...) \
    error_setg_errno_internal((errp), __FILE__, __LINE__, __func__, \
                              (os_error), (fmt), ## __VA_ARGS__)

void error_setg_internal(Error **errp, const char *src, int line,
                         const char *func, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);
void error_setg_errno_internal(Error **errp, const char *file, int line,
                               const char *func, int os_error,
                               const char *fmt, ...)
    G_GNUC_PRINTF(6, 7);

const char *error_get_pretty(const Error *err);
Error *error_copy(const Error *err);
void error_free(Error *err);
void error_propagate(Error **dst_errp, Error *local_err);
void error_prepend(Error *const *errp, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
void error_append_hint(Error *const *errp, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
void error_report_err(Error *err);
void warn_report_err(Error *err);

extern Error *error_abort;
extern Error *error_fatal;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * Makes errp safe to read in the function that it stands in: NULL and
 * &error_fatal are replaced by a local that is passed on at the end.
 */
typedef struct ErrorPropagator {
    Error *local_err;
    Error **errp;
} ErrorPropagator;

static inline void error_propagator_cleanup(ErrorPropagator *prop)
{
    error_propagate(prop->errp, prop->local_err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ErrorPropagator, error_propagator_cleanup)

#define ERRP_GUARD() \
    g_auto(ErrorPropagator) _auto_errp_prop = {.errp = errp}; \
    do { \
        if (!errp || errp == &error_fatal) { \
            errp = &_auto_errp_prop.local_err; \
        } \
    } while (0)

#endif /* QAPI_ERROR_H */
