/*
 * Component test: faults of a driver, a stream or a peer
 *
 * Each fault has one of two outcomes: the migration continues and succeeds, or
 * it fails with the device's name and the reason, the VM and the device are
 * as before, and the next migration succeeds. The process must not exit or
 * hang, and a migration must not complete with a wrong device state.
 *
 * Source: docs/contract.md, Saving, Loading and The stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/vfio/migration-device.h"
#include "component.h"

#define SECONDS_MAX 5.0

typedef struct FaultCase {
    const char *name;
    const char *fault;      /* keys of the rule */
    const char *text;       /* of the error; NULL: the migration succeeds */
    bool always;            /* the fault is permanent: no second migration */
} FaultCase;

#define KEYS "state-size=150001\nprecopy-size=70000\nwindow-size=64K\n" \
             "chunk-size=64K;30011\n"
#define AREAS_MIXED "areas=4K+16K;36K+8K\n"

static void begin(const char *areas, const char *fault, const char *device)
{
    g_autofree char *keys = g_strconcat(KEYS, areas, NULL);
    g_autofree char *rule = g_strdup_printf("[fault f]\ndevice=%s\n%s",
                                            device, fault);

    comp_sim_pair(keys, keys, rule);
    comp_allow_violations();    /* steps after a failed one are out of order */
}

/* ---- source ---- */

