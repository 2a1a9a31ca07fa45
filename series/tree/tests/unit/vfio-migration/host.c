/*
 * Streams in memory, with faults, for tests of VFIO migration
 *
 * Owns: a channel over a byte array that fails after so many bytes, and
 * QEMUFiles over it. See vfio-migration/migration/standalone.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/module.h"
#include "io/channel.h"
#include "monitor/monitor.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"

#define TYPE_TEST_CHANNEL "vfio-migration-test-channel"
OBJECT_DECLARE_SIMPLE_TYPE(TestChannel, TEST_CHANNEL)

struct TestChannel {
    QIOChannel parent;
    GByteArray *out;            /* or NULL */
    const uint8_t *in;          /* or NULL */
    size_t in_bytes;
    size_t passed_bytes;
    size_t limit_bytes;         /* then comes the fault */
    int error;
    bool *fired;
};

/* ---- the channel ---- */

/* Returns how much of @bytes may still pass; 0: the fault is due. */
static size_t until_fault(TestChannel *c, size_t bytes)
{
    bytes = MIN(bytes, c->limit_bytes - c->passed_bytes);
    if (!bytes && c->fired) {
        *c->fired = true;
    }
    return bytes;
}

static ssize_t fault(TestChannel *c, Error **errp)
{
    if (!c->error) {
        return 0;
    }
    error_setg_errno(errp, c->error, "test channel");
    return -1;
}

static ssize_t test_channel_readv(QIOChannel *ioc, const struct iovec *iov,
                                  size_t niov, int **fds, size_t *nfds,
                                  Error **errp)
{
    TestChannel *c = TEST_CHANNEL(ioc);
    size_t left = c->in_bytes - c->passed_bytes;
    size_t bytes = MIN(iov_size(iov, niov), left);

    if (!left) {
        return 0;
    }
    bytes = until_fault(c, bytes);
    if (!bytes) {
        return fault(c, errp);
    }
    iov_from_buf(iov, niov, 0, c->in + c->passed_bytes, bytes);
    c->passed_bytes += bytes;
    return bytes;
}

static ssize_t test_channel_writev(QIOChannel *ioc, const struct iovec *iov,
                                   size_t niov, int *fds, size_t nfds,
                                   int flags, Error **errp)
{
    TestChannel *c = TEST_CHANNEL(ioc);
    size_t bytes = until_fault(c, iov_size(iov, niov));
    size_t old = c->out->len;

    if (!bytes) {
        return fault(c, errp);
    }
    g_byte_array_set_size(c->out, old + bytes);
    iov_to_buf(iov, niov, 0, c->out->data + old, bytes);
    c->passed_bytes += bytes;
    return bytes;
}

static int test_channel_close(QIOChannel *ioc, Error **errp)
{
    return 0;
}

static void test_channel_init(Object *obj)
{
    TEST_CHANNEL(obj)->limit_bytes = SIZE_MAX;
}

static void test_channel_finalize(Object *obj)
{
    TestChannel *c = TEST_CHANNEL(obj);

    if (c->out) {
        g_byte_array_unref(c->out);
    }
}

static void test_channel_class_init(ObjectClass *klass, void *data)
{
    QIOChannelClass *ioc = QIO_CHANNEL_CLASS(klass);

    ioc->io_readv = test_channel_readv;
    ioc->io_writev = test_channel_writev;
    ioc->io_close = test_channel_close;
}

static const TypeInfo test_channel_info = {
    .name = TYPE_TEST_CHANNEL,
    .parent = TYPE_QIO_CHANNEL,
    .instance_size = sizeof(TestChannel),
    .instance_init = test_channel_init,
    .instance_finalize = test_channel_finalize,
    .class_init = test_channel_class_init,
};

static void register_test_channel(void)
{
    type_register_static(&test_channel_info);
}

type_init(register_test_channel)

static TestChannel *test_channel_new(void)
{
    module_call_init(MODULE_INIT_QOM);
    return TEST_CHANNEL(object_new(TYPE_TEST_CHANNEL));
}

/* ---- streams over it ---- */

QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes)
{
    TestChannel *c = test_channel_new();
    QEMUFile *f;

    c->out = g_byte_array_ref(bytes);
    f = qemu_file_new_output(QIO_CHANNEL(c));
    object_unref(OBJECT(c));
    return f;
}

QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size)
{
    TestChannel *c = test_channel_new();
    QEMUFile *f;

    c->in = data;
    c->in_bytes = size;
    f = qemu_file_new_input(QIO_CHANNEL(c));
    object_unref(OBJECT(c));
    return f;
}

void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error,
                               bool *fired)
{
    TestChannel *c = TEST_CHANNEL(qemu_file_get_ioc(f));

    c->limit_bytes = bytes;
    c->error = error;
    c->fired = fired;
}

/* ---- messages ---- */

static VFIOHostReportHook *report_hook;
static void *report_opaque;
static GString *report_line;        /* what has come of it so far */

void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque)
{
    report_hook = hook;
    report_opaque = opaque;
}

/* In the place of the one in stubs/ */
int error_vprintf(const char *fmt, va_list ap)
{
    size_t old;

    if (!report_hook) {
        return vfprintf(stderr, fmt, ap);
    }
    if (!report_line) {
        report_line = g_string_new(NULL);
    }
    old = report_line->len;
    g_string_append_vprintf(report_line, fmt, ap);
    if (g_str_has_suffix(report_line->str, "\n")) {
        report_hook(VFIO_HOST_ERROR, report_line->str, report_opaque);
        g_string_truncate(report_line, 0);
        return 1;
    }
    return report_line->len - old;
}

int error_vprintf_unless_qmp(const char *fmt, va_list ap)
{
    return error_vprintf(fmt, ap);
}
