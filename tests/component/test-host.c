/*
 * Component test: the stand-alone host does what QEMU does
 *
 * The other tests are worth as much as the host is like QEMU: its streams,
 * errors, sections, run state and order of calls.
 *
 * Source: QEMU 7.2's migration/savevm.c and migration.c, for the behaviour.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/vfio/vfio-common.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "component.h"

/* ---- streams ---- */

static void fill(uint8_t *buf, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        buf[i] = i * 7 + i / 251;
    }
}

#define BLOB_BYTES 100000

static void write_mixed(QEMUFile *f, const uint8_t *blob)
{
    int i;

    qemu_put_be64(f, UINT64_C(0x1122334455667788));
    qemu_put_be32(f, 0x99aabbcc);
    for (i = 0; i < 200; i++) {     /* more pieces than one flush takes */
        qemu_put_buffer_async(f, blob + 13 * i, 11, false);
        qemu_put_byte(f, i);
    }
    qemu_put_buffer(f, blob, BLOB_BYTES);
    qemu_put_buffer_async(f, blob, BLOB_BYTES, false);
}

static void read_mixed(QEMUFile *f, const uint8_t *blob)
{
    g_autofree uint8_t *got = g_malloc(BLOB_BYTES);
    int i;

    g_assert_cmphex(qemu_peek_byte(f, 1), ==, 0x22);
    g_assert_cmphex(qemu_get_be64(f), ==, UINT64_C(0x1122334455667788));
    g_assert_cmphex(qemu_get_be32(f), ==, 0x99aabbcc);
    for (i = 0; i < 200; i++) {
        g_assert_cmpuint(qemu_get_buffer(f, got, 11), ==, 11);
        g_assert_cmpmem(got, 11, blob + 13 * i, 11);
        g_assert_cmpint(qemu_get_byte(f), ==, i);
    }
    for (i = 0; i < 2; i++) {
        g_assert_cmpuint(qemu_get_buffer(f, got, BLOB_BYTES), ==,
                         BLOB_BYTES);
        g_assert_cmpmem(got, BLOB_BYTES, blob, BLOB_BYTES);
    }
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
}

static void test_stream_memory(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree uint8_t *blob = g_malloc(BLOB_BYTES);
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);

    fill(blob, BLOB_BYTES);
    write_mixed(f, blob);
    g_assert_cmpuint(vfio_host_file_bytes(f), ==,
                     12 + 200 * 12 + 2 * BLOB_BYTES);
    g_assert_cmpint(qemu_fclose(f), ==, 0);
    g_assert_cmpuint(bytes->len, ==, 12 + 200 * 12 + 2 * BLOB_BYTES);
    f = vfio_host_file_new_memory_input(bytes->data, bytes->len);
    read_mixed(f, blob);
    qemu_fclose(f);
}

static gpointer write_thread(gpointer data)
{
    g_autofree uint8_t *blob = g_malloc(BLOB_BYTES);
    QEMUFile *f = data;

    fill(blob, BLOB_BYTES);
    write_mixed(f, blob);
    g_assert_cmpint(qemu_fclose(f), ==, 0);
    return NULL;
}

/* A pipe gives short reads and takes short writes. */
static void test_stream_fd(void)
{
    g_autofree uint8_t *blob = g_malloc(BLOB_BYTES);
    int fds[2];
    GThread *thread;
    QEMUFile *f;

    g_assert_cmpint(pipe(fds), ==, 0);
    fill(blob, BLOB_BYTES);
    thread = g_thread_new("writer", write_thread,
                          vfio_host_file_new_output(fds[1]));
    f = vfio_host_file_new_input(fds[0]);
    read_mixed(f, blob);
    g_assert_cmpint(qemu_get_byte(f), ==, 0);
    g_assert_cmpint(qemu_fclose(f), ==, -EIO);
    g_thread_join(thread);
}

/* An early end: short, -EIO, and zeroes from then on. */
static void test_stream_end(void)
{
    static const uint8_t data[] = { 1, 2, 3, 4, 5, 6 };
    uint8_t got[16];
    QEMUFile *f = vfio_host_file_new_memory_input(data, sizeof(data));

    g_assert_cmphex(qemu_get_be32(f), ==, 0x01020304);
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    g_assert_cmpuint(qemu_get_buffer(f, got, sizeof(got)), ==, 2);
    g_assert_cmpint(qemu_file_get_error(f), ==, -EIO);
    g_assert_cmpuint(qemu_get_be64(f), ==, 0);
    qemu_fclose(f);
}

static void test_stream_first_error(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);
    Error *first = NULL, *second = NULL, *got = NULL;

    comp_forget_messages();
    error_setg(&first, "the first");
    error_setg(&second, "the second");
    qemu_put_byte(f, 1);
    qemu_file_set_error_obj(f, -ENOSPC, first);
    qemu_file_set_error_obj(f, -EPERM, second);
    g_assert_cmpint(qemu_file_get_error_obj(f, &got), ==, -ENOSPC);
    g_assert_cmpstr(error_get_pretty(got), ==, "the first");
    g_assert_cmpstr(comp_messages(), ==, "the second\n");
    error_free(got);
    qemu_put_be64(f, 2);        /* is dropped */
    g_assert_cmpint(qemu_fclose(f), ==, -ENOSPC);
    g_assert_cmpuint(bytes->len, ==, 1);
}