static const FaultCase source_cases[] = {
    { "state-write/eio", "event=state-write\nto=pre-copy\nerrno=EIO\n",
      "Input/output error" },
    { "state-write/refused", "event=state-write\nto=pre-copy\nonce=no\n"
      "errno=EINVAL\n", "from running to pre-copy: Invalid argument", true },
    { "state-write/error", "event=state-write\nto=pre-copy\nerrno=EBUSY\n"
      "device-state=error\n", "Device or resource busy" },
    { "state-write/short", "event=state-write\nto=pre-copy\nshort=2\n",
      "Input/output error" },
    { "state-write/eintr", "event=state-write\nto=pre-copy\nerrno=EINTR\n" },
    { "stop/eio", "event=state-write\nto=stop-copy\nerrno=EIO\n",
      "to stop-copy: Input/output error" },
    { "stop/error", "event=state-write\nto=stop-copy\nerrno=EIO\n"
      "device-state=error\n", "was reset" },
    { "stop/refused", "event=state-write\nfrom=pre-copy\nto=stop-copy\n"
      "errno=EINVAL\n",
      "Invalid argument" },

    { "state-read/once", "event=state-read\nstate=pre-copy\nerrno=EIO\n" },
    { "state-read/eio", "event=state-read\nstate=pre-copy\nerrno=EIO\n"
      "once=no\n", "Input/output error", true },
    { "state-read/refused", "event=state-read\nstate=pre-copy\nerrno=EINVAL\n"
      "once=no\n", "Invalid argument", true },
    { "state-read/short", "event=state-read\nstate=pre-copy\nshort=2\n"
      "once=no\n", "src: ", true },
    /* After a write that succeeds, the state is not read back. */
    { "state-read/nonsense", "event=state-read\nstate=pre-copy\nvalue=5\n" },

    { "pending/eio", "event=pending-read\nerrno=EIO\n",
      "pending_bytes of the migration region: Input/output error" },
    { "pending/eio-stopped", "event=pending-read\nstate=stop-copy\n"
      "errno=ENXIO\n", "No such device or address" },
    { "pending/error", "event=pending-read\nstate=stop-copy\ncount=2\n"
      "errno=EIO\ndevice-state=error\n", "was reset" },
    { "pending/short", "event=pending-read\nshort=4\n", "pending_bytes" },
    { "pending/end-of-file", "event=pending-read\nshort=0\n",
      "pending_bytes" },
    { "pending/eintr", "event=pending-read\nerrno=EINTR\n" },
    { "pending/huge-once", "event=pending-read\nvalue=0xffffffffffffffff\n" },
    { "pending/2^63-once", "event=pending-read\nstate=stop-copy\n"
      "value=0x8000000000000000\n" },
    { "pending/huge-always", "event=pending-read\nstate=stop-copy\n"
      "once=no\nvalue=0x8000000000000000\n", "src: ", true },

    { "data-offset/eio", "event=data-offset-read\nerrno=EIO\n",
      "data_offset of the migration region: Input/output error" },
    { "data-offset/eio-stopped", "event=data-offset-read\nerrno=EIO\n"
      "state=stop-copy\n", "data_offset" },
    { "data-offset/short", "event=data-offset-read\nshort=4\n",
      "data_offset" },
    { "data-offset/eintr", "event=data-offset-read\nerrno=EINTR\n" },
    { "data-offset/zero", "event=data-offset-read\nvalue=0\n",
      "offset 0x0 of" },
    { "data-offset/registers", "event=data-offset-read\nvalue=31\n",
      "offset 0x1f of" },
    { "data-offset/region-end", "event=data-offset-read\nvalue=68K\n",
      "offset 0x11000 of" },
    { "data-offset/2^63", "event=data-offset-read\n"
      "value=0x8000000000000000\n", "0x8000000000000000" },
    { "data-offset/max", "event=data-offset-read\n"
      "value=0xffffffffffffffff\n", "0xffffffffffffffff" },
    { "data-offset/late", "event=data-offset-read\nvalue=67K\n",
      "offset 0x10c00 of" },

    { "data-size/eio", "event=data-size-read\nerrno=EIO\n",
      "data_size of the migration region: Input/output error" },
    { "data-size/eio-stopped", "event=data-size-read\nstate=stop-copy\n"
      "errno=EIO\n", "data_size" },
    { "data-size/short", "event=data-size-read\nshort=7\n", "data_size" },
    { "data-size/eintr", "event=data-size-read\nerrno=EINTR\n" },
    { "data-size/window+1", "event=data-size-read\nvalue=65537\n",
      "0x10001 bytes" },
    { "data-size/1T", "event=data-size-read\nvalue=1T\n",
      "0x10000000000 bytes" },
    { "data-size/2^63", "event=data-size-read\nvalue=0x8000000000000000\n",
      "0x8000000000000000 bytes" },
    { "data-size/max", "event=data-size-read\nvalue=0xffffffffffffffff\n",
      "0xffffffffffffffff bytes" },
    { "data-size/wraps", "event=data-size-read\nvalue=0xfffffffffffff000\n",
      "0xfffffffffffff000 bytes" },
    /* A running device may have no data, any number of times. */
    { "data-size/zero-running", "event=data-size-read\nvalue=0\n"
      "state=pre-copy\nonce=no\n" },
    { "data-size/zero-always-stopped", "event=data-size-read\nvalue=0\n"
      "state=stop-copy\nonce=no\n", "size 0", true },

    { "data/eio", "event=data-read\nerrno=EIO\n", "Input/output error" },
    { "data/error", "event=data-read\nstate=stop-copy\nerrno=EIO\n"
      "device-state=error\n", "was reset" },
    { "data/efault-late", "event=data-read\ncount=3\nerrno=EFAULT\n",
      "Bad address" },
    { "data/short", "event=data-read\nshort=5\n" },
    { "data/end-of-file", "event=data-read\nshort=0\n",
      "Input/output error" },
    { "data/eintr", "event=data-read\nerrno=EINTR\n" },
    { "data/refused-once", "event=data-read\nerrno=EINVAL\n" },
    { "data/refused-always", "event=data-read\nerrno=EINVAL\nonce=no\n",
      "Invalid argument", true },
};

static void check_failed_save(const FaultCase *c, VFIODevice *vbasedev,
                              bool running, const char *error)
{
    g_autofree char *last = comp_property_str(vbasedev, "last-error");

    comp_assert_has(error, "src: ");
    comp_assert_has(error, c->text);
    /* The same text everywhere; it begins with the device's name. */
    g_assert_true(g_str_has_prefix(last, "src: "));
    comp_assert_has(error, last);
    /* Set only once in the stream: further errors would be printed. */
    g_assert_null(strstr(comp_messages(), last));
    comp_assert_state("src", running ? "running" : "stop");
    g_assert_true(runstate_is_running() == running);
}

static void run_source(const FaultCase *c, const char *areas, bool running)
{
    gint64 start = g_get_monotonic_time();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;
    VFIODevice *vbasedev;
    int ret;

    begin(areas, c->fault, "src");
    vbasedev = comp_open("src");
    if (running) {
        vfio_host_vm_start();
    }
    ret = comp_save(bytes, NULL, &error);
    g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                      SECONDS_MAX);
    if (!running && vfio_sim_fault_fired("f") < 1) {
        g_assert_cmpint(ret, ==, 0);    /* needs pre-copy: none when paused */
    } else {
        g_assert_cmpint(vfio_sim_fault_fired("f"), >=, 1);
        g_assert_cmpint(ret != 0, ==, c->text != NULL);
    }
    if (ret) {
        check_failed_save(c, vbasedev, running, error);
        if (c->always) {
            comp_sim_end();
            return;
        }
        vfio_host_set_runstate(running ? RUN_STATE_RUNNING
                                       : RUN_STATE_PAUSED);
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    }
    comp_arrives(bytes);
    comp_sim_end();
}

static void test_source(gconstpointer data)
{
    run_source(data, "areas=none\n", true);
    run_source(data, "areas=none\n", false);
    run_source(data, AREAS_MIXED, true);
}

/* The source's clean-up fails, but the migration has already completed. */
static void test_cleanup_fails(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin("areas=all\n", "event=state-write\nto=stop\nerrno=EIO\n"
          "device-state=error\n", "src");
    comp_save_src(bytes);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_message("src: the migration has succeeded, but ");
    comp_assert_message("Input/output error");
    comp_assert_state("src", "stop");
    comp_arrives(bytes);
    comp_sim_end();
}

/*
 * The stream breaks in a chunk, and the driver lets the device leave pre-copy
 * only through another state: the chunk must be acknowledged before that.
 */
static void test_acknowledged(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);

    comp_sim("[device src]\ngroup=1\nareas=none\nstate-size=2M\n"
             "precopy-size=2M\nchunk-size=512K\n"
             "strictness=libvfio-user\n");
    comp_open("src");
    vfio_host_vm_start();
    vfio_host_file_fail_after(f, 700 * 1024, EPIPE, NULL);
    g_assert_cmpint(vfio_host_run(f, vfio_host_migrate, NULL, NULL), <, 0);
    comp_assert_state("src", "running");
    g_assert_cmpuint(comp_status("src").unacked_chunks, ==, 0);
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    comp_sim_end();
}

/* ---- the source's stream ---- */

#define SMALL "state-size=200\nwindow-size=4K\nareas=4K+2K\n" \
              "chunk-size=130;40\n"

static void save_small(GByteArray *bytes)
{
    comp_sim_pair(SMALL, SMALL, NULL);
    comp_save_src(bytes);
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

/* An unknown size must not be reported as 0: the VM would be stopped. */
static void look_in_vain(VFIOHostRun *run)
{
    g_assert_cmpuint(vfio_host_pending(run, 0), >, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
}

static void test_pending_fails(void)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, look_in_vain, VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin("areas=all\n", "event=pending-read\nerrno=EIO\n", "src");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, steps, NULL), ==, -EIO);
    comp_sim_end();
}

/*
 * The peer disconnects after n bytes, for every n. The number of rounds depends
 * on how long each takes.
 */