/* ---- errors ---- */

static int fail_with_guard(Error **errp)
{
    ERRP_GUARD();

    error_setg_errno(errp, ENODEV, "no %s", "luck");
    error_prepend(errp, "dev%d: ", 3);
    error_append_hint(errp, "Try again.\n");
    return -1;
}

static void test_errors(void)
{
    Error *err = NULL, *first = NULL;

    g_assert_cmpint(fail_with_guard(NULL), ==, -1);
    fail_with_guard(&err);
    g_assert_cmpstr(error_get_pretty(err), ==, "dev3: no luck: No such device");
    g_assert_cmpstr(vfio_host_error_hint(err), ==, "Try again.\n");
    error_setg(&first, "first");
    error_propagate(&first, err);       /* the one that is there stays */
    g_assert_cmpstr(error_get_pretty(first), ==, "first");
    g_assert_null(vfio_host_error_hint(first));
    error_free(first);

    err = NULL;
    comp_forget_messages();
    fail_with_guard(&err);
    error_report_err(error_copy(err));
    warn_report_err(err);
    g_assert_cmpstr(comp_messages(), ==,
                    "dev3: no luck: No such device\nTry again.\n"
                    "warning: dev3: no luck: No such device\nTry again.\n");
}

/* ---- order of calls ---- */

static GString *calls;

static void note(const char *what, const void *opaque)
{
    g_string_append_printf(calls, "%s%s ", what, (const char *)opaque);
}

static int fake_setup(QEMUFile *f, void *opaque)
{
    note("setup:", opaque);
    qemu_put_byte(f, 0xaa);
    return 0;
}

static void fake_pending(QEMUFile *f, void *opaque, uint64_t threshold,
                         uint64_t *precopy, uint64_t *compatible,
                         uint64_t *postcopy)
{
    note("pending:", opaque);
}

static int fake_iterate(QEMUFile *f, void *opaque)
{
    note("iterate:", opaque);
    qemu_put_byte(f, 0xbb);
    return 1;
}

static int fake_complete(QEMUFile *f, void *opaque)
{
    note("complete:", opaque);
    qemu_put_byte(f, 0xcc);
    return strchr(opaque, '!') ? -ENXIO : 0;
}

static void fake_state(QEMUFile *f, void *opaque)
{
    note("state:", opaque);
    qemu_put_byte(f, 0xdd);
}

static void fake_cleanup(void *opaque)
{
    note("cleanup:", opaque);
}

static int fake_load_setup(QEMUFile *f, void *opaque)
{
    note("load-setup:", opaque);
    return strchr(opaque, '?') ? -EBUSY : 0;
}

static int fake_load(QEMUFile *f, void *opaque, int version_id)
{
    g_string_append_printf(calls, "load-%02x:%s ", qemu_get_byte(f),
                           (const char *)opaque);
    g_assert_cmpint(version_id, ==, 3);
    return 0;
}

static int fake_load_cleanup(void *opaque)
{
    note("load-cleanup:", opaque);
    return 0;
}

static const SaveVMHandlers fake_handlers = {
    .save_setup = fake_setup,
    .save_live_pending = fake_pending,
    .save_live_iterate = fake_iterate,
    .save_live_complete_precopy = fake_complete,
    .save_state = fake_state,
    .save_cleanup = fake_cleanup,
    .load_setup = fake_load_setup,
    .load_state = fake_load,
    .load_cleanup = fake_load_cleanup,
};

static void fake_vm_change(void *opaque, bool running, RunState state)
{
    note(running ? "start:" : "stop:", opaque);
}

static void fake_notify(Notifier *n, void *data)
{
    g_string_append_printf(calls, "notify-%s ",
                           vfio_host_status_str(vfio_host_migration_status()));
}

typedef struct Fakes {
    const char *names[2];
    VMChangeStateEntry *entries[2];
    Notifier notifier;
} Fakes;

static void fakes_begin(Fakes *fakes)
{
    int i;

    calls = g_string_new(NULL);
    for (i = 0; i < 2; i++) {
        void *name = (void *)fakes->names[i];

        register_savevm_live(name, VMSTATE_INSTANCE_ID_ANY, 3,
                             &fake_handlers, name);
        fakes->entries[i] = qdev_add_vm_change_state_handler(NULL,
                                                             fake_vm_change,
                                                             name);
    }
    fakes->notifier.notify = fake_notify;
    add_migration_state_change_notifier(&fakes->notifier);
}