static void test_stream_breaks(void)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    unsigned n;

    save_small(whole);
    comp_sim_pair(SMALL, SMALL, NULL);
    comp_open("src");
    vfio_host_vm_start();
    for (n = 0; ; n++) {
        QEMUFile *f = vfio_host_file_new_memory_output(bytes);
        Error *err = NULL;
        bool fired = false;
        int ret;

        g_byte_array_set_size(bytes, 0);
        vfio_host_file_fail_after(f, n, EPIPE, &fired);
        ret = vfio_host_run(f, vfio_host_migrate, NULL, &err);
        if (!fired) {
            g_assert_cmpint(ret, ==, 0);
            break;
        }
        g_assert_cmpint(ret, ==, -EIO);
        comp_assert_has(error_get_pretty(err), "Unable to write to the stream");
        error_free(err);
        g_assert_cmpuint(bytes->len, ==, n);
        comp_assert_state("src", "running");
        g_assert_true(runstate_is_running());
    }
    g_assert_cmpuint(n, >, whole->len / 2);
    g_assert_cmpuint(bytes->len, <=, n);
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

/* ---- destination ---- */

static const FaultCase destination_cases[] = {
    { "resuming/eio", "event=state-write\nto=resuming\nerrno=EIO\n",
      "Input/output error" },
    { "resuming/error", "event=state-write\nto=resuming\nerrno=EIO\n"
      "device-state=error\n", "was reset" },
    { "resuming/refused", "event=state-write\nto=resuming\nerrno=EINVAL\n"
      "once=no\n", "Invalid argument", true },
    { "resuming/short", "event=state-write\nto=resuming\nshort=2\n",
      "Input/output error" },
    /* There is another path to it, through stop. */
    { "resuming/detour", "event=state-write\nfrom=running\nto=resuming\n"
      "errno=EINVAL\nonce=no\n" },

    { "data-offset/eio", "event=data-offset-read\nerrno=EIO\n",
      "data_offset of the migration region: Input/output error" },
    { "data-offset/short", "event=data-offset-read\nshort=1\n",
      "data_offset" },
    { "data-offset/eintr", "event=data-offset-read\nerrno=EINTR\n" },
    { "data-offset/zero", "event=data-offset-read\nvalue=0\n",
      "offset 0x0 of" },
    { "data-offset/region-end", "event=data-offset-read\nvalue=68K\n",
      "offset 0x11000 of" },
    { "data-offset/last-byte", "event=data-offset-read\nvalue=0x10fff\n"
      "once=no\n", "dst: ", true },
    { "data-offset/beyond", "event=data-offset-read\nvalue=1T\n",
      "offset 0x10000000000 of" },
    { "data-offset/2^63", "event=data-offset-read\n"
      "value=0x8000000000000000\n", "0x8000000000000000" },
    { "data-offset/max", "event=data-offset-read\n"
      "value=0xffffffffffffffff\n", "0xffffffffffffffff" },

    { "data/eio", "event=data-write\nerrno=EIO\n", "Input/output error" },
    { "data/enospc-late", "event=data-write\ncount=4\nerrno=ENOSPC\n",
      "No space left on device" },
    { "data/short", "event=data-write\nshort=5\n" },
    { "data/end-of-file", "event=data-write\nshort=0\n",
      "Input/output error" },
    { "data/eintr", "event=data-write\nerrno=EINTR\n" },
    { "data/refused-once", "event=data-write\nerrno=EINVAL\n" },
    { "data/refused-always", "event=data-write\nerrno=EINVAL\nonce=no\n",
      "Invalid argument", true },

    { "data-size/eio", "event=data-size-write\nerrno=EIO\n",
      "Input/output error" },
    { "data-size/refused-late", "event=data-size-write\ncount=2\n"
      "errno=EINVAL\n", "did not accept a chunk" },
    { "data-size/error", "event=data-size-write\ncount=2\nerrno=EIO\n"
      "device-state=error\n", "did not accept a chunk" },
    { "data-size/short", "event=data-size-write\nshort=4\n",
      "Input/output error" },
    { "data-size/eintr", "event=data-size-write\nerrno=EINTR\n" },

    { "pci-command/eio", "event=config-write\nerrno=EIO\nonce=no\n",
      "PCI_COMMAND to the device: Input/output error", true },
    { "pci-command/short", "event=config-write\nshort=1\nonce=no\n",
      "PCI_COMMAND to the device: Input/output error", true },
};

static void save_once(const char *areas, const char *fault, GByteArray *bytes)
{
    begin(areas, fault, "dst");
    comp_save_src(bytes);
    comp_close_all();
    comp_forget_messages();
}

static void run_destination(const FaultCase *c, const char *areas)
{
    gint64 start = g_get_monotonic_time();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;
    int ret;

    save_once(areas, c->fault, bytes);
    comp_open("dst");
    ret = comp_load(bytes, &error);
    g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                      SECONDS_MAX);
    g_assert_cmpint(vfio_sim_fault_fired("f"), >=, 1);
    g_assert_cmpint(ret != 0, ==, c->text != NULL);
    if (ret) {
        comp_assert_message("dst: ");
        comp_assert_message(c->text);
        if (c->always) {
            comp_sim_end();
            return;
        }
        comp_load_dst(bytes);
    }
    vfio_host_vm_start();
    comp_assert_state("dst", "running");
    g_assert_cmpstr(comp_status("src").saved_digest, ==,
                    comp_status("dst").loaded_digest);
    comp_sim_end();
}

static void test_destination(gconstpointer data)
{
    run_destination(data, "areas=none\n");
    run_destination(data, AREAS_MIXED);
}

/* If `cont` fails on the destination, the guest must not run. */
static void test_start_fails(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    save_once("areas=all\n", data, bytes);
    comp_load_dst(bytes);
    vfio_host_vm_start();
    g_assert_cmpint(vfio_sim_fault_fired("f"), >=, 1);
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_INTERNAL_ERROR);
    comp_assert_message("dst: ");
    comp_assert_message("Input/output error");
    comp_assert_message("Continue it on the source");
    comp_assert_state("dst", "stop");

    /* The user may still start the VM again, with the device reset. */
    vfio_host_vm_start();
    comp_assert_state("dst", "running");
    comp_sim_end();
}

/* ---- a truncated stream ---- */

static uint8_t *find_tag(GByteArray *bytes, uint8_t number)
{
    const uint8_t tag[8] = { 0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0, number };
    uint8_t *found = memmem(bytes->data, bytes->len, tag, sizeof(tag));

    g_assert_nonnull(found);
    return found;
}

/* Does a stream of @n bytes end in a device's packet, or right before it? */
static bool ends_at_packet(GByteArray *bytes, unsigned n)
{
    for (uint8_t number = 2; number <= 4; number++) {
        unsigned at = find_tag(bytes, number) - bytes->data;

        if (n >= at && n <= at + 8) {
            return true;
        }
    }
    return false;
}

static void test_truncated(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    unsigned n;

    save_small(bytes);
    comp_sim_pair(SMALL, SMALL, NULL);
    comp_allow_violations();
    for (n = 0; n < bytes->len; n++) {
        g_autofree uint8_t *part = g_memdup2(bytes->data, n);

        comp_forget_messages();
        comp_open("dst");
        g_assert_cmpint(comp_load_data(part, n, NULL), <, 0);
        if (ends_at_packet(bytes, n)) {
            comp_assert_message("dst: ");
        }
        g_assert_false(comp_status("dst").loaded);
        comp_close_all();
    }
    comp_forget_messages();
    comp_load_dst(bytes);
    g_assert_cmpstr(comp_messages(), ==, "");
    vfio_host_vm_start();
    g_assert_true(comp_status("dst").loaded);
    comp_sim_end();
}

/* ---- a hostile stream ---- */

static void put_be64_at(uint8_t *at, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(at, &value, sizeof(value));
}

/* @bytes: set to a valid stream */
static void begin_hostile(GByteArray *bytes)
{
    save_small(bytes);
    comp_sim_pair(SMALL, SMALL, NULL);
    comp_allow_violations();
}