static void fakes_end(Fakes *fakes)
{
    int i;

    remove_migration_state_change_notifier(&fakes->notifier);
    for (i = 0; i < 2; i++) {
        unregister_savevm(NULL, fakes->names[i], (void *)fakes->names[i]);
        qemu_del_vm_change_state_handler(fakes->entries[i]);
    }
    g_string_free(calls, TRUE);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    vfio_host_forget();
}

static void check_calls(const char *expected)
{
    g_assert_cmpstr(calls->str, ==, expected);
    g_string_truncate(calls, 0);
}

static void test_order(void)
{
    VFIOHostSaveOptions options = { .min_rounds = 1 };
    Fakes fakes = { .names = { "a", "b" } };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    fakes_begin(&fakes);
    vfio_host_vm_start();
    check_calls("start:a start:b ");
    g_assert_cmpint(comp_save(bytes, &options, NULL), ==, 0);
    check_calls("notify-setup setup:a setup:b "
                "pending:a pending:b iterate:a iterate:b pending:a pending:b "
                "stop:b stop:a complete:a complete:b state:a state:b "
                "cleanup:a cleanup:b notify-completed ");
    vfio_host_set_runstate(RUN_STATE_PRELAUNCH);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    check_calls("load-setup:a load-setup:b load-aa:a load-aa:b "
                "load-bb:a load-bb:b load-cc:a load-cc:b load-dd:a load-dd:b "
                "load-cleanup:a load-cleanup:b ");
    fakes_end(&fakes);
}

/* A failure in completion: the VM starts before the clean-up. */
static void test_order_failure(void)
{
    Fakes fakes = { .names = { "a!", "b" } };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    fakes_begin(&fakes);
    vfio_host_vm_start();
    check_calls("start:a! start:b ");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, -EIO);
    check_calls("notify-setup setup:a! setup:b pending:a! pending:b "
                "stop:b stop:a! complete:a! start:a! start:b "
                "cleanup:a! cleanup:b notify-failed ");
    fakes_end(&fakes);
}

static void test_order_snapshot(void)
{
    Fakes fakes = { .names = { "a", "b" } };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    fakes_begin(&fakes);
    vfio_host_vm_start();
    g_string_truncate(calls, 0);
    g_assert_cmpint(vfio_host_savevm(vfio_host_file_new_memory_output(bytes),
                                     NULL), ==, 0);
    /* pending is not asked, nobody is notified */
    check_calls("stop:b stop:a setup:a setup:b iterate:a iterate:b "
                "complete:a complete:b state:a state:b cleanup:a cleanup:b "
                "start:a start:b ");
    fakes_end(&fakes);
}

/* After a failed set-up of a load no handler is cleaned up. */
static void test_order_load_setup(void)
{
    static const uint8_t head[] = { 0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0 };
    Fakes fakes = { .names = { "a", "b?" } };

    fakes_begin(&fakes);
    g_assert_cmpint(comp_load_data(head, sizeof(head), NULL), <, 0);
    check_calls("load-setup:a load-setup:b? ");
    fakes_end(&fakes);
}

/* A request to stop that comes while the VM starts is carried out then. */
static void request_stop(void *opaque, bool running, RunState state)
{
    if (running) {
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
    }
}

static void test_stop_request(void)
{
    VMChangeStateEntry *entry =
        qdev_add_vm_change_state_handler(NULL, request_stop, NULL);

    vfio_host_vm_start();
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_INTERNAL_ERROR);
    qemu_del_vm_change_state_handler(entry);
    vfio_host_vm_start();
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
    vfio_host_forget();
}

/* What is wrong between the sections */
static void test_bad_framing(void)
{
    static const struct {
        size_t at;          /* byte of the stream that is changed */
        const char *text;
    } cases[] = {
        { 0, "not a migration stream" }, { 7, "unknown version" },
        { 8, "unknown type" }, { 14, "no such device" },
        { 22, "newer than ours" }, { 24, "no footer" },
        { 28, "footer is of section" },
    };
    Fakes fakes = { .names = { "a", "b" } };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t i;

    fakes_begin(&fakes);
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        bytes->data[cases[i].at] ^= 0x40;
        comp_forget_messages();
        g_assert_cmpint(comp_load(bytes, NULL), <, 0);
        comp_assert_message(cases[i].text);
        bytes->data[cases[i].at] ^= 0x40;
    }
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    fakes_end(&fakes);
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    g_test_add_func("/host/stream/memory", test_stream_memory);
    g_test_add_func("/host/stream/fd", test_stream_fd);
    g_test_add_func("/host/stream/end", test_stream_end);
    g_test_add_func("/host/stream/first-error", test_stream_first_error);
    g_test_add_func("/host/errors", test_errors);
    g_test_add_func("/host/order/migration", test_order);
    g_test_add_func("/host/order/failure", test_order_failure);
    g_test_add_func("/host/order/snapshot", test_order_snapshot);
    g_test_add_func("/host/order/load-setup", test_order_load_setup);
    g_test_add_func("/host/stop-request", test_stop_request);
    g_test_add_func("/host/bad-framing", test_bad_framing);
    return comp_run();
}