static void check_hostile(const GByteArray *bytes, const char *text)
{
    gint64 start = g_get_monotonic_time();
    uint64_t written;

    comp_forget_messages();
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    comp_assert_message("dst: ");
    if (text) {
        comp_assert_message(text);
    }
    g_assert_false(comp_status("dst").loaded);
    written = comp_status("dst").trapped_bytes;
    g_assert_cmpuint(written, <, 1000000);
    comp_close_all();
    g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                      SECONDS_MAX);
}

/* The size field of the first chunk is wrong. */
static void test_hostile_sizes(void)
{
    static const uint64_t sizes[] = {
        0, 1, 129, 131, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
        UINT64_C(1) << 40, (UINT64_C(1) << 40) + 1, UINT64_C(1) << 62,
        UINT64_C(1) << 63, UINT64_MAX - 4095, UINT64_MAX,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t *size;
    size_t i;

    begin_hostile(bytes);
    size = find_tag(bytes, 4) + 8;
    for (i = 0; i < ARRAY_SIZE(sizes); i++) {
        put_be64_at(size, sizes[i]);
        check_hostile(bytes, NULL);
    }
    put_be64_at(size, 130);
    comp_load_dst(bytes);
    comp_sim_end();
}

static void test_hostile_tags(void)
{
    static const uint64_t tags[] = {
        0, 1, 0xffffffffef100000, 0xffffffffef100002, 0xffffffffef100003,
        0xffffffffef100005, 0xffffffffef100006, 0xffffffffef100009,
        UINT64_MAX, 0x00000000ef100004,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t number;
    size_t i;

    begin_hostile(bytes);
    /* the tags of the configuration, the setup and the data */
    for (number = 2; number <= 4; number++) {
        uint8_t *tag = find_tag(bytes, number);

        for (i = 0; i < ARRAY_SIZE(tags); i++) {
            if ((uint8_t)tags[i] != number) {
                put_be64_at(tag, tags[i]);
                check_hostile(bytes, NULL);
            }
        }
        put_be64_at(tag, UINT64_C(0xffffffffef100000) | number);
    }
    comp_sim_end();
}

/* A SETUP that is not empty belongs to another format. */
static void test_hostile_setup(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin_hostile(bytes);
    put_be64_at(find_tag(bytes, 3) + 8, UINT64_C(0xffffffffef100004));
    check_hostile(bytes, NULL);
    comp_sim_end();
}

/* The config space is that of another device, or has another version. */
static void test_hostile_config(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t *blob;

    begin_hostile(bytes);
    blob = find_tag(bytes, 2) + 8;
    blob[4] ^= 0xff;
    check_hostile(bytes, "its vendor is 0x1bc9 and 0x1b36 here");
    blob[4] ^= 0xff;
    blob[4 + 0x11] = 0x80;
    check_hostile(bytes, "BAR 0 is 64 KiB here but the source has it at "
                         "0x8000, ");
    blob[4 + 0x11] = 0;
    blob[3]++;
    check_hostile(bytes, "configuration space");
    comp_sim_end();
}

/* QEMU asserts that the pin whose level changes is valid. */
static void test_hostile_pin(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t *blob, *pin;

    begin_hostile(bytes);
    blob = find_tag(bytes, 2) + 8;
    pin = blob + 4 + 0x3d;
    for (*pin = 51; *pin; *pin += 51) {
        check_hostile(bytes, "its interrupt pin is 0x");
    }
    /* It is also compared in the older versions that QEMU accepts. */
    *pin = 7;
    for (blob[3] = 0; blob[3] <= 2; blob[3]++) {
        check_hostile(bytes, "its interrupt pin is 0x07");
    }
    comp_sim_end();
}

/* Sections in an order that no source sends */
static void test_hostile_order(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GByteArray) mixed = g_byte_array_new();
    const unsigned start = 8, data = 60;

    begin_hostile(bytes);

    /* data before START: the section is unknown */
    g_byte_array_append(mixed, bytes->data, start);
    g_byte_array_append(mixed, bytes->data + data, bytes->len - data);
    comp_open("dst");
    g_assert_cmpint(comp_load(mixed, NULL), <, 0);
    comp_close_all();

    /* START twice: harmless, as there is no data in between */
    g_byte_array_set_size(mixed, 0);
    g_byte_array_append(mixed, bytes->data, data);
    g_byte_array_append(mixed, bytes->data + start, bytes->len - start);
    comp_open("dst");
    g_assert_cmpint(comp_load(mixed, NULL), ==, 0);
    vfio_host_vm_start();
    g_assert_true(comp_status("dst").loaded);
    comp_sim_end();
}

/* ---- resets of the VM ---- */

static void reset(VFIOHostRun *run)
{
    vfio_host_reset_devices();
}

/*
 * The guest resets itself in pre-copy. This is harmless before data was sent;
 * after that the destination would mix the data of two sessions.
 */
static void test_vm_reset(gconstpointer data)
{
    static VFIOHostStep *const early_steps[] = {
        VFIO_HOST_BEGIN, reset, vfio_host_rounds, VFIO_HOST_END
    };
    static VFIOHostStep *const late_steps[] = {
        VFIO_HOST_BEGIN, vfio_host_round, vfio_host_round, reset,
        vfio_host_rounds, VFIO_HOST_END
    };
    bool late = data != NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    begin(AREAS_MIXED, "event=bar-read\nerrno=EIO\n", "src");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, late ? late_steps : early_steps,
                              &error) != 0, ==, late);
    if (late) {
        comp_assert_has(error, "src: the device was reset after data of it had been sent");
        comp_assert_state("src", "running");
        g_assert_true(runstate_is_running());
        g_assert_cmpuint(comp_status("src").resets, ==, 1); /* the guest's */
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    }
    comp_arrives(bytes);
    comp_sim_end();
}

/* A reset after the load, before the VM has run: the guest boots. */
static void test_vm_reset_loaded(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    save_once("areas=all\n", "event=bar-read\nerrno=EIO\n", bytes);
    comp_load_dst(bytes);
    vfio_host_reset_devices();
    vfio_host_vm_start();
    comp_assert_state("dst", "running");
    g_assert_true(runstate_is_running());
    g_assert_cmpstr(comp_messages(), ==, "");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

/* Once a device has run here, its failure must not stop the VM. */
static void test_fails_after_first_run(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    save_once("areas=all\n", "event=state-write\nfrom=stop\nto=running\n"
              "errno=EIO\n", bytes);
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    vfio_host_vm_start();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpstr(comp_messages(), ==, "");
    vfio_host_vm_start();
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_message("dst: cannot change the device's state from stop to "
                        "running");
    g_assert_null(strstr(comp_messages(), "The VM cannot run here"));
    g_assert_true(runstate_is_running());
    comp_sim_end();
}

/* ---- loadvm ---- */

/* After a failed loadvm the VM can load again, and can be started. */
static void test_loadvm_fails(gconstpointer data)
{
    bool start_between = data != NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    comp_sim_pair(SMALL, SMALL, NULL);
    comp_allow_violations();
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    vfio_host_config_write(vbasedev, PCI_COMMAND, 0x0006, 2);
    g_assert_cmpint(comp_save(bytes, vfio_host_savevm, NULL), ==, 0);
    g_assert_cmpint(comp_loadvm(bytes->data, 150), <, 0);
    comp_assert_message("src: the snapshot had not all of the device's state; "
                        "the device was reset and is in state stop");
    g_assert_cmpuint(comp_status("src").resets, ==, 2);  /* by loadvm; now */
    g_assert_cmpuint(comp_status("src").command, ==, 0x0006);
    g_assert_false(runstate_is_running());

    if (start_between) {
        vfio_host_vm_start();
        vfio_host_vm_start();   /* again, in case the first one failed */
        comp_assert_state("src", "running");
        g_assert_true(runstate_is_running());
    }
    g_assert_cmpint(comp_loadvm(bytes->data, bytes->len), ==, 0);
    vfio_host_vm_start();
    comp_assert_state("src", "running");
    g_assert_true(comp_status("src").loaded);
    comp_sim_end();
}

/* The guest must not run if the device cannot. */
static void test_loaded_and_fails(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim_pair(SMALL, SMALL, "[fault f]\ndevice=src\nevent=state-write\n"
                  "from=resuming\nto=running\nerrno=EIO\nonce=no\n");
    comp_allow_violations();
    comp_open("src");
    g_assert_cmpint(comp_save(bytes, vfio_host_savevm, NULL), ==, 0);
    g_assert_cmpint(comp_loadvm(bytes->data, bytes->len), ==, 0);
    vfio_host_vm_start();
    comp_assert_message("The VM is stopped. Load another snapshot");
    g_assert_true(runstate_check(RUN_STATE_INTERNAL_ERROR));
    comp_sim_end();
}

/* ---- two devices ---- */

/* If one device fails, both must run again, whichever is saved first. */
static void test_other_device_fails(gconstpointer data)
{
    VFIOHostSettings settings = { .multi_device = true };
    VFIOHostDeviceOptions options = { .id = "0000:00:05.0" };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *config =
        g_strdup_printf("[device src]\ngroup=1\n" KEYS
                        "[device other]\ngroup=2\nseed=4\n" KEYS
                        "[fault f]\ndevice=%s\nevent=data-size-read\n"
                        "state=stop-copy\nerrno=EIO\n", (const char *)data);
    g_autofree char *error = NULL;

    comp_sim(config);
    vfio_host_settings = settings;
    comp_open("src");
    g_assert_nonnull(comp_try_open("other", options, NULL));
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, &error), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_has(error, data);
    comp_assert_has(error, "Input/output error");
    comp_assert_state("src", "running");
    comp_assert_state("other", "running");
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    g_assert_cmpuint(comp_status("other").resets, ==, 0);
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/faults/source/", source_cases, test_source);
    ADD_ROWS("/faults/destination/", destination_cases, test_destination);
    g_test_add_func("/faults/source/cleanup", test_cleanup_fails);
    g_test_add_func("/faults/source/pending-unknown", test_pending_fails);
    g_test_add_func("/faults/source/stream-breaks", test_stream_breaks);
    g_test_add_func("/faults/destination/after-first-run",
                    test_fails_after_first_run);
    g_test_add_data_func("/faults/start/eio", "event=state-write\n"
                         "from=resuming\nto=running\nerrno=EIO\n",
                         test_start_fails);
    g_test_add_data_func("/faults/start/error", "event=state-write\n"
                         "from=resuming\nto=running\nerrno=EIO\n"
                         "device-state=error\n", test_start_fails);
    g_test_add_func("/faults/stream/truncated", test_truncated);
    g_test_add_func("/faults/stream/sizes", test_hostile_sizes);
    g_test_add_func("/faults/stream/tags", test_hostile_tags);
    g_test_add_func("/faults/stream/setup", test_hostile_setup);
    g_test_add_func("/faults/stream/config", test_hostile_config);
    g_test_add_func("/faults/stream/pin", test_hostile_pin);
    g_test_add_func("/faults/stream/order", test_hostile_order);
    g_test_add_data_func("/faults/vm-reset/early", NULL, test_vm_reset);
    g_test_add_data_func("/faults/vm-reset/late", "late", test_vm_reset);
    g_test_add_func("/faults/vm-reset/loaded", test_vm_reset_loaded);
    g_test_add_func("/faults/loadvm/cannot-run", test_loaded_and_fails);
    g_test_add_data_func("/faults/loadvm/again", NULL, test_loadvm_fails);
    g_test_add_data_func("/faults/loadvm/start", GINT_TO_POINTER(1),
                         test_loadvm_fails);
    g_test_add_data_func("/faults/two/first", "src", test_other_device_fails);
    g_test_add_data_func("/faults/two/second", "other",
                         test_other_device_fails);
    g_test_add_func("/faults/stream/acknowledged", test_acknowledged);
    return comp_run();
}
